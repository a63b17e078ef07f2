"""Selectors, and the registry of them."""

from collections.abc import Callable

from icil.prompt_builders.selectors.random import RandomSelector
from icil.prompt_builders.selectors.selector import Query, Selection, Selector
from icil.tasks.registry import Factory, Found, Registry

_REGISTRY: Registry[Selector] = Registry(
    "selector",
    "icil.selectors",
    {"random": "icil.prompt_builders.selectors.random:RandomSelector"},
)


def register(name: str) -> Callable[[Factory], Factory]:
    """Returns a decorator that registers a selector under a name."""
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all selectors, sorted."""
    return _REGISTRY.names()


def find(name: str) -> Found[Selector]:
    """Finds what makes the selector of a name.

    Raises:
        UnknownNameError: There is no such selector; the message names the nearest.
    """
    return _REGISTRY.find(name)


def make(name: str) -> Selector:
    """Makes a selector by its name.

    Raises:
        UnknownNameError: There is no such selector; the message names the nearest.
    """
    return _REGISTRY.make(name)


__all__ = ["Query", "RandomSelector", "Selection", "Selector", "find", "make", "names", "register"]
