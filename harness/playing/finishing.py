"""What a run leaves beside its leaderboard: all its tables and pictures, and the report.

All of it follows from the store, and can be made again at any time (`icil leaderboard --write`,
`icil report`); so what cannot be written is told, and takes nothing from the run.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.results import RunStore, open_run, write_results
from icil.results.figures import save_figures
from icil.results.provenance import make_provenance
from icil.tasks.errors import IcilError

_SLOW_PICTURES = 50
"""A run is not held up for minutes by a renderer: `icil report` draws the rest."""
REPORT, PROVENANCE, FIGURES = "report.html", "provenance.csv", "figures"


class _Part(NamedTuple):
    name: str
    write: Callable[[], object]


def write_all(folder: Path, tell: Telling = in_silence, *, report: bool = True) -> tuple[str, ...]:
    """Writes all that a run's store tells into its folder; may take long.

    Args:
        folder: The run's folder.
        tell: Is told how far it is.
        report: Whether the report is written as well, which takes longest.

    Returns:
        What could not be written, and why.

    Raises:
        StoreError: There is no run, or its store is damaged.
    """
    faults = []
    with closing(open_run(folder)) as store:
        for part in _parts(store, folder, tell):
            if part.name == REPORT and not report:
                continue
            try:
                part.write()
            except (IcilError, OSError) as error:
                faults.append(f"{part.name} could not be written: {error}")
    return tuple(faults)


def _parts(store: RunStore, folder: Path, tell: Telling) -> Iterator[_Part]:
    yield _Part("tables", lambda: write_results(store, folder))
    yield _Part(PROVENANCE, lambda: make_provenance(store).write(folder / PROVENANCE))
    yield _Part(FIGURES, lambda: save_figures(store, folder))
    yield _Part(REPORT, lambda: _report(store, folder, tell))


def _report(store: RunStore, folder: Path, tell: Telling) -> None:
    from icil.results.report import write_report

    write_report([store], folder / REPORT, slow_pictures=_SLOW_PICTURES, tell=tell)
