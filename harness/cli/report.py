"""`icil report`."""

from contextlib import ExitStack, closing
from pathlib import Path

import click


@click.command()
@click.argument("folders", metavar="DIR…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="FILE.html",
    type=click.Path(path_type=Path),
    help="Write it there. [default: report.html in the folder of the run]",
)
@click.option(
    "--episodes",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Episodes that can be watched: as many of each cell, the most wrong replies first.",
)
@click.option(
    "--max-mb",
    type=click.IntRange(1, 1000),
    default=15,
    show_default=True,
    help="Size of the file; what does not fit is left out, and the page says so.",
)
def report(folders: tuple[Path, ...], out: Path | None, episodes: int, max_mb: int) -> None:
    """Write a report of the runs in DIR…, finished or not, as one page that opens offline.

    It holds the leaderboard, comparisons, pictures, where all of it comes from, and a player that
    shows episodes step by step.
    """
    from icil.harness.cli.tables import make_console
    from icil.harness.cli.waiting import Waiting
    from icil.results import open_run
    from icil.results.report import write_report
    from icil.tasks.errors import StoreError

    folders = tuple({folder.resolve(): folder for folder in folders}.values())
    path = _path(folders, out)
    try:
        with ExitStack() as stack:
            stores = [stack.enter_context(closing(open_run(folder))) for folder in folders]
            waiting = stack.enter_context(Waiting(make_console(stderr=True)))
            found = write_report(stores, path, episodes=episodes, megabytes=max_mb, tell=waiting)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    for text in found.left_out:
        click.echo(f"note: {text}", err=True)
    click.echo(f"{found.path} ({found.size / 1e6:.1f} MB, {found.episodes} episodes)")


def _path(folders: tuple[Path, ...], out: Path | None) -> Path:
    """Returns where the report is written.

    Raises:
        UsageError: It is not said where, or not to a page.
    """
    from icil.tasks.errors import UsageError

    if out is None:
        if len(folders) > 1:
            raise UsageError("a report of several runs belongs to none of them: name it with -o")
        return folders[0] / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {out}: a report is a page, so that its name ends in .html")
    if out.is_dir():
        raise UsageError(f"-o {out} is a folder; name a file")
    return out
