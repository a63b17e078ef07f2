"""How hard a demonstration is: from itself, from the pool, or from a file of scores."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from icil.prompt_builders.selectors.ranking import Numbers
from icil.prompt_builders.selectors.score_files import KINDS, read_scores
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
    """Scores that somebody else gave, such as a model; see `score_files.py`.

    Args:
        path: The file; harder is more.

    Raises:
        UsageError: It cannot be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the scores {path} cannot be read: {error}") from error
        self._scores, self._pool = read_scores(path, content)
        self._digest = hashlib.sha256(content).hexdigest()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Which scores they are: the SHA-256 of the file."""
        return {"by": "scores", "scores": self._digest}

    def check(self, task: Task[Any], format: str, pool: Pool) -> None:
        """Checks that they are this pool's, and that each demonstration has one.

        Raises:
            PoolError: They are another one's, or one has none.
        """
        if self._pool not in (None, pool.hash):
            raise PoolError(
                f"{self._path} holds the scores of another pool ({self._pool:.8}…) than this one "
                f"of {pool.card.task} ({pool.hash:.8}…): have this one rated, by `icil demos rate`"
            )
        self._check_ids(pool)

    def _check_ids(self, pool: Pool) -> None:
        missing = [one.id for one in pool.demonstrations if one.id not in self._scores]
        if missing:
            others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            raise PoolError(
                f"{self._path} has no score for demonstration {missing[0]} of "
                f"{pool.card.task}{others}; it has {len(self._scores)} scores"
            )

    def scores(self, pool: Pool, query: Query) -> Numbers:
        """Returns the scores; see `Difficulty.scores`.

        Raises:
            PoolError: A demonstration has none.
        """
        self._check_ids(pool)
        return np.array([self._scores[one.id] for one in pool.demonstrations], np.float64)

    def describe(self, score: float) -> str:
        """Returns a score in a few words."""
        return f"{score:g}"


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
