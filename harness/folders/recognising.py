"""Whether this software would show today what a run has shown: asked before a run is widened.

Of each task, format, selector and set of options the cell with the fewest demonstrations is looked
at, in the first episode of it that is done: the demonstrations that are chosen, and the first
prompt, must be those of the store.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from icil.harness.planning.builders import Builders
from icil.harness.planning.cells import Cell
from icil.harness.planning.filling import find_filling
from icil.harness.planning.plan import Plan
from icil.harness.planning.selecting import choose
from icil.harness.planning.starts import Start
from icil.prompt_builders import Selection
from icil.results import RunStore
from icil.tasks.errors import RunFolderError

_FIRST = """
SELECT c.hash, MIN(e.opening), e.demonstrations, s.prompt
FROM cells c JOIN episodes e ON e.cell = c.id
JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt AND s.step = 0
WHERE e.status = 'done' AND c.format != '' GROUP BY c.id
"""


class _Shown(NamedTuple):
    """What an episode showed."""

    cell: Cell
    start: Start
    demonstrations: tuple[str, ...]
    prompt: bytes | None
    """The hash of its first prompt; None of an agent that reads none."""


def check_recognised(plan: Plan, store: RunStore, folder: Path) -> None:
    """Checks that what a run showed would be shown today; may take long.

    Args:
        plan: What is to be played now.
        store: The store of the folder's run.
        folder: The folder, as it is named in messages.

    Raises:
        RunFolderError: It would not be: one cell would hold episodes of two kinds.
    """
    builders = Builders(plan.template)
    for shown in _samples(plan, store):
        cell, start = shown.cell, shown.start
        filling = find_filling(cell, builders, {})
        selection = choose(cell, start, plan.experiment.seed, filling).selection
        what = ""
        if selection.ids != shown.demonstrations:
            what = "other demonstrations are chosen now than were then"
        elif shown.prompt not in (None, _prompt(builders, cell, start, selection)):
            what = "the prompt is another now than it was then"
        if what:
            record = cell.record
            raise RunFolderError(
                f"{folder}: {record.task} {record.format} {record.agent}, opening {start.number}: "
                f"{what}; this version of icil, or of what it stands on, differs from the one that "
                "played the run: go on with that one, or play in a new folder"
            )


def _samples(plan: Plan, store: RunStore) -> Iterator[_Shown]:
    """Yields the episodes that are looked at."""
    first = {hash: (opening, ids, prompt) for hash, opening, ids, prompt in store.rows(_FIRST)[1]}
    known = [cell for cell in plan.cells if cell.record.hash in first and not cell.each_step]
    seen: set[tuple[str, ...]] = set()
    for cell in sorted(known, key=_size):
        record = cell.record
        options = json.dumps(dict(record.options), sort_keys=True)
        alike = (record.task, record.format, record.selector, options)
        opening, ids, prompt = first[record.hash]
        start = next((one for one in plan.starts(cell) if one.number == opening), None)
        if start is not None and alike not in seen:
            seen.add(alike)
            yield _Shown(cell, start, tuple(json.loads(ids)), prompt)


def _size(cell: Cell) -> tuple[int, int]:
    return cell.record.context_tokens or 0, cell.record.demonstrations


def _prompt(builders: Builders, cell: Cell, start: Start, selection: Selection) -> bytes:
    """Returns the hash of the first prompt of an episode."""
    task, builder = cell.task.task, builders(cell)
    tail = builder.tail(builder.prefix(selection))
    with closing(task.make_env()) as env:
        task.reset(env, start.opening)
        tail.observe(task.observe(env, cell.record.format))
        legal = task.legal_actions(env) if cell.options.legal_actions else None
        return tail.question(legal).hash
