"""What the commands share that have models play or rate beside a run: options, and how they end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from icil.harness.synthesis import Manner

F = TypeVar("F", bound=Callable[..., Any])

OF_MODELS = (
    click.option("--temperature", type=float, help="Of the models that take one. [default: 0]"),
    click.option("--max-output-tokens", type=int, help="The longest reply. [default: 2048, 8192]"),
    click.option("--prices", metavar="FILE", help="Prices of models, before those known."),
    click.option(
        "--max-cost",
        type=click.FloatRange(min=0, min_open=True),
        metavar="USD",
        help="Stop before the request that might pass so many dollars.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Stop before the request that might pass so many tokens, input and output.",
    ),
    click.option("--yes", is_flag=True, help="Call models that cost money without asking first."),
    click.option("--concurrency", type=click.IntRange(1, 4096), default=16, show_default=True),
)


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Returns a decorator that gives a command some options, in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def going_about(
    out: Path,
    *,
    concurrency: int,
    max_cost: float | None,
    max_tokens: int | None,
    yes: bool,
    partial: bool,
    workers: int = 1,
) -> Iterator["Manner"]:
    """Yields how models are asked: shows what is done, asks before it costs, keeps to a budget.

    What ends inside at a limit, or is interrupted, ends the command with the code for that.

    Args:
        out: What is made, for messages.
        concurrency: Episodes at once, of an agent.
        max_cost: The most that it may cost, in dollars.
        max_tokens: The most tokens that it may take.
        yes: Whether it does not ask.
        partial: Whether it does without episodes that are missing.
        workers: Processes of a perturbed expert.
    """
    from icil.harness.cli.run import AT_A_LIMIT, agree
    from icil.harness.cli.tables import make_console
    from icil.harness.cli.waiting import Waiting
    from icil.harness.playing.budget import Budget
    from icil.harness.playing.progress import ProgressBar
    from icil.harness.synthesis import IncompleteError, Manner

    messages = make_console(stderr=True)
    with Waiting(messages) as waiting:
        try:
            yield Manner(
                concurrency=concurrency,
                workers=workers,
                budget=Budget(cost_usd=max_cost, tokens=max_tokens),
                partial=partial,
                agree=lambda plan, at: None if yes else agree(plan, at, concurrency, messages),
                progress=lambda plan: ProgressBar(plan.episodes, messages),
                tell=waiting,
            )
        except (KeyboardInterrupt, asyncio.CancelledError):
            messages.print(f"stopped; the same command goes on ({out})", markup=False)
            raise click.exceptions.Exit(130) from None
        except IncompleteError as error:
            if "" not in error.summary.stopped:
                raise
            click.echo(f"icil: {error}", err=True)
            raise click.exceptions.Exit(AT_A_LIMIT) from None
