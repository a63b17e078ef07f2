"""Parameters: what is sent beside the prompt, less what the model turned out not to take.

Which model takes which parameter is nowhere to be looked up: it is asked, and what it refuses
is left out from then on, or sent under its other name.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_REFUSAL = re.compile(
    r"unsupported|n.t (currently |yet )?(support|permit|allow|available|enabled|compatible)"
    r"|(unknown|unrecogni[sz]ed|unexpected) (\w+ )?(argument|field|key|name|parameter)"
    r"|extra (field|input)|extra_forbidden|deprecated|no longer|(may|can) only be set",
    re.IGNORECASE,
)
"""How servers say that they do not take a parameter, or no value of it but their own."""


class Parameters:
    """What one model takes; one object for each provider's instance.

    Args:
        alternatives: Under which other name to send what is refused under its first.
        optional: Names that mean nothing without each other, and that nobody insists on: whatever
            a server has against one of them, all are left out.
    """

    def __init__(
        self, alternatives: Mapping[str, str] | None = None, optional: Iterable[str] = ()
    ) -> None:
        self._alternatives = dict(alternatives or {})
        self._optional = tuple(optional)
        self._refused: dict[str, None] = {}

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the model refused, and is not sent under another name."""
        return tuple(name for name in self._refused if self._sent_as(name) is None)

    def sent(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what to send of what is wanted, under the names that the model takes."""
        named = ((self._sent_as(name), value) for name, value in wanted.items())
        return {name: value for name, value in named if name is not None}

    def refused(self, message: str, sent: Mapping[str, Any]) -> str | None:
        """Finds out which parameter the model refuses, and remembers it.

        Args:
            message: What the server says of a request that it rejected (400 or 422).
            sent: The parameters of that request, as `sent` gave them: not what was wanted, or a
                server that names what was not sent would be asked again for ever.

        Returns:
            Its name; None where the server complains of something else.
        """
        for name in self._optional:
            if name in sent and _place(name, message) is not None:
                self._refused |= dict.fromkeys(self._optional)
                return name
        if not _REFUSAL.search(message):
            return None
        found = [(place, name) for name in sent if (place := _place(name, message)) is not None]
        if not found:
            return None
        _, name = min(found)
        self._refused[name] = None
        return name

    def _sent_as(self, name: str) -> str | None:
        if name not in self._refused:
            return name
        other = self._alternatives.get(name)
        return None if other in self._refused else other


def _place(name: str, message: str) -> tuple[bool, int] | None:
    """Returns where a name stands in a message; what is quoted comes first."""
    spelt = re.escape(name).replace("_", "_?")  # or in camel case
    found = [
        (match.group(1) == "", match.start())
        for match in re.finditer(rf"(['\"`]?)(?<!\w){spelt}(?!\w)", message, re.IGNORECASE)
    ]
    return min(found, default=None)
