"""What is found when a run is verified: what is wrong, and what could not be checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a run folder that is not what was written, or not what it should be."""

    place: str
    """The table of the store, or the file."""
    what: str
    """What is wrong, in a line."""
    cell: str = ""
    """Task, format, agent, selector and number of demonstrations; see `cell_name`."""
    episode: int | None = None
    """Its number in the store."""
    opening: int | None = None
    attempt: int | None = None
    """None for steps of the attempt that counts."""
    step: int | None = None
    column: str = ""
    stored: str | None = None
    """What stands there, shortened."""
    right: str | None = None
    """What should stand there, shortened; None where that is not known."""
    value: Any = None
    """That, as the store would have it."""
    row: int | None = None
    """Of `cells`: its number."""

    @property
    def field(self) -> tuple[Any, ...]:
        """What is wrong: two faults of one field say the same."""
        return (self.place, self.cell, self.episode, self.attempt, self.step, self.column)

    @property
    def where(self) -> str:
        """Which cell, episode and step it is, as far as it is one, for people."""
        opening = "" if self.opening is None else f"opening {self.opening}"
        episode = "" if self.episode is None else f"episode {self.episode}"
        attempt = "" if self.attempt is None else f"attempt {self.attempt}"
        step = "" if self.step is None else f"step {self.step}"
        return ", ".join(filter(None, (self.cell, opening or episode, attempt, step)))


@dataclass(slots=True)
class Findings:
    """What was found so far."""

    faults: list[Fault] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    """What could not be checked, and why."""

    def add(self, other: "Findings") -> None:
        """Adds what was found elsewhere."""
        self.faults += other.faults
        self.unchecked += other.unchecked


def distinct(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Returns faults, of those of one field the first of which it is known what is right."""
    found: dict[tuple[Any, ...], Fault] = {}
    for fault in faults:
        key = fault.field if fault.column else (fault.field, fault.what)
        known = found.get(key)
        if known is None or (known.right is None and fault.right is not None):
            found[key] = fault
    return tuple(found.values())


def shortened(value: object) -> str:
    """Returns a value of the store for people: shortened, bytes in hexadecimal digits."""
    if isinstance(value, bytes):
        text = value.hex()
    elif value is None:
        return "nothing"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def cell_name(fields: Mapping[str, Any]) -> str:
    """Returns what a cell is called, given its columns."""
    size = str(fields["demonstrations"])
    if fields["context_tokens"] is not None:
        size = f"as fit in {fields['context_tokens']}"
    named: Iterable[Any] = (fields[name] for name in ("task", "format", "agent", "selector"))
    return " ".join([*filter(None, map(str, named)), size])
