"""Policies behind a server, as agents: they see arrays and an instruction, and answer chunks.

An episode has a conversation of its own with the server, so that one that keeps a state keeps one
for each. A connection that breaks is opened again and the observation sent again, unless the server
keeps a state: then the episode begins anew when the run goes on. Whatever is no chunk of finite
actions within bounds is a fault, never an action.
"""

import asyncio
import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.harness.models.environment import read_key
from icil.harness.models.errors import UnreachableError
from icil.harness.policies import act as act_wire
from icil.harness.policies import openpi as openpi_wire
from icil.harness.policies.addresses import KEY, read_url
from icil.harness.policies.asking import Patience
from icil.harness.policies.checks import ChunkError, check_chunk
from icil.harness.policies.executor import Execution
from icil.harness.policies.mapping import Mapped, ObservationMap
from icil.harness.policies.showing import numbers, show
from icil.harness.policies.wire import Answered, Session, Shown, Wire
from icil.harness.secrets import scrub
from icil.harness.threads import call
from icil.results import Usage
from icil.tasks import Demonstration, ModelError, Task
from icil.tasks.errors import ExperimentError

Use = Literal["none", "trajectory", "server"]
_USES: tuple[Use, ...] = ("none", "trajectory", "server")
_KEPT = 256
"""Demonstrations that are kept as arrays."""
_LONGEST_WORD = 128
"""Characters of what a server says of itself that are kept."""
_DIGITS = 9
"""Significant digits of a number in the store: what a float32 has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a policy is used."""

    execution: Execution
    tolerance: float
    timeout_s: float
    first_timeout_s: float
    demonstrations: Use
    stateful: bool


class PolicyAgent(Agent):
    """A policy behind a server.

    Args:
        wire: How it is spoken to.
        map: What it is sent.
        serving: How it is used.
    """

    waits = True
    heeds_legal_actions = False

    def __init__(self, wire: Wire, map: ObservationMap, serving: Serving) -> None:
        self._wire, self._map, self._serving = wire, map, serving
        self.capabilities = Capabilities(
            state=True,
            chunked=True,
            demonstrations=serving.demonstrations,
            stateful=serving.stateful,
        )
        self.execution = serving.execution
        self._mapped: dict[Task[Any], Mapped] = {}
        self._shown: OrderedDict[tuple[Task[Any], str], tuple[Demonstration, Shown]] = OrderedDict()
        self._lock = Lock()
        self._talks: dict[EpisodeContext, _Talk] = {}
        self._patience = Patience(f"{wire.name}@{wire.endpoint}", wire.endpoint)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The map, how chunks are played, and what differs from the defaults."""
        serving = self._serving
        return {
            **self._wire.settings,
            "map": self._map.settings,
            "execution": str(serving.execution),
            "tolerance": serving.tolerance,
            "demonstrations": serving.demonstrations,
            **({"stateful": True} if serving.stateful else {}),
        }

    def check_task(self, task: Task[Any]) -> None:
        """Checks that the policy can play a task.

        Raises:
            ExperimentError: It cannot; the message says what is missing.
        """
        self._fit(task)

    async def reach(self) -> None:
        """Connects to the server, and lets go of it.

        Raises:
            ModelError: Nobody answers there, or not as the protocol has it.
        """
        try:
            session = await self._wire.open()
            try:
                await session.begin(())
            finally:
                await session.close()
        except UnreachableError as error:
            raise ModelError(f"nobody answers at {self._wire.endpoint}: {error.why}") from error
        except ModelError as error:
            raise ModelError(f"no policy answers at {self._wire.endpoint}: {error}") from error

    async def begin(self, episode: EpisodeContext) -> None:
        """Makes the arrays of the demonstrations; the server is spoken to at the first step."""
        mapped = await asyncio.to_thread(self._fit, episode.task)
        shown: Sequence[Shown] = ()
        if self._serving.demonstrations == "trajectory":
            shown = await call(True, self._show, mapped, episode.demonstrations)
        self._talks[episode] = _Talk(self._wire, self._serving, mapped, shown)

    async def act(self, turn: Turn) -> Reply:
        """Returns the chunk that the policy answers."""
        talk, task = self._talks[turn.episode], turn.episode.task
        observed = await call(task.slow, talk.mapped.observe, turn.env)
        found = await self._patience.ask(
            lambda: talk.ask(observed),
            timeout_s=talk.timeout_s,
            again=not (self._serving.stateful and turn.step > 0),
        )
        return _reply(talk, found.answered, observed, found.latency_s, self._serving.tolerance)

    async def end(self, episode: EpisodeContext) -> None:
        """Ends the conversation."""
        if talk := self._talks.pop(episode, None):
            await talk.close()

    async def close(self) -> None:
        """Ends all conversations."""
        for talk in list(self._talks.values()):
            await talk.close()
        self._talks.clear()
        await self._wire.close()

    def _fit(self, task: Task[Any]) -> Mapped:
        with self._lock:
            if task not in self._mapped:
                self._mapped[task] = self._map.fit(task)
            return self._mapped[task]

    def _show(self, mapped: Mapped, demonstrations: Sequence[Demonstration]) -> list[Shown]:
        found = []
        for one in demonstrations:
            key = (mapped.task, one.id)
            with self._lock:
                known = self._shown.get(key)
            if known is None or known[0] is not one:
                known = (one, show(mapped, one))
            with self._lock:
                self._shown[key] = known
                self._shown.move_to_end(key)
                while len(self._shown) > _KEPT:
                    self._shown.popitem(last=False)
            found.append(known[1])
        return found


class _Talk:
    """A conversation with the server, opened again where it broke."""

    def __init__(
        self, wire: Wire, serving: Serving, mapped: Mapped, shown: Sequence[Shown]
    ) -> None:
        self.mapped, self.shown = mapped, shown
        self.metadata: Mapping[str, Any] = {}
        self._wire, self._serving = wire, serving
        self._session: Session | None = None
        self._asked = False

    @property
    def timeout_s(self) -> float:
        """How long the next answer may take: a server may compile its model at its first."""
        return self._serving.timeout_s if self._asked else self._serving.first_timeout_s

    async def ask(self, observed: Mapping[str, Any]) -> Answered:
        """Sends an observation and returns the answer.

        Raises:
            ModelError: There was none.
        """
        try:
            if self._session is None:
                self._session = await self._wire.open()
                self.metadata = self._session.metadata
                _check_use(self._serving.demonstrations, self.metadata)
                await self._session.begin(self.shown)
            answered = await self._session.infer(observed, self.timeout_s)
        except BaseException:
            await self.close()  # what comes next on this connection might answer this question
            raise
        self._asked = True
        return answered

    async def close(self) -> None:
        """Ends it."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _check_use(use: Use, metadata: Mapping[str, Any]) -> None:
    """Checks that the server takes demonstrations as it is to be given them.

    Raises:
        ModelError: It does not; all episodes would fail alike.
    """
    said = _text(metadata, "demonstrations") or "none"
    if use == "server" and not _text(metadata, "demonstrations_hash"):
        raise ModelError(
            "demonstrations: server needs a server whose metadata holds a demonstrations_hash",
            fault="fatal",
        )
    if use == "trajectory" and said != "trajectory":
        raise ModelError(
            "demonstrations: trajectory needs a server whose metadata says so; this one says "
            f"{said!r:.40}",
            fault="fatal",
        )


def _reply(
    talk: _Talk,
    answered: Answered,
    observed: Mapping[str, Any],
    latency_s: float,
    tolerance: float,
) -> Reply:
    try:
        found = talk.mapped.read(answered.content)
        chunk = check_chunk(found, talk.mapped.box, tolerance=tolerance)
    except (ChunkError, KeyError) as error:
        said = str(error.args[0]) if error.args else "it holds no actions"
        raise ModelError(f"the policy's answer cannot be played: {scrub(said)}") from error
    images = sum(one.dtype == "uint8" and one.ndim == 3 for one in numbers(dict(observed)))
    rounded = np.array([[float(f"{x:.{_DIGITS}g}") for x in row] for row in chunk.tolist()])
    return Reply(
        # A bound itself may have more digits, and what is rounded lies beyond it.
        text=json.dumps(np.clip(rounded, talk.mapped.box.low, talk.mapped.box.high).tolist()),
        usage=Usage(latency_s=latency_s, images=images),
        model=_text(talk.metadata, "model") or _text(talk.metadata, "policy"),
        parameters={"steps": len(chunk), **answered.timing, **_told(talk.metadata)},
    )


def _told(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns what a server says of its demonstrations."""
    told = _text(metadata, "demonstrations_hash")
    return {"demonstrations_hash": told} if told else {}


def _text(metadata: Mapping[str, Any], key: str) -> str | None:
    """Returns what a server says of itself, which may be anything: a text, None for no text."""
    value = metadata.get(key)
    value = value.hex() if isinstance(value, bytes) else value
    return value[:_LONGEST_WORD] or None if isinstance(value, str) else None


def openpi(
    url: str,
    *,
    map: str = "plain",
    execution: str = "open_loop",
    dialect: str = "openpi",
    demonstrations: str = "none",
    stateful: bool = False,
    tolerance: float = 0.01,
    timeout_s: float = 60.0,
    first_timeout_s: float = 600.0,
) -> PolicyAgent:
    """Makes the agent of a policy that speaks openpi's protocol.

    Args:
        url: `ws://host:port`.
        map: A preset or a YAML file: what the server is sent, and what of its answers are actions.
        execution: `open_loop`, `open_loop:N`, `receding` or `ensemble:K`.
        dialect: `openpi`, `roboarena`, `vllm_omni` or `ricl`.
        demonstrations: `none`, `trajectory` (they are sent to it) or `server` (it holds its own).
        stateful: Whether the server remembers earlier steps of an episode.
        tolerance: How far beyond its bounds a number may be, in parts of their distance.
        timeout_s: How long an answer may take, in seconds.
        first_timeout_s: How long the first of an episode may.

    Raises:
        UsageError: A setting has a value that it cannot have, or a library is missing.
    """
    if dialect not in openpi_wire.DIALECTS:
        raise _wrong("dialect", ", ".join(openpi_wire.DIALECTS), dialect)
    openpi_wire.check_installed()
    wire = openpi_wire.Openpi(
        url=read_url(url, "vla/openpi", ("ws", "wss")),
        dialect=dialect,
        key=_key(f"vla/openpi@{url}"),
    )
    serving = _serving(execution, demonstrations, stateful, tolerance, timeout_s, first_timeout_s)
    return PolicyAgent(wire, ObservationMap(map), serving)


def act(
    url: str,
    *,
    map: str = "act",
    execution: str = "open_loop",
    extra: Mapping[str, Any] | None = None,
    stateful: bool = False,
    tolerance: float = 0.01,
    timeout_s: float = 60.0,
    first_timeout_s: float = 600.0,
) -> PolicyAgent:
    """Makes the agent of a policy that is asked by POST /act.

    Args:
        url: `http://host:port`.
        map: As of `openpi`.
        execution: As of `openpi`.
        extra: What is sent with each observation, such as `{unnorm_key: bridge_orig}`.
        stateful: As of `openpi`.
        tolerance: As of `openpi`.
        timeout_s: As of `openpi`.
        first_timeout_s: As of `openpi`.

    Raises:
        UsageError: A setting has a value that it cannot have.
    """
    if extra is not None and not isinstance(extra, Mapping):
        raise _wrong("extra", "names and values, such as {unnorm_key: bridge_orig}", extra)
    wire = act_wire.Act(
        url=read_url(url, "vla/act", ("http", "https")),
        extra=dict(extra or {}),
        key=_key(f"vla/act@{url}"),
    )
    serving = _serving(execution, "none", stateful, tolerance, timeout_s, first_timeout_s)
    return PolicyAgent(wire, ObservationMap(map), serving)


def _serving(
    execution: str,
    demonstrations: str,
    stateful: bool,
    tolerance: float,
    timeout_s: float,
    first_timeout_s: float,
) -> Serving:
    if demonstrations not in _USES:
        raise _wrong("demonstrations", ", ".join(_USES), demonstrations)
    if type(stateful) is not bool:
        raise _wrong("stateful", "true or false", stateful)
    for name, value in (("timeout_s", timeout_s), ("first_timeout_s", first_timeout_s)):
        if type(value) not in (int, float) or not 0 < value <= 86_400:
            raise _wrong(name, "seconds above 0, up to a day", value)
    if type(tolerance) not in (int, float) or not 0 <= tolerance <= 1:
        raise _wrong("tolerance", "a number from 0 to 1", tolerance)
    return Serving(
        execution=Execution.read(execution),
        tolerance=float(tolerance),
        timeout_s=float(timeout_s),
        first_timeout_s=float(first_timeout_s),
        demonstrations=demonstrations,
        stateful=stateful,
    )


def _key(model: str) -> str | None:
    return read_key(model, KEY) if os.environ.get(KEY) else None


def _wrong(name: str, expected: str, got: object) -> ExperimentError:
    return ExperimentError(f"{name} of a policy: expected {expected}, got {got!r:.60}")
