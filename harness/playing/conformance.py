"""The conformance checker of agents.

`check_agent(MyAgent)` lets an agent play a few short episodes through the real runner, in a
temporary folder, and returns what breaks the contract of `icil.harness.Agent`; on the command
line, `icil check agent NAME`. A hosted model is really asked, some dozens of times. Agents that
answer chunks play a task whose actions are vectors.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, get_args

from icil.harness.agents.agent import (
    Agent,
    Capabilities,
    DemonstrationUse,
    EpisodeContext,
    Reply,
    Turn,
)
from icil.harness.planning.experiment import Experiment
from icil.harness.playing.runner import RunSummary, run
from icil.prompt_builders import Part, TextPart
from icil.results import RunStore, Usage
from icil.results.store import FILE_NAME
from icil.tasks import Task
from icil.tasks.conformance.findings import (
    Finding,
    Note,
    Problem,
    Rules,
    Verdict,
    findings,
    judge,
    raised,
)

_NAME = "checked"
_SMALL, _VECTORS = "tic_tac_toe", "cheetah"
"""What is played in words, and in vectors."""

_EPISODES = (
    "SELECT c.format, c.demonstrations, e.opening, e.status, e.message, e.score "
    f"FROM episodes e JOIN cells c ON c.id = e.cell WHERE c.agent = '{_NAME}' ORDER BY 1, 2, 3"
)
_STEPS = (
    "SELECT c.format, c.demonstrations, e.opening, s.step, s.reply, s.action, s.reward "
    "FROM steps s JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell "
    f"WHERE c.agent = '{_NAME}' AND s.attempt = e.attempt ORDER BY 1, 2, 3, 4"
)


def task_for(agent: Agent) -> str:
    """Returns the task that an agent is checked on."""
    found = getattr(agent, "capabilities", None)  # it may be anything yet
    return _VECTORS if isinstance(found, Capabilities) and found.chunked else _SMALL


def check_agent(make: Callable[[], Agent], task: str | None = None) -> tuple[Finding, ...]:
    """Returns what breaks the contract of an agent; nothing, if all is well.

    Must not be called on an event loop.

    Args:
        make: Returns a new agent, the same each time; called once for each of up to four
            runs, as it would be in processes of their own. A class will do.
        task: What it plays, in each format that its capabilities allow; None for `task_for` it.
    """
    return findings(judge_agent(make, task))


def judge_agent(make: Callable[[], Agent], task: str | None = None) -> Iterator[Verdict]:
    """Yields what became of each rule; otherwise as `check_agent`."""
    return judge(RULES, _Subject(make, task))


class _InterruptionError(Exception):
    """The end of a process, staged."""


class _NoReplyError(Exception):
    """The agent answered with something else than a reply."""


class _Watched(Agent):
    """An agent whose replies are kept, and which can be made to stop half-way.

    Args:
        agent: The agent.
        stop_after: After how many replies to stop in the middle of an episode; None: never.
    """

    def __init__(self, agent: Agent, stop_after: int | None = None) -> None:
        self.capabilities, self.execution = agent.capabilities, agent.execution
        self.replies: list[object] = []
        self._agent, self._stop_after = agent, stop_after

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._agent.settings

    def check_task(self, task: Task[Any]) -> None:
        self._agent.check_task(task)

    async def prepare(self) -> None:
        await self._agent.prepare()

    async def begin(self, episode: EpisodeContext) -> None:
        await self._agent.begin(episode)

    async def act(self, turn: Turn) -> Reply:
        if self._stop_after is not None and turn.step and len(self.replies) >= self._stop_after:
            raise _InterruptionError
        reply: object = await self._agent.act(turn)
        self.replies.append(reply)
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            raise _NoReplyError
        return reply

    async def end(self, episode: EpisodeContext) -> None:
        await self._agent.end(episode)

    async def close(self) -> None:
        await self._agent.close()

    def tokens(self, part: Part) -> int:
        return self._agent.tokens(part)


class _Left(NamedTuple):
    """What a run left in its store."""

    episodes: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]


@dataclass(frozen=True)
class _Played:
    """A run, and how it went."""

    replies: list[object] = field(default_factory=list)
    summary: RunSummary | None = None
    left: _Left | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Subject:
    make: Callable[[], Agent]
    task: str | None

    @cached_property
    def first(self) -> _Played:
        """An undisturbed run."""
        with TemporaryDirectory() as folder:
            return self.play(Path(folder))

    def play(self, folder: Path, stop_after: int | None = None) -> _Played:
        agent = self.make()
        return _play(agent, self.task or task_for(agent), folder, stop_after)


def _play(agent: Agent, task: str, folder: Path, stop_after: int | None) -> _Played:
    watched = _Watched(agent, stop_after)
    played = Experiment(task=(task,), agent=(_NAME,), demos=(0, 2), episodes=2)
    try:
        # One episode after the other, so that what is interrupted is not left to chance.
        summary = run(played, folder, agents={_NAME: watched}, concurrency=1)
    except Exception as error:  # noqa: BLE001 - whatever the agent raises is what is reported
        return _Played(watched.replies, error=error)
    store = RunStore(folder / FILE_NAME, readonly=True)
    left = _Left(store.rows(_EPISODES)[1], store.rows(_STEPS)[1])
    store.close()
    return _Played(watched.replies, summary, left)


def _capabilities(subject: _Subject) -> Iterator[Problem]:
    agent = subject.make()
    found: object = agent.capabilities
    if not isinstance(found, Capabilities):
        yield Problem(f"capabilities {found!r}", "an icil.harness.Capabilities")
        return
    if found.demonstrations not in get_args(DemonstrationUse):
        right = " or ".join(map(repr, get_args(DemonstrationUse)))
        yield Problem(f"demonstrations {found.demonstrations!r}", right)
    for name, limit in (("context_tokens", found.context_tokens), ("max_images", found.max_images)):
        if limit is not None and (type(limit) is not int or limit < 0):
            yield Problem(f"{name} {limit!r}", "a number, or None for no limit")
    if found.context_tokens is not None:
        count: object = agent.tokens(TextPart("How many tokens are these?"))
        if type(count) is not int or count < 1:
            yield Problem(f"tokens(a text) is {count!r}", "a whole number, 1 or more")


def _whole_episodes(subject: _Subject) -> Iterator[Problem | Note]:
    played = subject.first
    if isinstance(played.error, _NoReplyError):
        return  # the next rule says so
    if played.error is not None:
        yield Problem(f"the run broke off: {raised(played.error)}", "a run that comes to its end")
    if played.left is None or played.summary is None:
        return
    for format, demonstrations, opening, status, message, _ in played.left.episodes:
        if status == "overlong":
            yield Note(f"{format}, {demonstrations} demonstrations: overlong: {message}")
        elif status != "done":
            where = f"{format or 'no format'}, {demonstrations} demonstrations, opening {opening}"
            yield Problem(f"{where}: {status}: {message}", "an episode that is played to its end")
    cells = {(format, demonstrations) for format, demonstrations, *_ in played.left.episodes}
    for format, demonstrations in sorted(cells):
        yield Note(f"played {format or 'without a format'}, {demonstrations} demonstrations")
    yield from (Note(text.replace(_NAME, "the agent")) for text in played.summary.skipped)


def _replies(subject: _Subject) -> Iterator[Problem | Note]:
    if not subject.first.replies:
        yield Note("there was none")  # an earlier rule says why
    for reply in subject.first.replies:
        if not isinstance(reply, Reply):
            yield Problem(f"{reply!r:.80}", "an icil.harness.Reply")
        elif not isinstance(reply.text, str):
            yield Problem(f"a reply with the text {reply.text!r:.80}", "a text that is a str")


def _usage(subject: _Subject) -> Iterator[Problem]:
    for usage in (one.usage for one in subject.first.replies if isinstance(one, Reply)):
        yield from _wrong(usage)


def _wrong(usage: Usage) -> Iterator[Problem]:
    for name in (one.name for one in fields(usage)):
        value: Any = getattr(usage, name)
        if name.endswith("_tokens"):
            if type(value) is not int or value < 0:
                yield Problem(f"{name} {value!r}", "a whole number, 0 or more")
        elif value is not None and not (math.isfinite(value) and value >= 0):
            yield Problem(f"{name} {value!r}", "a number, 0 or more, or None if it is not known")
    for part, whole in (
        ("cached_input_tokens", "input_tokens"),
        ("reasoning_tokens", "output_tokens"),
    ):
        if getattr(usage, part) > getattr(usage, whole):
            yield Problem(
                f"{part} {getattr(usage, part)}, {whole} {getattr(usage, whole)}",
                f"{part} that are counted in {whole} too",
            )


def _resuming(subject: _Subject) -> Iterator[Problem | Note]:
    undisturbed = subject.first
    if undisturbed.left is None:
        return  # an earlier rule says so
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stopped = subject.play(folder, stop_after=len(undisturbed.replies) // 2)
        if not isinstance(stopped.error, _InterruptionError):
            yield Note("no episode had a second step, so that none was interrupted")
            return
        resumed = subject.play(folder)
    if resumed.error is not None:
        yield Problem(f"resumed: {raised(resumed.error)}", "a run that goes on")
    elif resumed.left != undisturbed.left:
        with TemporaryDirectory() as temporary:
            again = subject.play(Path(temporary))
        if again.left != undisturbed.left:
            yield Note("replies differ between two identical runs, so that there is no telling")
            return
        yield Problem(_parting(undisturbed.left, resumed.left), "what an undisturbed run answers")


def _parting(one: _Left, other: _Left | None) -> str:
    for mine, theirs in zip(one.steps, other.steps if other else (), strict=False):
        if mine != theirs:
            format, demonstrations, opening, step, reply = mine[:5]
            return (
                f"{format or 'no format'}, {demonstrations} demonstrations, opening {opening}, "
                f"step {step}: {reply!r:.80}, and when resumed {theirs[4]!r:.80}"
            )
    return "a resumed run ended otherwise"


RULES: Rules[_Subject] = {
    "says what it can be given": _capabilities,
    "plays whole episodes in each format, with and without demonstrations": _whole_episodes,
    "answers with a Reply that holds a text": _replies,
    "reports a usage that can be": _usage,
    "goes on after an interruption as if nothing had been": _resuming,
}
"""What `check_agent` demands, in the order in which it looks."""
