"""Models of transformers, loaded from a folder and asked with prompts.

    TextModel        a causal language model: texts only; goes on where a kept beginning ends
    ImageTextModel   sees the images of a prompt in their order; computes every prompt anew

A prompt is worded by the chat template that stands in the folder. Without one, a prompt of one
message is its text as it is, for a model that goes on with it; a conversation is marked by
`User: ` and `Assistant: ` at the beginning of each message and a blank line at its end.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from jinja2 import TemplateError as ChatTemplateError
from PIL import Image
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)
from transformers.utils import logging

from icil.harness.models.completion import Place
from icil.harness.models.transformers.cache import (
    BLOCK,
    TokenIds,
    common_length,
    make_beginnings,
)
from icil.harness.models.transformers.drawing import Draw, make_draw
from icil.harness.models.transformers.logprobs import Likeliest, TokenLogprobs
from icil.prompt_builders import ImagePart, Part, Prompt, TextPart
from icil.prompt_builders.messages import Message
from icil.prompt_builders.parts import merge_text
from icil.tasks import ModelError, UnknownNameError, UsageError

_DTYPES = ("auto", "bfloat16", "float16", "float32")
_MARKS = {"user": "User: ", "assistant": "Assistant: "}
_PROCESSED = ("min_new_tokens", "no_repeat_ngram_size", "repetition_penalty")
"""Parameters that transformers' own configuration takes."""
_HERE: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is fetched, and no code is run that stands in the folder."""
_UNLOADABLE = (
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
)
"""What is raised of a folder that is not as it should be, or needs a library that is not there."""


class Generated(NamedTuple):
    """What a model answered."""

    text: str
    tokens: list[int]
    """Of the answer."""
    input: int
    """How many tokens the prompt had."""
    cached: int
    """Of these, how many were taken over from an earlier prompt."""
    ended: bool
    """Whether the model ended its answer, or ran out of tokens."""
    logprobs: tuple[Place, ...] | None
    """None where they were not asked for."""


def load(folder: Path, *, device: str | None, dtype: str, caches: int) -> "LocalModel":
    """Loads a model.

    Args:
        folder: With the model, its tokenizer (or processor) and its configuration.
        device: As PyTorch names it; None for the first GPU, or the CPU where there is none.
        dtype: `auto`, or as PyTorch names it.
        caches: Of how many prompts the keys and values are kept.

    Raises:
        UsageError: It cannot be loaded, or a setting cannot be.
    """
    if dtype not in _DTYPES:
        raise UnknownNameError("dtype", dtype, _DTYPES)
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UsageError(f"device {device!r}: {_first_line(error)}") from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # it would write across what the run shows
    try:
        config = AutoConfig.from_pretrained(folder, **_HERE)
        if _sees_images(config):
            return ImageTextModel(folder, place, dtype)
        if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            return TextModel(folder, place, dtype, caches)
    except _UNLOADABLE as error:
        raise UsageError(f"the model in {folder} cannot be loaded: {_first_line(error)}") from error
    raise UsageError(f"the model in {folder} is a {config.model_type}, which answers no prompts")


class LocalModel(ABC):
    """A model with its tokenizer. One thread at a time may have it answer; any may count."""

    sees_images: bool

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self._tokenizer, self._device = tokenizer, device
        self._model = model.to(device).eval()
        self._tokenizing = Lock()  # tokenizers are not made for two threads
        found = model.generation_config.eos_token_id
        ends = found if isinstance(found, list) else [found]
        self._ends = sorted({end for end in (*ends, tokenizer.eos_token_id) if end is not None})
        # What the folder says of sampling would be mixed into what is asked for.
        model.generation_config = GenerationConfig(eos_token_id=self._ends or None, pad_token_id=0)

    @property
    def context_tokens(self) -> int | None:
        """The longest prompt and answer together; None where that is not known."""
        config = self._model.config.get_text_config(decoder=True)
        found = getattr(config, "max_position_embeddings", None)
        return found if isinstance(found, int) and found > 0 else None

    def answer(
        self, prompt: Prompt, template: Mapping[str, Any], asked: Mapping[str, Any], stop: Event
    ) -> Generated:
        """Answers a prompt.

        Args:
            prompt: The prompt.
            template: What the chat template is told beside the messages.
            asked: `max_new_tokens`, `temperature` and other parameters of sampling; `top_logprobs`
                for so many log-probabilities at each place.
            stop: Set to have it stop early.

        Raises:
            ModelError: The prompt does not fit the context, or the memory; the template cannot
                word it; the model sees no images, and the prompt has some.
            UsageError: A parameter has a value that it cannot have.
        """
        with torch.inference_mode():
            inputs = self._read(prompt, template)
            length = inputs["input_ids"].shape[1]
            room = None if self.context_tokens is None else self.context_tokens - length
            if room is not None and room < 1:
                raise ModelError(
                    f"the prompt has {length} tokens, the model takes {self.context_tokens}",
                    fault="overlong",
                )
            most = asked["max_new_tokens"] if room is None else min(asked["max_new_tokens"], room)
            run = _Run({**asked, "max_new_tokens": most}, template, stop)
            tokens, cached, places = self._try(prompt, inputs, run)
        ended = bool(tokens) and tokens[-1] in self._ends
        with self._tokenizing:
            said = tokens[:-1] if ended else tokens
            text = self._tokenizer.decode(said, skip_special_tokens=True)
            logprobs = None if places is None else self._worded(said, places)
        return Generated(text, tokens, length, cached, ended, logprobs)

    def count(self, part: Part) -> int:
        """Returns how many tokens a part takes; what surrounds it in the prompt aside."""
        if isinstance(part, ImagePart):
            return self._count_image(part)
        return self.count_text(part.text)

    def count_text(self, text: str) -> int:
        """Returns how many tokens a text takes."""
        with self._tokenizing:
            return len(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def forget(self) -> None:  # noqa: B027 - not all keep anything
        """Lets go of what it kept of earlier prompts."""

    def _worded(self, said: list[int], places: list[TokenLogprobs]) -> tuple[Place, ...]:
        """Returns places with the texts of their tokens."""
        worded = self._tokenizer.decode
        return tuple(
            Place(
                token=worded([token]),
                likeliest=tuple((worded([one]), logprob) for one, logprob in there),
            )
            for token, there in zip(said, places, strict=False)  # without the end
        )

    def _try(
        self, prompt: Prompt, inputs: dict[str, Any], run: "_Run"
    ) -> tuple[list[int], int, list[TokenLogprobs] | None]:
        """Generates; where the memory is full, once more with all of it."""
        top = run.asked.get("top_logprobs")
        for is_last in (False, True):
            try:
                draw = make_draw(prompt, run.asked)
                likeliest = None if top is None else Likeliest(top)
                run = run._replace(draw=draw, likeliest=likeliest)
                tokens, cached = self._generate(prompt, inputs, run)
                return tokens, cached, likeliest.places(tokens) if likeliest else None
            except torch.OutOfMemoryError as error:
                if is_last:
                    length = inputs["input_ids"].shape[1]
                    raise ModelError(f"{length} tokens do not fit into the memory") from error
            self.forget()
            torch.cuda.empty_cache()
        raise AssertionError("unreachable")

    @abstractmethod
    def _read(self, prompt: Prompt, template: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Returns what the model is given; `input_ids` has the shape (1, tokens)."""

    @abstractmethod
    def _count_image(self, image: ImagePart) -> int:
        """Returns how many tokens an image takes."""

    @abstractmethod
    def _generate(
        self, prompt: Prompt, inputs: dict[str, torch.Tensor], run: "_Run"
    ) -> tuple[list[int], int]:
        """Returns the tokens of the answer, and how many of the prompt's were taken over."""

    def _go_on(self, inputs: dict[str, Any], run: "_Run") -> list[int]:
        output = self._model.generate(
            **inputs,
            generation_config=run.config(self._ends),
            logits_processor=LogitsProcessorList(filter(None, (run.likeliest, run.draw))),
            stopping_criteria=StoppingCriteriaList([_Stops(run.stop)]),
        )
        found: list[int] = output[0, inputs["input_ids"].shape[1] :].tolist()
        return found


class TextModel(LocalModel):
    """A causal language model."""

    sees_images = False

    def __init__(self, folder: Path, device: torch.device, dtype: str, caches: int) -> None:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_HERE)
        model = _load_whole(AutoModelForCausalLM, folder, dtype)
        super().__init__(model, tokenizer, device)
        self._beginnings = make_beginnings(self._model, caches)

    def forget(self) -> None:
        """See `LocalModel`."""
        if self._beginnings is not None:
            self._beginnings.clear()

    def _read(self, prompt: Prompt, template: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.tensor([self._tokens(_messages(prompt), template)])}

    def _tokens(self, messages: Iterable[Message], template: Mapping[str, Any]) -> list[int]:
        worded = [{"role": message.role, "content": _text(message)} for message in messages]
        templated = self._tokenizer.chat_template is not None
        with self._tokenizing:
            how = {**template, "tokenize": False}
            text = _templated(self._tokenizer, worded, how) if templated else _plain(worded)
            ids = self._tokenizer(text, add_special_tokens=not templated, verbose=False)
        found: list[int] = ids["input_ids"]
        return found

    def _count_image(self, image: ImagePart) -> int:
        return 0  # a prompt that holds one is not sent

    def _generate(
        self, prompt: Prompt, inputs: dict[str, torch.Tensor], run: "_Run"
    ) -> tuple[list[int], int]:
        ids = inputs["input_ids"]
        mask = torch.ones_like(ids)
        given = {"input_ids": ids.to(self._device), "attention_mask": mask.to(self._device)}
        if self._beginnings is None:
            return self._go_on(given, run), 0
        tokens: TokenIds = ids[0].numpy()
        prefix = prompt.prefix.hash
        common = 0 if self._beginnings.knows(prefix) else self._common(prompt, run, tokens)
        beginning = self._beginnings.take(prefix, tokens)
        cached = len(beginning.ids)
        answer: list[int] = []
        for end in range(cached + BLOCK, len(tokens), BLOCK):
            if run.stop.is_set():
                break
            self._model.base_model(
                input_ids=given["input_ids"][:, end - BLOCK : end],
                attention_mask=given["attention_mask"][:, :end],
                past_key_values=beginning.cache,
                use_cache=True,
            )
            beginning.ids = tokens[:end]
            self._beginnings.reached(prefix, beginning, common)
        else:
            answer = self._go_on({**given, "past_key_values": beginning.cache}, run)
            beginning.ids = tokens
        self._beginnings.give_back(prefix, beginning)
        return answer, cached

    def _common(self, prompt: Prompt, run: "_Run", tokens: TokenIds) -> int:
        """Returns how many tokens all prompts with the same prefix have in common."""
        alone = self._tokens(prompt.prefix.messages, run.template)
        return common_length(np.array(alone), tokens)


class ImageTextModel(LocalModel):
    """A model that sees images.

    Its prompts are computed anew each time: where the tokens of an image stand, and which of
    them see each other, is each model's own affair.
    """

    sees_images = True

    def __init__(self, folder: Path, device: torch.device, dtype: str) -> None:
        self._processor = AutoProcessor.from_pretrained(folder, **_HERE)
        if self._processor.chat_template is None:
            raise ValueError("it has no chat template, which says where images stand")
        model = _load_whole(AutoModelForImageTextToText, folder, dtype)
        super().__init__(model, self._processor.tokenizer, device)
        self._image_tokens: dict[tuple[int, int], int] = {}

    def _read(self, prompt: Prompt, template: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        messages = [
            {"role": message.role, "content": [_block(part) for part in merge_text(message.parts)]}
            for message in _messages(prompt)
        ]
        return dict(self._process(messages, template).to(self._device, dtype=self._model.dtype))

    def _count_image(self, image: ImagePart) -> int:
        size = (image.width, image.height)
        if size not in self._image_tokens:
            text, seen = _block(TextPart("a")), _block(image)
            with_image, without = self._length([seen, text]), self._length([text])
            self._image_tokens[size] = with_image - without
        return self._image_tokens[size]

    def _length(self, content: list[dict[str, Any]]) -> int:
        return int(self._process([{"role": "user", "content": content}], {})["input_ids"].shape[1])

    def _process(self, messages: list[Any], template: Mapping[str, Any]) -> Any:
        how = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
        with self._tokenizing:
            return _templated(self._processor, messages, {**template, **how})

    def _generate(
        self, prompt: Prompt, inputs: dict[str, Any], run: "_Run"
    ) -> tuple[list[int], int]:
        return self._go_on(inputs, run), 0


class _Run(NamedTuple):
    """How a prompt is to be answered."""

    asked: Mapping[str, Any]
    template: Mapping[str, Any]
    stop: Event
    draw: Draw | None = None
    """Draws the tokens; None to take the likeliest."""
    likeliest: Likeliest | None = None
    """Notes log-probabilities; None where none are asked for."""

    def config(self, ends: list[int]) -> GenerationConfig:
        """Returns it in transformers' words."""
        processed = {name: self.asked[name] for name in _PROCESSED if name in self.asked}
        return GenerationConfig(
            max_new_tokens=self.asked["max_new_tokens"],
            do_sample=False,
            eos_token_id=ends or None,
            pad_token_id=0,
            **processed,
        )


class _Stops:
    """Ends an answer that nobody waits for."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: object, **more: object) -> torch.Tensor:
        """Returns whether to stop, shape (1,)."""
        return torch.full((1,), self._stop.is_set(), device=input_ids.device)


def _load_whole(kind: Any, folder: Path, dtype: str) -> Any:
    """Loads a model; transformers would make up the weights that are missing."""
    model, found = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **_HERE)
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, such as {missing[0]}")
    return model


def _sees_images(config: Any) -> bool:
    """Returns whether a model is one that sees images; some of these come without their eyes."""
    is_blind = any(name.endswith("ForCausalLM") for name in config.architectures or ())
    return config.model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and not (
        is_blind and config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    )


def _messages(prompt: Prompt) -> list[Message]:
    conversation = prompt.conversation
    prefix, rest = list(conversation.prefix), list(conversation.rest)
    if conversation.joined:
        role, parts = prefix.pop()
        rest[0] = Message(role, parts + rest[0].parts)
    return prefix + rest


def _text(message: Message) -> str:
    if any(isinstance(part, ImagePart) for part in message.parts):
        raise ModelError("the prompt has images, and the model sees none")
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return {"type": "image", "image": Image.open(io.BytesIO(part.png)).convert("RGB")}
    return {"type": "text", "text": part.text}


def _templated(wording: Any, messages: list[Any], options: Mapping[str, Any]) -> Any:
    """Returns messages in the words of a chat template."""
    try:
        return wording.apply_chat_template(messages, add_generation_prompt=True, **options)
    except ChatTemplateError as error:
        raise ModelError(
            f"the model's chat template does not take this prompt: {_first_line(error)}"
        ) from error


def _plain(messages: list[dict[str, str]]) -> str:
    """Returns messages without a chat template."""
    if len(messages) == 1:
        return messages[0]["content"]
    said = [f"{_MARKS[message['role']]}{message['content']}\n\n" for message in messages]
    return "".join([*said, _MARKS["assistant"].rstrip()])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
