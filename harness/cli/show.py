"""`icil show`: a run's cells, episodes, steps and prompts."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import click

_FEW = 20
"""Episodes in the table unless told otherwise."""
_MOST = 10**9
_STATES = ("running", "done", "error", "overlong")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("episode", required=False, type=click.IntRange(1, _MOST))
@click.option("--task", help="Only the cells of this task.")
@click.option("--agent", help="Only the cells of this agent.")
@click.option("--selector", help="Only the cells with this selector.")
@click.option("--status", type=click.Choice(_STATES), help="Only the episodes of this status.")
@click.option(
    "--limit",
    type=click.IntRange(0, _MOST),
    help=f"The most episodes to list.  [default: {_FEW}; with --json all]",
)
@click.option("--step", type=click.IntRange(0, _MOST), help="A step of EPISODE, with its reply.")
@click.option("--prompt", is_flag=True, help="What was sent at that step.")
@click.option(
    "--images",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write the images of that prompt there, as PNG files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(
    folder: Path,
    episode: int | None,
    task: str | None,
    agent: str | None,
    selector: str | None,
    status: str | None,
    limit: int | None,
    step: int | None,
    prompt: bool,
    images: Path | None,
    as_json: bool,
) -> None:
    """Look into the run in DIR, finished or not.

    Without EPISODE: its cells, and their episodes with their numbers. With one: its steps. With
    --step: all that is stored of that step; with --prompt the request as it was sent.
    """
    from icil.harness.cli import show_tables as tables
    from icil.harness.cli.plain import wide_console
    from icil.results.run import load

    filters = {"task": task, "agent": agent, "selector": selector, "status": status}
    _check_options(episode, step, prompt, images, limit, filters)
    with closing(load(folder)) as run:
        if episode is None:
            most = _FEW if limit is None and not as_json else limit
            found: Any = tables.list_run(run, filters, most)
        elif step is None:
            found = tables.list_episode(run, episode)
        elif prompt:
            found = tables.read_prompt(run, episode, step, images)
        else:
            found = tables.read_step(run, episode, step)
    if as_json:
        click.echo(json.dumps(found.fields(), ensure_ascii=True, indent=2))
    else:
        found.print(wide_console())


def _check_options(
    episode: int | None,
    step: int | None,
    prompt: bool,
    images: Path | None,
    limit: int | None,
    filters: dict[str, str | None],
) -> None:
    if step is not None and episode is None:
        raise click.UsageError("--step is of an episode: name its number after DIR")
    if prompt and step is None:
        raise click.UsageError("--prompt is of a step: name an EPISODE and a --step")
    if images is not None and not prompt:
        raise click.UsageError("--images are of a prompt: give --prompt as well")
    given = [name for name, value in {**filters, "limit": limit}.items() if value is not None]
    if episode is not None and given:
        raise click.UsageError(f"--{given[0]} is for the list of episodes: leave out {episode}")
