"""One episode in one cell: the loop of observing, asking, recording and playing.

A reply is in the store before its action is played. An episode that was interrupted is
brought back to where it was by playing its stored actions again, and goes on from there.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from icil.harness.agents import EpisodeContext, Reply, Turn
from icil.harness.budget import Purse
from icil.harness.cells import Cell
from icil.harness.filling import Filling, find_filling
from icil.harness.fitting import Size, Sizes, check_fits, measure
from icil.harness.reading import Reader, Reading, read_reply
from icil.harness.secrets import scrub
from icil.harness.selecting import NOTHING, Choice, choose
from icil.harness.threads import call
from icil.harness.work import Job
from icil.prompt_builders import Part, Prefix, Prompt, PromptBuilder, Selection, Tail, TextPart
from icil.results import Answer, EpisodeRecord, EpisodeStatus, Played, RunStore, StepRecord, Usage
from icil.results.store import StoredPart
from icil.tasks import (
    ContractError,
    Demonstration,
    IcilError,
    ModelError,
    ParsedAction,
    StoreError,
    Transition,
    sample_action,
)
from icil.tasks.demonstrations import check_reward
from icil.tasks.seeding import generator

_ELSEWHERE = (
    "this version of icil, or of what it stands on, differs from the one that began the run: "
    "go on with that one, or play in a new folder"
)


class Progress(Protocol):
    """Is told what happens in a run."""

    def resumed(self, ended: int, cost_usd: float) -> None:
        """A run begins, or goes on: so many episodes ended before, at such a cost."""

    def stepped(self, usage: Usage) -> None:
        """A step was answered."""

    def ended(self, status: EpisodeStatus) -> None:
        """An episode ended."""


@dataclass(frozen=True, eq=False)
class Desk:
    """What the episodes of a run share."""

    seed: int
    store: RunStore
    write: Callable[..., Awaitable[Any]]
    """Runs a function of the store on the thread that writes it."""
    builder: Callable[[Cell], PromptBuilder]
    progress: Progress
    purse: Purse
    reader: Reader = "strict"
    sizes: Sizes = field(default_factory=Sizes)
    fillings: dict[str, Filling] = field(default_factory=dict)
    """Of cells with a budget, by their hashes."""


class Episode:
    """An episode being played.

    Args:
        desk: What it shares with the others.
        job: What is to be played.
        env: An environment of the task, for this episode alone while it lasts.
    """

    def __init__(self, desk: Desk, job: Job, env: Any) -> None:
        self._desk = desk
        self._cell, self._number, self._start = job.cell, job.number, job.start
        self._env = env
        self._task = job.cell.task.task
        self._choice = Choice(NOTHING)
        self._tail: Tail | None = None
        self._new: tuple[Part, ...] = ()
        """What the tail gained since the step before: its action, and what is seen now."""
        self._seen = 0
        """How many of the tail's parts were new at this step or before."""
        self._size = Size()
        """Of prefix and tail."""
        self._rewards: list[float] = []
        self._agreed = 0
        self._last: Played | None = None
        self.fatal: str | None = None
        """Why the agent can play no more, if that is so."""

    async def play(self) -> EpisodeStatus:
        """Plays the episode to its end, or to a fault, records it and returns how it ended.

        Raises:
            OverBudgetError: The next request might cost more than is left.
        """
        desk, cell, agent = self._desk, self._cell, self._cell.agent
        await call(self._task.slow, self._task.reset, self._env, self._start.opening)
        # A selector may embed and compare.
        filling = find_filling(cell, desk.builder, desk.fillings)
        self._choice = await call(True, choose, cell, self._start, desk.seed, filling)
        selection = self._choice.selection
        record: EpisodeRecord = await desk.write(
            lambda: desk.store.begin_episode(
                self._number,
                self._start.number,
                demonstrations=selection.ids,
                reasons=selection.reasons,
                left_out=self._choice.left_out,
                restart=agent.capabilities.stateful,
            )
        )
        if agent.capabilities.demonstrations == "prompt":
            await self._begin_prompt(record, selection)
        context = EpisodeContext(
            task=self._task,
            format=cell.record.format,
            opening=self._start.opening,
            demonstrations=selection.demonstrations,
            options=cell.options,
            generator=lambda step: self._generator("agent", step),
        )
        status: EpisodeStatus = "done"
        message: str | None = None
        try:
            await agent.begin(context)
            known = iter(record.steps)
            over = False
            while not over:
                over = await self._step(record, context, next(known, None))
        except ModelError as error:
            status = "overlong" if error.fault == "overlong" else "error"
            message = _storable(scrub(str(error)))
            if error.fault == "fatal":
                self.fatal = message
        finally:
            await agent.end(context)
        await self._end(record, status, message)
        return status

    async def _end(
        self, episode: EpisodeRecord, status: EpisodeStatus, message: str | None
    ) -> None:
        desk, count = self._desk, len(self._rewards)
        score = None
        if status == "done":
            score = self._agreed / count if self._start.forced else sum(self._rewards)
        last = (count - 1, self._last) if self._last else None
        await desk.write(
            lambda: desk.store.end_episode(episode, status, score=score, message=message, last=last)
        )
        desk.progress.ended(status)

    async def _step(
        self, episode: EpisodeRecord, context: EpisodeContext, known: StepRecord | None
    ) -> bool:
        """Plays one step, or plays a known one again; returns whether the episode is over."""
        step = len(self._rewards)
        if step >= self._task.horizon:
            raise ContractError(
                f"{self._task.name} did not end at its horizon of {self._task.horizon} steps"
            )
        agent = self._cell.agent
        observation = None
        if not agent.capabilities.blind:
            format = self._cell.record.format
            observation = await call(self._task.slow, self._task.observe, self._env, format)
        if self._tail is not None and observation is not None:
            self._tail.observe(observation)
            self._new = self._tail.since(self._seen)
            self._seen += len(self._new)
            self._size += measure(agent, self._new)
        if known is None:
            turn = Turn(
                episode=context,
                step=step,
                env=self._env,
                observation=observation,
                prompt=self._prompt(),
            )
            reply = await self._ask(turn)
            parsed, action, answer = self._read(turn, reply)
            shown = [*self._new, *turn.prompt.question] if turn.prompt else []
            previous, self._last = self._last, None
            await self._desk.write(
                lambda: self._desk.store.add_step(episode, step, answer, stored(shown), previous)
            )
            self._desk.progress.stepped(reply.usage)
        else:
            self._recognise(known)
            parsed, action = self._read_text(known.reply).counts, known.action
        self._agreed += self._agrees(parsed, step) or 0
        played = known.played if known else None
        done = await call(self._task.slow, self._play, action, step, played)
        check_reward(self._task, done)
        if known and known.played and known.played.reward != done.reward:
            raise StoreError(
                f"{self._where(step)}: the world gives a reward of {done.reward} now, and gave "
                f"{known.played.reward} then; {_ELSEWHERE}"
            )
        self._rewards.append(done.reward)
        self._last = Played(reward=done.reward, outcome=done.outcome)
        if self._tail is not None:
            self._tail.act(action)
        return done.terminated or done.truncated

    async def _ask(self, turn: Turn) -> Reply:
        """Asks the agent, within the budget."""
        purse, prompt = self._desk.purse, turn.prompt
        most = Usage()
        if prompt is not None and purse.limited:
            most = await call(True, self._cell.agent.most, prompt)
        await purse.hold(most)
        spent: Usage | None = None
        try:
            reply = await self._reply(turn)
            spent = reply.usage
        finally:
            purse.settle(most, spent)
        if prompt is None:
            return reply
        return replace(reply, usage=replace(reply.usage, images=self._size.images))

    async def _reply(self, turn: Turn) -> Reply:
        try:
            reply: object = await self._cell.agent.act(turn)
        except IcilError:
            raise
        except Exception as error:
            error.add_note(
                f"in the agent at {self._where(turn.step)}; what was played is kept, and the same "
                "command goes on"
            )
            raise
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            raise ContractError(
                f"{self._where(turn.step)}: `act` must return a Reply whose text is a str, "
                f"not {reply!r:.80}"
            )
        return reply

    def _recognise(self, known: StepRecord) -> None:
        """Checks that a step that was played before would be asked in the same words today.

        Raises:
            StoreError: It would not: the prompts of this episode would be of two kinds.
        """
        if known.prompt is None or self._tail is None:
            return
        if self._question().hash != known.prompt:
            raise self._another_prompt(known.step)

    def _another_prompt(self, step: int) -> StoreError:
        return StoreError(
            f"{self._where(step)}: the prompt is another now than it was then; {_ELSEWHERE}"
        )

    def _where(self, step: int) -> str:
        cell = self._cell.record
        return f"{cell.task} {cell.format} {cell.agent}, opening {self._start.number}, step {step}"

    def _play(self, action: str, step: int, known: Played | None) -> Transition:
        parsed = self._task.parse(action, self._env)
        if parsed.status != "ok":
            raise ContractError(
                f"{self._task.name} does not take its own action {action!r}: {parsed.reason}"
            )
        if self._start.forced:
            return self._task.step(self._env, parsed.value, self._start.forced.steps[step].outcome)
        return self._task.step(self._env, parsed.value, known.outcome if known else None)

    def _read(self, turn: Turn, reply: Reply) -> tuple[ParsedAction, str, Answer]:
        """Makes an action, and a record, of a reply."""
        text = _storable(reply.text)
        parsed, otherwise = self._read_text(text)
        if self._start.forced:
            action = self._demonstrated(self._start.forced, turn.step)
        elif parsed.action is not None:
            action = parsed.action
        else:
            action = sample_action(turn.legal_actions(), self._generator("replacement", turn.step))
        prompt = turn.prompt
        answer = Answer(
            shown=tuple(part.hash for part in self._new),
            question=tuple(part.hash for part in prompt.question) if prompt else (),
            prompt=prompt.hash if prompt else None,
            reply=text,
            status=parsed.status,
            otherwise=None if otherwise == parsed.status else otherwise,
            reason=parsed.reason,
            action=action,
            agrees=self._agrees(parsed, turn.step),
            usage=reply.usage,
            model=reply.model and _storable(reply.model),
            finish=reply.finish and _storable(reply.finish),
            detail=reply.detail and _storable(scrub(reply.detail)),
            parameters=reply.parameters,
            dropped=reply.dropped,
        )
        return parsed, action, answer

    def _read_text(self, reply: str) -> Reading:
        reasoning = self._cell.options.reasoning
        reader = self._desk.reader
        return read_reply(self._task, self._env, reply, reasoning=reasoning, reader=reader)

    def _agrees(self, parsed: ParsedAction, step: int) -> bool | None:
        if self._start.forced is None:
            return None
        return parsed.action == self._demonstrated(self._start.forced, step)

    def _demonstrated(self, forced: Demonstration, step: int) -> str:
        return self._task.express(forced.steps[step].action, self._env)

    async def _begin_prompt(self, episode: EpisodeRecord, selection: Selection) -> None:
        desk, builder = self._desk, self._desk.builder(self._cell)
        prefix = await call(True, _make_prefix, builder, selection)
        if episode.prefix not in (None, prefix.hash):
            raise self._another_prompt(0)
        self._tail = builder.tail(prefix)
        self._size = await desk.sizes.of(self._cell.agent, prefix)
        await desk.write(
            lambda: desk.store.set_prefix(
                episode.id, prefix.hash, prefix.hashes, lambda: stored(prefix.parts)
            )
        )

    def _prompt(self) -> Prompt | None:
        """Returns the prompt of this step, if the agent reads prompts and it fits."""
        if self._tail is None:
            return None
        prompt = self._question()
        agent = self._cell.agent
        check_fits(agent, self._size + measure(agent, prompt.question))
        return prompt

    def _question(self) -> Prompt:
        assert self._tail is not None
        legal = None
        if self._cell.options.legal_actions:
            legal = self._task.legal_actions(self._env)
        return self._tail.question(legal)

    def _generator(self, purpose: str, step: int) -> Any:
        identity = (self._desk.seed, self._cell.record.hash, self._start.number, step)
        return generator(purpose, *identity)


def _storable(text: str) -> str:
    """Replaces lone surrogates, which are no text that a store could hold."""
    return text.encode("utf-8", "replace").decode()


def _make_prefix(builder: PromptBuilder, selection: Selection) -> Prefix:
    """Makes a prefix, and what is known of it, away from the event loop."""
    prefix = builder.prefix(selection)
    _ = prefix.hash
    return prefix


def stored(parts: Iterable[Part]) -> list[StoredPart]:
    """Returns parts as the store keeps them."""
    return [
        (part.hash, "text" if part.role == "user" else "said", part.text.encode())
        if isinstance(part, TextPart)
        else (part.hash, "png", part.png)
        for part in parts
    ]
