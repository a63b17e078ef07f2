"""Texts that somebody else wrote, made fit for a terminal."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WIDE = 240
"""Columns of a file or a pipe, where no field need be cut or broken."""

_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What moves the cursor, changes colours, rings, or turns the direction of writing: all control
characters but tabs and line ends."""


def harmless(text: str) -> str:
    r"""Returns a text with everything that a terminal would obey written out: `\x1b` for ESC."""
    return _UNFIT.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def plain(text: str) -> "Text":
    """Returns a text for rich as it stands: without markup, colours or control characters."""
    from rich.text import Text

    return Text(harmless(text))


def in_markup(text: str) -> str:
    """Returns a text as it may stand in rich's markup: without markup or control characters."""
    from rich.markup import escape

    return escape(harmless(text))


def one_line(text: str, longest: int) -> str:
    """Returns the beginning of a text in one line, line ends written as `⏎`."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return harmless(short.replace("\r\n", "⏎").replace("\n", "⏎").replace("\t", " "))


def wide_console() -> "Console":
    """Returns a console on standard output, where that is no terminal as wide as can be."""
    from icil.harness.cli.tables import make_console

    console = make_console()
    if not console.is_terminal:
        console.width = _WIDE
    return console
