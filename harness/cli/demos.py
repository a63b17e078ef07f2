"""`icil demos`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from icil.harness.cli.pools import pool_folder
from icil.harness.cli.rate import rate
from icil.harness.cli.synthesize import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from icil.tasks import Pool, Task


@click.group()
def demos() -> None:
    """Build, describe, rate and exchange pools of demonstrations."""


demos.add_command(rate)
demos.add_command(synthesize)


@demos.command()
@click.argument("task")
@click.option("--episodes", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--of",
    "played",
    type=click.IntRange(1),
    help="Play so many and keep the EPISODES with the best returns. [default: keep all]",
)
@click.option(
    "--split",
    type=click.Choice(["demonstration", "evaluation"]),
    default="demonstration",
    show_default=True,
    help="The openings to play. Those of the evaluation split make reference lines.",
)
@click.option(
    "--player", type=click.Choice(["expert", "random"]), default="expert", show_default=True
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--set", "settings", metavar="SETTING=VALUE", multiple=True, help="Setting of the task."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new pool's folder."
)
def build(
    task: str,
    episodes: int,
    played: int | None,
    split: Literal["demonstration", "evaluation"],
    player: Literal["expert", "random"],
    workers: int,
    settings: tuple[str, ...],
    out: Path,
) -> None:
    """Let the expert of TASK play new demonstrations into a pool.

    The same task and numbers give the same demonstrations, byte for byte, whatever the number of
    workers; but for chess, whose engine thinks for a time. A build that was stopped goes on with
    the same command.
    """
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from icil.harness.cli.settings import read_settings
    from icil.harness.cli.tables import make_console
    from icil.tasks import ExperimentError, build_pool_in

    if played is not None and played < episodes:
        raise ExperimentError(f"option --of: expected {episodes} or more, got {played}")
    console = make_console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    quiet = not console.is_interactive
    try:
        with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
            bar = progress.add_task(f"demonstrations of {task}", total=played or episodes)
            pool = build_pool_in(
                out,
                task,
                episodes,
                settings=read_settings(settings),
                split=split,
                player=player,
                played=played,
                workers=workers,
                progress=lambda: progress.advance(bar),
            )
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on ({out})", markup=False)
        raise click.exceptions.Exit(130) from None
    click.echo(f"{out}: {episodes} demonstrations, mean return {pool.card.return_mean:g}")


@demos.command("import")
@click.argument("where", metavar="PLACE")
@click.option("--from", "source", required=True, help="What it is: lerobot, lmact or minari.")
@click.option("--task", required=True, help="The task whose demonstrations they are.")
@click.option(
    "--set", "settings", metavar="SETTING=VALUE", multiple=True, help="Setting of the task."
)
@click.option(
    "--skip-untrue", is_flag=True, help="Leave out what does not replay, instead of giving up."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new pool's folder."
)
def import_(
    where: str, source: str, task: str, settings: tuple[str, ...], skip_untrue: bool, out: Path
) -> None:
    """Make a pool of the demonstrations of others, each played again and compared.

    PLACE is a folder (of LMAct's data: that of all worlds, or of one) or the id of a Minari data
    set on this machine. What a robot recorded is not simulated: it is the task recorded:PLACE.
    """
    from rich.progress import MofNCompleteColumn, Progress

    from icil.harness.cli.settings import read_settings
    from icil.harness.cli.tables import make_console
    from icil.tasks import make
    from icil.tasks.exchange import import_pool

    console = make_console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_interactive
    ) as progress:
        bar = progress.add_task(f"demonstrations of {task}", completed=-1)
        done = import_pool(
            source,
            where,
            make(task, read_settings(settings)),
            out,
            skip_untrue=skip_untrue,
            progress=lambda count: progress.update(bar, total=count, advance=1),
        )
    card = done.pool.card
    notes = [f"{card.demonstrations} demonstrations", f"mean return {card.return_mean:g}"]
    if done.untrue:
        notes.append(f"{len(done.untrue)} left out, for they do not replay")
    if done.shortened:
        notes.append(f"{done.shortened} cut off where the task's horizon ends them")
    click.echo(f"{out}: {', '.join(notes)}")
    for what in done.untrue:
        click.echo(f"left out: {what}", err=True)


@demos.command()
@click.argument("pool")
@click.option(
    "--to",
    "target",
    required=True,
    help="What it becomes: lerobot, lerobot-png, minari or parquet.",
)
@click.option("--format", help="Also hold the observations in this format (not minari).")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new file or folder."
)
def export(pool: str, target: str, format: str | None, out: Path) -> None:
    """Write POOL in another layout; POOL as for `info`."""
    from icil.tasks.exchange import export_pool

    found, task = _with_task(pool_folder(pool))
    export_pool(found, task, target, out, format=format)
    click.echo(f"{out}: {found.card.demonstrations} demonstrations of {task.name}")


@demos.command()
@click.argument("pool")
def verify(pool: str) -> None:
    """Play every demonstration of POOL again and compare; POOL as for `info`."""
    from icil.tasks import replay

    found, task = _with_task(pool_folder(pool))
    steps = sum(1 for demonstration in found.demonstrations for _ in replay(task, demonstration))
    click.echo(f"{len(found.demonstrations)} demonstrations, {steps} steps: all as recorded")


@demos.command()
@click.argument("pool")
@click.option("--format", help="What is looked at. [default: the task's first format]")
@click.option("--shown", type=click.IntRange(1), help="Demonstrations shown. [default: the rest]")
@click.option("--held-out", type=click.IntRange(1), help="Those foretold. [default: a quarter]")
@click.option("--write", is_flag=True, help="Note the result in the pool's card.")
def predict(
    pool: str, format: str | None, shown: int | None, held_out: int | None, write: bool
) -> None:
    """Tell how often `nearest`, shown most of POOL, does as its expert does in the rest."""
    from icil.harness.imitation.predictability import measure_predictability, record_predictability

    folder = pool_folder(pool)
    found, task = _with_task(folder)
    told = measure_predictability(task, found, format=format, shown=shown, held_out=held_out)
    if write:
        record_predictability(told, folder)
    click.echo(
        f"{told.format}: {told.nearest:.1%} of the actions in {told.held_out} demonstrations "
        f"foretold, {told.shown} shown; the commonest action alone: {told.commonest:.1%}"
    )


@demos.command()
@click.argument("pool")
def info(pool: str) -> None:
    """Print the card of POOL: a folder, or the name of a task whose pool ships with icil."""
    from rich.markup import escape
    from rich.table import Table

    from icil.harness.cli.tables import make_console
    from icil.tasks.pools import read_card

    card = read_card(pool_folder(pool))
    table = Table(show_header=False)
    for name, value in _described(card):
        table.add_row(name, escape(value))
    make_console().print(table)


def _with_task(folder: Path) -> "tuple[Pool, Task[Any]]":
    """Returns a pool and its task, as it was set when the pool was made.

    Raises:
        PoolError: The pool is damaged, or of another version of the task.
    """
    from icil.tasks import load_pool, make
    from icil.tasks.pools import check_pool_of

    pool = load_pool(folder)
    task = make(pool.card.task, pool.card.task_settings)
    check_pool_of(pool.card, task, folder)
    return pool, task


def _described(what: "BaseModel", of: str = "") -> "Iterator[tuple[str, str]]":
    """Yields the fields of a card, and of what it holds, that have a value, with it in words."""
    from pydantic import BaseModel

    for field in type(what).model_fields:
        name, value = of + field.replace("_", " "), getattr(what, field)
        if isinstance(value, BaseModel):
            yield from _described(value, f"{name}: ")
        elif isinstance(value, tuple):
            yield name, "; ".join(map(str, value))
        elif isinstance(value, dict):
            yield name, _worded(value) or "as usual"
        elif value is not None:
            yield name, str(value)


def _worded(settings: "dict[str, Any]") -> str:
    """Returns settings in a line, those that are settings themselves in brackets."""
    words = (
        f"{name} ({_worded(one)})" if isinstance(one, dict) else f"{name}={one}"
        for name, one in settings.items()
    )
    return ", ".join(words)
