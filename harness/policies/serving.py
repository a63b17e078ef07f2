"""Any agent that needs no environment, served as an openpi policy.

A client's observation becomes one of the task's: its numbers or its frame, in the format that is
served. The agent sees it behind the same demonstrations and the same past as in a run, and its
action goes back as a chunk of one step. A connection is an episode; `{"endpoint": "reset"}`, or the
task's horizon, begins another. What a model says wrongly is replaced as in a run, and told.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np

from icil.harness.agents import Agent, EpisodeContext, Turn
from icil.harness.agents.reading import Reader, read_reply
from icil.harness.policies.codec import CodecError, pack, unpack
from icil.harness.policies.openpi import check_installed
from icil.harness.secrets import scrub
from icil.prompt_builders import PromptBuilder, Selection, Tail
from icil.tasks import IcilError, Observation, Opening, Task, sample_action
from icil.tasks.errors import UsageError
from icil.tasks.seeding import generator

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

_LONGEST_MESSAGE = 256 << 20
"""In bytes."""
_BROKEN = 1011
"""The code with which a connection is closed after a fault, as openpi's server does."""
_HEALTH = "/healthz"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """What is served."""

    agent: Agent
    name: str
    task: Task[Any]
    format: str
    key: str
    """Under which an observation holds the numbers or the frame of the format."""
    builder: PromptBuilder
    selection: Selection
    """The demonstrations that are shown."""
    reader: Reader = "strict"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task.action_box is None:
            raise UsageError(
                f"the actions of {self.task.name} are words; only vectors can be served"
            )
        if self.agent.capabilities.blind:
            raise UsageError(f"{self.name} looks at no observation, and cannot be served")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What clients are told."""
        return {
            "model": self.name,
            "task": self.task.name,
            "format": self.format,
            "observation_key": self.key,
            "demonstrations": "server",
            "demonstrations_hash": self.builder.prefix(self.selection).hash.hex(),
        }

    def observe(self, message: Mapping[Any, Any]) -> Observation:
        """Returns what a client sent as an observation of the task.

        Raises:
            UsageError: It holds no such thing.
        """
        if self.key not in message:
            known = ", ".join(map(str, message)) or "nothing"
            raise UsageError(f"the observation holds no {self.key!r} ({known:.100})")
        found = np.asarray(message[self.key])
        if self.format not in self.task.image_formats:
            return self.task.word_state(np.asarray(found, np.float64).reshape(-1))
        if found.ndim == 3 and found.shape[0] == 3 and found.shape[2] != 3:
            found = found.transpose(1, 2, 0)
        if found.ndim != 3 or found.shape[2] != 3 or found.dtype.kind not in "uif":
            raise UsageError(f"{self.key!r} is no frame but {found.dtype} of shape {found.shape}")
        if found.dtype.kind == "f":
            found = (found * 255).clip(0, 255)
        return Observation(image=np.ascontiguousarray(found, np.uint8))


class PolicyServer:
    """Serves an agent on an address.

    Args:
        served: The agent and what it is shown.
        host: Where to listen.
        port: At which port; 0 for any that is free.
    """

    def __init__(self, served: Served, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._served, self._host, self._port = served, host, port
        self._server: Server | None = None
        self._episodes = 0
        self.requests = 0
        """How many observations were answered."""

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://{self._host}:{port}"

    async def __aenter__(self) -> "PolicyServer":
        """Begins to serve.

        Raises:
            UsageError: The agent cannot play, a library is missing, or the port is taken.
        """
        check_installed("icil serve")
        from websockets.asyncio.server import serve

        await self._served.agent.prepare()
        try:
            self._server = await serve(
                self._talk,
                self._host,
                self._port,
                compression=None,
                max_size=_LONGEST_MESSAGE,
                ping_interval=None,
                process_request=_answer_health,
                logger=_quiet(),
            )
        except OSError as error:
            await self._served.agent.close()
            raise UsageError(f"cannot serve at {self._host}:{self._port}: {error}") from error
        return self

    async def __aexit__(self, *error: object) -> None:
        """Ends all conversations."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        await self._served.agent.close()

    async def _talk(self, connection: "ServerConnection") -> None:
        """Answers one client until it goes."""
        from websockets.exceptions import ConnectionClosed

        episode: _Episode | None = None
        try:
            metadata = await asyncio.to_thread(lambda: self._served.metadata)
            await connection.send(pack(metadata))
            async for data in connection:
                try:
                    message = unpack(data if isinstance(data, bytes) else data.encode())
                    if not isinstance(message, Mapping):
                        raise CodecError(f"an observation is a map, not {message!r:.60}")
                    if message.get("endpoint") == "reset":
                        if episode is not None:
                            await episode.end()
                        episode = None
                        await connection.send("reset")
                        continue
                    if episode is None or episode.over:
                        if episode is not None:
                            await episode.end()
                        self._episodes += 1
                        episode = await _Episode.begin(self._served, self._episodes)
                    answer = await episode.answer(message)
                except (CodecError, IcilError, ValueError, TypeError) as error:
                    await connection.send(scrub(f"{type(error).__name__}: {error}"))
                    await connection.close(_BROKEN, "the observation could not be answered")
                    return
                self.requests += 1
                await connection.send(pack(answer))
        except ConnectionClosed:
            pass  # what it asked for is of no use to anybody now
        finally:
            if episode is not None:
                await episode.end()


@dataclass(slots=True, eq=False)
class _Episode:
    """An episode that a client plays."""

    served: Served
    context: EpisodeContext
    tail: Tail | None
    step: int = 0
    _ended: bool = field(default=False)

    @classmethod
    async def begin(cls, served: Served, number: int) -> "_Episode":
        """Shows the agent its demonstrations."""
        context = EpisodeContext(
            task=served.task,
            format=served.format,
            opening=Opening(split="evaluation", index=number, state={}),
            demonstrations=served.selection.demonstrations,
            options=served.builder.options,
            generator=lambda step: generator("serve", served.seed, number, step),
        )
        tail = None
        if served.agent.capabilities.demonstrations == "prompt":
            prefix = await asyncio.to_thread(served.builder.prefix, served.selection)
            tail = served.builder.tail(prefix)
        await served.agent.begin(context)
        return cls(served, context, tail)

    @property
    def over(self) -> bool:
        """Whether it has come to the task's horizon."""
        return self.step >= self.served.task.horizon

    async def answer(self, message: Mapping[Any, Any]) -> dict[str, Any]:
        """Returns the agent's action on an observation.

        Raises:
            IcilError: There was none.
        """
        served, task, began = self.served, self.served.task, time.perf_counter()
        observation = await asyncio.to_thread(served.observe, message)
        prompt = None
        if self.tail is not None:
            tail = self.tail
            await asyncio.to_thread(tail.observe, observation)
            legal = task.legal_actions(None) if served.builder.options.legal_actions else None
            prompt = tail.question(legal)
        turn = Turn(
            episode=self.context, step=self.step, env=None, observation=observation, prompt=prompt
        )
        reply = await served.agent.act(turn)
        parsed = read_reply(
            task,
            None,
            reply.text,
            reasoning=served.builder.options.reasoning,
            reader=served.reader,
        ).counts
        action = parsed.action
        if action is None:
            action = sample_action(turn.legal_actions(), turn.rng())
        if self.tail is not None:
            self.tail.act(action)
        self.step += 1
        value = np.asarray(task.parse(action, None).value, np.float32).reshape(1, -1)
        milliseconds = (time.perf_counter() - began) * 1e3
        return {
            "actions": value,
            "status": parsed.status,
            "said": reply.text[:1000],
            "policy_timing": {"infer_ms": milliseconds},
            "server_timing": {"infer_ms": milliseconds},
        }

    async def end(self) -> None:
        """Tells the agent that it is over, once."""
        if not self._ended:
            self._ended = True
            await self.served.agent.end(self.context)


def _answer_health(connection: "ServerConnection", request: "Request") -> "Response | None":
    if request.path == _HEALTH:
        return connection.respond(HTTPStatus.OK, "OK\n")
    return None


def _quiet() -> logging.Logger:
    """Returns a log that says nothing of those who come and speak no WebSocket."""
    log = logging.getLogger(__name__)
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    from websockets.exceptions import WebSocketException

    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, WebSocketException | EOFError | ConnectionError)
