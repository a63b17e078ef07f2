"""Selectors, and the registry of them."""

from collections.abc import Callable
from functools import partial

from icil.prompt_builders.selectors.options import check_options, split_name
from icil.prompt_builders.selectors.random import RandomSelector
from icil.prompt_builders.selectors.selector import Query, Selection, Selector
from icil.tasks.registry import Factory, Found, Registry

_REGISTRY: Registry[Selector] = Registry(
    "selector",
    "icil.selectors",
    {
        "curriculum": "icil.prompt_builders.selectors.curriculum:CurriculumSelector",
        "diversity": "icil.prompt_builders.selectors.diversity:DiversitySelector",
        "hard": "icil.prompt_builders.selectors.curriculum:HardSelector",
        "random": "icil.prompt_builders.selectors.random:RandomSelector",
        "relevance": "icil.prompt_builders.selectors.relevance:RelevanceSelector",
        "synthetic": "icil.prompt_builders.selectors.synthetic:SyntheticSelector",
    },
)


def register(name: str) -> Callable[[Factory], Factory]:
    """Returns a decorator that registers a selector under a name.

    What the factory takes by keyword can follow the name: `NAME:KEY=VALUE`, as text.
    """
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all selectors, without what may follow them, sorted."""
    return _REGISTRY.names()


def find(name: str) -> Found[Selector]:
    """Finds what makes the selector of a name, `NAME[:METHOD][:KEY=VALUE]…`.

    Raises:
        UnknownNameError: There is no such selector; the message names the nearest.
        UsageError: It takes no such option; the message names those it takes.
    """
    if name in names() or split_name(name).base not in names():
        return _REGISTRY.find(name)
    taken = split_name(name)
    found = _REGISTRY.find(taken.base)
    return Found(partial(found.factory, **check_options(taken, found)), found.argument)


def make(name: str) -> Selector:
    """Makes a selector by its name, `NAME[:METHOD][:KEY=VALUE]…`.

    Raises:
        UnknownNameError: There is no such selector; the message names the nearest.
        UsageError: It has no such option, or the option no such value; the message names those
            that there are.
    """
    return find(name).make()


__all__ = ["Query", "RandomSelector", "Selection", "Selector", "find", "make", "names", "register"]
