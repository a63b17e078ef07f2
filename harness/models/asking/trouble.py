"""Trouble: what is told of models that do not answer, while they are still being asked.

Who asks a model tells, and does not know whether anybody listens; who shows a run's progress
listens. The listener belongs to the context: it hears of all tasks that begin in it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Trouble(NamedTuple):
    """What is wrong with a model, or no longer is."""

    model: str
    """Its provider and name, such as `openai/gpt-5`."""
    what: str | None
    """What is wrong, and what is done about it; None where it answers again."""
    ended: bool = False
    """Whether it is asked no more."""


Listener = Callable[[Trouble], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Has a listener told of all trouble that comes of what begins inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(trouble: Trouble) -> None:
    """Tells of trouble, if anybody listens."""
    listener = _listener.get()
    if listener is not None:
        listener(trouble)
