"""The options that say what to play: the same for `icil run` and `icil estimate`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from icil.harness.plan import Plan

Command = TypeVar("Command", bound=Callable[..., Any])

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
        "--agent", multiple=True, help="Agent; may be repeated. [default: random, expert, nearest]"
    ),
    click.option(
        "--selector", multiple=True, help="How demonstrations are chosen. [default: random]"
    ),
    click.option(
        "--demos", metavar="N,N,…", help="Numbers of demonstrations. [default: 0,1,4,16,64]"
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
        "--parse",
        metavar="strict|lenient",
        help="How replies are read. [default: strict]",
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
)


def experiment_options(command: Command) -> Command:
    """Adds the experiment file and the options that stand for its keys to a command.

    The command gets `experiment` (a path or None), `settings` and the other options by name.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def plan_of(
    experiment: Path | None, settings: tuple[str, ...], options: Mapping[str, Any]
) -> "Plan":
    """Returns the plan that a command's file and options ask for.

    Raises:
        UsageError: It cannot be played; the message says what would be right.
    """
    from icil.harness.cli.settings import read_settings
    from icil.harness.experiment import load_experiment
    from icil.harness.plan import make_plan

    given = {key: value if value != () else None for key, value in options.items()}
    given["set"] = read_settings(settings)
    return make_plan(load_experiment(experiment, given))
