"""Faults: what goes wrong, when, and how it looks on the wire.

Whether a request fails is drawn from its content and from how often that content was seen:
a request sent again fails independently, but never more than so many times in a row, so that
whoever retries gets through, and two runs of the same client see the same faults.
A script overrules the draws: its n-th entry is for the n-th request for an answer.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, cast, get_args

from icil.harness.fake_server.call import Call
from icil.tasks.errors import UnknownNameError, UsageError

FaultKind = Literal[
    "400",
    "401",
    "404",
    "408",
    "429",
    "429-date",
    "500",
    "503",
    "529",
    "blank",
    "drop",
    "half",
    "half-chunked",
    "hang",
    "html",
    "shape",
    "text",
]
"""What a fault looks like to the client:

400           a parameter is refused, with the provider's error body
401           a wrong key
404           an unknown model
408           the request timed out
429           asked too often; `Retry-After` in seconds
429-date      the same; `Retry-After` as a date
500           an error of the server
503           not available
529           overloaded
blank         200 without a body
drop          the connection closes before an answer
half          the connection closes in the middle of an answer of known length
half-chunked  the same, of a chunked answer
hang          no answer until the client gives up
html          200 with a web page
shape         200 with JSON of another shape
text          200 with a text that claims to be JSON
"""

KINDS: tuple[str, ...] = get_args(FaultKind)

_KEPT = 100_000
"""For how many contents it is remembered how often they were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """When a kind of fault comes."""

    kind: FaultKind
    share: float = 0.0
    """The share of requests that fail so, from 0 to 1."""
    first: int = 0
    """How many of the first requests fail so, whatever the share."""
    models: str = "*"
    """Pattern of the models' names, such as `gpt-*`."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("fault", self.kind, KINDS)
        if not 0 <= self.share <= 1:
            raise UsageError(f"fault {self.kind}: expected a share from 0 to 1, got {self.share}")
        if self.first < 0:
            raise UsageError(f"fault {self.kind}: expected 0 or more first, got {self.first}")


def read_fault(text: str) -> FaultRule:
    """Reads a rule as the command line has it: `429:0.1` or `500:first=3`.

    Raises:
        UsageError: It is not of that form, or there is no such fault.
    """
    name, colon, value = text.partition(":")
    if name not in KINDS:
        raise UnknownNameError("fault", name, KINDS)
    kind = cast(FaultKind, name)
    when, _, number = value.rpartition("=")
    with suppress(ValueError):
        if colon and when == "first":
            return FaultRule(kind=kind, first=int(number))
        if colon and not when:
            return FaultRule(kind=kind, share=float(number))
    raise UsageError(f"fault {text!r}: expected KIND:SHARE, such as 429:0.1, or KIND:first=N")


class _Seen(NamedTuple):
    """What became of a content so far."""

    times: int
    in_a_row: int
    """How many of the last of those failed, one after the other."""


class FaultPlan:
    """Decides which request fails how.

    Args:
        rules: When which fault comes.
        script: The fault of each request for an answer, in the order of arrival, and None for
            those that do not fail; overrules the rules for so many requests.
        most_in_a_row: How many times in a row a content fails at most by the shares.
        seed: Of the draws.
    """

    def __init__(
        self,
        rules: Sequence[FaultRule],
        script: Sequence[FaultKind | None],
        most_in_a_row: int,
        seed: int,
    ) -> None:
        self._rules, self._script, self._most, self._seed = rules, script, most_in_a_row, seed
        self._left = [rule.first for rule in rules]
        self._arrived = 0
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def arrive(self) -> int:
        """Returns the place of a request in the script; call it when it arrives."""
        self._arrived += 1
        return self._arrived - 1

    def decide(self, place: int, call: Call) -> FaultKind | None:
        """Returns how a request fails, or None."""
        if place < len(self._script):
            return self._script[place]
        for index, rule in enumerate(self._rules):
            if self._left[index] and fnmatchcase(call.model, rule.models):
                self._left[index] -= 1
                return rule.kind
        return self._draw(call)

    def _draw(self, call: Call) -> FaultKind | None:
        seen = self._seen.pop(call.hash, _Seen(0, 0))
        fault = None
        if seen.in_a_row < self._most:
            fault = self._pick(call, call.draw(f"fault {seen.times}", self._seed))
        self._seen[call.hash] = _Seen(seen.times + 1, seen.in_a_row + 1 if fault else 0)
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return fault

    def _pick(self, call: Call, drawn: float) -> FaultKind | None:
        for rule in self._rules:
            if fnmatchcase(call.model, rule.models):
                drawn -= rule.share
                if drawn < 0:
                    return rule.kind
        return None
