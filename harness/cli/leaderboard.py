"""`icil leaderboard`."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console

    from icil.results import RunStore, Scored

_OF_EACH = ("--leaks", "--success", "--actions")
"""Options that print a table of each run by itself."""


@click.command()
@click.argument("folders", metavar="DIR…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write it there instead, as the name ends: .csv, .md or .parquet.",
)
@click.option("--overall", is_flag=True, help="A row for each agent, over all the tasks.")
@click.option(
    "--compare",
    type=click.Choice(["agents", "selectors", "formats"]),
    help="Which are better, and how surely, where all else is the same.",
)
@click.option(
    "--published", is_flag=True, help="Beside them what LMAct published; not ranked with them."
)
@click.option(
    "--leaks", is_flag=True, help="What gives openings away: demonstrations kept back, and shown."
)
@click.option(
    "--success",
    is_flag=True,
    help="In how many episodes the goal was met, and how long calls took.",
)
@click.option(
    "--actions",
    is_flag=True,
    help="How far actions are from the demonstrated ones, in teacher-forced runs.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.option(
    "--write", is_flag=True, help="Also write all tables anew into the folder of each run."
)
def leaderboard(
    folders: tuple[Path, ...],
    out: Path | None,
    overall: bool,
    compare: str | None,
    published: bool,
    leaks: bool,
    success: bool,
    actions: bool,
    as_json: bool,
    write: bool,
) -> None:
    """Print the leaderboard of the runs in DIR…, finished or not.

    Several runs are merged. They are ranked together where they played the same openings of the
    same version of a task, else apart; a note says so.
    """
    from icil.results import open_run, read_scored, write_results
    from icil.tasks.errors import StoreError, UsageError

    of_each = [
        name for name, given in zip(_OF_EACH, (leaks, success, actions), strict=True) if given
    ]
    if overall + (compare is not None) + published + len(of_each) > 1:
        raise UsageError(
            "--overall, --compare, --published, --leaks, --success and --actions exclude each "
            "other: give one"
        )
    if of_each and (out is not None or as_json or write):
        raise UsageError(f"{of_each[0]} prints a table, and goes with no other option")
    if out is not None and as_json:
        raise UsageError("--json prints, and -o writes a file: give one")
    where = folders[0]
    try:
        with ExitStack() as stack:
            stores = [stack.enter_context(closing(open_run(one))) for one in _once(folders)]
            if of_each:
                _print_of_each(of_each[0], stores)
                return
            for store in stores if write else ():
                where = store.path.parent / "leaderboard.csv"
                write_results(store, store.path.parent)
            scored = read_scored(*stores)
        table = _overall(scored) if overall else _compared(scored, compare) if compare else None
        table = table or _board(scored, published)
        if out is not None:
            where = out
            table.write(out)
            return
    except OSError as error:
        raise StoreError(f"cannot write {where}: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(table.json(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    from icil.harness.cli.tables import make_console

    table.show(make_console())


def _print_of_each(option: str, stores: "Sequence[RunStore]") -> None:
    """Prints what is shown of each run by itself."""
    from icil.harness.cli.action_errors_table import print_action_errors
    from icil.harness.cli.leaks_table import print_leaks
    from icil.harness.cli.plain import plain
    from icil.harness.cli.success_table import print_success
    from icil.harness.cli.tables import make_console

    show = dict(zip(_OF_EACH, (print_leaks, print_success, print_action_errors), strict=True))
    console = make_console()
    for store in stores:
        if len(stores) > 1:
            console.print(plain(f"{store.path.parent}:"), soft_wrap=True)
        show[option](store, console)


class _Table(NamedTuple):
    """What was asked for, in all the ways in which it can be given."""

    show: Callable[["Console"], None]
    write: Callable[[Path], None]
    json: Callable[[], dict[str, Any]]


def _board(scored: "Scored", published: bool) -> _Table:
    from icil.harness.cli.tables import print_leaderboard
    from icil.results import make_leaderboard
    from icil.results.exports import Shown, leaderboard_json, with_published, write_leaderboard
    from icil.results.published import published as all_published

    board = make_leaderboard(scored)
    shown = with_published(board) if published else Shown(board=board)
    if published and not shown.published:
        known = ", ".join(sorted({row.task for row in all_published()}))
        click.echo(
            "--published: nothing is published of these tasks in these formats with so many "
            f"demonstrations; there are figures of {known}",
            err=True,
        )
    return _Table(
        lambda console: print_leaderboard(board, console, shown.published),
        lambda path: write_leaderboard(shown, path),
        lambda: leaderboard_json(shown),
    )


def _overall(scored: "Scored") -> _Table:
    from icil.harness.cli.tables import print_overall
    from icil.results import make_overall
    from icil.results.exports import overall_json, write_overall

    found = make_overall(scored)
    return _Table(
        lambda console: print_overall(found, console),
        lambda path: write_overall(found, path),
        lambda: overall_json(found),
    )


def _compared(scored: "Scored", kind: Any) -> _Table:
    from icil.harness.cli.tables import print_comparisons
    from icil.results import make_comparisons
    from icil.results.exports import comparisons_json, write_comparisons

    found = make_comparisons(scored, [kind])
    return _Table(
        lambda console: print_comparisons(found, console),
        lambda path: write_comparisons(found, path),
        lambda: comparisons_json(found),
    )


def _once(folders: tuple[Path, ...]) -> list[Path]:
    """Returns the folders, one that was named twice once."""
    return list({folder.resolve(): folder for folder in folders}.values())
