"""One episode, played again from its opening and its actions, beside what is stored of it.

Each reply is read again, each replaced action drawn again, each reward, the end and the score
compared. What cannot be simulated (an engine's move) is taken from the store, so that no engine,
no expert and no model is needed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from icil.harness.agents.reading import Reader, read_reply
from icil.harness.planning.starts import Start
from icil.harness.playing.chunks import Chunks
from icil.harness.policies import Execution
from icil.results.verifying import Fault
from icil.results.verifying.faults import shortened
from icil.tasks import ContractError, ParsedAction, Task, Transition, sample_action
from icil.tasks.seeding import generator

_UNLIKE = 1e-6
"""Rewards differ if by more than this, as a share of the larger of themselves and 1."""


class StoredStep(NamedTuple):
    """A step as it stands in the store."""

    step: int
    reply: str
    status: str
    otherwise: str | None
    reason: str | None
    action: str
    agrees: int | None
    reward: float | None
    outcome: str | None
    success: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEpisode:
    """An episode as it stands in the store."""

    id: int
    cell: str
    """What its cell is called in messages."""
    hash: str
    """Its cell's, as it was played: what replaces a wrong reply depends on it."""
    opening: int
    status: str
    score: float | None
    reasoning: bool
    """Whether the agent was asked to think before it answered."""
    execution: str | None = None
    """How its agent's chunks were played, if it answered chunks."""
    steps: Sequence[StoredStep]


@dataclass(slots=True)
class Replay:
    """What playing an episode again has shown."""

    faults: list[Fault] = field(default_factory=list)
    right: set[tuple[int, str]] = field(default_factory=set)
    """Steps and columns that are what they should be."""


class Replayer:
    """Plays one episode again.

    Args:
        task: The task as it was played.
        start: What it started from.
        seed: The experiment's.
        reader: How replies were read.
        env: An environment of the task.
    """

    def __init__(self, task: Task[Any], start: Start, seed: int, reader: Reader, env: Any) -> None:
        self._start, self._env = start, env
        self._task = task
        self._seed, self._reader = seed, reader
        self._chunks: Chunks | None = None

    def replay(self, episode: StoredEpisode) -> Replay:
        """Plays it and compares."""
        found, rewards, agreed = Replay(), 0.0, 0
        self._chunks = None
        if episode.execution is not None:
            self._chunks = Chunks(self._task, Execution.read(episode.execution))
        over = cut = False
        self._task.reset(self._env, self._start.opening)
        for place, step in enumerate(episode.steps):
            if step.step != place or over:
                what = "the episode was over before" if over else f"step {place} is missing"
                found.faults.append(_fault(episode, "steps", what, step=step.step))
                cut = True
                break
            parsed = self._read(episode, step, found)
            done = self._play(episode, step, found)
            if done is None:
                cut = True
                break
            over = done.terminated or done.truncated
            rewards += done.reward
            if self._start.forced:
                agrees = parsed.action == self._demonstrated(step.step)
                agreed += agrees
                _check(found, episode, step.step, "agrees", step.agrees, int(agrees))
        if not cut:
            score = rewards
            if self._start.forced and episode.steps:
                score = agreed / len(episode.steps)
            found.faults.extend(_end(episode, over=over, score=score))
        return found

    def _read(self, episode: StoredEpisode, step: StoredStep, found: Replay) -> ParsedAction:
        """Reads a reply again, and compares what was made of it."""
        said = step.reply
        if self._chunks is not None:
            try:
                said = self._chunks.said(step.step, step.reply)
            except ContractError as error:
                what, stored = str(error), shortened(step.reply)
                found.faults.append(
                    _fault(episode, "steps", what, step=step.step, column="reply", stored=stored)
                )
                self._chunks = None
        counts, otherwise = read_reply(
            self._task,
            self._env,
            said,
            reasoning=episode.reasoning,
            reader=self._reader,
        )
        other = None if otherwise == counts.status else otherwise
        _check(found, episode, step.step, "status", step.status, counts.status)
        _check(found, episode, step.step, "otherwise", step.otherwise, other)
        _check(found, episode, step.step, "reason", step.reason, counts.reason)
        if self._start.forced:
            action = self._demonstrated(step.step)
        elif counts.action is not None:
            action = counts.action
        else:
            identity = (self._seed, episode.hash, episode.opening, step.step)
            rng = generator("replacement", *identity)
            action = sample_action(self._task.legal_actions(self._env), rng)
        _check(found, episode, step.step, "action", step.action, action)
        return counts

    def _play(self, episode: StoredEpisode, step: StoredStep, found: Replay) -> Transition | None:
        """Plays what was played; None where that cannot be."""
        parsed = self._task.parse(step.action, self._env)
        if parsed.action is None:
            what = f"this cannot be played here ({parsed.reason})"
            found.faults.append(
                _fault(episode, "steps", what, step=step.step, column="action", stored=step.action)
            )
            return None
        outcome = None if step.outcome is None else json.loads(step.outcome)
        if self._start.forced and step.step < len(self._start.forced.steps):
            outcome = self._start.forced.steps[step.step].outcome
        try:
            done = self._task.step(self._env, parsed.value, outcome)
        except Exception as error:
            if outcome is None:
                raise
            # What a world makes of an outcome that was changed by hand is its own.
            what = f"the world cannot have answered so: {error}"
            found.faults.append(
                _fault(
                    episode,
                    "steps",
                    what,
                    step=step.step,
                    column="outcome",
                    stored=step.outcome,
                )
            )
            return None
        if step.reward is None:
            if step is not episode.steps[-1] or episode.status != "running":
                _check(found, episode, step.step, "reward", None, done.reward)
        elif _unlike(step.reward, done.reward):
            _check(found, episode, step.step, "reward", step.reward, done.reward)
        else:
            found.right.add((step.step, "reward"))
        if step.success is not None and done.success is not None:
            _check(found, episode, step.step, "success", step.success, int(done.success))
        return done

    def _demonstrated(self, step: int) -> str | None:
        forced = self._start.forced
        if forced is None or step >= len(forced.steps):
            return None
        return self._task.express(forced.steps[step].action, self._env)


def _end(episode: StoredEpisode, *, over: bool, score: float) -> Iterator[Fault]:
    """Yields what is wrong with how an episode is said to have ended."""
    if over != (episode.status == "done") and not (over and episode.status == "running"):
        what = "the episode is over" if over else "the episode is not over after its steps"
        right = "'done'" if over else None
        yield _fault(episode, "episodes", what, column="status", stored=episode.status, right=right)
    if over and episode.score is not None and _unlike(episode.score, score):
        yield _fault(
            episode,
            "episodes",
            "the episode comes to another score",
            column="score",
            stored=episode.score,
            right=shortened(score),
            value=score,
        )


def _check(
    found: Replay, episode: StoredEpisode, step: int, column: str, stored: Any, right: Any
) -> None:
    if stored == right:
        found.right.add((step, column))
        return
    what = "the episode, played again, says otherwise"
    found.faults.append(
        _fault(
            episode,
            "steps",
            what,
            step=step,
            column=column,
            stored=stored,
            right=shortened(right),
            value=right,
        )
    )


def _fault(
    episode: StoredEpisode,
    place: str,
    what: str,
    *,
    step: int | None = None,
    column: str = "",
    stored: Any = None,
    right: str | None = None,
    value: Any = None,
) -> Fault:
    return Fault(
        place=place,
        what=what,
        cell=episode.cell,
        episode=episode.id,
        opening=episode.opening,
        step=step,
        column=column,
        stored=shortened(stored) if column else None,
        right=right,
        value=value,
    )


def _unlike(stored: float, right: float) -> bool:
    return not abs(stored - right) <= _UNLIKE * max(1.0, abs(stored), abs(right))
