"""Asking a policy until it answers: again where that can help, and told of while it lasts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from icil.harness.models.asking.trouble import Trouble, tell
from icil.harness.models.errors import UnreachableError
from icil.harness.policies.wire import Answered
from icil.tasks import ModelError

_TRIES = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0
_SLOW_S = 10.0
"""For how long there is no answer before that is told."""
_PASSING = ("unavailable", "rate_limited")
"""The faults after which the same observation may be answered."""


class Timed(NamedTuple):
    """An answer, and how long it took."""

    answered: Answered
    latency_s: float
    """From sending the observation that was answered to its whole answer."""


class Patience:
    """How long one policy is asked, by all episodes together.

    Args:
        name: The agent's, for what is told.
        endpoint: Where the policy is.
    """

    def __init__(self, name: str, endpoint: str) -> None:
        self._name, self._endpoint = name, endpoint
        self._reached = False
        """Whether the policy ever answered: one that never did is asked no more."""
        self._answered_at = 0.0
        """When it last did, by the loop's clock."""

    async def ask(
        self, send: Callable[[], Awaitable[Answered]], *, timeout_s: float, again: bool
    ) -> Timed:
        """Returns the policy's answer.

        Args:
            send: Asks once.
            timeout_s: How long that may take.
            again: Whether it may be asked again after a fault.

        Raises:
            ModelError: There was no answer; a fatal one where there never was any.
        """
        tries = AsyncRetrying(
            retry=retry_if_exception(lambda error: again and _passes(error)),
            wait=wait_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S),
            stop=stop_after_attempt(_TRIES),
            before_sleep=self._tell_again,
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    found = await self._send(send, timeout_s)
        except ModelError as error:
            if self._reached or error.fault != "unavailable":
                raise
            never = self._never(error)
            tell(Trouble(self._name, f"stopped: {never}", ended=True))
            raise ModelError(never, fault="fatal") from error
        self._reached = True
        self._answered_at = asyncio.get_running_loop().time()
        tell(Trouble(self._name, None))
        return found

    async def _send(self, send: Callable[[], Awaitable[Answered]], timeout_s: float) -> Timed:
        slow = asyncio.get_running_loop().call_later(_SLOW_S, self._tell_slow, timeout_s)
        began = time.perf_counter()
        try:
            answered = await send()
        finally:
            slow.cancel()
        return Timed(answered, time.perf_counter() - began)

    def _never(self, error: ModelError) -> str:
        """Returns what to say of a policy that never answered."""
        if isinstance(error, UnreachableError):
            return f"nobody answers at {self._endpoint}: {error.why}, {_TRIES} times in a row"
        return (
            f"the server at {self._endpoint} has answered no observation, {_TRIES} times in a row; "
            f"the last time: {error}"
        )

    def _tell_again(self, state: RetryCallState) -> None:
        """Tells that the observation will be sent again."""
        error = state.outcome.exception() if state.outcome else None
        why = error.why if isinstance(error, UnreachableError) else str(error)
        what = f"{why}; trying again in {state.upcoming_sleep:g} s"
        tell(Trouble(self._name, f"{what} ({state.attempt_number + 1} of {_TRIES})"))

    def _tell_slow(self, timeout_s: float) -> None:
        """Tells that an answer is waited for, unless others have come meanwhile."""
        if asyncio.get_running_loop().time() - self._answered_at >= _SLOW_S:
            what = f"no answer for {_SLOW_S:g} s; it may take {timeout_s:g} s"
            tell(Trouble(self._name, what))


def _passes(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.fault in _PASSING
