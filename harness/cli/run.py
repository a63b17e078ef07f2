"""`icil run`."""

import asyncio
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("experiment", required=False, type=click.Path(path_type=Path))
@click.option(
    "--task",
    multiple=True,
    help="Task to play, or all; may be repeated. [default: gridworld, tic_tac_toe]",
)
@click.option("--format", multiple=True, help="Observation format; may be repeated. [default: all]")
@click.option(
    "--agent", multiple=True, help="Agent; may be repeated. [default: random, expert, nearest]"
)
@click.option("--selector", multiple=True, help="How demonstrations are chosen. [default: random]")
@click.option("--demos", metavar="N,N,…", help="Numbers of demonstrations. [default: 0,1,4,16,64]")
@click.option("--episodes", type=int, help="Openings that each cell plays. [default: 100]")
@click.option("--seed", type=int, help="Seed of demonstrations and replacements. [default: 0]")
@click.option(
    "--legal-actions/--no-legal-actions",
    default=None,
    help="List the legal actions at each step. [default: no]",
)
@click.option(
    "--reasoning/--no-reasoning",
    default=None,
    help="Ask a model to think in writing first. [default: no]",
)
@click.option(
    "--past-actions/--no-past-actions",
    default=None,
    help="Show the actions taken so far. [default: yes]",
)
@click.option(
    "--teacher-forced/--no-teacher-forced",
    default=None,
    help="Play demonstrated episodes again and count the actions reproduced. [default: no]",
)
@click.option(
    "--set",
    "settings",
    metavar="TASK.SETTING=VALUE",
    multiple=True,
    help="Setting of a task; may be repeated.",
)
@click.option("--template", metavar="FILE", help="Template with another wording of the prompt.")
@click.option("--pool", metavar="DIR", multiple=True, help="Pool of demonstrations to use instead.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run folder; the same one again goes on. [default: runs/ and the experiment's hash]",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 4096),
    default=16,
    show_default=True,
    help="Episodes at once.",
)
def run(
    experiment: Path | None,
    out: Path | None,
    concurrency: int,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Play an experiment and write its leaderboard.

    EXPERIMENT is a YAML file whose keys are the words of the options; options come first.
    With neither, the built-in players play two small tasks in all their formats. The same
    command again goes on where it stopped.
    """
    from icil.harness.cli.settings import read_settings
    from icil.harness.cli.tables import make_console, print_leaderboard
    from icil.harness.experiment import load_experiment
    from icil.harness.plan import make_plan
    from icil.harness.progress import ProgressBar
    from icil.harness.runner import run_plan

    given = {key: value if value != () else None for key, value in options.items()}
    given["set"] = read_settings(settings)
    plan = make_plan(load_experiment(experiment, given))
    folder = out or Path("runs") / f"icil-{plan.hash}"
    messages = make_console(stderr=True)
    for note in plan.skipped:
        messages.print(f"left out: {note}", style="yellow", markup=False)
    bar = ProgressBar(plan.episodes, messages)
    try:
        with bar:
            summary = asyncio.run(run_plan(plan, folder, concurrency=concurrency, progress=bar))
    except (KeyboardInterrupt, asyncio.CancelledError):
        messages.print(f"stopped; the same command goes on ({folder})", markup=False)
        raise click.exceptions.Exit(130) from None
    console = make_console()
    print_leaderboard(summary.leaderboard, console)
    for name in ("leaderboard.csv", "scores.png"):
        click.echo(f"{folder / name}")
    click.echo(f"run folder: {folder}")
    if summary.overlong:
        messages.print(
            f"{summary.overlong} episodes do not fit their model's context; their cells have no "
            "score",
            style="yellow",
        )
    for fault, count in summary.faults.items():
        messages.print(f"{count} × {fault}", style="red", markup=False)
    if summary.errors:
        messages.print(
            f"{summary.errors} of {summary.episodes} episodes ended in an error and are not in "
            "the scores; the same command tries them again",
            style="red",
        )
        raise click.exceptions.Exit(1)
