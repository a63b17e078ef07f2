"""A run's records as pandas data frames."""

from pathlib import Path
from typing import TYPE_CHECKING

from icil.results.store import FILE_NAME, RunStore
from icil.tasks.errors import RunFolderError

if TYPE_CHECKING:
    import pandas as pd

_CELLS = """
SELECT id AS cell, hash AS cell_hash, task, format, agent, selector, demonstrations,
       context_tokens, options, asked
FROM cells
ORDER BY id
"""

_EPISODES = """
SELECT c.id AS cell, c.hash AS cell_hash, c.task, c.format, c.agent, c.selector, c.demonstrations,
       c.context_tokens, c.asked, e.id AS episode, e.opening, e.status, e.score, e.message,
       e.left_out, e.leaked, e.near, json_array_length(e.demonstrations) AS shown,
       COALESCE(SUM(s.attempt = e.attempt), 0) AS steps,
       COALESCE(SUM(s.attempt = e.attempt AND s.status = 'invalid'), 0) AS invalid,
       COALESCE(SUM(s.attempt = e.attempt AND s.status = 'illegal'), 0) AS illegal,
       COALESCE(SUM(s.attempt = e.attempt AND s.status = 'empty'), 0) AS empty,
       COUNT(CASE WHEN s.attempt = e.attempt AND 'ok' IN (s.status, s.otherwise) THEN s.otherwise
             END) AS ambiguous,
       COALESCE(SUM(s.attempt = e.attempt AND s.finish = 'length'), 0) AS cut,
       COALESCE(SUM(CASE WHEN s.attempt = e.attempt THEN s.agrees END), 0) AS agreed,
       COUNT(CASE WHEN s.attempt = e.attempt THEN s.agrees END) AS agreement_known,
       COALESCE(SUM(s.input_tokens), 0) AS input_tokens,
       COALESCE(SUM(s.cached_input_tokens), 0) AS cached_input_tokens,
       COALESCE(SUM(s.output_tokens), 0) AS output_tokens,
       COALESCE(SUM(s.cost_usd), 0.0) AS cost_usd,
       COUNT(s.step) - COUNT(s.cost_usd) AS unpriced, d.shown_set
FROM cells c
JOIN episodes e ON e.cell = c.id
LEFT JOIN steps s ON s.episode = e.id
LEFT JOIN (
    SELECT id, DENSE_RANK() OVER (PARTITION BY cell ORDER BY demonstrations) AS shown_set
    FROM episodes WHERE demonstrations <> '[]'
) d ON d.id = e.id
GROUP BY e.id
ORDER BY c.id, e.opening
"""

_LATENCIES = """
SELECT e.cell, s.latency_s
FROM steps s JOIN episodes e ON e.id = s.episode
WHERE s.latency_s IS NOT NULL
ORDER BY e.cell, s.latency_s
"""


_IMITATION = """
SELECT e.cell, e.id AS episode, i.expert, i.departs, s.step, s.agrees, s.copies
FROM imitation i
JOIN episodes e ON e.id = i.episode
JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
ORDER BY e.cell, e.opening, s.step
"""


def open_run(folder: Path, *, checked: bool = False) -> RunStore:
    """Opens a run folder for reading.

    Args:
        folder: The folder.
        checked: Whether its store was found undamaged before; see `RunStore`.

    Raises:
        RunFolderError: There is no run in it.
        StoreError: Its store is damaged.
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise RunFolderError(f"{folder} holds no run: {what}")
    if not (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder} holds no run: there is no {FILE_NAME} in it")
    return RunStore(folder / FILE_NAME, readonly=True, checked=checked)


def cells_frame(store: RunStore) -> "pd.DataFrame":
    """Returns a row for each cell, those that nobody asked for and those not begun included.

    Columns: `cell`, `cell_hash`, `task`, `format`, `agent`, `selector`, `demonstrations`,
    `context_tokens`, `options` (JSON) and `asked`.
    """
    return _frame(store, _CELLS)


def episodes_frame(store: RunStore) -> "pd.DataFrame":
    """Returns a row for each episode, sorted by cell and opening.

    Columns: those that name the cell (`cell`, `cell_hash`, `task`, `format`, `agent`,
    `selector`, `demonstrations`, `context_tokens`, `asked`), `episode`, `opening`, `status`,
    `score` (NaN unless done), `message`, `left_out`, `leaked`, `near` and `shown`
    (demonstrations), `shown_set` (equal in a cell where the same were shown; NaN where none were),
    `steps`, the counts of steps `invalid`, `illegal` and `empty`, `ambiguous` (only one of the two
    readings of the reply, strict and lenient, finds an action) and `cut` (at the longest reply),
    of steps that `agreed` with the expert among those where `agreement_known`; and over all
    attempts `input_tokens`, `cached_input_tokens`, `output_tokens`, `cost_usd` of the steps with a
    known price, and `unpriced`, the count of the others.
    """
    return _frame(store, _EPISODES)


def imitation_frame(store: RunStore) -> "pd.DataFrame":
    """Returns a row for each step of the episodes of which it was measured how they imitate.

    Columns: `cell`, `episode`, `expert` (1 where it was asked), `departs` (the first step whose
    action is not the expert's, NaN if there is none), `step`, and 1 or 0, NaN where not known,
    for whether the agent's choice `agrees` with the expert's and `copies` the nearest
    demonstrated state's.
    """
    found = _frame(store, _IMITATION)
    measured = ("departs", "agrees", "copies")
    return found.astype(dict.fromkeys(measured, "float64"))


def latencies_frame(store: RunStore) -> "pd.DataFrame":
    """Returns a row for each call of a model: its `cell` and `latency_s`, in seconds."""
    return _frame(store, _LATENCIES)


def _frame(store: RunStore, query: str) -> "pd.DataFrame":
    import pandas as pd

    columns, rows = store.rows(query)
    return pd.DataFrame.from_records(rows, columns=columns)
