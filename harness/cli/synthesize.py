"""`icil demos synthesize`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from icil.harness.cli.paying import OF_MODELS, going_about, with_options

if TYPE_CHECKING:
    from icil.harness.planning.experiment import Experiment
    from icil.tasks import Pool

_OF_AGENTS = (
    click.option(
        "--demos", metavar="K", help="Real demonstrations that it is shown. [default: 16]"
    ),
    click.option("--format", help="What it looks at. [default: the task's first format]"),
    click.option("--selector", help="How its demonstrations are chosen. [default: random]"),
    click.option("--legal-actions/--no-legal-actions", default=None, help="List them each step."),
    click.option("--reasoning/--no-reasoning", default=None, help="Ask it to think in writing."),
    click.option("--layout", metavar="single|chat", help="Its prompt as one message, or several."),
    click.option("--parse", metavar="strict|lenient", help="How its replies are read."),
    click.option("--template", metavar="FILE", help="Another wording of its prompt."),
)
"""For proposers which are agents; without defaults, so that it is known which were given."""
_ASKED = (
    "demos",
    "format",
    "selector",
    "legal_actions",
    "reasoning",
    "layout",
    "parse",
    "template",
)
"""Their names."""
_DEMOS = 16
"""How many demonstrations an agent is shown unless told otherwise."""


@click.command()
@click.argument("task")
@click.option(
    "--proposer",
    required=True,
    help="Who plays: perturbed[:noise=0.25] (the expert, who draws at random that often), an "
    "agent (nearest, openai/MODEL, …), or your MODULE:FUNCTION of task, environment and generator.",
)
@click.option("--episodes", type=int, default=200, show_default=True, help="Openings it plays.")
@click.option(
    "--filter",
    "filters",
    metavar="FILTER",
    multiple=True,
    help="What is kept: return>=X, return>=median, legal, agreement>=P, distinct, distinct>=S, "
    "likert:AGENT[:prompts=K]; may be repeated, in the order in which they are applied.",
)
@click.option("--add", is_flag=True, help="Put the real demonstrations into the pool as well.")
@click.option("--pool", metavar="DIR", help="The real ones. [default: those that ship]")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new pool's folder."
)
@click.option(
    "--proposals",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Take what was proposed for the pool PATH before. [default: as --out]",
)
@click.option("--partial", is_flag=True, help="Do without episodes that a fault has prevented.")
@click.option("--seed", type=int, help="Seed of demonstrations and replacements. [default: 0]")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes of a perturbed expert. [default: 1]"
)
@click.option(
    "--set",
    "settings",
    metavar="NAME.SETTING=VALUE",
    multiple=True,
    help="Setting of the task or a model.",
)
@with_options(*_OF_AGENTS, *OF_MODELS)
def synthesize(
    task: str,
    proposer: str,
    episodes: int,
    filters: tuple[str, ...],
    add: bool,
    out: Path,
    proposals: Path | None,
    partial: bool,
    workers: int | None,
    settings: tuple[str, ...],
    concurrency: int,
    max_cost: float | None,
    max_tokens: int | None,
    yes: bool,
    **options: Any,
) -> None:
    """Let somebody play new demonstrations of TASK, and make a pool of what filters keep.

    What was played stays beside the pool: the same command goes on where it was stopped, and
    other filters find it there.
    """
    from icil.harness.secrets import load_dotenv
    from icil.harness.synthesis import synthesize as make
    from icil.tasks.players import PERTURBED

    load_dotenv(Path())
    perturbed = proposer.partition(":")[0] == PERTURBED
    _check(perturbed, workers, options)
    experiment = _experiment(task, proposer, episodes, settings, options)
    with going_about(
        out,
        concurrency=concurrency,
        max_cost=max_cost,
        max_tokens=max_tokens,
        yes=yes,
        partial=partial,
        workers=workers or 1,
    ) as manner:
        made = make(experiment, out, filters=filters, add=add, proposals=proposals, manner=manner)
    _tell(made, out)


def _check(perturbed: bool, workers: int | None, options: Mapping[str, Any]) -> None:
    """Refuses options that would change nothing."""
    from icil.tasks import ExperimentError

    if not perturbed and workers is not None:
        raise ExperimentError(
            "option --workers: only a perturbed expert plays in processes of its own; how many "
            "episodes of an agent play at once is --concurrency"
        )
    for name in _ASKED if perturbed else ():
        if options[name] is not None:
            raise ExperimentError(
                f"option --{name.replace('_', '-')}: a perturbed expert is shown nothing and asked "
                "nothing; leave it out"
            )


def _experiment(
    task: str,
    proposer: str,
    episodes: int,
    settings: tuple[str, ...],
    options: Mapping[str, Any],
) -> "Experiment":
    from icil.harness.cli.options import read_experiment

    fields = {"task": task, "agent": proposer, "episodes": episodes, "demos": _DEMOS}
    given = {name: value for name, value in options.items() if value is not None}
    return read_experiment(None, settings, {**fields, **given})


def _tell(made: "Pool", out: Path) -> None:
    card, how = made.card, made.card.synthesis
    assert how is not None
    played = f"{how.generated} episodes of {how.proposer}"
    if how.wrong:
        played += f", {how.wrong} with replies that were no legal actions"
    click.echo(played)
    for one in how.filters:
        click.echo(str(one))
    added = f", {how.kept} of them synthetic" if how.added_to else ""
    click.echo(
        f"{out}: {card.demonstrations} demonstrations{added}, mean return {card.return_mean:g}"
    )
