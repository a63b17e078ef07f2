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
@click.option(
    "--task", help="Task that an agent plays. [default: tic_tac_toe; cheetah, of a robot policy]"
)
def check(kind: str, name: str, settings: tuple[str, ...], task: str | None) -> None:
    """Check the task, agent or selector NAME against its contract.

    Prints each rule, and what breaks it; the exit code is 1 if anything does. An agent really
    plays: one that asks a hosted model asks it some dozens of short questions.
    """
    from icil.harness.cli.settings import read_settings

    if task is not None and kind != "agent":
        raise click.UsageError(f"--task is what an agent plays; a {kind} plays none")
    given = read_settings(settings)
    judges = {"task": _judge_task, "selector": _judge_selector}
    rules = broken = 0
    for verdict in (
        _judge_agent(name, given, task) if kind == "agent" else judges[kind](name, given)
    ):
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


def _judge_agent(
    name: str, settings: "Mapping[str, Any] | None", task: str | None
) -> "Iterator[Verdict]":
    import asyncio

    from icil.harness.agents import make
    from icil.harness.playing.conformance import judge_agent, task_for
    from icil.harness.policies.agent import PolicyAgent
    from icil.tasks import make as make_task

    agent = make(name, settings)  # what is unknown, or does not fit, is wrong usage, and no finding
    played = task or task_for(agent)
    agent.check_task(make_task(played))
    if isinstance(agent, PolicyAgent):
        click.echo(f"{name} is asked to play {played}; --task names another")
        asyncio.run(agent.reach())
    return judge_agent(lambda: make(name, settings), played)


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
