"""Chat providers: those that take a prompt as messages in JSON and answer in JSON.

They differ in how they word requests and answers. That a refused parameter is left out and
the request sent again at once, that a prefix is encoded once, where breakpoints stand and
what a failure means is the same.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from icil.harness.models.answers import error_text, read_object
from icil.harness.models.chat.bodies import Body, BodyMaker, Dialect
from icil.harness.models.chat.breakpoints import Breakpoints
from icil.harness.models.chat.dialect import LOGPROBS
from icil.harness.models.chat.parameters import Parameters
from icil.harness.models.completion import Completion, Finish, Place, Sampling, Tokens
from icil.harness.models.errors import status_error
from icil.harness.models.provider import Provider
from icil.prompt_builders import Prefix, Prompt

_REJECTED = (400, 403, 422)
"""Statuses of requests that may do without what they name; OpenAI says 403 of log-probabilities."""


class Response(NamedTuple):
    """What a server sent, whatever its status."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Said(NamedTuple):
    """What an answer says."""

    text: str
    finish: Finish
    detail: str | None
    model: str | None
    tokens: Tokens | None
    """None where the server does not tell."""
    logprobs: tuple[Place, ...] | None = None


class ChatProvider(Provider):
    """A model that is sent messages in JSON.

    A parameter named like `mark` overrules how breakpoints are marked; null marks none.
    """

    dialect: ClassVar[Dialect]
    mark: ClassVar[str]
    """The field of a block that makes a breakpoint of it."""
    alternatives: ClassVar[Mapping[str, str]] = {}
    """Other names of parameters, for servers that refuse the first."""

    def __init__(self, model: str) -> None:
        from icil.harness.models.tables.catalogue import find_limits

        self.model = model
        self.limits = find_limits(self.name, model)
        self._bodies = BodyMaker(self.dialect)
        self._breakpoints = Breakpoints()
        self._parameters = Parameters(self.alternatives, LOGPROBS)

    async def complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """See `Provider`."""
        asked = {**self._fields(sampling), **sampling.parameters}
        wanted = {**({} if sampling.once else self._caching(prompt.prefix)), **asked}
        while True:
            sent = self._parameters.sent(wanted)
            response = await self._post(await self._body(prompt, sent))
            if 200 <= response.status < 300:
                break
            message = error_text(response.content)
            if response.status not in _REJECTED or not self._parameters.refused(message, sent):
                raise status_error(response.status, message, response.headers)
        said = self._read(read_object(response.content))
        self._breakpoints.add(prompt)
        tokens = said.tokens
        if tokens is None:
            tokens = await asyncio.to_thread(self._count, prompt, said.text)
        return Completion(
            text=said.text,
            tokens=tokens,
            model=said.model,
            finish=said.finish,
            detail=said.detail,
            parameters=sent,
            dropped=tuple(name for name in asked if name in self._parameters.dropped),
            logprobs=said.logprobs,
        )

    async def forget(self, prefix: Prefix) -> None:
        """See `Provider`."""
        self._bodies.forget(prefix)

    @abstractmethod
    def _fields(self, sampling: Sampling) -> dict[str, Any]:
        """Returns what is asked for as fields of a request, but for `sampling.parameters`."""

    @abstractmethod
    def _caching(self, prefix: Prefix) -> dict[str, Any]:
        """Returns the fields that have a prefix cached: the mark, and others of the request."""

    @abstractmethod
    async def _post(self, body: Body) -> Response:
        """Sends a request.

        Raises:
            ModelError: There was no answer, or not all of it.
        """

    @abstractmethod
    def _read(self, answer: Mapping[str, Any]) -> Said:
        """Reads an answer.

        Raises:
            ModelError: It is not as the provider words answers.
        """

    async def _body(self, prompt: Prompt, sent: Mapping[str, Any]) -> Body:
        fields = {"model": self.model, **sent}
        marked = fields.pop(self.mark, None)
        mark = {self.mark: marked} if isinstance(marked, Mapping) else None
        breakpoints = self._breakpoints.of(prompt) if mark else ()
        return await asyncio.to_thread(self._bodies.make, prompt, fields, mark, breakpoints)

    def _count(self, prompt: Prompt, text: str) -> Tokens:
        from icil.harness.models.tables.tokens import count_text

        output = count_text(text, self.name, self.model)
        return Tokens(input=sum(map(self.tokens, prompt)), output=output)
