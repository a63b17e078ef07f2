"""The overall leaderboard: a row for each agent and selector, over all the tasks.

A cell's score is normalised on its own openings. `demonstrations` says which cells a row is made
of: those with that number (`4`, or a budget: `8192 tokens`), or `all`: the mean over all the
numbers played, each counting the same. There is no best-of: it would flatter whoever was tried
more often. Formats are averaged within a task, then tasks. The interquartile mean is over the
scores by task and format (Agarwal et al. 2021). Intervals resample the openings of each task by
themselves, with all the cells that played them. A row that lacks what others of the same
`demonstrations` have says so, and has no rank.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from icil.results.scored import PLAYERS, Scored, ScoredCell, as_scored
from icil.results.scores import normalized
from icil.results.statistics import Clusters, Floats, interval, resampled_means
from icil.results.store import RunStore
from icil.results.tables import Rows

ALL = "all"
"""The `demonstrations` of a row over all numbers of them."""
_CONTROL = "+"
"""Stands in the name of a selector whose demonstrations were altered: no score of the agent's."""
_NO_BOUNDS: tuple[float | None, float | None] = (None, None)
_TRIMMED = 0.25
"""Of the scores at each end, in an interquartile mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverallRow:
    """A row of `leaderboard_overall.csv`; the fields are its columns, in their order."""

    rank: int | None
    """Among the rows of the same `demonstrations`; None where something is missing."""
    agent: str
    selector: str
    """Empty where no demonstrations are shown."""
    demonstrations: str
    """Which cells it is made of: a number, a budget, or `all`."""
    cells: int
    """How many these are."""
    tasks: int
    """Those that count: with a score in one format at least."""
    missing: str
    """What others of the same `demonstrations` have: task · format, and the number if not all."""
    episodes: int
    errors: int
    normalized_mean: float | None
    normalized_ci_low: float | None
    normalized_ci_high: float | None
    iqm: float | None
    """The interquartile mean of the scores by task and format."""
    iqm_ci_low: float | None
    iqm_ci_high: float | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """Of all the agent's cells of that `demonstrations`; None where a price is not known."""


class Overall(Rows[OverallRow]):
    """The overall leaderboard of a run, or of several."""

    kind = OverallRow


class Place(NamedTuple):
    """What a score by task and format is of."""

    task: str
    """With the ground, where a task has several."""
    format: str


@dataclass(frozen=True, eq=False)
class Contender:
    """An agent with a selector, and the cells that stand for it."""

    agent: str
    selector: str
    demonstrations: str
    cells: Mapping[Place, Sequence[ScoredCell]]

    @property
    def all_cells(self) -> list[ScoredCell]:
        """Each of its cells once: one that looks at nothing stands in several places."""
        return list({id(c): c for cells in self.cells.values() for c in cells}.values())


class Scores(NamedTuple):
    """A contender's normalised scores."""

    places: tuple[Place, ...]
    means: Floats
    """By place, shape (places,)."""
    resampled: Floats
    """Shape (resamples, places)."""


def make_overall(source: RunStore | Scored) -> Overall:
    """Computes the overall leaderboard of a run from its store, or of several that were read."""
    found = contenders(as_scored(source))
    wanted: dict[str, set[tuple[Place, str]]] = {}
    for one in found:
        if not all(cell.constant for cell in one.all_cells):
            wanted.setdefault(one.demonstrations, set()).update(_have(one))
    rows = [_row(one, wanted.get(one.demonstrations, set())) for one in found]
    return Overall(tuple(_ranked(rows)))


def contenders(scored: Scored) -> list[Contender]:
    """Returns all agents with their selectors, once over all numbers and once for each."""
    cells = [cell for cell in scored.cells if _CONTROL not in cell.shown.selector]
    found = []
    for agent in sorted({cell.agent for cell in cells}):
        mine = [cell for cell in cells if cell.agent == agent]
        for selector in sorted({c.shown.selector for c in mine} - {""}) or [""]:
            of_selector = [c for c in mine if c.shown.selector in ("", selector)]
            found.append(Contender(agent, selector, ALL, _by_place(scored, of_selector)))
        if all(cell.constant for cell in mine):
            continue
        for selector, size in sorted({(c.shown.selector, size_of(c)) for c in mine}):
            of_size = [c for c in mine if (c.shown.selector, size_of(c)) == (selector, size)]
            found.append(Contender(agent, selector, size, _by_place(scored, of_size)))
    return found


def size_of(cell: ScoredCell) -> str:
    """Returns how many demonstrations a cell shows, or the budget that they fill."""
    tokens = cell.shown.context_tokens
    return str(cell.shown.demonstrations) if tokens is None else f"{tokens} tokens"


def normalized_scores(contender: Contender) -> Scores | None:
    """Returns a contender's normalised scores by task and format; None if it has none."""
    places: list[Place] = []
    means, resampled = [], []
    for task in dict.fromkeys(place.task for place in contender.cells):
        of_task = {
            place: usable
            for place, cells in contender.cells.items()
            if place.task == task and (usable := [cell for cell in cells if _usable(cell)])
        }
        for place, (mean, drawn) in _of_task(task, of_task).items():
            places.append(place)
            means.append(mean)
            resampled.append(drawn)
    if not places:
        return None
    return Scores(tuple(places), np.array(means), np.stack(resampled, axis=1))


def over_tasks(values: Floats, places: Sequence[Place]) -> Floats:
    """Returns the mean over tasks of the means over each task's formats.

    Args:
        values: Shape (..., places).
        places: What each is of.
    """
    tasks = list(dict.fromkeys(place.task for place in places))
    shares = np.array([tasks.index(place.task) for place in places])
    each = [values[..., shares == number].mean(axis=-1) for number in range(len(tasks))]
    return np.asarray(np.stack(each, axis=-1).mean(axis=-1))


def interquartile_mean(values: Floats) -> Floats:
    """Returns the mean of the middle half of the last axis, as Agarwal et al. (2021) define it."""
    from scipy.stats import trim_mean

    return np.asarray(trim_mean(values, _TRIMMED, axis=-1))


def _by_place(scored: Scored, cells: Iterable[ScoredCell]) -> dict[Place, list[ScoredCell]]:
    found: dict[Place, list[ScoredCell]] = {}
    for cell in cells:
        ground = scored.ground(cell)
        task = f"{cell.task} ({ground})" if ground else cell.task
        for format in cell.formats:
            found.setdefault(Place(task, format), []).append(cell)
    return dict(sorted(found.items()))


def _usable(cell: ScoredCell) -> bool:
    """Whether a cell is finished and has a normalised score."""
    if cell.overlong or not cell.finished or not cell.scores:
        return False
    if not all(cell.scores.keys() <= cell.players.get(name, {}).keys() for name in PLAYERS):
        return False
    random, expert = (_mean(cell, name) for name in PLAYERS)
    return expert > random


def _mean(cell: ScoredCell, player: str) -> float:
    return float(np.mean([cell.players[player][opening] for opening in cell.scores]))


def _of_task(
    task: str, places: Mapping[Place, Sequence[ScoredCell]]
) -> dict[Place, tuple[float, Floats]]:
    """Returns the score of each of a task's places, and its resampled values."""
    cells = list({id(cell): cell for of_place in places.values() for cell in of_place}.values())
    if not cells:
        return {}
    openings = sorted({opening for cell in cells for opening in cell.scores})
    played = np.array([[opening in cell.scores for cell in cells] for opening in openings])
    columns = [
        np.array([[of(cell).get(opening, 0.0) for cell in cells] for opening in openings]) * played
        for of in (_own, _random, _expert)
    ]
    whole = np.concatenate([*columns, played.astype(np.float64)], axis=1)
    clusters = Clusters.joined(*(cell.clusters(openings) for cell in cells))
    resampled = _normalized(resampled_means(whole, clusters, stratum=task))
    mean = _normalized(whole.mean(axis=0)[None])[0]
    where = {id(cell): number for number, cell in enumerate(cells)}
    found = {}
    for place, of_place in places.items():
        mine = [where[id(cell)] for cell in of_place]
        found[place] = (float(mean[mine].mean()), resampled[:, mine].mean(axis=1))
    return found


def _normalized(means: Floats) -> Floats:
    """Returns normalised scores, shape (..., cells), of four blocks of means beside each other."""
    scores, random, expert, played = np.split(means, 4, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return normalized(scores / played, random / played, expert / played)


def _own(cell: ScoredCell) -> Mapping[int, float]:
    return cell.scores


def _random(cell: ScoredCell) -> Mapping[int, float]:
    return cell.players["random"]


def _expert(cell: ScoredCell) -> Mapping[int, float]:
    return cell.players["expert"]


def _row(contender: Contender, wanted: set[tuple[Place, str]]) -> OverallRow:
    scores, cells = normalized_scores(contender), contender.all_cells
    constant = all(cell.constant for cell in cells)
    mean = iqm = None
    bounds = iqm_bounds = _NO_BOUNDS
    if scores is not None:
        mean = float(over_tasks(scores.means, scores.places))
        iqm = float(interquartile_mean(scores.means))
        if any(len(cell.scores) > 1 for cell in cells):
            bounds = interval(over_tasks(scores.resampled, scores.places))
            iqm_bounds = interval(interquartile_mean(scores.resampled))
    costs = [cell.cost_usd for cell in cells]
    known = [cost for cost in costs if cost is not None]
    have = {(place, "") for place in scores.places} if constant and scores else _have(contender)
    asked = {(place, "") for place, _ in wanted} if constant else wanted
    return OverallRow(
        rank=None,
        agent=contender.agent,
        selector=contender.selector,
        demonstrations=contender.demonstrations,
        cells=sum(map(_usable, cells)),
        tasks=len({place.task for place in scores.places}) if scores else 0,
        missing=_missing(asked - have, asked),
        episodes=sum(len(cell.scores) for cell in cells),
        errors=sum(cell.errors for cell in cells),
        normalized_mean=mean,
        normalized_ci_low=bounds[0],
        normalized_ci_high=bounds[1],
        iqm=iqm,
        iqm_ci_low=iqm_bounds[0],
        iqm_ci_high=iqm_bounds[1],
        input_tokens=_total(cells, "input_tokens"),
        cached_input_tokens=_total(cells, "cached_input_tokens"),
        output_tokens=_total(cells, "output_tokens"),
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


def _total(cells: Iterable[ScoredCell], column: str) -> int:
    return sum(int(cell.episodes[column].sum()) for cell in cells)


def _have(contender: Contender) -> set[tuple[Place, str]]:
    """Returns what a contender has scores of: the places, with the numbers of demonstrations."""
    return {
        (place, size_of(cell))
        for place, cells in contender.cells.items()
        for cell in cells
        if _usable(cell)
    }


def _missing(lacking: set[tuple[Place, str]], wanted: set[tuple[Place, str]]) -> str:
    """Returns what is missing in words; the number only where others are there."""
    told = []
    for place in sorted({place for place, _ in lacking}):
        sizes = {size for one, size in lacking if one == place}
        name = f"{place.task} · {place.format}"
        if sizes == {size for one, size in wanted if one == place}:
            told.append(name)
        else:
            told.append(f"{name} at {', '.join(sorted(sizes, key=_by_size))}")
    return "; ".join(told)


def _by_size(size: str) -> tuple[bool, int]:
    return (size.endswith("tokens"), int(size.split()[0]))


def _ranked(rows: Iterable[OverallRow]) -> Iterator[OverallRow]:
    """Yields the rows over all numbers, then those of each; the best first."""

    def place(row: OverallRow) -> tuple[object, ...]:
        number = row.demonstrations
        size = (False, (False, 0)) if number == ALL else (True, _by_size(number))
        score = row.normalized_mean
        last = (bool(row.missing), score is None, -(score or 0.0))
        return (*size, *last, row.agent, row.selector)

    group, position, rank, best = "", 0, 0, None
    for row in sorted(rows, key=place):
        if row.demonstrations != group:
            group, position, best = row.demonstrations, 0, None
        if row.missing or row.normalized_mean is None:
            yield row
            continue
        position += 1
        if row.normalized_mean != best:
            rank, best = position, row.normalized_mean
        yield replace(row, rank=rank)
