"""`report.html`: a run as one page that opens offline, with a player of its episodes.

    episodes     an episode, step by step, as JSON; `replaying` shows what the store does not hold
    overview     what the page knows at once: `board`, `provenance`, cells
    choosing     which episodes come first, where not all of them fit
    illustrating which of their pictures are drawn, where that takes long
    packing      JSON, compressed, within a number of bytes; `pictures` likewise
    page         the page itself: report.html, report.css and the scripts, in one file
    writing      all of it together; `live` answers a page that shows a run while it plays

What a model wrote is data everywhere: packed in base64, and shown as text. A policy in the page
lets no script run but its own, and nothing reach a network.
"""

from icil.results.report.episodes import EpisodeReader
from icil.results.report.live import live_episode, live_overview, live_page
from icil.results.report.page import policy
from icil.results.report.runs import ReportedRun
from icil.results.report.writing import EPISODES, MEGABYTES, ReportSummary, write_report

__all__ = [
    "EPISODES",
    "EpisodeReader",
    "MEGABYTES",
    "ReportSummary",
    "ReportedRun",
    "live_episode",
    "live_overview",
    "live_page",
    "policy",
    "write_report",
]
