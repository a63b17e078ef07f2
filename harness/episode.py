"""One episode in one cell: the loop of observing, asking, recording and playing.

A reply is in the store before its action is played. An episode that was interrupted is
brought back to where it was by playing its stored actions again, and goes on from there.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from icil.harness.agents import EpisodeContext, Reply, Turn
from icil.harness.cells import Cell
from icil.harness.threads import call
from icil.harness.work import Job
from icil.prompt_builders import (
    Part,
    Prefix,
    Prompt,
    PromptBuilder,
    Query,
    Selection,
    Tail,
    TextPart,
)
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

_NOTHING = Selection(demonstrations=(), reasons=())
_ANSWER_MARK = "Action:"
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
    counted: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """Tokens of prefixes, by agent and the prefix's hash."""


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
        self._selection = _NOTHING
        self._left_out = 0
        self._tail: Tail | None = None
        self._new: tuple[Part, ...] = ()
        """What the tail gained since the step before: its action, and what is seen now."""
        self._seen = 0
        """How many of the tail's parts were new at this step or before."""
        self._tokens = self._images = 0
        """Of prefix and tail."""
        self._rewards: list[float] = []
        self._agreed = 0
        self._last: Played | None = None

    async def play(self) -> EpisodeStatus:
        """Plays the episode to its end, or to a fault, records it and returns how it ended."""
        desk, cell, agent = self._desk, self._cell, self._cell.agent
        await call(self._task.slow, self._task.reset, self._env, self._start.opening)
        await call(True, self._select)  # a selector may embed and compare
        record: EpisodeRecord = await desk.write(
            lambda: desk.store.begin_episode(
                self._number,
                self._start.number,
                demonstrations=self._selection.ids,
                reasons=self._selection.reasons,
                left_out=self._left_out,
                restart=agent.capabilities.stateful,
            )
        )
        if agent.capabilities.demonstrations == "prompt":
            await self._begin_prompt(record)
        context = EpisodeContext(
            task=self._task,
            format=cell.record.format,
            opening=self._start.opening,
            demonstrations=self._selection.demonstrations,
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
            status, message = "error", _storable(str(error))
        except _OverlongError as error:
            status, message = "overlong", str(error)
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
        blind = self._cell.agent.capabilities.blind
        observation = None
        if not blind:
            format = self._cell.record.format
            observation = await call(self._task.slow, self._task.observe, self._env, format)
        if self._tail is not None and observation is not None:
            self._tail.observe(observation)
            self._new = self._tail.since(self._seen)
            self._seen += len(self._new)
            self._count(self._new)
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
            parsed, action = self._parse(known.reply), known.action
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
        parsed = self._parse(text)
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
            reason=parsed.reason,
            action=action,
            agrees=self._agrees(parsed, turn.step),
            usage=reply.usage,
            model=None if reply.model is None else _storable(reply.model),
            finish=None if reply.finish is None else _storable(reply.finish),
            parameters=reply.parameters,
        )
        return parsed, action, answer

    def _parse(self, reply: str) -> ParsedAction:
        if self._cell.options.reasoning:
            reply = reply.rpartition(_ANSWER_MARK)[2]
        return self._task.parse(reply.strip(), self._env)

    def _agrees(self, parsed: ParsedAction, step: int) -> bool | None:
        if self._start.forced is None:
            return None
        return parsed.action == self._demonstrated(self._start.forced, step)

    def _demonstrated(self, forced: Demonstration, step: int) -> str:
        return self._task.express(forced.steps[step].action, self._env)

    def _select(self) -> None:
        """Chooses the demonstrations; the environment stands in the opening."""
        cell, k = self._cell, self._cell.record.demonstrations
        if k == 0:
            return
        plan, pool = cell.task, cell.task.pool
        assert pool is not None
        forced = self._start.forced
        showing = frozenset({forced.id}) if forced else plan.showing(self._env)
        query = Query(task=self._task, format=cell.record.format, opening=self._start.opening)
        name, version = self._task.name, self._task.version
        rng = generator(
            "selection", self._desk.seed, cell.record.selector, name, version, self._start.number
        )
        count = k - 1 if forced else k
        found = _NOTHING
        if cell.selector is not None:
            found = cell.selector.select(pool.without(showing), query, count, rng)
        allowed = pool.by_id.keys() - showing
        if not len(found.ids) == len(set(found.ids)) == count or not allowed.issuperset(found.ids):
            raise ContractError(
                f"selector {cell.record.selector!r} was asked for {count} different demonstrations "
                f"of the pool and gave {len(found.ids)}: {', '.join(found.ids[:8])}"
            )
        self._selection = _with_forced(found, forced) if forced else found
        self._left_out = 0 if forced else len(showing)

    async def _begin_prompt(self, episode: EpisodeRecord) -> None:
        desk, builder = self._desk, self._desk.builder(self._cell)
        prefix = await call(True, _make_prefix, builder, self._selection)
        if episode.prefix not in (None, prefix.hash):
            raise self._another_prompt(0)
        self._tail = builder.tail(prefix)
        self._images = prefix.images
        agent = self._cell.agent
        if agent.capabilities.context_tokens is not None:
            key = (self._cell.record.agent, prefix.hash)
            if key not in desk.counted:
                desk.counted[key] = await call(True, lambda: sum(map(agent.tokens, prefix.parts)))
            self._tokens = desk.counted[key]
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
        capabilities = self._cell.agent.capabilities
        if capabilities.context_tokens is not None:
            tokens = self._tokens + sum(map(self._cell.agent.tokens, prompt.question))
            if tokens > capabilities.context_tokens:
                raise _OverlongError(
                    f"the prompt has {tokens} tokens, the model takes {capabilities.context_tokens}"
                )
        if capabilities.max_images is not None and self._images > capabilities.max_images:
            raise _OverlongError(
                f"the prompt has {self._images} images, the model takes {capabilities.max_images}"
            )
        return prompt

    def _question(self) -> Prompt:
        assert self._tail is not None
        legal = None
        if self._cell.options.legal_actions:
            legal = self._task.legal_actions(self._env)
        return self._tail.question(legal)

    def _count(self, parts: Iterable[Part]) -> None:
        """Adds parts to the tokens and images that the context holds."""
        agent = self._cell.agent
        counted = agent.capabilities.context_tokens is not None
        for part in parts:
            self._images += not isinstance(part, TextPart)
            self._tokens += agent.tokens(part) if counted else 0

    def _generator(self, purpose: str, step: int) -> Any:
        identity = (self._desk.seed, self._cell.record.hash, self._start.number, step)
        return generator(purpose, *identity)


class _OverlongError(Exception):
    """A prompt does not fit its model; the message has the figures."""


def _storable(text: str) -> str:
    """Replaces lone surrogates, which are no text that a store could hold."""
    return text.encode("utf-8", "replace").decode()


def _make_prefix(builder: PromptBuilder, selection: Selection) -> Prefix:
    """Makes a prefix, and what is known of it, away from the event loop."""
    prefix = builder.prefix(selection)
    _ = prefix.hash, prefix.images
    return prefix


def stored(parts: Iterable[Part]) -> list[StoredPart]:
    """Returns parts as the store keeps them."""
    return [
        (part.hash, "text", part.text.encode())
        if isinstance(part, TextPart)
        else (part.hash, "png", part.png)
        for part in parts
    ]


def _with_forced(found: Selection, forced: Demonstration) -> Selection:
    """Puts the demonstration that is played again first, so that `replay` repeats it."""
    return Selection(
        demonstrations=(forced, *found.demonstrations),
        reasons=("the episode that is played again", *found.reasons),
    )
