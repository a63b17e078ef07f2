"""`icil estimate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from icil.harness.cli.options import plan_options, read_experiment

if TYPE_CHECKING:
    from icil.harness.estimates import Estimate


@click.command()
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def estimate(
    experiment: Path | None,
    out: Path | None,
    concurrency: int,
    settings: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Tell what an experiment will take: calls, tokens, images, money, time.

    Takes what `icil run` takes. Sends nothing, and needs no key. What models took in past runs
    makes it better: play a few episodes of each cell first.
    """
    from icil.harness.cli.tables import make_console
    from icil.harness.cli.waiting import Waiting
    from icil.harness.estimates import make_estimate
    from icil.harness.planning.plan import make_plan

    messages = make_console(stderr=True)
    asked = read_experiment(
        experiment, settings, options, out, lambda text: messages.print(text, markup=False)
    )
    with Waiting(messages) as waiting:
        plan = make_plan(asked, tell=waiting)
    folder = out or Path("runs") / f"icil-{plan.hash}"
    found = make_estimate(plan, concurrency=concurrency, folder=folder)
    if as_json:
        _print_json(found)
        return
    from icil.harness.cli.estimate_table import print_estimate

    print_estimate(found, make_console())


def _print_json(found: "Estimate") -> None:
    import json
    from dataclasses import asdict

    told = {
        "total": asdict(found.total),
        "spent": asdict(found.spent),
        "wall_s": found.wall_s,
        "concurrency": found.concurrency,
        "unpriced": list(found.unpriced),
        "skipped": list(found.skipped),
        "cells": [asdict(cell) for cell in found.cells],
    }
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))
