"""Log-probabilities in this process: noted from a model's scores while it answers."""

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

TokenLogprobs = Sequence[tuple[int, float]]
"""Ids of tokens and their log-probabilities, the likeliest first."""


class Likeliest(LogitsProcessor):
    """Notes the likeliest tokens at each place of an answer; changes no scores.

    Stands before whatever draws: what it notes is the model's own, at a temperature of 1.

    Args:
        top: How many of them.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._open: torch.Tensor | None = None
        """Log-probabilities at the last place, whose token is not known yet; shape (tokens,)."""
        self._places: list[TokenLogprobs] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns the scores of the next token, shape (1, tokens), as they came."""
        self._close(input_ids[0, -1:].tolist())
        self._open = torch.log_softmax(scores[0].float(), dim=-1)
        return scores

    def places(self, said: Sequence[int]) -> list[TokenLogprobs]:
        """Returns what was noted at each place of the answer, which is `said`."""
        self._close(said[-1:])
        return self._places

    def _close(self, said: Sequence[int]) -> None:
        """Notes the last place, at which this token was said."""
        if self._open is None or not said:
            return
        (token,) = said
        likeliest = torch.topk(self._open, min(self._top, len(self._open)))
        ids, values = likeliest.indices.tolist(), likeliest.values.tolist()
        if token not in ids:
            ids, values = [*ids, token], [*values, float(self._open[token])]
        self._places.append(list(zip(ids, values, strict=True)))
        self._open = None
