"""How one episode imitates: played again from the store, beside the expert and the nearest state.

What the agent chose is its reply, as the run read it; what was played instead of a wrong reply is
not its choice, but may take it off the expert's course. Where each step had demonstrations of its
own, the nearest state is one of theirs.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from icil.harness.agents.memory import Memories, Memory
from icil.harness.agents.reading import read_reply, said_action
from icil.harness.imitation.past_run import PastEpisode, PastRun
from icil.harness.planning.selecting import Moment
from icil.results import Imitation, Played, RunStore, StepRecord
from icil.tasks import StoreError, Task
from icil.tasks.adviser import Adviser

_OWN = """
SELECT s.step, s.demonstrations FROM steps s JOIN episodes e ON e.id = s.episode
WHERE e.id = ? AND s.attempt = e.attempt AND s.demonstrations IS NOT NULL
"""


class _Said(NamedTuple):
    """What an agent said."""

    text: str
    action: str | None
    """The action that it chose; None if it is none, or not allowed."""


class _Played(NamedTuple):
    """What was played."""

    action: str
    value: Any
    """As the environment takes it."""
    answer: Played
    """The world's."""


class Judge:
    """Judges the episodes of a run, one after the other.

    Args:
        run: The run.
        store: Its store, which is only read.
        asked: The names of the tasks whose experts are asked.
    """

    def __init__(self, run: PastRun, store: RunStore, asked: Collection[str]) -> None:
        self._run, self._store, self._asked = run, store, frozenset(asked)
        self._envs: dict[str, Any] = {}
        self._place = "", ""
        self._memories = Memories()
        self._last: tuple[int, tuple[str, ...]] | None = None
        """The episode, and the demonstrations, that are remembered."""
        self._memory: Memory | None = None

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs.values():
            env.close()

    def judge(self, episode: int) -> Imitation:
        """Plays an episode again and judges each of its steps; may take long.

        Args:
            episode: Its number in the store.

        Raises:
            StoreError: The world does not do again what it did in the run.
            ContractError: The expert did what it may not.
            UsageError: The task or the demonstrations are not what they were.
        """
        past = self._run.episodes[episode]
        task, opening = self._run.played(past), self._run.opening(past)
        if task.name not in self._envs:
            self._envs[task.name] = task.make_env()
        env, steps = self._envs[task.name], self._store.steps(episode)
        own = self._own(episode)
        adviser = Adviser(task, opening) if task.name in self._asked else None
        agrees: list[bool | None] = []
        copies: list[bool | None] = []
        expected: list[tuple[str, ...] | None] = []
        task.reset(env, opening)
        try:
            for step in steps:
                said, played = self._read(task, env, past, step), _played(task, env, past, step)
                good = adviser.choices(env, step.step, played.action) if adviser else None
                expected.append(None if good is None else tuple(sorted(good)))
                agrees.append(None if good is None else said.action in good)
                copies.append(self._copies(task, env, past, said, step.step, own.get(step.step)))
                over = _play(task, env, past, step, played)
                if over != (step is steps[-1]):
                    raise _untrue(past, step, "the episode ends elsewhere")
        finally:
            if adviser:
                adviser.close()
        return Imitation(
            agrees=tuple(agrees),
            copies=tuple(copies),
            expected=tuple(expected),
            expert=adviser is not None,
            departs=adviser.departs if adviser else None,
        )

    def _own(self, episode: int) -> Mapping[int, tuple[str, ...]]:
        """Returns the ids of the demonstrations of steps that had their own."""
        rows = self._store.rows(_OWN, (episode,))[1]
        return {step: tuple(json.loads(ids)) for step, ids in rows}

    def _copies(
        self,
        task: Task[Any],
        env: Any,
        past: PastEpisode,
        said: _Said,
        step: int,
        own: tuple[str, ...] | None,
    ) -> bool | None:
        """Returns whether what was said is what was done in the nearest demonstrated state.

        What is not allowed here may be copied too: that is what a mere copy does. None where
        there is nothing to copy, or the agent looks at nothing.
        """
        ids = past.demonstrations if own is None else own
        if not (past.cell.format and ids):
            return None
        seen = task.observe(env, past.cell.format)
        memory = self._remember(task, past, ids, None if own is None else Moment(step, seen))
        legal = task.legal_actions(env) if past.cell.options.get("legal_actions") else None
        allowed = legal if isinstance(legal, Sequence) else None
        nearest = memory.nearest(seen, allowed)
        if not nearest:
            return None
        return (said.action or said.text) in {task.parse(one, env).action or one for one in nearest}

    def _remember(
        self, task: Task[Any], past: PastEpisode, ids: tuple[str, ...], moment: Moment | None
    ) -> Memory:
        """Returns what demonstrations showed; that of the step before if it showed the same."""
        if self._memory is not None and self._last == (past.id, ids):
            return self._memory
        place = task.name, past.cell.format
        if place != self._place:  # episodes come by task and format; the last ones' is not needed
            self._place, self._memories = place, Memories()
        shown = self._run.shown(past, ids, moment)
        self._memory = self._memories.of(task, past.cell.format, shown)
        self._last = past.id, ids
        return self._memory

    def _read(self, task: Task[Any], env: Any, past: PastEpisode, step: StepRecord) -> _Said:
        reasoning = bool(past.cell.options.get("reasoning"))
        reader = self._run.experiment.parse
        # What an agent that answers chunks says of a step is what was played of them.
        reply = step.action if "execution" in past.cell.options else step.reply
        parsed = read_reply(task, env, reply, reasoning=reasoning, reader=reader).counts
        return _Said(said_action(reply, reasoning=reasoning), parsed.action)


def _played(task: Task[Any], env: Any, past: PastEpisode, step: StepRecord) -> _Played:
    parsed = task.parse(step.action, env)
    if parsed.action is None or step.played is None:
        raise _untrue(past, step, f"{step.action!r} cannot be played ({parsed.reason})")
    return _Played(parsed.action, parsed.value, step.played)


def _play(task: Task[Any], env: Any, past: PastEpisode, step: StepRecord, played: _Played) -> bool:
    """Plays what was played then; returns whether the episode is over."""
    then = played.answer.reward
    now = task.step(env, played.value, played.answer.outcome)
    if not abs(now.reward - then) <= 1e-6 * max(1.0, abs(then)):
        what = f"the world gives a reward of {now.reward} now, and gave {then} then"
        raise _untrue(past, step, what)
    return now.terminated or now.truncated


def _untrue(past: PastEpisode, step: StepRecord, what: str) -> StoreError:
    cell = past.cell
    return StoreError(
        f"{cell.task} {cell.format} {cell.agent}, opening {past.opening}, step {step.step}: "
        f"{what}; the store is damaged, or this version of icil, or of what it stands on, is not "
        "the one that played the run"
    )
