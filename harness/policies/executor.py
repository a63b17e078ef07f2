"""Playing chunks: from what a policy answers, many steps at once, to one action a step.

    open_loop:N    the first N actions of a chunk are played, then the policy is asked again
    receding       the policy is asked at every step, and the first action played
    ensemble:K     the policy is asked at every step; what all chunks so far have for this step is
                   averaged with weights exp(-K i), i = 0 for the oldest chunk; K is 0.01 unless
                   said

The last is the temporal ensembling of ACT (Zhao et al. 2023, arXiv 2304.13705).
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icil.harness.policies.checks import Chunk
from icil.tasks.errors import ExperimentError

Strategy = Literal["open_loop", "receding", "ensemble"]

_EXPECTED = "open_loop, open_loop:N, receding or ensemble:K, such as open_loop:8 or ensemble:0.01"
_WORDED = re.compile(r"(open_loop|receding|ensemble)(?::(\d+(?:\.\d+)?))?")
_DECAY = 0.01
"""ACT's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How chunks are played."""

    strategy: Strategy = "open_loop"
    steps: int | None = None
    """Of `open_loop`: how many of a chunk are played; None for all."""
    decay: float = _DECAY
    """Of `ensemble`: K, 0 or more; 0 weighs all alike."""

    @classmethod
    def read(cls, text: str) -> "Execution":
        """Reads `open_loop:8` and its like.

        Raises:
            ExperimentError: It is none of them.
        """
        found = _WORDED.fullmatch(str(text).strip())
        if found is None:
            raise ExperimentError(f"execution: expected {_EXPECTED}, got {text!r}")
        strategy, number = found[1], found[2]
        if strategy == "ensemble":
            return cls(strategy="ensemble", decay=_DECAY if number is None else float(number))
        whole = number is None or (number.isdecimal() and int(number) > 0)
        if not whole or (strategy == "receding" and number is not None):
            raise ExperimentError(f"execution: expected {_EXPECTED}, got {text!r}")
        if strategy == "receding":
            return cls(strategy="receding")
        return cls(steps=None if number is None else int(number))

    def __str__(self) -> str:
        if self.strategy == "ensemble":
            return f"ensemble:{self.decay:g}"
        if self.strategy == "receding" or self.steps is None:
            return self.strategy
        return f"open_loop:{self.steps}"


class ChunkExecutor:
    """Plays the chunks of one episode.

    Args:
        execution: How.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._chunks: deque[tuple[int, Chunk]] = deque()
        """Chunks with the step that each begins at, the oldest first."""

    def wants(self, step: int) -> bool:
        """Returns whether the policy is to be asked at this step."""
        if self._execution.strategy != "open_loop" or not self._chunks:
            return True
        begun, chunk = self._chunks[-1]
        most = len(chunk) if self._execution.steps is None else self._execution.steps
        return step - begun >= min(most, len(chunk))

    def take(self, step: int, chunk: Chunk) -> None:
        """Takes what the policy answered at a step, shape (steps, dimension)."""
        if self._execution.strategy == "ensemble":
            while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) <= step:
                self._chunks.popleft()
        else:
            self._chunks.clear()
        self._chunks.append((step, chunk))

    def action(self, step: int) -> NDArray[np.float64]:
        """Returns the action of a step, shape (dimension,); `wants` was heeded before."""
        if self._execution.strategy != "ensemble":
            begun, chunk = self._chunks[-1]
            return np.asarray(chunk[step - begun])
        rows = np.stack([chunk[step - b] for b, chunk in self._chunks if step - b < len(chunk)])
        weights = np.exp(-self._execution.decay * np.arange(len(rows)))
        return np.asarray(weights @ rows / weights.sum())
