"""`icil verify`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from icil.harness.verifying import Verification
    from icil.results.verifying import Fault

_SHOWN = 50
"""Faults in the table; `--json` has them all."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that play episodes again; slow worlds and large runs gain by more.",
)
@click.option(
    "--experts",
    is_flag=True,
    help="Ask the experts again, where `icil imitation` asked them; may take long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def verify(folder: Path, workers: int, experts: bool, as_json: bool) -> None:
    """Check that everything in the run folder DIR follows from what was said in the run.

    Plays each episode again from its opening and its actions, reads each reply again, makes
    each table again, and compares; checks hashes and seals. Asks no model, sends nothing, changes
    nothing. Exit code 0: all of it is true; 1: not, and what is wrong is listed.
    """
    from icil.harness.cli.plain import wide_console
    from icil.harness.cli.tables import make_console
    from icil.harness.cli.waiting import Waiting
    from icil.harness.verifying import verify as verify_run

    with Waiting(make_console(stderr=True)) as waiting:
        found = verify_run(folder, experts=experts, workers=workers, tell=waiting)
    if as_json:
        click.echo(json.dumps(_fields(found), ensure_ascii=True, indent=2))
    else:
        _print(found, wide_console())
    if not found.true:
        raise click.exceptions.Exit(1)


def _fields(found: "Verification") -> dict[str, object]:
    return {
        "folder": str(found.folder),
        "true": found.true,
        "faults": [_fault(fault) for fault in found.faults],
        "unchecked": list(found.unchecked),
        "episodes": dict(found.episodes),
        "replayed": found.replayed,
        "steps": found.steps,
        "finished": found.finished,
    }


def _fault(fault: "Fault") -> dict[str, object]:
    fields = asdict(fault)
    del fields["value"], fields["row"]  # `right` has it, fit to be read
    return fields


def _print(found: "Verification", console: "Console") -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from icil.harness.cli.plain import plain

    if found.faults:
        columns = ("where", "cell, opening, step", "column", "stored", "right", "what is wrong")
        table = Table(*columns, box=SIMPLE, pad_edge=False)
        for fault in found.faults[:_SHOWN]:
            fields = (fault.place, fault.where, fault.column, fault.stored, fault.right, fault.what)
            table.add_row(*(plain(field or "") for field in fields))
        console.print(table)
        if len(found.faults) > _SHOWN:
            console.print(f"and {len(found.faults) - _SHOWN} more; --json lists them all")
    for note in found.unchecked:
        console.print(plain(f"not checked: {note}"), style="yellow")
    states = ", ".join(f"{count} {status}" for status, count in sorted(found.episodes.items()))
    state = "finished" if found.finished else "not finished"
    console.print(
        plain(
            f"{states or 'no episodes'} ({state}); {found.replayed} played again, "
            f"{found.steps} steps"
        )
    )
    if found.faults:
        count = len(found.faults)
        console.print(f"{count} {'fault' if count == 1 else 'faults'}", style="bold red")
    else:
        told = "nothing is wrong" + (" with what was checked" if found.unchecked else "")
        console.print(told, style="bold green")
