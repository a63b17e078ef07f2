"""Models of transformers that see images.

Which of an image's tokens see each other, and where they are said to stand, is each model's own
affair. So a model whose prompts are cut is compared with itself, uncut: once for each way in
which images lie before and after the cut. Where it does not come to the same, its prompts are
never cut again.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from icil.harness.models.transformers import images, wording
from icil.harness.models.transformers.cache import UNABLE, Beginning, common_length, make_beginnings
from icil.harness.models.transformers.models import LocalModel, Run, load_from, load_whole
from icil.prompt_builders import ImagePart, Part, Prompt, TextPart
from icil.prompt_builders.messages import Message

_DEVIATION = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""By which share the scores of the next token may differ between a cut prompt and an uncut one:
several times what rounding makes up."""
_GOING_ON = ("input_ids", "attention_mask", images.PLACES)
"""What is given of a prompt of which all but the last token has been computed."""
_UNALIKE = (
    "it goes on otherwise where the beginning of a prompt with images is kept; all prompts are "
    "computed anew"
)


class ImageTextModel(LocalModel):
    """A model that sees images."""

    sees_images = True

    def __init__(self, folder: Path, device: torch.device, dtype: str, caches: int) -> None:
        self._processor = load_from(folder, AutoProcessor)
        if self._processor.chat_template is None:
            raise ValueError("it has no chat template, which says where images stand")
        model = load_whole(folder, AutoModelForImageTextToText, dtype)
        super().__init__(model, self._processor.tokenizer, device)
        self._image_tokens: dict[tuple[int, int], tuple[int, int]] = {}
        """By size in pixels: how many tokens an image takes, and how many stand for its patches."""
        if self._model.config.model_type in images.MODELS:
            self._beginnings = make_beginnings(self._model, caches)
        self._alike: set[tuple[bool, ...]] = set()
        """The ways of cutting a prompt that were seen to make no difference."""

    def _read(self, prompt: Prompt, template: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return self._processed(wording.messages_of(prompt), template)

    def _processed(
        self, messages: Iterable[Message], template: Mapping[str, Any]
    ) -> dict[str, torch.Tensor]:
        found = self._process(wording.with_images(messages), template)
        return dict(found.to(self._device, dtype=self._model.dtype))

    def _count_image(self, image: ImagePart) -> int:
        return self._measured(image)[0]

    def _measured(self, image: ImagePart) -> tuple[int, int]:
        size = (image.width, image.height)
        if size not in self._image_tokens:
            text, seen = wording.block_of(TextPart("a")), wording.block_of(image)
            with_image, without = self._ids([seen, text]), self._ids([text])
            patches = int((with_image == self._image_token).sum())
            self._image_tokens[size] = len(with_image) - len(without), patches
        return self._image_tokens[size]

    @property
    def _image_token(self) -> int:
        """What stands for a patch of an image; none where the model does not say."""
        return getattr(self._model.config, "image_token_id", None) or -1

    def _ids(self, content: list[dict[str, Any]]) -> torch.Tensor:
        found: torch.Tensor = self._process([{"role": "user", "content": content}], {})["input_ids"]
        return found[0]

    def _process(self, messages: list[Any], template: Mapping[str, Any]) -> Any:
        how = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
        with self._tokenizing:
            return wording.templated(self._processor, messages, {**template, **how})

    def _generate(self, prompt: Prompt, inputs: dict[str, Any], run: Run) -> tuple[list[int], int]:
        pieces = None if self._beginnings is None else self._cut(prompt, inputs)
        if self._beginnings is None or pieces is None or not pieces.blocks.ends:
            return self._go_on(inputs, run), 0
        prefix, blocks = prompt.prefix.hash, pieces.blocks

        @cache
        def common() -> int:
            alone = self._processed(prompt.prefix.messages, run.template)
            found = self._cut(prompt.prefix.parts, alone)
            return 0 if found is None else common_length(found.blocks.ids, blocks.ids)

        beginning = self._beginnings.take(prefix, blocks)
        cached = len(beginning.ids)
        way = (cached > 0, *pieces.lie(cached or blocks.ends[0]))
        try:
            pieces = self._placed(pieces)
            if not self._compute(self._beginnings, beginning, prefix, pieces, common, run.stop):
                self._beginnings.give_back(prefix, beginning, blocks)
                return [], cached
            if len(beginning.ids) < len(blocks.ids) - 1:
                self._extend(beginning, pieces, len(beginning.ids), len(blocks.ids) - 1)
            is_alike = way in self._alike or self._is_alike(inputs, pieces, beginning)
        except torch.OutOfMemoryError:
            raise
        except UNABLE:
            if way in self._alike:
                raise
            is_alike = False
        if not is_alike:
            self._beginnings, self.trouble = None, _UNALIKE
            return self._go_on(inputs, run), 0
        self._alike.add(way)
        given = {name: pieces.inputs[name] for name in _GOING_ON}
        answer = self._go_on({**given, "past_key_values": beginning.cache}, run)
        beginning.ids = blocks.ids
        self._beginnings.give_back(prefix, beginning, blocks)
        return answer, cached

    def _cut(self, parts: Iterable[Part], inputs: Mapping[str, Any]) -> images.Pieces | None:
        seen = [part for part in parts if isinstance(part, ImagePart)]
        return images.cut(inputs, seen, lambda image: self._measured(image)[1], self._image_token)

    def _placed(self, pieces: images.Pieces) -> images.Pieces:
        """Returns a prompt with the places at which its tokens are said to stand.

        They depend on the images before them, and not only on those of the same piece.
        """
        more = {name: value for name, value in pieces.inputs.items() if name != "input_ids"}
        ids = pieces.inputs["input_ids"]
        places = self._model._prepare_position_ids_for_generation(ids, more)
        return replace(pieces, inputs={**pieces.inputs, images.PLACES: places})

    def _is_alike(
        self, inputs: dict[str, Any], pieces: images.Pieces, beginning: Beginning
    ) -> bool:
        """Returns whether the next token of a prompt has the same scores, cut and uncut."""
        length = len(pieces.blocks.ids)
        last = {**pieces.piece(length - 1, length), "past_key_values": deepcopy(beginning.cache)}
        found = self._scores(last)
        whole = self._scores({**inputs, "use_cache": False})
        deviation = torch.linalg.vector_norm(found - whole) / torch.linalg.vector_norm(whole)
        return bool(deviation <= _DEVIATION.get(self._model.dtype, 0.0))

    def _scores(self, given: dict[str, Any]) -> torch.Tensor:
        """Returns the next token's scores about their mean, shape (tokens,)."""
        scores: torch.Tensor = self._model(**given, logits_to_keep=1).logits[0, -1].float()
        return scores - scores.mean()
