"""`icil demos`."""

from pathlib import Path

import click


@click.group()
def demos() -> None:
    """Build and describe pools of demonstrations."""


@demos.command()
@click.argument("task")
@click.option("--episodes", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new pool's folder."
)
def build(task: str, episodes: int, out: Path) -> None:
    """Let the expert of TASK play new demonstrations into a pool.

    The same task and number give the same demonstrations, byte for byte.
    """
    from rich.progress import Progress

    from icil.harness.cli.tables import make_console
    from icil.tasks import PoolError, build_pool, make, save_pool

    made = make(task)
    if out.exists():
        raise PoolError(f"{out} exists already; a pool is not overwritten")
    console = make_console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as progress:
        bar = progress.add_task(f"demonstrations of {task}", total=episodes)
        pool = build_pool(made, episodes, progress=lambda: progress.advance(bar))
    save_pool(pool, out)
    click.echo(f"{out}: {episodes} demonstrations, mean return {pool.card.return_mean:g}")


@demos.command()
@click.argument("pool")
def info(pool: str) -> None:
    """Print the card of POOL: a folder, or the name of a task whose pool ships with icil."""
    from rich.markup import escape
    from rich.table import Table

    from icil.harness.cli.tables import make_console
    from icil.tasks import UnknownNameError, names
    from icil.tasks.pools import read_card, shipped_pool

    folder = Path(pool)
    if not folder.exists():
        if pool not in names():
            raise UnknownNameError("pool or task", pool, names())
        folder = shipped_pool(pool)
    card = read_card(folder)
    table = Table(show_header=False)
    for field, value in card.model_dump().items():
        table.add_row(field.replace("_", " "), escape(str(value)))
    make_console().print(table)
