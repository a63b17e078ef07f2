"""How a selector's name says how it chooses: `NAME[:METHOD][:KEY=VALUE]…`.

    relevance:order=ascending   diversity:mmr:lambda=0.3   relevance:embedding=my_package:embed

What follows the name becomes keyword arguments of what the name stands for: METHOD is `method`, a
key that Python has taken, such as `lambda`, gets an underscore. A piece that is neither belongs
to the value before it, so that values may hold colons.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from icil.tasks import UnknownNameError, UsageError
from icil.tasks.registry import Found

S = TypeVar("S")
W = TypeVar("W", bound=str)


class Name(NamedTuple):
    """A selector's name, taken apart."""

    base: str
    options: Mapping[str, str]
    """Keys, among them `method`, to values as they were written."""


def split_name(name: str) -> Name:
    """Takes a selector's name apart.

    Raises:
        UsageError: It has an empty piece, or a key twice.
    """
    base, *pieces = name.split(":")
    options: dict[str, str] = {}
    key = ""
    for number, piece in enumerate(pieces):
        head, equals, value = piece.partition("=")
        if not equals and number == 0:
            head, value = "method", piece
        elif not equals:
            options[key] += f":{piece}"
            continue
        if not head or not value or head in options:
            what = f"{head!r} twice" if head in options and value else f"the empty piece {piece!r}"
            raise UsageError(
                f"the selector {name!r} has {what}; selectors are named NAME[:METHOD][:KEY=VALUE]…"
            )
        key = head
        options[key] = value
    return Name(base, options)


def check_options(name: Name, found: Found[S]) -> dict[str, str]:
    """Returns the keyword arguments that a selector's name gives to what makes it.

    Raises:
        UsageError: It takes no such option; the message names those that it takes.
    """
    known = {one.rstrip("_"): one for one in found.settings}
    for key in name.options:
        if key not in known:
            takes = sorted(known.keys() - {"method"})
            raise UsageError(
                f"the selector {name.base!r} takes no "
                + ("method" if key == "method" else f"option {key!r}")
                + (f"; its options are {', '.join(takes)}" if takes else "; it takes none")
            )
    return {known[key]: value for key, value in name.options.items()}


def one_of(noun: str, value: object, known: Iterable[W]) -> W:
    """Returns that of the known values which a value is.

    Raises:
        UnknownNameError: It is none; the message names the nearest, or all.
    """
    names = tuple(known)
    for name in names:
        if name == value:
            return name
    raise UnknownNameError(noun, str(value), names)


def share(key: str, value: float | str) -> float:
    """Returns a value from 0 to 1.

    Raises:
        UsageError: It is no such number.
    """
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 1:
        raise UsageError(f"{key}={value}: expected a number from 0 to 1")
    return number
