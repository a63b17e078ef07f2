"""One episode in one cell: the loop of observing, asking, recording and playing.

A reply is in the store before its action is played. An episode that was interrupted is
brought back to where it was by playing its stored actions again, and goes on from there.
Where each step has demonstrations of its own, so has each a prefix, before the one tail.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from icil.harness.agents import EpisodeContext, Reply, Turn
from icil.harness.agents.reading import Reader, Reading, read_reply
from icil.harness.planning.cells import Cell
from icil.harness.planning.filling import Filling, find_filling
from icil.harness.planning.fitting import Size, Sizes, check_fits, measure
from icil.harness.planning.selecting import NOTHING, Choice, Moment, choose
from icil.harness.playing.budget import Purse
from icil.harness.playing.chunks import Chunks
from icil.harness.playing.work import Job
from icil.harness.secrets import scrub
from icil.harness.threads import call
from icil.prompt_builders import Part, Prefix, Prompt, PromptBuilder, Selection, Tail, TextPart
from icil.results import Answer, EpisodeRecord, EpisodeStatus, Played, RunStore, StepRecord, Usage
from icil.results.store import StoredPart
from icil.tasks import (
    ContractError,
    Demonstration,
    IcilError,
    ModelError,
    Observation,
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
        """The episode's, or that of the present step."""
        self._observed: tuple[int, Observation] | None = None
        """The step that was looked at last, and what was seen."""
        self._prefix: Prefix | None = None
        """Of the present step's prompt; None for an agent that reads none."""
        self._tail: Tail | None = None
        self._new: tuple[Part, ...] = ()
        """What the tail gained since the step before: its action, and what is seen now."""
        self._seen = 0
        """How many of the tail's parts were new at this step or before."""
        self._prefix_size, self._tail_size = Size(), Size()
        execution = job.cell.agent.execution
        self._chunks = None if execution is None else Chunks(self._task, execution)
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
        await self._choose()
        selection = self._choice.selection
        record: EpisodeRecord = await desk.write(
            lambda: desk.store.begin_episode(
                self._number,
                self._start.number,
                demonstrations=selection.ids,
                reasons=selection.reasons,
                left_out=self._choice.left_out,
                leaked=self._choice.leaked.exact,
                near=self._choice.leaked.near,
                restart=agent.capabilities.stateful,
            )
        )
        if agent.capabilities.demonstrations == "prompt":
            await self._begin_prompt(record)
        context = EpisodeContext(
            task=self._task,
            format=cell.record.format,
            opening=self._start.opening,
            demonstrations=() if cell.each_step else selection.demonstrations,
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
        observation = None if agent.capabilities.formatless else await self._observe()
        if self._tail is not None and observation is not None:
            self._tail.observe(observation)
            self._new = self._tail.since(self._seen)
            self._seen += len(self._new)
            self._tail_size += measure(agent, self._new)
        if self._cell.each_step and step and (known is None or self._tail is not None):
            await self._choose()
            if self._tail is not None:
                await self._make_prefix()
        if known is None:
            turn = Turn(
                episode=context,
                step=step,
                env=self._env,
                observation=observation,
                prompt=self._prompt(),
                own=self._choice.selection.demonstrations if self._cell.each_step else None,
            )
            reply = await self._reply_to(turn)
            parsed, action, answer = self._read(turn, reply)
            await self._record(episode, turn, answer)
            self._desk.progress.stepped(reply.usage)
        else:
            self._recognise(known)
            parsed, action = self._read_text(self._said(step, known.reply)).counts, known.action
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
        self._last = Played(reward=done.reward, outcome=done.outcome, success=done.success)
        if self._tail is not None:
            self._tail.act(action)
        return done.terminated or done.truncated

    async def _observe(self) -> Observation:
        """Returns what is seen now, rendered once a step."""
        step = len(self._rewards)
        if self._observed is None or self._observed[0] != step:
            format = self._cell.record.format
            seen = await call(self._task.slow, self._task.observe, self._env, format)
            self._observed = step, seen
        return self._observed[1]

    async def _choose(self) -> None:
        """Has demonstrations chosen for the episode, or for the present step."""
        desk, cell, moment = self._desk, self._cell, None
        if cell.each_step:
            moment = Moment(len(self._rewards), await self._observe())
        filling = find_filling(cell, desk.builder, desk.fillings)
        # A selector may embed and compare.
        self._choice = await call(True, choose, cell, self._start, desk.seed, filling, moment)

    async def _record(self, episode: EpisodeRecord, turn: Turn, answer: Answer) -> None:
        """Writes a step, with the prefix of its prompt if that is its own."""
        store, prefix = self._desk.store, self._prefix
        shown = [*self._new, *turn.prompt.question] if turn.prompt else []
        previous, self._last = self._last, None

        def write() -> None:
            with store.transaction():
                if answer.prefix is not None and prefix is not None:
                    store.add_prefix(prefix.hash, prefix.hashes, lambda: stored(prefix.parts))
                store.add_step(episode, turn.step, answer, stored(shown), previous)

        await self._desk.write(write)

    async def _reply_to(self, turn: Turn) -> Reply:
        """Asks the agent, unless what it answered before is still being played."""
        if self._chunks is None or self._chunks.wants(turn.step):
            return await self._ask(turn)
        return Reply(text=self._chunks.action(turn.step))

    def _said(self, step: int, reply: str) -> str:
        """Returns what a reply says of its own step."""
        return reply if self._chunks is None else self._chunks.said(step, reply)

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
        images = (self._prefix_size + self._tail_size).images
        return replace(reply, usage=replace(reply.usage, images=images))

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
        parsed, otherwise = self._read_text(self._said(turn.step, text))
        if self._start.forced:
            action = self._demonstrated(self._start.forced, turn.step)
        elif parsed.action is not None:
            action = parsed.action
        else:
            action = sample_action(turn.legal_actions(), self._generator("replacement", turn.step))
        prompt, own = turn.prompt, self._cell.each_step
        answer = Answer(
            shown=tuple(part.hash for part in self._new),
            question=tuple(part.hash for part in prompt.question) if prompt else (),
            prompt=prompt.hash if prompt else None,
            prefix=prompt.prefix.hash if prompt and own else None,
            demonstrations=self._choice.selection.ids if own else None,
            reasons=self._choice.selection.reasons if own else None,
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

    async def _begin_prompt(self, episode: EpisodeRecord) -> None:
        desk, prefix = self._desk, await self._make_prefix()
        if episode.prefix not in (None, prefix.hash):
            raise self._another_prompt(0)
        self._tail = desk.builder(self._cell).tail(prefix)
        await desk.write(
            lambda: desk.store.set_prefix(
                episode.id, prefix.hash, prefix.hashes, lambda: stored(prefix.parts)
            )
        )

    async def _make_prefix(self) -> Prefix:
        """Makes the prefix that shows what was chosen."""
        desk, cell = self._desk, self._cell
        prefix = await call(True, _make_prefix, desk.builder(cell), self._choice.selection)
        self._prefix, self._prefix_size = prefix, await desk.sizes.of(cell.agent, prefix)
        return prefix

    def _prompt(self) -> Prompt | None:
        """Returns the prompt of this step, if the agent reads prompts and it fits."""
        if self._tail is None:
            return None
        prompt, agent = self._question(), self._cell.agent
        size = self._prefix_size + self._tail_size + measure(agent, prompt.question)
        check_fits(agent, size)
        return prompt

    def _question(self) -> Prompt:
        assert self._tail is not None
        assert self._prefix is not None
        legal = None
        if self._cell.options.legal_actions:
            legal = self._task.legal_actions(self._env)
        prompt = self._tail.question(legal)
        return prompt if prompt.prefix is self._prefix else _behind(self._prefix, prompt)

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


def _behind(prefix: Prefix, prompt: Prompt) -> Prompt:
    """Returns a prompt's tail and question behind another prefix."""
    running = prefix.hasher.copy()
    for part in (*prompt.tail, *prompt.question):
        running.update(part.hash)
    return replace(prompt, prefix=prefix, hash=running.digest())


def stored(parts: Iterable[Part]) -> list[StoredPart]:
    """Returns parts as the store keeps them."""
    return [
        (part.hash, "text" if part.role == "user" else "said", part.text.encode())
        if isinstance(part, TextPart)
        else (part.hash, "png", part.png)
        for part in parts
    ]
