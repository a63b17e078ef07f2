"""`icil demos rate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from icil.harness.cli.paying import OF_MODELS, going_about, with_options
from icil.harness.cli.pools import pool_folder

if TYPE_CHECKING:
    from icil.harness.synthesis import PoolRatings


@click.command()
@click.argument("pool")
@click.option("--agent", required=True, help="The model that rates: openai/MODEL, local/MODEL@URL…")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), required=True, help="The new file of scores."
)
@click.option(
    "--prompts",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="How often each is rated, beside other demonstrations each time.",
)
@click.option(
    "--demos", type=click.IntRange(0), default=3, show_default=True, help="Those shown beside it."
)
@click.option(
    "--average",
    type=click.Choice(["mean", "median"]),
    default="mean",
    show_default=True,
    help="Of a demonstration's ratings.",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another wording. [default: asks how hard a demonstration is]",
)
@click.option("--partial", is_flag=True, help="Do without those that a fault has prevented.")
@click.option("--seed", type=int, help="Seed of the demonstrations shown. [default: 0]")
@click.option(
    "--set", "settings", metavar="NAME.SETTING=VALUE", multiple=True, help="Setting of the model."
)
@with_options(*OF_MODELS)
def rate(
    pool: str,
    agent: str,
    out: Path,
    prompts: int,
    demos: int,
    average: Literal["mean", "median"],
    template: Path | None,
    partial: bool,
    settings: tuple[str, ...],
    concurrency: int,
    max_cost: float | None,
    max_tokens: int | None,
    yes: bool,
    **options: Any,
) -> None:
    """Have a model rate the demonstrations of POOL: how hard each is, from 1 to 5.

    POOL is a folder, or the name of a task whose pool ships with icil. The selectors take the
    file: `--selector hard:by=FILE`. What was rated stays in FILE.run: the same command goes on
    where it was stopped.
    """
    from icil.harness.cli.options import read_experiment
    from icil.harness.secrets import load_dotenv
    from icil.harness.synthesis import Judge, rate_pool
    from icil.harness.synthesis.pool_ratings import DIFFICULTY
    from icil.tasks import UnknownNameError

    load_dotenv(Path())
    given = {name: value for name, value in options.items() if value is not None}
    experiment = read_experiment(None, settings, {"agent": agent, **given})
    for key in experiment.set:
        if (name := key.rpartition(".")[0]) != agent:
            raise UnknownNameError(f"agent in the setting {key!r}:", name, [agent])
    with going_about(
        out,
        concurrency=concurrency,
        max_cost=max_cost,
        max_tokens=max_tokens,
        yes=yes,
        partial=partial,
    ) as manner:
        made = rate_pool(
            pool_folder(pool),
            Judge(agent=agent, prompts=prompts, shown=demos),
            out,
            experiment=experiment,
            average=average,
            template=template or DIFFICULTY,
            manner=manner,
        )
    _tell(made, out)


def _tell(made: "PoolRatings", out: Path) -> None:
    scores = sorted(made.scores.values())
    click.echo(made.how)
    if made.unrated:
        click.echo(f"{len(made.unrated)} never rated with a number, and left out", err=True)
    click.echo(f"{out}: {len(scores)} demonstrations, from {scores[0]:g} to {scores[-1]:g}")
