"""Drawing tokens by a generator of one's own: transformers draws by a global one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from transformers import (
    LogitsProcessor,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from icil.prompt_builders import Prompt
from icil.tasks import UsageError
from icil.tasks.seeding import generator

_WARPERS: Mapping[str, Callable[[Any], LogitsProcessor]] = {
    "temperature": TemperatureLogitsWarper,
    "top_k": TopKLogitsWarper,
    "top_p": TopPLogitsWarper,
    "min_p": MinPLogitsWarper,
}
"""By parameter, in the order in which they are applied."""


def make_draw(prompt: Prompt, asked: Mapping[str, Any]) -> "Draw | None":
    """Returns what draws the tokens of an answer; None where the likeliest are to be taken.

    Args:
        prompt: Seeds the generator.
        asked: `temperature`, and perhaps `top_k`, `top_p`, `min_p` and `seed`.

    Raises:
        UsageError: One has a value that it cannot have.
    """
    if not asked["temperature"]:
        return None
    return Draw(asked, generator("transformers", prompt.hash.hex(), asked.get("seed", 0)))


class Draw:
    """Leaves one token to choose from; one of transformers' processors of scores.

    Args:
        parameters: `temperature`, and perhaps `top_k`, `top_p` and `min_p`.
        rng: Draws the tokens.

    Raises:
        UsageError: A parameter has a value that it cannot have.
    """

    def __init__(self, parameters: Mapping[str, Any], rng: np.random.Generator) -> None:
        self._rng = rng
        self._warpers = []
        for name, warper in _WARPERS.items():
            if (value := parameters.get(name)) is not None:
                try:
                    self._warpers.append(warper(value))
                except (TypeError, ValueError) as error:
                    raise UsageError(f"parameters: {error}") from error

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns the scores of the next token, shape (1, tokens): minus infinity but for one."""
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        chances = torch.softmax(scores[0].double().cpu(), dim=-1).numpy().cumsum()
        drawn = np.searchsorted(chances, self._rng.random() * chances[-1], side="right")
        chosen = torch.full_like(scores, -torch.inf)
        chosen[0, int(drawn)] = 0.0
        return chosen
