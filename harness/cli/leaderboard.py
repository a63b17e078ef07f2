"""`icil leaderboard`."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Write CSV there instead of a table."
)
def leaderboard(folder: Path, out: Path | None) -> None:
    """Print the leaderboard of the run in FOLDER, finished or not."""
    from icil.harness.cli.tables import make_console, print_leaderboard
    from icil.results import make_leaderboard, open_run
    from icil.tasks.errors import StoreError

    store = open_run(folder)
    try:
        found = make_leaderboard(store)
    finally:
        store.close()
    if out is None:
        print_leaderboard(found, make_console())
        return
    try:
        found.write(out)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from error
