"""The options that say what to play, and where: shared by the commands that take a plan."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from icil.harness.experiment import Experiment

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("experiment", required=False, type=click.Path(path_type=Path)),
    click.option(
        "--task",
        multiple=True,
        help="Task to play, or all; may be repeated. [default: gridworld, tic_tac_toe]",
    ),
    click.option(
        "--format", multiple=True, help="Observation format; may be repeated. [default: all]"
    ),
    click.option(
        "--agent",
        multiple=True,
        help="Agent; may be repeated. [default: random, expert, nearest]",
    ),
    click.option(
        "--selector", multiple=True, help="How demonstrations are chosen. [default: random]"
    ),
    click.option(
        "--control",
        metavar="NAME",
        multiple=True,
        help="Plays each selector with this control as well, such as noise=0.25.",
    ),
    click.option(
        "--window",
        type=int,
        metavar="N",
        help="Demonstrations of N steps. [default: whole episodes]",
    ),
    click.option(
        "--demos", metavar="N,N,…", help="Numbers of demonstrations. [default: 0,1,4,16,64]"
    ),
    click.option(
        "--context-tokens",
        metavar="N,N,…",
        help="Budgets to fill with demonstrations, such as 8k,32k,1m.",
    ),
    click.option(
        "--demo-sets",
        type=int,
        metavar="M",
        help="Sets of demonstrations that the episodes share. [default: one an episode]",
    ),
    click.option("--episodes", type=int, help="Openings that each cell plays. [default: 100]"),
    click.option("--seed", type=int, help="Seed of demonstrations and replacements. [default: 0]"),
    click.option(
        "--legal-actions/--no-legal-actions",
        default=None,
        help="List the legal actions at each step. [default: no]",
    ),
    click.option(
        "--reasoning/--no-reasoning",
        default=None,
        help="Ask a model to think in writing first. [default: no]",
    ),
    click.option(
        "--past-actions/--no-past-actions",
        default=None,
        help="Show the actions taken so far. [default: yes]",
    ),
    click.option(
        "--teacher-forced/--no-teacher-forced",
        default=None,
        help="Play demonstrated episodes again and count the actions reproduced. [default: no]",
    ),
    click.option(
        "--layout",
        metavar="single|chat",
        help="The prompt as one message, or as a conversation. [default: single]",
    ),
    click.option(
        "--parse", metavar="strict|lenient", help="How replies are read. [default: strict]"
    ),
    click.option("--temperature", type=float, help="Of the models that take one. [default: 0]"),
    click.option(
        "--max-output-tokens",
        type=int,
        help="The longest reply. [default: 2048; 8192 of a model that reasons]",
    ),
    click.option(
        "--set",
        "settings",
        metavar="NAME.SETTING=VALUE",
        multiple=True,
        help="Setting of a task or a model; may be repeated.",
    ),
    click.option("--template", metavar="FILE", help="Template with another wording of the prompt."),
    click.option(
        "--pool", metavar="DIR", multiple=True, help="Pool of demonstrations to use instead."
    ),
    click.option("--prices", metavar="FILE", help="Prices of models, before those known."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Run folder; the same one again goes on. [default: runs/ and the experiment's hash]",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 4096),
        default=16,
        show_default=True,
        help="Episodes at once, of each model.",
    ),
)


def plan_options(command: F) -> F:
    """Gives a command the options that say what to play, where, and how many at once."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_experiment(
    path: Path | None, settings: tuple[str, ...], options: Mapping[str, Any]
) -> "Experiment":
    """Makes an experiment of what a command was given.

    Args:
        path: The experiment file.
        settings: Those of `--set`.
        options: Its other options that are fields of an experiment.

    Raises:
        ExperimentError: One of them has a value that it cannot have.
    """
    from icil.harness.cli.settings import read_settings
    from icil.harness.experiment import load_experiment

    given = {key: value if value != () else None for key, value in options.items()}
    given["set"] = read_settings(settings)
    return load_experiment(path, given)
