"""`icil imitation`."""

from pathlib import Path

import click


@click.command()
@click.argument("folders", metavar="DIR…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--slow-experts",
    is_flag=True,
    help="Also ask experts that plan, which takes long (cheetah, Phoenix).",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that measure; slow worlds and experts gain by more.",
)
def imitation(folders: tuple[Path, ...], slow_experts: bool, workers: int) -> None:
    """Measure how the agents of the runs in DIR… imitate: step by step, and in all.

    Does an agent do as the expert would, does it copy the nearest demonstrated state, where does
    it leave the expert's course, and what are its demonstrations worth? The episodes that are
    done are played again from the store; no model is asked and no score is changed. The same
    command goes on where it was stopped.
    """
    from icil.harness.cli.imitation_tables import print_curves, print_gaps
    from icil.harness.cli.tables import make_console
    from icil.harness.cli.waiting import Waiting
    from icil.harness.imitation.measuring import RESULTS, measure_imitation

    messages, console = make_console(stderr=True), make_console()
    for folder in folders:
        try:
            with Waiting(messages) as waiting:
                found = measure_imitation(
                    folder, slow_experts=slow_experts, workers=workers, tell=waiting
                )
        except KeyboardInterrupt:
            messages.print(f"stopped; the same command goes on ({folder})", markup=False)
            raise click.exceptions.Exit(130) from None
        for task, why in found.unasked.items():
            messages.print(f"the expert of {task} was not asked: {why}", style="yellow")
        print_curves(found.curves, console)
        print_gaps(found.gaps, console)
        for name in RESULTS:
            click.echo(f"{folder / name}")
