"""How hard a demonstration is: from itself, from the pool, or from a file of scores."""

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from icil.prompt_builders.selectors.ranking import Numbers
from icil.prompt_builders.selectors.selector import Query
from icil.prompt_builders.selectors.surprise import check_actions, surprises
from icil.prompt_builders.selectors.view import View
from icil.tasks import Pool, PoolError, Task, UsageError
from icil.tasks.errors import suggestion


class Difficulty(ABC):
    """Says how hard each demonstration of a pool is."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """All that decides the scores, as JSON."""

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks, when a run is planned, that there will be scores; see `Selector.check`.

        Raises:
            UsageError: There will not.
        """
        return

    @abstractmethod
    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns a finite score for each demonstration, in the pool's order; harder is more.

        Is called on threads, several at a time.

        Args:
            pool: The demonstrations offered.
            query: The episode they are offered for.
        """

    @abstractmethod
    def describe(self, score: float) -> str:
        """Returns a score in a few words."""


class Length(Difficulty):
    """The longer, the harder."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """That it is the length."""
        return {"by": "length"}

    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns the numbers of steps; see `Difficulty.scores`."""
        return np.array([len(one.steps) for one in pool.demonstrations], np.float64)

    def describe(self, score: float) -> str:
        """Returns a score in a few words."""
        return f"{score:.0f} step{'' if score == 1 else 's'}"


class Return(Difficulty):
    """The less the expert itself earned, the harder."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """That it is the return."""
        return {"by": "return"}

    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns by how much each falls short of the pool's mean; see `Difficulty.scores`."""
        mean = pool.card.return_mean
        return np.array([mean - one.total for one in pool.demonstrations], np.float64)

    def describe(self, score: float) -> str:
        """Returns a score in a few words."""
        if score == 0:
            return "a return at the pool's mean"
        return f"a return {abs(score):.3g} {'below' if score > 0 else 'above'} the pool's mean"


class Surprise(Difficulty):
    """The less the pool's other episodes foretell its actions, the harder; see `surprise.py`.

    Args:
        view: How states are compared.
    """

    def __init__(self, view: View) -> None:
        self._view = view

    @property
    def settings(self) -> Mapping[str, Any]:
        """What states are compared by."""
        return {"by": "surprise", "embedding": self._view.settings["embedding"]}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that actions occur again, and that the embedding takes what is shown.

        Raises:
            UsageError: They do not, or it does not.
        """
        check_actions(pool.demonstrations)
        self._view.check(task, format, pool)

    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns the mean surprisals; see `Difficulty.scores`."""
        return surprises(pool, self._view.space(query))

    def describe(self, score: float) -> str:
        """Returns a score in a few words."""
        return f"{score:.2f} bits of surprise an action"


class Scores(Difficulty):
    """Scores that somebody else gave, such as a model: a JSON object of ids and numbers.

    Args:
        path: The file; harder is more.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = path.read_bytes()
            found = json.loads(content)
        except (OSError, ValueError) as error:
            raise UsageError(f"the scores {path} cannot be read: {error}") from error
        if not isinstance(found, dict) or not all(map(_is_number, found.values())):
            raise UsageError(
                f"{path} does not hold scores; expected a JSON object of ids and finite numbers, "
                'such as {"00000": 3.5}'
            )
        self._scores: Mapping[str, float] = found
        self._digest = hashlib.sha256(content).hexdigest()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Which scores they are: the SHA-256 of the file."""
        return {"by": "scores", "scores": self._digest}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that each demonstration has a score.

        Raises:
            PoolError: One has none.
        """
        for one in pool.demonstrations:
            if one.id not in self._scores:
                raise PoolError(
                    f"{self._path} has no score for demonstration {one.id} of {pool.card.task}"
                )

    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns the scores; see `Difficulty.scores`.

        Raises:
            PoolError: A demonstration has none.
        """
        self.check(query.task, query.format, pool)
        return np.array([self._scores[one.id] for one in pool.demonstrations], np.float64)

    def describe(self, score: float) -> str:
        """Returns a score in a few words."""
        return f"{score:g}"


KINDS = ("length", "return", "surprise")


def make_difficulty(by: str | Difficulty, view: View) -> Difficulty:
    """Returns a difficulty by its name, or from a file of scores.

    Args:
        by: One of `KINDS`, or the path of a file.
        view: How states are compared, for `surprise`.

    Raises:
        UsageError: It is neither, or the file does not hold scores.
    """
    if isinstance(by, Difficulty):
        return by
    if by in KINDS:
        return {"length": Length(), "return": Return(), "surprise": Surprise(view)}[by]
    path = Path(by)
    if not path.exists() and not path.suffix:
        raise UsageError(
            f"difficulty by {by!r}: that is neither {', '.join(KINDS)} nor a file of scores"
            f"{suggestion(by, KINDS)}"
        )
    return Scores(path)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
