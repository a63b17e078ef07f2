"""The page: one file with its style, scripts and data, and a policy that lets nothing else in.

The policy names the style and the script by their hashes. Were a text of a model ever taken for
markup, it could still run nothing, load nothing and send nothing.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from icil.results.report.drawings import Gallery
from icil.results.report.extras import ExtraTable
from icil.results.report.packing import to_script

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS = ("source.js", "board.js", "step.js", "player.js", "main.js")
_CLOSED = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"


class Packs(NamedTuple):
    """What is packed in base64."""

    episodes: Sequence[str] = ()
    beginnings: Sequence[str] = ()
    places: str = ""
    pictures: Sequence[str] = ()


def policy(*, live: bool) -> str:
    """Returns the content security policy of the page.

    Args:
        live: Whether it may ask the server that it came from.
    """
    own = f"script-src {_hash(_script())}; style-src {_hash(_file('report.css'))}"
    return f"{_CLOSED}; {own}" + ("; connect-src 'self'" if live else "")


def render_page(
    title: str,
    overview: Mapping[str, Any],
    galleries: Sequence[Gallery],
    extras: Sequence[ExtraTable] = (),
    origins: Sequence[ExtraTable] = (),
    actions: Sequence[ExtraTable] = (),
    packs: Packs | None = None,
) -> str:
    """Returns the page as HTML.

    Args:
        title: Its title.
        overview: What its scripts know at once.
        galleries: The pictures of each run.
        extras: The tables that stand below the leaderboard.
        origins: Those that stand under provenance.
        actions: Those of action errors, which stand above the leaderboard.
        packs: The episodes; none where a server gives them.
    """
    packs, live = packs or Packs(), bool(overview["live"])
    return _template().render(
        title=title,
        live=live,
        policy=policy(live=live),
        style=_file("report.css"),
        script=_script(),
        version=version("icil"),
        overview=to_script(overview),
        galleries=galleries,
        extras=extras,
        origins=origins,
        actions=actions,
        packs=packs.episodes,
        beginnings=packs.beginnings,
        places=packs.places,
        pictures=packs.pictures,
    )


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("report.html"))


@cache
def _file(name: str) -> str:
    return files("icil.results.report").joinpath(name).read_text("utf-8")


@cache
def _script() -> str:
    inside = "\n".join(_file(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{inside}}})();\n'


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
