"""`icil check`."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from icil.tasks.conformance.findings import Verdict


@click.command()
@click.argument("kind", type=click.Choice(["task", "agent", "selector"]))
@click.argument("name")
@click.option(
    "--set",
    "settings",
    metavar="SETTING=VALUE",
    multiple=True,
    help="Setting of what is checked; may be repeated.",
)
def check(kind: str, name: str, settings: tuple[str, ...]) -> None:
    """Check the task, agent or selector NAME against its contract.

    Prints each rule, and what breaks it; the exit code is 1 if anything does. An agent really
    plays: one that asks a hosted model asks it some dozens of short questions.
    """
    from icil.harness.cli.settings import read_settings

    judges = {"task": _judge_task, "agent": _judge_agent, "selector": _judge_selector}
    rules = broken = 0
    for verdict in judges[kind](name, read_settings(settings)):
        rules += 1
        broken += not verdict.ok
        _show(verdict)
    if broken:
        click.echo(f"{kind} {name} breaks {broken} of {rules} rules")
        raise click.exceptions.Exit(1)
    click.echo(f"{kind} {name} keeps all {rules} rules")


def _judge_task(name: str, settings: "Mapping[str, Any] | None") -> "Iterator[Verdict]":
    from icil.tasks import make
    from icil.tasks.conformance import judge_task

    return judge_task(make(name, settings), name)


def _judge_agent(name: str, settings: "Mapping[str, Any] | None") -> "Iterator[Verdict]":
    from icil.harness.agents import make
    from icil.harness.playing.conformance import judge_agent

    make(name, settings)  # what is unknown is wrong usage, and no finding
    return judge_agent(lambda: make(name, settings))


def _judge_selector(name: str, settings: "Mapping[str, Any] | None") -> "Iterator[Verdict]":
    from icil.prompt_builders.selectors import find
    from icil.prompt_builders.selectors.conformance import judge_selector

    return judge_selector(find(name).make(settings))


def _show(verdict: "Verdict") -> None:
    mark = click.style("ok    ", fg="green") if verdict.ok else click.style("failed", fg="red")
    click.echo(f"{mark}  {verdict.rule}")
    for finding in verdict.findings:
        click.echo(f"        saw       {finding.seen}")
        click.echo(f"        expected  {finding.expected}")
    for note in verdict.notes:
        click.echo(f"        note      {note}")
