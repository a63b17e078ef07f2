"""`icil tasks`, `icil agents` and `icil selectors`."""

from inspect import getdoc
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@click.command()
def tasks() -> None:
    """List the tasks with their formats and published scores."""
    from rich.markup import escape
    from rich.table import Table

    from icil.harness.cli.tables import make_console
    from icil.tasks import make, members, names

    table = Table(
        "task", "what it is", "formats", "horizon", "published: random", "expert", "source"
    )
    for name in names():
        if name not in members():
            table.add_row(f"{name}…", "a family: the name goes on", "", "", "", "", "")
            continue
        task = make(name)
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


@click.command()
def agents() -> None:
    """List the agents."""
    from icil.harness.agents import factory, names

    _describe({name: factory(name) for name in names()})


@click.command()
def selectors() -> None:
    """List the selectors of demonstrations."""
    from icil.prompt_builders.selectors import find, names

    _describe({name: find(name).factory for name in names()})


def _describe(factories: "Mapping[str, Callable[..., object]]") -> None:
    """Prints names with the first line of what they stand for."""
    width = max(map(len, factories))
    for name, factory in factories.items():
        click.echo(f"{name:{width}}  {(getdoc(factory) or '').partition(chr(10))[0]}".rstrip())
