"""`icil run`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from icil.harness.cli.options import plan_options, read_experiment

if TYPE_CHECKING:
    from rich.console import Console

    from icil.harness.estimates import CellEstimate
    from icil.harness.planning.plan import Plan
    from icil.harness.playing.runner import RunSummary

AT_A_LIMIT = 3
"""The exit code of a run that stopped at its budget."""
_FEW = 3
"""Faults, and cells that do not fit, that are told of; `icil show` has all of them."""


@click.command()
@plan_options
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="Stop before the request that might pass so many dollars.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Stop before the request that might pass so many tokens, input and output.",
)
@click.option("--yes", is_flag=True, help="Call models that cost money without asking first.")
@click.option(
    "--dry-run", is_flag=True, help="Print the cells, and how far each is; send and make nothing."
)
@click.option(
    "--report/--no-report",
    default=True,
    envvar="ICIL_REPORT",
    help="Write report.html, pictures and all tables when the run ends. [default: yes, or "
    "ICIL_REPORT]",
)
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print them as JSON.")
def run(
    experiment: Path | None,
    out: Path | None,
    concurrency: int,
    max_cost: float | None,
    max_tokens: int | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    report: bool,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Play an experiment and write its leaderboard.

    EXPERIMENT is a YAML file whose keys are the words of the options; options come first.
    With neither, the built-in players play two small tasks in all their formats. The same
    command again goes on where it stopped; one that asks for more plays what is missing.
    """
    from icil.harness.cli.tables import make_console, print_leaderboard
    from icil.harness.cli.waiting import Waiting
    from icil.harness.planning.plan import make_plan
    from icil.harness.playing.budget import Budget
    from icil.harness.playing.progress import ProgressBar
    from icil.harness.playing.runner import run_plan
    from icil.harness.secrets import load_dotenv
    from icil.tasks.errors import UsageError

    if as_json and not dry_run:
        raise UsageError("option --json: it goes with --dry-run")
    load_dotenv(Path())
    budget = Budget(cost_usd=max_cost, tokens=max_tokens)
    messages = make_console(stderr=True)
    asked = read_experiment(
        experiment, settings, options, out, lambda text: messages.print(text, markup=False)
    )
    with Waiting(messages) as waiting:
        plan = make_plan(asked, tell=waiting)
    folder = out or Path("runs") / f"icil-{plan.hash}"
    for note in plan.skipped:
        messages.print(f"left out: {note}", style="yellow", markup=False)
    if dry_run:
        _print_sweep(plan, folder, as_json=as_json)
        return
    if not yes:
        agree(plan, folder, concurrency, messages)
    bar = ProgressBar(plan.episodes, messages)
    try:
        with bar:
            summary = asyncio.run(
                run_plan(plan, folder, concurrency=concurrency, budget=budget, progress=bar)
            )
    except (KeyboardInterrupt, asyncio.CancelledError):
        messages.print(f"stopped; the same command goes on ({folder})", markup=False)
        raise click.exceptions.Exit(130) from None
    print_leaderboard(summary.leaderboard, make_console())
    _print_errors_of_actions(plan, folder)
    if report:
        _report(summary, messages)
    for name in ("leaderboard.csv", *(["figures", "report.html"] if report else [])):
        click.echo(f"{folder / name}")
    click.echo(f"run folder: {folder}")
    _tell(plan, summary, messages)


def _print_errors_of_actions(plan: "Plan", folder: Path) -> None:
    """Prints what a score of exact actions cannot tell: how far vectors are from the true ones."""
    from icil.harness.cli.action_errors_table import print_action_errors
    from icil.harness.cli.tables import make_console
    from icil.results import open_run

    vectors = any(one.task.action_box is not None for one in plan.tasks.values())
    if plan.experiment.teacher_forced and vectors:
        with closing(open_run(folder, checked=True)) as store:
            print_action_errors(store, make_console())


def _report(summary: "RunSummary", messages: "Console") -> None:
    """Writes the report, and all the other results, unless they are there."""
    from icil.harness.cli.waiting import Waiting
    from icil.harness.playing.finishing import REPORT, write_all

    if summary.unchanged and (summary.folder / REPORT).exists():
        return
    try:
        with Waiting(messages) as waiting:
            faults = write_all(summary.folder, waiting)
    except KeyboardInterrupt:
        messages.print(
            f"stopped; the run is complete, and `icil report {summary.folder}` writes its report",
            markup=False,
        )
        raise click.exceptions.Exit(130) from None
    for fault in faults:
        messages.print(fault, style="yellow", markup=False)


def _print_sweep(plan: "Plan", folder: Path, *, as_json: bool) -> None:
    """Prints what would be played."""
    import json

    from icil.harness.cli.sweep_table import print_sweep, sweep_json
    from icil.harness.cli.tables import make_console
    from icil.harness.folders.folder import check_folder
    from icil.harness.folders.standing import find_standing

    check_folder(folder, plan, widening=True)
    standing = find_standing(plan, folder)
    if as_json:
        told = {"folder": str(folder), **sweep_json(plan, standing)}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print_sweep(standing, make_console())


def agree(plan: "Plan", folder: Path, concurrency: int, messages: "Console") -> None:
    """Says what calling models will cost, and asks whether to; returns if nothing is to be paid.

    Raises:
        UsageError: There is nobody to ask.
    """
    from icil.harness.agents.model import ModelAgent
    from icil.harness.cli.estimate_table import print_estimate
    from icil.harness.estimates import make_estimate
    from icil.tasks.errors import UsageError

    agents = {cell.record.agent: cell.agent for cell in plan.cells}
    paid = [name for name, a in agents.items() if isinstance(a, ModelAgent) and a.paid]
    if not paid:
        return
    found = make_estimate(plan, concurrency=concurrency, folder=folder)
    if not any(_asks(one) for one in found.cells if one.cell.agent in paid):
        return
    print_estimate(replace(found, skipped=()), messages)  # what is skipped has been told
    if not sys.stdin.isatty():
        raise UsageError(
            f"{', '.join(paid)} costs money, and there is no terminal to ask at: look at "
            "`icil estimate`, then say --yes"
        )
    click.confirm("Play this?", abort=True, err=True)


def _asks(cell: "CellEstimate") -> bool:
    """Returns whether there are requests of a cell still to be sent."""
    fits = cell.overlong is None or cell.overlong.step > 0
    return fits and cell.finished < cell.episodes


def _tell(plan: "Plan", summary: "RunSummary", messages: "Console") -> None:
    """Says what is missing from the leaderboard, and exits accordingly."""
    for line in _misfits(plan, summary):
        messages.print(line, style="yellow", markup=False)
    for line in _faults(summary):
        messages.print(line, style="red", markup=False)
    if summary.errors:
        messages.print(
            f"{summary.errors} of {summary.episodes} episodes ended in an error and are not in "
            "the scores; the same command tries them again",
            style="red",
        )
    if at_limit := summary.stopped.get(""):
        messages.print(
            f"stopped at the limit: {at_limit}; the same command with a higher limit goes on",
            style="yellow",
            markup=False,
        )
        raise click.exceptions.Exit(AT_A_LIMIT)
    if summary.errors or summary.stopped:
        raise click.exceptions.Exit(1)


def _misfits(plan: "Plan", summary: "RunSummary") -> Iterator[str]:
    """Yields which cells do not fit their model, and by how much."""
    from icil.harness.cli.option_words import swept_options
    from icil.harness.cli.tables import shown_demonstrations

    if not summary.misfits:
        return
    yield (
        f"{_counted(summary.overlong, 'episode does', 'episodes do')} not fit their model's "
        "context; their cells have no score:"
    )
    cells = [cell.record for cell in plan.cells]
    options = dict(zip([cell.hash for cell in cells], swept_options(cells), strict=True))
    for cell, why in summary.misfits[:_FEW]:
        told = options[cell.hash]
        agent = f"{cell.agent} [{told}]" if told else cell.agent
        names = " ".join(filter(None, (cell.task, cell.format, agent, cell.selector)))
        yield f"{names}, demos {shown_demonstrations(cell)}: {why}"
    if (more := len(summary.misfits) - _FEW) > 0:
        yield (
            f"and {_counted(more, 'more cell')}; "
            f"`icil show {summary.folder} --status overlong` lists them"
        )


def _faults(summary: "RunSummary") -> Iterator[str]:
    """Yields what ended episodes and stopped agents, each thing once."""
    stopping = {
        fault.agent: fault.episodes
        for fault in summary.faults
        if summary.stopped.get(fault.agent) == fault.why
    }
    for name, why in summary.stopped.items():
        if name:
            ended = f" ({_counted(stopping[name], 'episode')})" if name in stopping else ""
            yield f"{name} was stopped: {why}{ended}"
    others = [fault for fault in summary.faults if summary.stopped.get(fault.agent) != fault.why]
    for agent, why, episodes in others[:_FEW]:
        yield f"{episodes} × {agent}: {why}"
    if (more := len(others) - _FEW) > 0:
        yield (
            f"and {_counted(more, 'other fault')}; "
            f"`icil show {summary.folder} --status error` lists them"
        )


def _counted(count: int, one: str, more: str | None = None) -> str:
    """Returns a number of things: `1 cell`, `2 cells`."""
    return f"{count} {one if count == 1 else more or one + 's'}"
