"""Writing `report.html` within a number of bytes, and saying in it what did not fit.

Texts come first: the steps of the chosen episodes, the most interesting first. Of the room that
they leave, a fifth goes to how prompts begin, and the rest to pictures (`illustrating`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from icil.results.report.choosing import Chosen, choose_episodes
from icil.results.report.drawings import draw_run
from icil.results.report.episodes import EpisodeReader
from icil.results.report.extras import (
    make_action_tables,
    make_extras,
    make_origins,
    make_successes,
)
from icil.results.report.illustrating import Illustrator, Lack, Sight
from icil.results.report.overview import cell_label, make_overview, with_episodes
from icil.results.report.packing import Packer, encode, pack, to_json
from icil.results.report.page import Packs, render_page
from icil.results.report.pictures import Album
from icil.results.report.runs import ReportedRun
from icil.results.scored import read_scored
from icil.results.store import RunStore
from icil.results.tables import write_whole

EPISODES = 1000
"""In a report, unless another number is asked for."""
MEGABYTES = 15
"""A report's size at most, unless another one is asked for."""
_SLACK = 30_000
"""Bytes kept for what is only known in the end: numbers of packs, what was left out."""
_OF_EPISODE = 26
"""Bytes for the numbers of an episode's packs, and for which note it has."""
_LEAST = 20_000
"""Bytes; with less room than that no further episode is tried."""
_BEGINNINGS = 5
"""One part in so many of the room that is left."""
SLOW_PICTURES = 1000
"""Pictures with many colours that are drawn, at most, of worlds that take their time."""
_CELLS_NAMED = 8
_ALL = "icil view draws every step"
_THINNED = f"Its world takes long to draw, so that not every step is pictured here; {_ALL}."

Tell = Callable[[str, int, int], None]
"""Is told what takes long, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What is in a report."""

    path: Path
    size: int
    """Bytes."""
    episodes: int
    """Those that can be watched."""
    pictures: int
    """Different ones."""
    left_out: tuple[str, ...]
    """What is not in it, in words; the page says so too."""


def write_report(
    stores: Sequence[RunStore],
    path: Path,
    *,
    episodes: int = EPISODES,
    megabytes: int = MEGABYTES,
    slow_pictures: int = SLOW_PICTURES,
    tell: Tell = lambda what, done, total: None,
) -> ReportSummary:
    """Writes a report, whole or not at all, in place of what stands there.

    Args:
        stores: Those of the runs, one or more, finished or not.
        path: The file.
        episodes: How many can be watched, at most.
        megabytes: Its size at most, in millions of bytes.
        slow_pictures: How many pictures are drawn, at most, that a renderer takes its time for.
        tell: Is told how far it is.

    Raises:
        OSError: It cannot be written.
        StoreError: A store is damaged.
    """
    with ExitStack() as stack:
        for store in stores:
            stack.enter_context(store.snapshot())
        draft = _Draft(stores, episodes, megabytes, slow_pictures, tell)
        draft.read()
        draft.illustrate()
        page = draft.render().encode()
    write_whole(path, page)
    return ReportSummary(
        path=path,
        size=len(page),
        episodes=len(draft.kept),
        pictures=len(draft.album.pictures),
        left_out=tuple(draft.left_out()),
    )


class _Draft:
    """A report while it is made."""

    def __init__(
        self,
        stores: Sequence[RunStore],
        episodes: int,
        megabytes: int,
        slow_pictures: int,
        tell: Tell,
    ) -> None:
        scored = read_scored(*stores)
        named = zip(stores, scored.runs, strict=True)
        runs = self._runs = [ReportedRun(store, source.run) for store, source in named]
        self._megabytes, self._slow_pictures, self._tell = megabytes, slow_pictures, tell
        lines = [run.episodes() for run in runs]
        self._total = sum(map(len, lines))
        self._chosen = choose_episodes(runs, lines)[:episodes]
        self._overview = make_overview(runs, lines, scored)
        self._extras = [*make_extras(scored), *make_successes(runs)]
        self._actions = list(make_action_tables(runs))
        self._origins = [make_origins(run) for run in runs]
        self._galleries = [draw_run(run, f"f{number}-") for number, run in enumerate(runs)]
        self._sights: Sequence[Sight] = ()
        self._pictured: list[Chosen] = []
        self._prompted: list[Chosen] = []
        self._packs, self._beginnings = Packer(0), Packer(0)
        self.album = Album(0)
        # Numbers of packs are not known yet: these are as long as they will be.
        self.kept: Sequence[Chosen] = self._chosen
        bare = len(self.render().encode()) + _OF_EPISODE * len(self._chosen)
        self._packs.room = megabytes * 1_000_000 - bare - _SLACK

    def read(self) -> None:
        """Reads the chosen episodes as far as there is room, then how their prompts begin."""
        readers = [EpisodeReader(run) for run in self._runs]
        pictured, prompted = set[str](), set[str]()
        try:
            for done, one in enumerate(self._chosen):
                self._tell("episodes read", done, len(self._chosen))
                if self._packs.room < _LEAST:
                    break
                episode = readers[one.run].read(one.line.id)
                pictured |= {_key(one)} if _has_pictures(episode) else set()
                prompted |= {_key(one)} if episode.get("prompted") else set()
                self._packs.add(_key(one), episode)
            self._packs.close()
            self.kept = [one for one in self._chosen if _key(one) in self._packs.places]
            self._pictured = [one for one in self.kept if _key(one) in pictured]
            self._prompted = [one for one in self.kept if _key(one) in prompted]
            self._beginnings.room = self._packs.room // _BEGINNINGS
            room = self._beginnings.room
            for one in self._prompted:
                if self._beginnings.room < _LEAST:
                    break
                beginning = readers[one.run].beginning(one.line.id)
                if beginning is not None:
                    self._beginnings.add(_key(one), beginning._asdict())
            self._beginnings.close()
            self.album.room = self._packs.room - (room - self._beginnings.room)
        finally:
            for reader in readers:
                reader.close()

    def illustrate(self) -> None:
        """Adds pictures to the episodes that were read, as far as there is room."""
        readers = [EpisodeReader(run) for run in self._runs]
        told = "episodes illustrated"
        illustrator = Illustrator(self.album, self._slow_pictures, partial(self._tell, told))
        opened = self._opened()
        try:
            illustrator.illustrate(
                sorted(self._pictured, key=lambda one: _key(one) != opened), readers
            )
        finally:
            for reader in readers:
                reader.close()
        self._sights = illustrator.sights

    def _opened(self) -> str:
        """Returns the episode that the page opens on."""
        for cell in self._overview["cells"]:
            place = cell["run"], cell["id"]
            found = [one for one in self.kept if (one.run, one.line.cell) == place]
            if found:
                return _key(min(found, key=lambda one: one.line.opening))
        return ""

    def render(self) -> str:
        """Returns the page as it is now."""
        entries: dict[tuple[int, int], list[list[Any]]] = {}
        for one in self.kept:
            packs = [self._packs.places.get(_key(one)), self._beginnings.places.get(_key(one))]
            row = [*one.line.to_json(), *packs]
            entries.setdefault((one.run, one.line.cell), []).append(row)
        places = self.album.places
        return render_page(
            ", ".join(run.name for run in self._runs),
            with_episodes(self._overview, entries, list(self.left_out()), self._gaps()),
            self._galleries,
            self._extras,
            self._origins,
            self._actions,
            packs=Packs(
                episodes=self._packs.packs,
                beginnings=self._beginnings.packs,
                places=pack(to_json(places)) if places else "",
                pictures=[encode(picture) for picture in self.album.pictures],
            ),
        )

    def left_out(self) -> Iterable[str]:
        """Yields what is not in the report, in words."""
        total, chosen, kept = self._total, len(self._chosen), len(self.kept)
        if chosen < total:
            yield (
                f"{chosen:,} of {total:,} episodes were chosen for this page, the same number of "
                "each cell as far as there are so many, those with the most wrong replies first; "
                "icil report --episodes N chooses more, icil view shows all"
            )
        if kept < chosen:
            yield (
                f"{chosen - kept:,} of these were left out to keep the file below "
                f"{self._megabytes} MB; icil report --max-mb allows more"
            )
        begun = sum(_key(one) in self._beginnings.places for one in self._prompted)
        if begun < len(self._prompted):
            yield (
                f"how prompts begin is shown of {begun:,} of {len(self._prompted):,} episodes, to "
                f"keep the file below {self._megabytes} MB"
            )
        yield from self._lacking()

    def _lacking(self) -> Iterator[str]:
        """Yields which pictures are not in the report, in words."""
        lacks = {why: [one for one in self._sights if one.lack is why] for why in Lack if why.value}
        of, limit = f"{len(self._sights):,} episodes with pictures", f"{self._slow_pictures:,}"
        if found := lacks[Lack.SIZE]:
            yield (
                f"the pictures of {len(found):,} of {of}, or some of them, were left out to keep "
                f"the file below {self._megabytes} MB ({self._by_cell(found)})"
            )
        if found := lacks[Lack.TIME]:
            none = sum(not one.tried for one in found)
            more = f"{SLOW_PICTURES:,} with icil report, all with icil view"
            yield (
                f"{len(found):,} of {of} show only some steps, evenly spread"
                + (f", or none ({none:,} of them)" if none else "")
                + f": their worlds take long to draw, and this page has no more than {limit} such "
                f"pictures ({more if self._slow_pictures < SLOW_PICTURES else _ALL})"
            )
        for reason, count in sorted(Counter(one.failure for one in lacks[Lack.FAILED]).items()):
            whose = "1 episode" if count == 1 else f"{count:,} episodes"
            yield f"the pictures of {whose} cannot be drawn again: {reason}"

    def _by_cell(self, sights: Iterable[Sight]) -> str:
        """Returns of how many of a cell's episodes these are, for some cells."""
        wanted, missing = (
            Counter((one.chosen.run, one.chosen.line.cell) for one in of)
            for of in (self._sights, sights)
        )
        cells = [
            f"{self._named(place)}: {count} of {wanted[place]}"
            for place, count in missing.most_common(_CELLS_NAMED)
        ]
        more = len(missing) - len(cells)
        return "; ".join([*cells, *[f"and {more} more cells"] * (more > 0)])

    def _gaps(self) -> dict[str, str]:
        """Returns by episode why a picture is not there, but for the size of the file."""
        return {
            _key(one.chosen): f"It cannot be drawn again: {one.failure}"
            if one.lack is Lack.FAILED
            else _THINNED
            for one in self._sights
            if one.lack in (Lack.FAILED, Lack.TIME)
        }

    def _named(self, place: tuple[int, int]) -> str:
        cell = self._runs[place[0]].cells[place[1]]
        return " ".join(filter(None, (cell.task, cell.format, cell_label(cell))))


def _key(one: Chosen) -> str:
    return f"{one.run}:{one.line.id}"


def _has_pictures(episode: dict[str, Any]) -> bool:
    return any(
        isinstance(item, dict)
        for step in (*episode.get("steps", ()), episode)  # one in error may have none
        for name in ("seen", "board", "question")
        for item in step.get(name, ())
    )
