"""Models of transformers that are asked with prompts, and among them those of texts only.

They go on where a kept beginning of a prompt ends (`cache.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.utils import logging

from icil.harness.models.completion import Place
from icil.harness.models.transformers import images, wording
from icil.harness.models.transformers.cache import (
    Beginning,
    Beginnings,
    Blocks,
    common_length,
    make_beginnings,
)
from icil.harness.models.transformers.drawing import Draw, make_draw
from icil.harness.models.transformers.logprobs import Likeliest, TokenLogprobs
from icil.prompt_builders import ImagePart, Part, Prompt
from icil.prompt_builders.messages import Message
from icil.tasks import ModelError

_PROCESSED = ("min_new_tokens", "no_repeat_ngram_size", "repetition_penalty")
"""Parameters that transformers' own configuration takes."""


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


class LocalModel(ABC):
    """A model with its tokenizer. One thread at a time may have it answer; any may count."""

    sees_images: bool
    trouble: str | None = None
    """What is wrong with it and what is done about it, as far as that is known by now."""
    _beginnings: Beginnings | None = None
    """None where each prompt is computed anew."""

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
            run = Run({**asked, "max_new_tokens": most}, template, stop)
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

    def forget(self) -> None:
        """Lets go of what it kept of earlier prompts."""
        if self._beginnings is not None:
            self._beginnings.clear()

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
        self, prompt: Prompt, inputs: dict[str, Any], run: "Run"
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
        self, prompt: Prompt, inputs: dict[str, torch.Tensor], run: "Run"
    ) -> tuple[list[int], int]:
        """Returns the tokens of the answer, and how many of the prompt's were taken over."""

    def _compute(
        self,
        beginnings: Beginnings,
        beginning: Beginning,
        prefix: bytes,
        pieces: images.Pieces,
        common: Callable[[], int],
        stop: Event,
    ) -> bool:
        """Computes the blocks that are missing; returns whether it was let to."""
        blocks = pieces.blocks
        for end in blocks.ends:
            start = len(beginning.ids)
            if not start < end < len(blocks.ids):
                continue
            if stop.is_set():
                return False
            self._extend(beginning, pieces, start, end)
            beginnings.reached(prefix, beginning, blocks, common)
        return True

    def _extend(self, beginning: Beginning, pieces: images.Pieces, start: int, end: int) -> None:
        cache = beginning.cache
        self._model.base_model(**pieces.piece(start, end), past_key_values=cache, use_cache=True)
        beginning.ids = pieces.blocks.ids[:end]

    def _go_on(self, inputs: dict[str, Any], run: "Run") -> list[int]:
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
        tokenizer = load_from(folder, AutoTokenizer)
        model = load_whole(folder, AutoModelForCausalLM, dtype)
        super().__init__(model, tokenizer, device)
        self._beginnings = make_beginnings(self._model, caches)

    def _read(self, prompt: Prompt, template: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        ids = torch.tensor([self._tokens(wording.messages_of(prompt), template)])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _tokens(self, messages: Iterable[Message], template: Mapping[str, Any]) -> list[int]:
        worded = [
            {"role": message.role, "content": wording.text_of(message)} for message in messages
        ]
        templated = self._tokenizer.chat_template is not None
        with self._tokenizing:
            if templated:
                text = wording.templated(self._tokenizer, worded, {**template, "tokenize": False})
            else:
                text = wording.plain(worded)
            ids = self._tokenizer(text, add_special_tokens=not templated, verbose=False)
        found: list[int] = ids["input_ids"]
        return found

    def _count_image(self, image: ImagePart) -> int:
        return 0  # a prompt that holds one is not sent

    def _generate(
        self, prompt: Prompt, inputs: dict[str, torch.Tensor], run: "Run"
    ) -> tuple[list[int], int]:
        given = {name: value.to(self._device) for name, value in inputs.items()}
        if self._beginnings is None:
            return self._go_on(given, run), 0
        blocks = Blocks.of_text(inputs["input_ids"][0].numpy())
        pieces = images.Pieces(inputs=given, starts=(), rows={}, blocks=blocks)
        prefix = prompt.prefix.hash

        @cache
        def common() -> int:
            alone = self._tokens(prompt.prefix.messages, run.template)
            return common_length(np.array(alone), blocks.ids)

        beginning = self._beginnings.take(prefix, blocks)
        cached = len(beginning.ids)
        answer: list[int] = []
        if self._compute(self._beginnings, beginning, prefix, pieces, common, run.stop):
            answer = self._go_on({**given, "past_key_values": beginning.cache}, run)
            beginning.ids = blocks.ids
        self._beginnings.give_back(prefix, beginning, blocks)
        return answer, cached


class Run(NamedTuple):
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


def load_from(folder: Path, kind: Any, **options: Any) -> Any:
    """Loads what stands in a folder; nothing is fetched, and no code is run that stands there."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # it would write across what the run shows
    return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)


def load_whole(folder: Path, kind: Any, dtype: str) -> Any:
    """Loads a model; transformers would make up the weights that are missing."""
    model, found = load_from(folder, kind, dtype=dtype, output_loading_info=True)
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing, such as {missing[0]}")
    return model
