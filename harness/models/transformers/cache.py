"""What a model has computed of a prompt's beginning, kept for the next prompt that begins so.

A prompt is computed in blocks, counted from its beginning: of so many tokens, or where it has
images (`images.py`) of so many of them. Only whole blocks are taken over from an earlier prompt.
So every block is computed in the same shape whatever was computed before, and an answer does not
depend on what is kept: not on the order of episodes, not on how many play at once.

    CutBeginnings      keys and values alone: cut back to what two prompts have in common
    CopiedBeginnings   with a recurrent state, which cannot be set back: kept as it is where the
                       prefix ends, and copied for each prompt
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache
from transformers.cache_utils import (
    DummyLayer,
    DynamicIndexedLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionLayer,
)

BLOCK = 512
"""Tokens of a block without images."""
UNABLE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What models raise that cannot go on, each in a way of its own."""
_CUT = (DummyLayer, DynamicIndexedLayer, DynamicLayer)
"""Kinds of layers that can be cut off at any token."""
_COPIED = (LinearAttentionAndFullAttentionLayer, LinearAttentionLayer)
"""Kinds of layers that hold a state after the last token."""
_BY_LENGTH = {"dynamic", "longrope"}
"""Ways to tell positions by which a token's keys depend on how long the prompt is."""
_TRIED, _BEGUN = 24, 16
"""Tokens of the trial whether a model goes on right, and how many of them are the beginning."""
_DEVIATION = 0.05
"""By which share the two ways may differ there: rounding makes up 1 %, a lost state half."""


TokenIds = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """A prompt's tokens, and where its blocks end, which does not depend on what comes later."""

    ids: TokenIds
    """Shape (tokens,); what two prompts have in common is told by these."""
    ends: tuple[int, ...]
    """How many tokens there are up to the end of each block."""

    @staticmethod
    def of_text(ids: TokenIds) -> "Blocks":
        """Returns the blocks of a prompt without images."""
        return Blocks(ids, tuple(range(BLOCK, len(ids) + 1, BLOCK)))

    def whole(self, length: int) -> int:
        """Returns how many of the first so many tokens are in whole blocks."""
        index = bisect_right(self.ends, length)
        return self.ends[index - 1] if index else 0

    def shared(self, known: TokenIds) -> int:
        """Returns how many tokens can be taken over, in whole blocks.

        The prompt's last token is never among them: what follows it is to be computed.
        """
        return self.whole(common_length(known, self.ids[:-1]))


class Beginning:
    """The state of a model after a prompt's first blocks.

    Args:
        cache: As transformers has it.
        ids: The tokens that it holds, shape (tokens,).
    """

    def __init__(self, cache: DynamicCache, ids: TokenIds) -> None:
        self.cache, self.ids = cache, ids

    def cut(self, length: int) -> None:
        """Keeps the first so many tokens."""
        excess = self.cache.get_seq_length() - length
        if excess:
            self.cache.crop(-excess)
        self.ids = self.ids[:length]


class Beginnings(ABC):
    """The beginnings that were used last.

    Args:
        config: The model's.
        most: How many are kept.
    """

    def __init__(self, config: Any, most: int) -> None:
        self._config, self._most = config, most
        self._kept: OrderedDict[bytes, Beginning] = OrderedDict()

    @abstractmethod
    def take(self, prefix: bytes, blocks: Blocks) -> Beginning:
        """Returns the longest known beginning of a prompt, to go on with.

        Args:
            prefix: The hash of the prompt's prefix.
            blocks: The prompt's tokens.
        """

    @abstractmethod
    def reached(
        self, prefix: bytes, beginning: Beginning, blocks: Blocks, common: Callable[[], int]
    ) -> None:
        """Is told of each block that was computed.

        Args:
            prefix: The hash of the prompt's prefix.
            beginning: What is known now.
            blocks: The prompt's tokens.
            common: Tells how many tokens all prompts with that prefix have in common.
        """

    @abstractmethod
    def give_back(self, prefix: bytes, beginning: Beginning, blocks: Blocks) -> None:
        """Is given what was taken, when the prompt was answered."""

    def clear(self) -> None:
        """Keeps none."""
        self._kept.clear()

    def _put(self, prefix: bytes, beginning: Beginning) -> None:
        self._make_room(prefix)
        if self._most and len(beginning.ids):
            self._kept[prefix] = beginning

    def _make_room(self, prefix: bytes) -> None:
        self._kept.pop(prefix, None)
        while len(self._kept) >= max(1, self._most):
            self._kept.popitem(last=False)

    def _new(self) -> Beginning:
        return Beginning(_new_cache(self._config), np.empty(0, np.int64))


class CutBeginnings(Beginnings):
    """Of models that hold nothing but keys and values."""

    def take(self, prefix: bytes, blocks: Blocks) -> Beginning:
        """See `Beginnings`; what is known of another prefix is copied."""
        shared = {key: blocks.shared(kept.ids) for key, kept in self._kept.items()}
        best = max(shared, key=shared.__getitem__, default=prefix)
        if not shared.get(best):
            self._make_room(prefix)
            return self._new()
        if best == prefix or len(self._kept) >= self._most:
            found = self._kept.pop(best)
        else:
            self._kept.move_to_end(best)
            found = deepcopy(self._kept[best])
        self._make_room(prefix)
        found.cut(shared[best])
        return found

    def reached(
        self, prefix: bytes, beginning: Beginning, blocks: Blocks, common: Callable[[], int]
    ) -> None:
        """See `Beginnings`."""

    def give_back(self, prefix: bytes, beginning: Beginning, blocks: Blocks) -> None:
        """See `Beginnings`."""
        beginning.cut(blocks.whole(len(beginning.ids)))
        self._put(prefix, beginning)


class CopiedBeginnings(Beginnings):
    """Of models that hold a recurrent state as well."""

    def take(self, prefix: bytes, blocks: Blocks) -> Beginning:
        """See `Beginnings`."""
        whole = {
            key: len(kept.ids)
            for key, kept in self._kept.items()
            if blocks.shared(kept.ids) == len(kept.ids)
        }
        if not whole:
            return self._new()
        best = max(whole, key=whole.__getitem__)
        self._kept.move_to_end(best)
        return deepcopy(self._kept[best])

    def reached(
        self, prefix: bytes, beginning: Beginning, blocks: Blocks, common: Callable[[], int]
    ) -> None:
        """See `Beginnings`."""
        if prefix not in self._kept and len(beginning.ids) == blocks.whole(common()):
            self._put(prefix, deepcopy(beginning))

    def give_back(self, prefix: bytes, beginning: Beginning, blocks: Blocks) -> None:
        """See `Beginnings`."""


def make_beginnings(model: Any, most: int) -> Beginnings | None:
    """Returns what keeps a model's beginnings; None if it cannot go on where one ends."""
    if _rope_types(model.config.get_text_config(decoder=True).to_dict()) & _BY_LENGTH:
        return None  # the beginning of a longer prompt would have to be computed anew
    kinds = {type(layer) for layer in _new_cache(model.config).layers}
    if not kinds <= {*_CUT, *_COPIED} or not _goes_on_right(model):
        return None
    return (CutBeginnings if kinds <= set(_CUT) else CopiedBeginnings)(model.config, most)


def common_length(one: TokenIds, other: TokenIds) -> int:
    """Returns with how many of the same tokens two sequences begin."""
    length = min(len(one), len(other))
    different = np.flatnonzero(one[:length] != other[:length])
    return int(different[0]) if len(different) else length


def _new_cache(config: Any) -> DynamicCache:
    """Returns an empty cache whose layers forget nothing, as far as that is in its power."""
    cache = DynamicCache(config=config)
    cache.layers = [
        DynamicLayer() if type(layer) is DynamicSlidingWindowLayer else layer
        for layer in cache.layers
    ]
    return cache


def _goes_on_right(model: Any) -> bool:
    """Tries whether a model comes to the same in two goes as in one; some lose their state."""
    ids = torch.arange(_TRIED, device=model.device)[None]
    mask = torch.ones_like(ids)
    cache = _new_cache(model.config)
    begun = {"input_ids": ids[:, :_BEGUN], "attention_mask": mask[:, :_BEGUN]}
    with torch.inference_mode():
        whole = model.base_model(input_ids=ids, attention_mask=mask)[0][:, _BEGUN:].float()
        try:
            model.base_model(**begun, past_key_values=cache, use_cache=True)
            rest = {"input_ids": ids[:, _BEGUN:], "attention_mask": mask}
            found = model.base_model(**rest, past_key_values=cache, use_cache=True)[0].float()
        except UNABLE:
            return False
    deviation = torch.linalg.vector_norm(found - whole) / torch.linalg.vector_norm(whole)
    return bool(deviation < _DEVIATION)


def _rope_types(config: Any) -> set[str]:
    """Returns all ways to tell positions that a configuration names, however deep."""
    if isinstance(config, list):
        return set().union(*map(_rope_types, config))
    if not isinstance(config, dict):
        return set()
    named = {str(config[key]) for key in ("rope_type", "type") if key in config}
    return named.union(*map(_rope_types, config.values()))
