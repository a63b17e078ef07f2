"""Controls, the registry of them, and how they are written: `random+noise=0.25+shuffle_order`."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from icil.prompt_builders.controls.control import Alteration, Control, Rank, Scope, Stage
from icil.tasks.errors import UsageError
from icil.tasks.registry import Factory, Found, Registry

_HERE = "icil.prompt_builders.controls"
_REGISTRY: Registry[Control] = Registry(
    "control",
    "icil.controls",
    {
        "irrelevant": f"{_HERE}.irrelevant:Irrelevant",
        "noise": f"{_HERE}.noise:Noise",
        "permute_labels": f"{_HERE}.permute_labels:PermuteLabels",
        "shuffle_actions": f"{_HERE}.shuffling:ShuffleActions",
        "shuffle_order": f"{_HERE}.shuffling:ShuffleOrder",
        "wrong_expert": f"{_HERE}.wrong_expert:WrongExpert",
    },
)


def register(name: str) -> Callable[[Factory], Factory]:
    """Returns a decorator that registers a control under a name, its `kind`."""
    return _REGISTRY.register(name)


def names() -> tuple[str, ...]:
    """Returns the names of all controls, sorted."""
    return _REGISTRY.names()


def find(name: str) -> Found[Control]:
    """Finds what makes the control of a name.

    Raises:
        UnknownNameError: There is no such control; the message names the nearest.
    """
    return _REGISTRY.find(name)


def make(text: str) -> Control:
    """Makes a control of its name, or of its name and value: `noise=0.25`.

    Raises:
        UnknownNameError: There is no such control; the message names the nearest.
        UsageError: It takes no such value.
    """
    name, given, value = text.partition("=")
    return find(name).factory(value if given else None)


class Controlled(NamedTuple):
    """A selector with the controls that follow its name."""

    selector: str
    controls: tuple[Control, ...]
    """In the order in which they are applied."""

    @property
    def suffix(self) -> str:
        """What follows the selector's name."""
        return "".join(f"+{control.name}" for control in self.controls)

    @property
    def name(self) -> str:
        """The whole, written in one way alone."""
        return self.selector + self.suffix


def read_controlled(text: str) -> Controlled:
    """Reads a selector's name and the controls that follow it.

    Raises:
        UnknownNameError: There is no such control; the message names the nearest.
        UsageError: A control takes no such value, or two cannot go together.
    """
    selector, *written = text.split("+")
    controls = sorted(map(make, written), key=lambda control: control.rank)
    for kind, count in Counter(control.kind for control in controls).items():
        if count > 1:
            raise UsageError(f"{text!r} has the control {kind} {count} times")
    replacing = [control.name for control in controls if control.rank is Rank.REPLACES]
    if len(replacing) > 1:
        raise UsageError(
            f"{text!r} has {' and '.join(replacing)}, which each show demonstrations of their own"
        )
    return Controlled(selector, tuple(controls))


__all__ = [
    "Alteration",
    "Control",
    "Controlled",
    "Rank",
    "Scope",
    "Stage",
    "find",
    "make",
    "names",
    "read_controlled",
    "register",
]
