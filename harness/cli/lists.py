"""`icil tasks`, `icil agents` and `icil selectors`."""

from inspect import getdoc
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
            known = _FAMILIES.get(name, _Family("a family: the name goes on"))
            what = known.what
            if known.members is not None:
                example = f"{name}{known.example}"
                what = f"{what}, such as {example}; icil tasks {name} lists all"
            table.add_row(f"{name}…", what, "", "", "", "", "")
            continue
        try:
            task = make(name)
        except UsageError as error:  # an extra is not installed
            table.add_row(name, escape(str(error)), "", "", "", "", "")
            continue
        scores = task.references
        table.add_row(
            name,
            escape(task.summary),
            ", ".join(task.formats),
            str(task.horizon),
            f"{scores.random:g}" if scores else "–",
            f"{scores.expert:g}" if scores else "–",
            escape(scores.source) if scores else "–",
        )
    make_console().print(table)


class _Family(NamedTuple):
    what: str
    members: "Callable[[], Mapping[str, str]] | None" = None
    """Returns the names with what they are, '' where the name says it; None where anything goes."""
    example: str = ""


def _games() -> "Mapping[str, str]":
    from icil.tasks.atari.console import games

    return dict.fromkeys(games(), "")


def _environments() -> "Mapping[str, str]":
    from gymnasium.envs.registration import find_highest_version, registry

    newest = (
        s for s in registry.values() if s.version == find_highest_version(s.namespace, s.name)
    )
    return dict.fromkeys(sorted(spec.id for spec in newest), "")


def _of_fetch() -> "Mapping[str, str]":
    from icil.tasks.fetch.library import INSTRUCTIONS

    return INSTRUCTIONS


def _of_metaworld() -> "Mapping[str, str]":
    from icil.tasks.metaworld.instructions import INSTRUCTIONS

    return INSTRUCTIONS


_FAMILIES = {
    "atari/": _Family("games on an Atari 2600", _games, "breakout"),
    "fetch/": _Family("things to do for an arm (Fetch)", _of_fetch, "reach"),
    "gym:": _Family("environments of Gymnasium", _environments, "CartPole-v1"),
    "metaworld/": _Family("things to do for an arm (Meta-World)", _of_metaworld, "reach-v3"),
    "recorded:": _Family("what a robot recorded: recorded:DIR, the folder of a LeRobotDataset"),
}
"""The families of tasks that are described."""


def _list_members(family: str) -> None:
    from icil.tasks import UnknownNameError

    listed = {name: known.members for name, known in _FAMILIES.items() if known.members}
    if family not in listed:
        raise UnknownNameError("family of tasks", family, listed)
    members = listed[family]()
    width = max(map(len, members), default=0)
    for member, what in members.items():
        click.echo(f"{family}{member:{width}}  {what}".rstrip())


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
