"""`icil tasks`, `icil agents` and `icil selectors`."""

from inspect import getdoc
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@click.command()
@click.argument("family", required=False)
def tasks(family: str | None) -> None:
    """List the tasks with their formats and published scores.

    With FAMILY, such as `atari/`, list the names of its members.
    """
    if family is None:
        _tabulate()
    else:
        _list_members(family)


def _tabulate() -> None:
    from rich.markup import escape
    from rich.table import Table

    from icil.harness.cli.tables import make_console
    from icil.tasks import UsageError, make, members, names

    table = Table(
        "task", "what it is", "formats", "horizon", "published: random", "expert", "source"
    )
    for name in names():
        if name not in members():
            what = "a family: the name goes on"
            if name in _FAMILIES:
                example = name + _FAMILIES[name].example
                what = f"a family, such as {example}; icil tasks {name} lists all"
            table.add_row(f"{name}…", what, "", "", "", "", "")
            continue
        try:
            task = make(name)
        except UsageError as error:  # an extra is not installed
            table.add_row(name, escape(str(error)), "", "", "", "", "")
            continue
        known = task.references
        table.add_row(
            name,
            escape(task.summary),
            ", ".join(task.formats),
            str(task.horizon),
            f"{known.random:g}" if known else "–",
            f"{known.expert:g}" if known else "–",
            escape(known.source) if known else "–",
        )
    make_console().print(table)


class _Family(NamedTuple):
    example: str
    members: "Callable[[], Sequence[str]]"


def _games() -> "Sequence[str]":
    from icil.tasks.atari.console import games

    return games()


def _environments() -> "Sequence[str]":
    from gymnasium.envs.registration import find_highest_version, registry

    newest = (
        s for s in registry.values() if s.version == find_highest_version(s.namespace, s.name)
    )
    return sorted(spec.id for spec in newest)


_FAMILIES = {
    "atari/": _Family("breakout", _games),
    "gym:": _Family("CartPole-v1", _environments),
}
"""The families of tasks whose members are known."""


def _list_members(family: str) -> None:
    from icil.tasks import UnknownNameError

    if family not in _FAMILIES:
        raise UnknownNameError("family of tasks", family, _FAMILIES)
    for member in _FAMILIES[family].members():
        click.echo(f"{family}{member}")


@click.command()
def agents() -> None:
    """List the agents."""
    from icil.harness.agents import factory, names

    _describe({name: factory(name) for name in names()})


@click.command()
def selectors() -> None:
    """List the selectors of demonstrations, and the controls."""
    from icil.prompt_builders.controls import find as find_control
    from icil.prompt_builders.controls import names as controls
    from icil.prompt_builders.selectors import find, names

    _describe({name: find(name).factory for name in names()})
    click.echo(
        "\nNAME[:METHOD][:KEY=VALUE]…, such as relevance:order=ascending (docs/selectors.md);"
    )
    click.echo("after a +, what alters the demonstrations, such as random+noise=0.25:\n")
    _describe({f"+{name}": find_control(name).factory for name in controls()})


def _describe(factories: "Mapping[str, Callable[..., object]]") -> None:
    """Prints names with the first line of what they stand for."""
    width = max(map(len, factories))
    for name, factory in factories.items():
        click.echo(f"{name:{width}}  {(getdoc(factory) or '').partition(chr(10))[0]}".rstrip())
