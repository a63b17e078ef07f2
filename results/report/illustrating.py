"""Pictures of a page's episodes, spread over them: a few of each, then the others in their turn.

Of worlds that take their time to draw, only so many pictures are made for the whole page, so that
it is made in seconds or minutes; each of their episodes shows as many steps, evenly spread. That
number, and not a clock, decides, so that the same run gives the same page.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from icil.results.report.choosing import Chosen
from icil.results.report.episodes import Drawn, EpisodeReader
from icil.results.report.pictures import Album
from icil.tasks import IcilError

_FIRST = 3
"""Pictures that each episode has before any has more."""


class Lack(Enum):
    """Why not all pictures of an episode are in a page."""

    NOTHING = ""
    FAILED = "it cannot be played again"
    SIZE = "the file would be too large"
    TIME = "its world takes long to draw"


@dataclass
class Sight:
    """What there is to see of an episode."""

    chosen: Chosen
    reader: EpisodeReader
    drawable: Sequence[int]
    """The steps of which pictures have to be drawn anew."""
    slow: bool
    """Whether that takes long."""
    tried: set[int] = field(default_factory=set)
    """Those of them that were drawn, as far as they could be."""
    failure: str = ""
    """Why it cannot be played again to its end."""
    cut: bool = False
    """Whether there was no room for a picture."""

    @property
    def lack(self) -> Lack:
        """Why not all of its pictures are in the page."""
        if self.failure:
            return Lack.FAILED
        if self.cut:
            return Lack.SIZE
        return Lack.NOTHING if self.tried.issuperset(self.drawable) else Lack.TIME


class Illustrator:
    """Puts pictures into an album.

    Args:
        album: The album.
        most: How many pictures are drawn of worlds that take their time, at most.
        tell: Is told how much of its work is done, and how much there is.
    """

    def __init__(self, album: Album, most: int, tell: Callable[[int, int], None]) -> None:
        self._album, self._most, self._tell = album, most, tell
        self._drawn, self._full = 0, False
        self.sights: list[Sight] = []

    def illustrate(self, episodes: Sequence[Chosen], readers: Sequence[EpisodeReader]) -> None:
        """Adds pictures of episodes, as many as there is room and time for.

        Args:
            episodes: Those with pictures; the first come first.
            readers: Those of their runs.
        """
        self.sights = [_look(one, readers[one.run]) for one in episodes]
        slow = sum(sight.slow for sight in self.sights)
        first = max(1, min(_FIRST, self._most // max(1, slow)))
        total = len(self.sights)
        for number, sight in enumerate(self.sights):
            self._tell(number // 2, total)
            count = first if sight.slow else _FIRST
            self._see(sight, spread(range(sight.chosen.line.steps + 1), count))
            self._draw(sight, spread(sight.drawable, count))
        slow = sum(sight.slow for sight in self.sights)
        for number, sight in enumerate(self.sights):
            self._tell((total + number) // 2, total)
            self._see(sight, None)
            more = [step for step in sight.drawable if step not in sight.tried]
            if sight.slow:
                share = max(0, self._most - self._drawn) // slow
                even = spread(sight.drawable, len(sight.tried) + share)
                more = [step for step in more if step in even][:share]
                slow -= 1
            self._draw(sight, more)
        self._tell(total, total)

    def _see(self, sight: Sight, at: Collection[int] | None) -> None:
        """Adds what the agent was shown at some steps, or at all."""
        for key, picture in sight.reader.seen(sight.chosen.line.id, at):
            if not self._add(sight, key, picture):
                return

    def _draw(self, sight: Sight, at: Collection[int]) -> None:
        """Draws some steps anew; an episode whose pictures are drawings is a quick one."""
        if not at or (sight.slow and self._drawn >= self._most):
            return
        if self._full:
            sight.cut = True
            return
        photographs = 0
        try:
            for key, picture in sight.reader.drawn(sight.chosen.line.id, at):
                if not self._add(sight, key, picture):
                    return
                photographs += self._album.is_photograph(f"{sight.chosen.run}:{key}")
        except IcilError as error:
            sight.failure = str(error)
        sight.tried.update(at)
        sight.slow = sight.slow and photographs > 0
        self._drawn += photographs if sight.slow else 0

    def _add(self, sight: Sight, key: str, picture: Drawn) -> bool:
        """Adds a picture; once there is no room for one, there is none for any."""
        name = f"{sight.chosen.run}:{key}"
        if name in self._album.places:
            return True
        self._full = self._full or not self._album.add(name, picture)
        sight.cut = sight.cut or self._full
        return not self._full


def spread(steps: Sequence[int], count: int) -> frozenset[int]:
    """Returns some of the steps, evenly spread: the first, the last and others between them."""
    if count >= len(steps):
        return frozenset(steps)
    last = len(steps) - 1
    return frozenset(steps[round(n * last / max(1, count - 1))] for n in range(count))


def _look(one: Chosen, reader: EpisodeReader) -> Sight:
    id = one.line.id
    return Sight(one, reader, reader.drawable(id), reader.draws_slowly(id))
