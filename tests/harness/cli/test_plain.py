"""Texts of others on a terminal: nothing in them is obeyed."""

import pytest

from icil.harness.cli.plain import harmless, one_line, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain naïve ☃ 日本 👩\u200d🚀", "plain naïve ☃ 日本 👩\u200d🚀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b]0;t\x07", "\\x1b[31mred\\x1b]0;t\\x07"),
        ("\x9b2J\x7f\x08\r", "\\x9b2J\\x7f\\x08\\r"),
        ("a\u202eb\u2066c\u200ed\u2028e", "a\\u202eb\\u2066c\\u200ed\\u2028e"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert harmless(text) == shown
    assert plain(text).plain == shown
    assert plain("[bold]x").plain == "[bold]x"


def test_a_line_is_one_line():
    assert one_line("a\r\nb\nc\td", 20) == "a⏎b⏎c d"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
