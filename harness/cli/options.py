"""The options that say what to play, and where: shared by the commands that take a plan."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from icil.harness.planning.experiment import Experiment

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
        metavar="M",
        multiple=True,
        help="Sets of demonstrations that the episodes share. [default: own, one an episode]",
    ),
    click.option(
        "--leaks",
        metavar="exclude|allow",
        help="Offer demonstrations that show an episode's opening, or nearly. [default: exclude]",
    ),
    click.option("--episodes", type=int, help="Openings that each cell plays. [default: 100]"),
    click.option("--seed", type=int, help="Seed of demonstrations and replacements. [default: 0]"),
    click.option(
        "--legal-actions/--no-legal-actions",
        default=None,
        multiple=True,
        help="List the legal actions at each step. Of this and the next two, and of --layout, both "
        "may be given, to play both. [default: no]",
    ),
    click.option(
        "--reasoning/--no-reasoning",
        default=None,
        multiple=True,
        help="Ask a model to think in writing first. [default: no]",
    ),
    click.option(
        "--past-actions/--no-past-actions",
        default=None,
        multiple=True,
        help="Show the actions taken so far. [default: yes]",
    ),
    click.option(
        "--teacher-forced/--no-teacher-forced",
        default=None,
        help="Play demonstrated episodes again and count the actions reproduced. [default: no]",
    ),
    click.option(
        "--held-out/--no-held-out",
        default=None,
        help="Keep a teacher-forced episode from its own prompt. [default: no]",
    ),
    click.option(
        "--layout",
        metavar="single|chat",
        multiple=True,
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
    click.option(
        "--scores",
        metavar="FILE",
        multiple=True,
        help="File that a selector takes its scores from, such as hard:by=FILE.",
    ),
    click.option("--prices", metavar="FILE", help="Prices of models, before those known."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Run folder. One that holds a run goes on, and comes to hold what is asked for too; "
        "without an EXPERIMENT, what is left open is as in that run. [default: runs/ and the "
        "experiment's hash]",
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
    path: Path | None,
    settings: tuple[str, ...],
    options: Mapping[str, Any],
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> "Experiment":
    """Makes an experiment of what a command was given.

    Args:
        path: The experiment file.
        settings: Those of `--set`.
        options: Its other options that are fields of an experiment.
        folder: The run folder: where it holds a run and there is no file, that says what the
            options leave open.
        tell: Is told what that is, in a line.

    Raises:
        UsageError: One of them has a value that it cannot have.
        StoreError: The folder's store is damaged.
    """
    from icil.harness.cli.continuing import left_open
    from icil.harness.cli.settings import read_settings
    from icil.harness.planning.experiment import load_experiment

    given = {key: value for key, value in options.items() if value not in (None, ())}
    if found := read_settings(settings):
        given["set"] = found
    if path is None and folder is not None:
        filled = left_open(given, folder)
        told = [f"{name} {_plain(value)}" for name, value in filled.items() if name not in given]
        if told:
            tell(f"as in {folder}: {'; '.join(told)}")
        given |= filled
    return load_experiment(path, given)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_plain, value))
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in value.items())
    return str(value)
