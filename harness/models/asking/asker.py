"""Asking a model until it answers: the gate, time-outs, and trying again.

A provider sends once; here it is sent again where that can help, after a wait that grows and
is spread (exponential, with full jitter), or as long as the server asks for, if that is a
second or more. The wait holds no place in the gate. A server that nobody has reached yet is
soon given up. What goes wrong is told while it does (`trouble.py`).
"""

import asyncio
import time
from typing import NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from icil.harness.models.asking.gate import Gate
from icil.harness.models.asking.trouble import Trouble, tell
from icil.harness.models.completion import Completion, Sampling
from icil.harness.models.errors import UnreachableError, connection_error
from icil.harness.models.provider import Provider
from icil.prompt_builders import Prompt
from icil.tasks import ModelError
from icil.tasks.seeding import generator

_TRIES = 8
"""How often a request is sent to a server that fails."""
_TRIES_TO_REACH = 4
"""How often, where no request has reached the server yet."""
_PATIENCE_S = 3600.0
"""How long a request goes on that is turned away for being one too many, and how long a server
may ask to wait at most."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_FAILED_IN_A_ROW = 8
"""After so many requests without an answer, each tried often, the server is taken for dead."""
_SLOW_S = 60.0
"""For how long there is no answer before that is told."""
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
        self._reached = False
        """Whether the server was ever connected to."""
        self._troubled = False
        """Whether trouble was told of, and no answer has come since."""
        self._answered_at = 0.0
        """When the last answer came, by the loop's clock."""

    async def ask(self, prompt: Prompt, sampling: Sampling) -> Answered:
        """Returns the model's answer.

        Raises:
            ModelError: There was none, however often it was asked.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception(_worth_another),
            wait=lambda state: self._wait_s(state, prompt),
            stop=self._given_up,
            before_sleep=self._tell_again,
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
        if self._troubled:
            self._tell(None)
        return answered

    def _judge(self, error: ModelError) -> None:
        """Remembers what is fatal; takes a server for dead that has not answered for long."""
        if self._fatal is not None:
            return
        if error.fault == "fatal":
            self._fatal = str(error)
        elif isinstance(error, UnreachableError) and not self._reached:
            self._fatal = (
                f"nobody answers at {self._provider.endpoint}: {error.why}, "
                f"{_TRIES_TO_REACH} times in a row"
            )
        elif error.fault in _PASSING:
            self._failed += 1
            if self._failed >= _FAILED_IN_A_ROW:
                self._fatal = (
                    f"{self._provider.endpoint} has not answered {self._failed} requests in a "
                    f"row, each tried again and again; the last: {error}"
                )
        if self._fatal is not None:
            self._tell(f"stopped: {self._fatal}", ended=True)

    def _check_alive(self, cause: ModelError | None = None) -> None:
        """Raises a ModelError if there will be no more answers."""
        if self._fatal is not None:
            raise ModelError(self._fatal, fault="fatal") from cause

    async def _send(self, prompt: Prompt, sampling: Sampling) -> Answered:
        async with self._gate.enter() as ticket:
            self._check_alive()  # it may have waited for long
            slow = asyncio.get_running_loop().call_later(_SLOW_S, self._tell_slow)
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._timeout_s):
                    completion = await self._provider.complete(prompt, sampling)
            except TimeoutError as error:
                raise connection_error(
                    TimeoutError(f"nothing came within {self._timeout_s:g} s")
                ) from error
            except ModelError as error:
                self._reached |= not isinstance(error, UnreachableError)
                if error.fault == "rate_limited":
                    wait_s = error.retry_after_s or 0.0
                    self._gate.slow_down(ticket, wait_s if wait_s <= _PATIENCE_S else 0.0)
                raise
            finally:
                slow.cancel()
            latency_s = time.perf_counter() - began
        self._reached = True
        self._answered_at = asyncio.get_running_loop().time()
        self._gate.speed_up()
        return Answered(completion, latency_s)

    def _wait_s(self, state: RetryCallState, prompt: Prompt) -> float:
        identity = ("wait", prompt.hash.hex(), state.attempt_number)
        spread: float = generator(*identity).uniform()
        asked_s = _failure(state).retry_after_s or 0.0
        if asked_s >= self._first_wait_s:
            return asked_s * (1 + spread / 10)  # not all at the same moment
        longest = self._first_wait_s * 2.0 ** min(state.attempt_number - 1, 32)
        if self._unreached(state):
            return longest  # it is given up after the same time, however many ask
        return max(asked_s, spread * min(_LONGEST_WAIT_S, longest))

    def _given_up(self, state: RetryCallState) -> bool:
        error = _failure(state)
        wait_s = error.retry_after_s or 0.0
        if error.fault == "rate_limited":
            return (state.seconds_since_start or 0.0) + wait_s > _PATIENCE_S
        return state.attempt_number >= self._tries(state) or wait_s > _PATIENCE_S

    def _tries(self, state: RetryCallState) -> int:
        return _TRIES_TO_REACH if self._unreached(state) else _TRIES

    def _unreached(self, state: RetryCallState) -> bool:
        """Returns whether a try did not reach the server, as none ever did."""
        return not self._reached and isinstance(_failure(state), UnreachableError)

    def _tell_again(self, state: RetryCallState) -> None:
        """Tells that a request will be sent again."""
        error = _failure(state)
        why = error.why if isinstance(error, UnreachableError) else str(error)
        wait_s = round(state.upcoming_sleep)
        when = f" in {wait_s} s" if wait_s else ""
        of = f" ({state.attempt_number + 1} of {self._tries(state)})"
        limited = error.fault == "rate_limited"
        self._tell(f"{why}; trying again{when}{'' if limited else of}")

    def _tell_slow(self) -> None:
        """Tells that a request has waited for long, if others have as well."""
        if asyncio.get_running_loop().time() - self._answered_at >= _SLOW_S:
            self._tell(
                f"no answer for {_SLOW_S:g} s; a request is given up after {self._timeout_s:g} s"
            )

    def _tell(self, what: str | None, *, ended: bool = False) -> None:
        self._troubled = what is not None
        provider = self._provider
        name = f"{provider.name}/{provider.model}"
        if provider.name == "local":
            name += f"@{provider.endpoint}"
        tell(Trouble(name, what, ended))


def _worth_another(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.fault in _PASSING


def _failure(state: RetryCallState) -> ModelError:
    """Returns why the last try failed; after other errors nothing is tried again."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, ModelError)
    return error
