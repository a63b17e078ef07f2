"""Comparisons: which of two agents, selectors or formats is better, where all else is the same.

agents      each two, with the same task, format, selector and number of demonstrations
selectors   each against `random` (each two where that is not played)
formats     each two

A pair is compared on the openings that both have played: the mean difference with its 95 %
bootstrap interval, a sign-flip test, and Holm's correction over the family, which is all the
comparisons of one kind in a task and format (of formats: in a task).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, groupby, product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from icil.results.scored import Scored, ScoredCell, as_scored
from icil.results.scores import Sample, estimate_samples
from icil.results.statistics import (
    LEVEL,
    Clusters,
    Floats,
    holm,
    openings_needed,
    sign_flip_p,
    unit_sums,
)
from icil.results.store import RunStore
from icil.results.tables import Rows

Kind = Literal["agents", "selectors", "formats"]
KINDS: tuple[Kind, ...] = ("agents", "selectors", "formats")
BASELINE = "random"
"""The selector that the others are held against."""
_CONTROL = "+"
"""Stands in the name of a selector whose demonstrations were altered: that is for the gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A row of `comparisons.csv`; the fields are its columns, in their order."""

    compared: Kind
    family: str
    """What Holm's correction goes over."""
    task: str
    format: str
    """Empty where formats are compared, and where none of both looks at one."""
    agent: str
    """Empty where agents are compared."""
    selector: str
    """Empty where selectors are compared, and where no demonstrations are shown."""
    demonstrations: int
    """Of the first; where a budget is filled, the mean."""
    context_tokens: int | None
    first: str
    second: str
    openings: int
    """Those that both have played."""
    drawn: Literal["openings", "sets", "one set"]
    """What is resampled, and changes sign as one; `one set`: the finding holds for the
    demonstrations that were shown."""
    first_mean: float
    second_mean: float
    difference: float
    """How much higher the first's score is."""
    difference_ci_low: float | None
    difference_ci_high: float | None
    p_value: float
    p_holm: float
    """Corrected for all the comparisons of the family."""
    better: str
    """The one that is better at a level of 5 % after the correction; empty if neither is."""
    more_openings: int | None
    """How many more would give a power of 80 % at the difference and spread seen, at the first
    step of Holm's correction; None where they are told apart, or the difference is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """A row of `wins.csv`: in how many settings one was better than the other."""

    compared: Kind
    first: str
    second: str
    settings: int
    """Those in which both were played."""
    wins: int
    """Settings in which the first was better, after Holm's correction."""
    losses: int
    undecided: int
    wins_uncorrected: int
    """Likewise with each setting tested by itself, as it is often published."""
    losses_uncorrected: int


class AllWins(Rows[Wins]):
    """What was won, for each pair."""

    kind = Wins


class Comparisons(Rows[Comparison]):
    """Comparisons of a run, or of several."""

    kind = Comparison

    @property
    def wins(self) -> tuple[Wins, ...]:
        """What was won, for each pair over all settings."""
        found: dict[tuple[Kind, str, str], list[Comparison]] = {}
        for row in self.rows:
            found.setdefault((row.compared, row.first, row.second), []).append(row)
        return tuple(_wins(*key, rows) for key, rows in found.items())

    def of(self, kind: Kind) -> "Comparisons":
        """Returns those of one kind."""
        return Comparisons(tuple(row for row in self.rows if row.compared == kind))

    def wins_to_csv(self) -> str:
        """Returns what was won as CSV."""
        return AllWins(self.wins).to_csv()

    def write(self, path: Path, wins: Path | None = None) -> None:
        """Writes the CSV files, each whole or not at all.

        Raises:
            OSError: One cannot be written.
        """
        super().write(path)
        if wins is not None:
            AllWins(self.wins).write(wins)


def make_comparisons(source: RunStore | Scored, kinds: Iterable[Kind] = KINDS) -> Comparisons:
    """Compares what was played in a run, or in several that were read, finished or not.

    Cells with an overlong episode, and those whose demonstrations were altered, are left out.
    Players that are never shown anything are held against the agents in each of their settings.
    """
    scored = as_scored(source)
    cells = [c for c in scored.cells if not c.overlong and _CONTROL not in c.shown.selector]
    rows: list[Comparison] = []
    for kind in kinds:
        pairs = sorted(_PAIRS[kind](scored, cells), key=lambda pair: pair.place)
        for _, family in groupby(pairs, key=lambda pair: pair.family):
            rows.extend(_judged(kind, list(family)))
    return Comparisons(tuple(rows))


class _Pair(NamedTuple):
    """Two cells, and how their row begins."""

    family: str
    first: ScoredCell
    second: ScoredCell
    setting: Mapping[str, Any]
    """Fields of the row."""

    @property
    def place(self) -> tuple[Any, ...]:
        told = self.setting
        size = (told["context_tokens"] or 0, told["demonstrations"])
        names = (told["format"], told["agent"], told["selector"], *size)
        return (self.family, told["task"], *names, told["first"], told["second"])

    @property
    def openings(self) -> list[int]:
        """Those that both have played."""
        return [opening for opening in self.first.scores if opening in self.second.scores]


def _agents(scored: Scored, cells: Sequence[ScoredCell]) -> Iterator[_Pair]:
    # Who looks at no format stands beside all of them; two of that kind are compared once.
    formatless = [cell for cell in cells if cell.formatless]
    yield from _pairs_of_agents(scored, _opponents(formatless), "")
    for format in sorted({format for cell in cells for format in cell.formats}):
        pairs = _opponents([cell for cell in cells if format in cell.formats])
        mixed = (two for two in pairs if not all(cell.formatless for cell in two))
        yield from _pairs_of_agents(scored, mixed, format)


def _opponents(cells: Sequence[ScoredCell]) -> Iterator[tuple[ScoredCell, ScoredCell]]:
    """Yields each two that are shown as much; who is never shown anything, with everybody."""
    constant = _alike([cell for cell in cells if cell.constant], _where)
    for group in constant.values():
        yield from combinations(group, 2)
    varying = [cell for cell in cells if not cell.constant]
    for group in _alike(varying, lambda cell: (*_where(cell), cell.shown)).values():
        yield from chain(combinations(group, 2), product(group, constant.get(_where(group[0]), [])))


def _pairs_of_agents(
    scored: Scored, pairs: Iterable[tuple[ScoredCell, ScoredCell]], format: str
) -> Iterator[_Pair]:
    for one, other in pairs:
        if _played_alike(one, other):
            first, second = sorted((one, other), key=lambda cell: (cell.constant, cell.agent))
            names = {"first": first.agent, "second": second.agent, "agent": "", "format": format}
            yield _pair(scored, "agents", first, second, names)


def _selectors(scored: Scored, cells: Sequence[ScoredCell]) -> Iterator[_Pair]:
    def setting(cell: ScoredCell) -> tuple[Any, ...]:
        shown = replace(cell.shown, selector="")
        return (*_where(cell), cell.pool, cell.formats, cell.agent, shown)

    for group in _alike([cell for cell in cells if cell.shown.selector], setting).values():
        baseline = [cell for cell in group if cell.shown.selector == BASELINE]
        others = [cell for cell in group if cell.shown.selector != BASELINE]
        others.sort(key=lambda cell: cell.shown.selector)
        for one, other in product(others, baseline) if baseline else combinations(others, 2):
            names = {"first": one.shown.selector, "second": other.shown.selector, "selector": ""}
            yield _pair(scored, "selectors", one, other, names)


def _formats(scored: Scored, cells: Sequence[ScoredCell]) -> Iterator[_Pair]:
    def setting(cell: ScoredCell) -> tuple[Any, ...]:
        return (*_where(cell), cell.pool, cell.agent, cell.shown)

    for group in _alike([cell for cell in cells if not cell.formatless], setting).values():
        for one, other in combinations(sorted(group, key=lambda cell: cell.formats), 2):
            names = {"first": one.formats[0], "second": other.formats[0], "format": ""}
            yield _pair(scored, "formats", one, other, names)


_PAIRS: Mapping[Kind, Callable[[Scored, Sequence[ScoredCell]], Iterator[_Pair]]] = {
    "agents": _agents,
    "selectors": _selectors,
    "formats": _formats,
}


def _alike(
    cells: Iterable[ScoredCell], key: Callable[[ScoredCell], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[ScoredCell]]:
    found: dict[tuple[Any, ...], list[ScoredCell]] = {}
    for cell in cells:
        found.setdefault(key(cell), []).append(cell)
    return found


def _where(cell: ScoredCell) -> tuple[Any, ...]:
    """Returns what two cells must share to be compared at all."""
    return (cell.task, json.dumps(cell.ground, sort_keys=True))


def _played_alike(one: ScoredCell, other: ScoredCell) -> bool:
    """Whether two agents have played with the same options and pool, as far as both have them."""
    if None not in (one.pool, other.pool) and one.pool != other.pool:
        return False
    both = one.options.keys() & other.options.keys()
    return one.player == other.player or all(one.options[k] == other.options[k] for k in both)


def _pair(
    scored: Scored, kind: Kind, first: ScoredCell, second: ScoredCell, names: Mapping[str, str]
) -> _Pair:
    setting: dict[str, Any] = {
        "task": first.task,
        "format": "" if first.formatless else first.formats[0],
        "agent": first.agent,
        "selector": first.shown.selector,
        "demonstrations": first.demonstrations,
        "context_tokens": first.shown.context_tokens,
        **names,
    }
    places = (kind, first.task, setting["format"], scored.ground(first))
    return _Pair(" · ".join(filter(None, places)), first, second, setting)


def _judged(kind: Kind, pairs: Sequence[_Pair]) -> Iterator[Comparison]:
    """Yields the rows of a family."""
    pairs = [pair for pair in pairs if pair.openings]
    clusters = [_clusters(pair) for pair in pairs]
    differences = [_difference(pair) for pair in pairs]
    units = [unit_sums(*one) for one in zip(differences, clusters, strict=True)]
    p_values = sign_flip_p(units)
    corrected = holm(p_values)
    samples = [
        Sample(scores=one, clusters=other) for one, other in zip(differences, clusters, strict=True)
    ]
    estimates = [one.score for one in estimate_samples(samples)]
    for i, pair in enumerate(pairs):
        mean, told_apart = estimates[i].mean, corrected[i] <= LEVEL
        more = None
        if not told_apart:
            needed = openings_needed(differences[i], clusters[i], LEVEL / len(pairs))
            more = needed if needed is None else max(1, needed - len(differences[i]))
        yield Comparison(
            compared=kind,
            family=pair.family,
            **pair.setting,
            openings=len(differences[i]),
            drawn=clusters[i].kind,
            first_mean=float(pair.first.values(pair.openings).mean()),
            second_mean=float(pair.second.values(pair.openings).mean()),
            difference=mean,
            difference_ci_low=estimates[i].low,
            difference_ci_high=estimates[i].high,
            p_value=p_values[i],
            p_holm=corrected[i],
            better=pair.setting["first" if mean > 0 else "second"] if told_apart else "",
            more_openings=more,
        )


def _difference(pair: _Pair) -> Floats:
    return pair.first.values(pair.openings) - pair.second.values(pair.openings)


def _clusters(pair: _Pair) -> Clusters:
    each = (cell.clusters(pair.openings) for cell in (pair.first, pair.second))
    return Clusters.joined(*each)


def _wins(kind: Kind, first: str, second: str, rows: Sequence[Comparison]) -> Wins:
    wins = sum(row.better == first for row in rows)
    losses = sum(row.better == second for row in rows)
    single = [row for row in rows if row.p_value <= LEVEL]
    return Wins(
        compared=kind,
        first=first,
        second=second,
        settings=len(rows),
        wins=wins,
        losses=losses,
        undecided=len(rows) - wins - losses,
        wins_uncorrected=sum(row.difference > 0 for row in single),
        losses_uncorrected=sum(row.difference < 0 for row in single),
    )
