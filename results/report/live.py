"""A run as the page shows it live: what a server answers. Nothing is written."""

from typing import Any

from icil.results.planned import planned_episodes
from icil.results.report.drawings import draw_run
from icil.results.report.episodes import EpisodeReader
from icil.results.report.extras import make_action_tables, make_extras, make_successes
from icil.results.report.overview import make_overview
from icil.results.report.packing import encode
from icil.results.report.page import render_page
from icil.results.report.pictures import thumbnail
from icil.results.report.runs import ReportedRun
from icil.results.scored import read_scored
from icil.tasks import IcilError


def live_overview(run: ReportedRun) -> dict[str, Any]:
    """Returns what the page knows at once, as JSON; takes seconds."""
    lines = run.episodes()
    planned = sum(planned_episodes(run.meta, cell.hash) for cell in run.cells.values())
    ended = sum(line.status in ("done", "overlong") for line in lines)
    return {
        **make_overview([run], [lines], read_scored(run.store)),
        "pulse": f"{ended:,} of {planned:,} episodes played",
    }


def live_page(run: ReportedRun, overview: dict[str, Any]) -> str:
    """Returns the page, with the pictures and comparisons as they are now; takes seconds.

    Args:
        run: The run.
        overview: What it knows at once.
    """
    extras = [*make_extras(read_scored(run.store)), *make_successes([run])]
    actions = list(make_action_tables([run]))
    return render_page(run.name, overview, [draw_run(run)], extras, actions=actions)


def live_episode(reader: EpisodeReader, id: int) -> dict[str, Any]:
    """Returns an episode as JSON with its pictures; may take seconds.

    Raises:
        StoreError: There is no such episode.
    """
    episode, pictures = reader.read(id), {}
    try:
        for key, picture in reader.pictures(id):
            pictures[key] = encode(thumbnail(picture).content)
    except IcilError as error:
        episode.setdefault("unshown", str(error))
    return {**episode, "pictures": pictures}
