"""`wrong_expert`: demonstrations from the same openings, by somebody who cannot play.

The episodes are true ones: what is shown follows from what was done. A window begins where the
expert's begins. Whoever does worse with these than with the expert's has learned from what the
expert does, and not only from what the world and its actions look like.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from icil.prompt_builders.controls.control import Alteration, Control, Rank, Scope, Stage
from icil.prompt_builders.selectors import Selection
from icil.tasks import Demonstration, Expert, Opening, PoolError, Task, UsageError, sample_action
from icil.tasks.adviser import Adviser
from icil.tasks.demonstrations import Chunked, Window, play_episode, windows
from icil.tasks.players import RandomPlayer
from icil.tasks.seeding import generator

_ADVERSARY = "adversary"
_OTHERWISE = ""
"""Stands for what is played: none of what the expert would do, whatever is drawn."""
_ATTEMPTS = 100
"""Episodes that are played to find one that passes through no evaluated opening."""


class WrongExpert(Control):
    """Demonstrations by the random player, or by one who never does what the expert would.

    Args:
        value: `adversary` for the latter.

    Raises:
        UsageError: It is something else.
    """

    kind = "wrong_expert"
    rank = Rank.REPLACES

    def __init__(self, value: str | None = None) -> None:
        if value not in (None, _ADVERSARY):
            raise UsageError(
                f"control wrong_expert: expected wrong_expert (the random player) or "
                f"wrong_expert={_ADVERSARY}, got {value!r}"
            )
        self.adversary = value is not None

    @property
    def name(self) -> str:
        """With the adversary, if it is one."""
        return f"{self.kind}={_ADVERSARY}" if self.adversary else self.kind

    def bind(self, stage: Stage) -> Alteration:
        """Returns the control at work; see `Control.bind`."""
        task = stage.task
        if not task.repeatable:
            raise UsageError(
                f"control {self.name}: an episode of {task.name} that is played anew comes out "
                "otherwise each time, so that its demonstrations would not be the same when the "
                "run goes on"
            )
        if self.adversary:
            _check_adversary(stage)
        return _WrongExpert(self.name, stage, adversary=self.adversary)


def _check_adversary(stage: Stage) -> None:
    task = stage.task
    if not task.has_expert:
        raise UsageError(
            f"control wrong_expert={_ADVERSARY}: {task.name} has no expert to do otherwise than"
        )
    with closing(task.make_env()) as env:
        task.reset(env, stage.pool.demonstrations[0].opening)
        if not isinstance(task.legal_actions(env), Sequence):
            raise UsageError(
                f"control wrong_expert={_ADVERSARY}: the legal actions of {task.name} cannot be "
                "listed; wrong_expert alone draws them at random"
            )


class _WrongExpert(Alteration):
    replaces = True

    def __init__(self, name: str, stage: Stage, *, adversary: bool) -> None:
        self._name, self._stage, self._adversary = name, stage, adversary
        self._played: dict[tuple[str, int], tuple[Demonstration, Demonstration]] = {}
        """What was demonstrated, and is shown in its place, by its id and the attempt."""
        self._lock = Lock()

    @property
    def settings(self) -> dict[str, Any]:
        if not self._adversary:
            return {}
        with closing(self._stage.task.expert()) as expert:
            return {"expert": expert.name, "expert_settings": dict(expert.settings)}

    def alter(self, shown: Selection, scope: Scope) -> Selection:
        guarded = scope.guarded()
        who = "one who never does as the expert" if self._adversary else "the random player"
        return Selection(
            demonstrations=tuple(self._instead(one, guarded) for one in shown.demonstrations),
            reasons=tuple(f"{reason}; played by {who}" for reason in shown.reasons),
        )

    def _instead(self, demonstration: Demonstration, guarded: frozenset[str]) -> Demonstration:
        for attempt in range(_ATTEMPTS):
            played = self._play(demonstration, attempt)
            if not played.states & guarded:
                return played
        raise PoolError(
            f"control {self._name}: {_ATTEMPTS} episodes of {self._stage.task.name} from the "
            f"opening of demonstration {demonstration.id} all show an evaluated opening"
        )

    def _play(self, demonstration: Demonstration, attempt: int) -> Demonstration:
        key = (demonstration.id, attempt)
        with self._lock:
            known = self._played.get(key)
            if known is None or known[0] is not demonstration:
                played = self._episode(demonstration, attempt)
                known = self._played[key] = (demonstration, played)
            return known[1]

    def _episode(self, demonstration: Demonstration, attempt: int) -> Demonstration:
        task = self._stage.task.plain
        player: Expert[Any] = (
            Adversary(task, demonstration.opening) if self._adversary else RandomPlayer(task)
        )
        whole, first = demonstration, 0
        if isinstance(demonstration, Window):
            whole, first = demonstration.whole, demonstration.first
        before = first
        if isinstance(whole, Chunked):
            before = first * whole.length
            whole = whole.whole
        id = f"{demonstration.id}~{self._name}" + (f":{attempt}" if attempt else "")
        played = play_episode(
            task,
            demonstration.opening,
            id,
            _After(task, whole, before, player),
            partial(_draws, self._name, demonstration.id, attempt),
        )
        played = self._stage.task.tell(played)
        if self._stage.window is None:
            return played
        return replace(windows(played, self._stage.window)[first // self._stage.window], id=id)


def _draws(
    name: str, id: str, attempt: int, task: Task[Any], opening: Opening, step: int
) -> np.random.Generator:
    return generator("wrong expert", name, task.name, task.version, id, attempt, step)


class _After(Expert[Any]):
    """Plays the beginning of a demonstration, and lets another go on."""

    name = "wrong_expert"

    def __init__(
        self, task: Task[Any], demonstration: Demonstration, steps: int, player: Expert[Any]
    ) -> None:
        self._task, self._player = task, player
        self._beginning = iter(demonstration.steps[:steps])

    def begin(self, env: Any) -> None:
        self._player.begin(env)

    def close(self) -> None:
        self._player.close()

    def act(self, env: Any, rng: np.random.Generator) -> str:
        step = next(self._beginning, None)
        return self._player.act(env, rng) if step is None else self._task.express(step.action, env)


class Adversary(Expert[Any]):
    """Draws uniformly from the legal actions that the expert might not take.

    Where there are no others, it takes one of the expert's.

    Args:
        task: A task whose legal actions can be listed.
        opening: What the episode starts from.
    """

    name = _ADVERSARY

    def __init__(self, task: Task[Any], opening: Opening) -> None:
        self._task, self._step = task, 0
        self._adviser = Adviser(task, opening)

    def close(self) -> None:
        """Lets go of the expert."""
        self._adviser.close()

    def act(self, env: Any, rng: np.random.Generator) -> str:
        """Returns a legal action that is none of the expert's."""
        good = self._adviser.choices(env, self._step, _OTHERWISE)
        self._step += 1
        legal = self._task.legal_actions(env)
        assert isinstance(legal, Sequence)
        return sample_action([action for action in legal if action not in good] or legal, rng)
