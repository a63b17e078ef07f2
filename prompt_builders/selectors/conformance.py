"""The conformance checker of selectors.

`check_selector(selector)` lets a selector choose from a small pool and returns what breaks the
contract of `icil.prompt_builders.Selector`; on the command line, `icil check selector NAME`.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from icil.prompt_builders.selectors.selector import Query, Selection, Selector
from icil.tasks import Opening, Pool, Task, UsageError, build_pool, make
from icil.tasks.conformance.findings import Finding, Note, Problem, Rules, Verdict, findings, judge
from icil.tasks.seeding import generator

_TASK = "tic_tac_toe"
_POOL = 32
"""Demonstrations in the pool that is chosen from."""
_COUNTS = (0, 1, 2, 8)
"""How many are asked for."""
_STEPS = 2
"""How many steps of an episode are asked for, of a selector that is asked at each."""
_THREADS = 4


def check_selector(selector: Selector) -> tuple[Finding, ...]:
    """Returns what breaks the contract of a selector; nothing, if all is well."""
    return findings(judge_selector(selector))


def judge_selector(selector: Selector) -> Iterator[Verdict]:
    """Yields what became of each rule; otherwise as `check_selector`."""
    task = make(_TASK)
    opening = task.openings("evaluation")[0]
    queries = tuple(Query(task=task, format=f, opening=opening) for f in task.formats)
    if selector.each_step:
        queries = tuple(step for query in queries for step in _steps(task, query, opening))
    return judge(RULES, _Subject(selector, build_pool(task, _POOL), queries))


def _steps(task: Task[Any], query: Query, opening: Opening) -> Iterator[Query]:
    """Yields the query of each of the first steps of an episode."""
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        for _ in range(_STEPS):
            yield replace(query, observation=task.observe(env, query.format))
            legal = task.legal_actions(env)
            assert isinstance(legal, Sequence)
            task.step(env, task.parse(legal[0], env).value)


@dataclass(frozen=True)
class _Subject:
    selector: Selector
    pool: Pool
    asked: tuple[Query, ...]
    """The same episode in each format; for a selector that is asked at each step, some of each."""

    @cached_property
    def refusals(self) -> dict[str, UsageError]:
        """Formats to what the selector said where it would not choose."""
        found: dict[str, UsageError] = {}
        for query in self.asked:
            try:
                self.select(1, query)
            except UsageError as error:
                found[query.format] = error
        return found

    @property
    def queries(self) -> tuple[Query, ...]:
        """Those that the selector does not refuse; all, if it refuses all."""
        taken = tuple(query for query in self.asked if query.format not in self.refusals)
        return taken or self.asked

    def select(self, k: int, query: Query | None = None, pool: Pool | None = None) -> Selection:
        # A generator for the opening, not for k, as the runner has it.
        rng = generator("conformance", "selection")
        return self.selector.select(pool or self.pool, query or self.queries[0], k, rng)

    @cached_property
    def selections(self) -> list[tuple[str, int, Selection]]:
        """What was asked for, in words and as a number, and what was given."""
        asked = [(query, k) for query in self.queries for k in (*_COUNTS, _POOL)]
        return [(f"{k} for {q.format}", k, self.select(k, q)) for q, k in asked]


def _number(subject: _Subject) -> Iterator[Problem | Note]:
    if len(subject.refusals) < len({query.format for query in subject.asked}):
        for format, error in subject.refusals.items():
            yield Note(f"not for {format}: {error}")
    for asked, k, given in subject.selections:
        if len(given.demonstrations) != k:
            yield Problem(f"asked for {asked}: {len(given.demonstrations)} demonstrations", str(k))


def _distinct(subject: _Subject) -> Iterator[Problem]:
    for asked, _, given in subject.selections:
        if twice := sorted({one for one in given.ids if given.ids.count(one) > 1}):
            yield Problem(f"asked for {asked}: {', '.join(twice)} more than once", "each once")


def _members(subject: _Subject) -> Iterator[Problem]:
    part = subject.pool.without(frozenset(subject.select(8).ids))
    cases = [(asked, subject.pool, given) for asked, _, given in subject.selections]
    cases.append(("8 of what others left over", part, subject.select(8, pool=part)))
    for asked, pool, given in cases:
        for one in given.demonstrations:
            if pool.by_id.get(one.id) != one:
                yield Problem(f"asked for {asked}: {one.id}", "demonstrations of the pool given")


def _reasons(subject: _Subject) -> Iterator[Problem]:
    for asked, _, given in subject.selections:
        count, reasons = len(given.demonstrations), given.reasons
        if len(reasons) != count:
            yield Problem(f"asked for {asked}: {len(reasons)} reasons", str(count))
        elif not all(type(one) is str and one.strip() for one in reasons):
            yield Problem(f"asked for {asked}: the reasons {reasons}", "a few words each")


def _repeatable(subject: _Subject) -> Iterator[Problem]:
    for k in _COUNTS:
        ids, again = subject.select(k).ids, subject.select(k).ids
        if ids != again:
            yield Problem(
                f"asked for {k} twice: {', '.join(ids)}, then {', '.join(again)}",
                "the same choice and order for equal generators",
            )
    with ThreadPoolExecutor(_THREADS) as threads:
        together = {one.ids for one in threads.map(subject.select, [8] * _THREADS)}
    if together != {subject.select(8).ids}:
        yield Problem(
            f"asked for 8 by {_THREADS} threads at once: {len(together)} different choices",
            "the same choice and order for equal generators",
        )


def _unchanged(subject: _Subject) -> Iterator[Problem]:
    before, asked = deepcopy(subject.pool.demonstrations), [_content(q) for q in subject.queries]
    for query in subject.queries:
        subject.select(8, query)
    if subject.pool.demonstrations != before:
        yield Problem("the pool was changed", "a pool left as it was")
    if asked != [_content(query) for query in subject.queries]:
        yield Problem("the query was changed", "a query left as it was")


def _content(query: Query) -> tuple[object, ...]:
    seen = query.observation
    if seen is None:
        return (deepcopy(query.opening),)
    pixels = None if seen.image is None else seen.image.tobytes()
    return deepcopy(query.opening), seen.text, pixels


def _each_step(subject: _Subject) -> Iterator[Note]:
    formats = {query.format for query in subject.queries}
    chosen = {(query.format, subject.select(8, query).ids) for query in subject.queries}
    if subject.selector.each_step and len(chosen) > len(formats):
        yield Note("asked at each step: what it chooses differs between steps of an episode")
    elif subject.selector.each_step:
        yield Note(f"asked at each step; of {_STEPS} steps of an episode each got the same choice")


def _nesting(subject: _Subject) -> Iterator[Problem | Note]:
    chosen = [subject.select(k).ids for k in _COUNTS]
    pairs = list(pairwise(chosen))
    begins = all(more[: len(few)] == few for few, more in pairs)
    if subject.selector.nested and not begins:
        few, more = next((few, more) for few, more in pairs if more[: len(few)] != few)
        yield Problem(
            f"it is said to be nested; asked for {len(few)}: {', '.join(few)}, for {len(more)}: "
            f"{', '.join(more)}",
            "a larger choice that begins with the smaller one",
        )
    elif begins:
        yield Note("nested: a larger choice begins with the smaller one")
    elif all(set(few) <= set(more) for few, more in pairs):
        yield Note("nested, but in another order: a larger choice holds the smaller one")
    else:
        yield Note("not nested: a larger choice need not hold the smaller one")


RULES: Rules[_Subject] = {
    "gives as many demonstrations as asked for": _number,
    "gives different ones": _distinct,
    "gives demonstrations of the pool that it is given": _members,
    "gives a reason for each": _reasons,
    "chooses the same for equal generators": _repeatable,
    "changes neither pool nor query": _unchanged,
    "chooses for each step if it says so": _each_step,
    "is nested if it says so": _nesting,
}
"""What `check_selector` demands, in the order in which it looks; the last two also inform."""
