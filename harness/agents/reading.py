"""Reading a reply as an action: to the letter, as LMAct does, or leniently.

Strictly, the reply without the white space around it must be an action; where the model was
asked to reason, what follows its last `Action:` counts. Leniently, an action that is quoted,
bold, in a code fence, labelled, or at the end of a sentence is taken as well. Each reply is
read both ways, so that the cost of strictness can be seen; one of the two counts.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from icil.tasks import ActionStatus, ParsedAction, Task

Reader = Literal["strict", "lenient"]

_MARK = "Action:"
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_LABEL = re.compile(
    r"^\W*(?:final |next |my )?(?:action|answer|move)\W*?(?::|=| is )\s*", re.IGNORECASE
)
_AROUND = " \t\r\n\"'`*_<>\u00ab\u00bb\u2018\u2019\u201c\u201d"
_MOST_WORDS = 6
"""The longest run of last words that may be an action (`A1: ICE CREAM`)."""
_HALF = 8192
"""Characters at each end of a reply in which an action is looked for leniently: no action is so
long, and to look through megabytes would hold up all other episodes."""


class Reading(NamedTuple):
    """A reply, read."""

    counts: ParsedAction
    otherwise: ActionStatus
    """What it would have been, read the other way."""


def read_reply(
    task: Task[Any], env: Any, reply: str, *, reasoning: bool, reader: Reader
) -> Reading:
    """Reads a reply in the present state of an environment, both ways.

    Args:
        task: The task.
        env: The environment.
        reply: What the model said.
        reasoning: Whether it was asked to think first.
        reader: Which way counts.
    """
    strict = task.parse(said_action(reply, reasoning=reasoning), env)
    if strict.status == "ok":
        return Reading(strict, "ok")
    lenient = _lenient(task, env, reply, strict)
    if reader == "strict":
        return Reading(strict, lenient.status)
    return Reading(lenient, strict.status)


def said_action(reply: str, *, reasoning: bool) -> str:
    """Returns what of a reply has to be an action, to the letter.

    Args:
        reply: What the model said.
        reasoning: Whether it was asked to think first.
    """
    return (reply.rpartition(_MARK)[2] if reasoning else reply).strip()


def _lenient(task: Task[Any], env: Any, reply: str, strict: ParsedAction) -> ParsedAction:
    """Returns the first reading that is allowed here, else the first that is an action at all."""
    found = strict
    for candidate in dict.fromkeys(_candidates(reply)):
        parsed = task.parse(candidate, env)
        if parsed.status == "ok":
            return parsed
        if parsed.status == "illegal" and found.status != "illegal":
            found = parsed
    return found


def _candidates(reply: str) -> Iterator[str]:
    """Yields what may be meant as the action, the likeliest first."""
    if len(reply) > 2 * _HALF:
        reply = f"{reply[:_HALF]}\n{reply[-_HALF:]}"
    after = reply.rpartition(_MARK)[2] if _MARK in reply else ""
    fenced = [found.group(1) for found in _FENCE.finditer(reply)]
    for text in (reply, after, *reversed(fenced)):
        lines = [line for line in text.strip().splitlines() if line.strip(_AROUND)]
        for line in (text, *lines[-1:], *lines[:1]):
            yield from _bared(line)
    lines = [line for line in reply.splitlines() if line.strip(_AROUND)]
    if lines:
        yield from _endings(lines[-1])


def _bared(text: str) -> Iterator[str]:
    """Yields a text without marks around it, without its label, without its full stop."""
    bare = text.strip(_AROUND)
    for one in (bare, _LABEL.sub("", bare).strip(_AROUND)):
        yield one
        yield one.rstrip(".!,;").strip(_AROUND)


def _endings(line: str) -> Iterator[str]:
    """Yields the last bracketed list of a line, and its last words, few before many."""
    if line.rstrip(_AROUND + ".!").endswith("]"):
        yield line[line.rfind("[") :].rstrip(_AROUND + ".!")
    words = line.split()
    for count in range(1, min(_MOST_WORDS, len(words)) + 1):
        yield from _bared(" ".join(words[-count:]))
