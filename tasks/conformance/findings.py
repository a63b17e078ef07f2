"""Findings: what a conformance checker has to say about somebody's task, selector or agent.

A checker is a table of rules. A rule is a function that is given the subject and yields the
problems it sees, and notes where something is worth knowing but not wrong.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

S = TypeVar("S")

_MOST = 3
"""How many problems a rule may report; the same mistake tends to show in every state."""
_LONGEST = 300
"""Characters of what was seen that are kept."""


class Problem(NamedTuple):
    """One thing that breaks a rule."""

    seen: str
    expected: str


class Note(NamedTuple):
    """Something worth knowing that breaks no rule."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that breaks a rule, with the rule."""

    rule: str
    seen: str
    expected: str
    """What would be right."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.seen}; expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one rule."""

    rule: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the rule is kept."""
        return not self.findings


Rule = Callable[[S], Iterator[Problem | Note]]
Rules = Mapping[str, Rule[S]]
"""What each rule demands, as a sentence, to the function that looks."""


def judge(rules: Rules[S], subject: S) -> Iterator[Verdict]:
    """Holds a subject against each rule, and yields what became of it."""
    for name, rule in rules.items():
        problems: list[Problem] = []
        notes: list[str] = []
        for one in _seen(rule, subject):
            if isinstance(one, Note):
                notes.append(one.text)
            else:
                problems.append(one)
            if len(problems) == _MOST:
                break
        findings = tuple(
            Finding(rule=name, seen=_shortened(p.seen), expected=p.expected) for p in problems
        )
        yield Verdict(rule=name, findings=findings, notes=tuple(notes))


def findings(verdicts: Iterable[Verdict]) -> tuple[Finding, ...]:
    """Returns all that was found."""
    return tuple(finding for verdict in verdicts for finding in verdict.findings)


def _seen(rule: Rule[S], subject: S) -> Iterator[Problem | Note]:
    try:
        yield from rule(subject)
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is what is reported
        yield Problem(raised(error), "no error")


def raised(error: BaseException) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
