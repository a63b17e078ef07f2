"""`icil languages`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from icil.tasks.languages.measuring import Measured


@click.command()
@click.argument("pool", metavar="TASK|POOL")
@click.option(
    "--chunk",
    "chunks",
    type=click.IntRange(1, 1000),
    multiple=True,
    help="Steps of a chunk; may be repeated.  [default: 1, 10, 50]",
)
@click.option(
    "--language",
    "names",
    multiple=True,
    help="An action language, such as decimals:2; may be repeated.  [default: one of each kind]",
)
@click.option(
    "--fit/--no-fit", default=True, show_default=True, help="Whether to fit FAST to the pool."
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Chunks of a length that are measured, evenly spaced over the pool.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
def languages(
    pool: str,
    chunks: tuple[int, ...],
    names: tuple[str, ...],
    fit: bool,
    most: int,
    as_json: bool,
) -> None:
    """Tell what action languages cost, and lose, on the demonstrations of TASK or POOL.

    Tokens are those of a model with OpenAI's table o200k_base.
    """
    from functools import partial

    from icil.harness.models.tables.tokens import count_text
    from icil.tasks import load_pool, make
    from icil.tasks.errors import ExperimentError
    from icil.tasks.languages.chunks import all_actions, bounded
    from icil.tasks.languages.measuring import CHUNKS, MEASURED, measure
    from icil.tasks.pools import read_card

    folder = _folder(pool)
    card = read_card(folder)
    task = make(card.task, card.task_settings).plain
    bounded(task)  # or the pool would be read for nothing
    asked = [name for name in names or MEASURED if fit or name != "fast"]
    if not asked:
        raise ExperimentError("option --no-fit: fast is fitted to a pool; leave out one of them")
    actions = list(all_actions(task, load_pool(folder).demonstrations))
    count = partial(count_text, provider="openai", model="gpt-4o")
    found = [
        one
        for steps in dict.fromkeys(chunks or CHUNKS)
        for one in measure(actions, steps, count, names=list(dict.fromkeys(asked)), most=most)
    ]
    if as_json:
        _print_json(card.task, len(actions), found)
    else:
        _print_table(f"{card.task}: {len(actions)} demonstrations", found)


def _folder(pool: str) -> Path:
    """Returns the folder of a pool, or of the one that ships with a task of that name."""
    from icil.harness.cli.pools import pool_folder
    from icil.tasks import PoolError, make
    from icil.tasks.languages.chunks import bounded
    from icil.tasks.pools import shipped_pool

    if Path(pool).exists():
        return Path(pool)
    bounded(make(pool))
    if not shipped_pool(pool).exists():
        raise PoolError(f"no pool of {pool} ships with icil; name a folder with one")
    return pool_folder(pool)


def _print_json(task: str, demonstrations: int, found: "Sequence[Measured]") -> None:
    import json
    from dataclasses import asdict

    rows = [asdict(one) for one in found]
    told = {"task": task, "demonstrations": demonstrations, "languages": rows}
    click.echo(json.dumps(told, indent=2, allow_nan=False))


def _print_table(title: str, found: "Sequence[Measured]") -> None:
    from rich.table import Table

    from icil.harness.cli.plain import in_markup
    from icil.harness.cli.tables import make_console

    headings = ("characters", "tokens", "tokens a step", "FAST's own", "error", "worst error")
    table = Table("steps", "language", title=in_markup(title), title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    for place, one in enumerate(found):
        table.add_row(
            str(one.steps),
            one.language,
            f"{one.characters:.1f}",
            f"{one.tokens:.1f}",
            f"{one.tokens / one.steps:.2f}",
            "" if one.own_tokens is None else f"{one.own_tokens:.1f}",
            f"{one.error:.2%}",
            f"{one.worst:.2%}",
            end_section=found[place + 1 :][:1] != [] and found[place + 1].steps != one.steps,
        )
    console = make_console()
    console.print(table)
    console.print("means over chunks; errors as a share of the range of an action", style="dim")
