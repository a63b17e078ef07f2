"""Asking a model until it answers: the gate, time-outs, and trying again.

A provider sends once; here it is sent again where that can help, after a wait that grows and
is spread (exponential, with full jitter), or as long as the server asks for, if that is a
second or more. The wait holds no place in the gate.
"""

import asyncio
import time
from typing import NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from icil.harness.models.completion import Completion, Sampling
from icil.harness.models.errors import connection_error
from icil.harness.models.gate import Gate
from icil.harness.models.provider import Provider
from icil.prompt_builders import Prompt
from icil.tasks import ModelError
from icil.tasks.seeding import generator

_TRIES = 8
"""How often a request is sent to a server that fails."""
_PATIENCE_S = 3600.0
"""How long a request goes on that is turned away for being one too many, and how long a server
may ask to wait at most."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_FAILED_IN_A_ROW = 8
"""After so many requests without an answer, each tried often, the server is taken for dead."""
_PASSING = ("unavailable", "rate_limited")
"""The faults after which the same request may succeed."""


class Answered(NamedTuple):
    """A completion, and how long it took."""

    completion: Completion
    latency_s: float
    """From sending the request that was answered to its whole answer."""


class Asker:
    """Asks one model. Once it has found that there will be no more answers, it sends nothing.

    Args:
        provider: The model.
        gate: Through which all requests to it go.
        timeout_s: After how many seconds a request is given up.
        first_wait_s: The longest wait before the second try; doubles with each.
    """

    def __init__(
        self,
        provider: Provider,
        gate: Gate,
        *,
        timeout_s: float,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        self._provider, self._gate = provider, gate
        self._timeout_s, self._first_wait_s = timeout_s, first_wait_s
        self._failed = 0
        self._fatal: str | None = None
        """Why nothing is sent any more."""

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Answered:
        """Returns the model's answer.

        Raises:
            ModelError: There was none, however often it was asked.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception(_worth_another),
            wait=lambda state: self._wait_s(state, prompt),
            stop=_given_up,
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    answered = await self._send(prompt, sampling)
        except ModelError as error:
            self._judge(error)
            if error.fault in _PASSING:
                self._check_alive(error)
            raise
        self._failed = 0
        return answered

    def _judge(self, error: ModelError) -> None:
        """Remembers what is fatal; takes a server for dead that has not answered for long."""
        if self._fatal is not None:
            return
        if error.fault == "fatal":
            self._fatal = str(error)
        elif error.fault in _PASSING:
            self._failed += 1
            if self._failed >= _FAILED_IN_A_ROW:
                self._fatal = (
                    f"{self._provider.endpoint} has not answered {self._failed} requests in a "
                    f"row, each tried again and again; the last: {error}"
                )

    def _check_alive(self, cause: ModelError | None = None) -> None:
        """Raises a ModelError if there will be no more answers."""
        if self._fatal is not None:
            raise ModelError(self._fatal, fault="fatal") from cause

    async def _send(self, prompt: Prompt, sampling: Sampling) -> Answered:
        async with self._gate.enter() as ticket:
            self._check_alive()  # it may have waited for long
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._timeout_s):
                    completion = await self._provider.complete(prompt, sampling)
            except TimeoutError as error:
                raise connection_error(
                    TimeoutError(f"nothing came within {self._timeout_s:g} s")
                ) from error
            except ModelError as error:
                if error.fault == "rate_limited":
                    wait_s = error.retry_after_s or 0.0
                    self._gate.slow_down(ticket, wait_s if wait_s <= _PATIENCE_S else 0.0)
                raise
            latency_s = time.perf_counter() - began
        self._gate.speed_up()
        return Answered(completion, latency_s)

    def _wait_s(self, state: RetryCallState, prompt: Prompt) -> float:
        identity = ("wait", prompt.hash.hex(), state.attempt_number)
        spread: float = generator(*identity).uniform()
        asked_s = _failure(state).retry_after_s or 0.0
        if asked_s >= self._first_wait_s:
            return asked_s * (1 + spread / 10)  # not all at the same moment
        longest = self._first_wait_s * 2.0 ** min(state.attempt_number - 1, 32)
        return max(asked_s, spread * min(_LONGEST_WAIT_S, longest))


def _worth_another(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.fault in _PASSING


def _failure(state: RetryCallState) -> ModelError:
    """Returns why the last try failed; after other errors nothing is tried again."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, ModelError)
    return error


def _given_up(state: RetryCallState) -> bool:
    error = _failure(state)
    wait_s = error.retry_after_s or 0.0
    if error.fault == "rate_limited":
        return (state.seconds_since_start or 0.0) + wait_s > _PATIENCE_S
    return state.attempt_number >= _TRIES or wait_s > _PATIENCE_S
