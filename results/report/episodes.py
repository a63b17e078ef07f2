"""An episode, step by step, as JSON: what was new to the agent, what it said, what came of it.

A text stands where it was shown. A picture stands as `{"picture": KEY}`, and is drawn or read
only when it is asked for by `pictures`. What is None, empty or nought is left out of a step.
"""

import json
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from icil.results.records import Played, StepRecord
from icil.results.report.replaying import Replayer, View, all_that_can
from icil.results.report.runs import ReportedRun
from icil.tasks import IcilError, Observation, StoreError

_STEPS = """
SELECT s.step, s.shown, s.question, s.demonstrations, s.reply, s.status, s.otherwise, s.reason,
       s.action, s.expected, s.agrees, s.copies, s.reward, s.outcome, s.success, s.input_tokens,
       s.cached_input_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.images,
       s.cost_usd, s.latency_s, s.model, s.finish, s.detail, s.dropped
FROM steps s JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
WHERE e.id = ?
ORDER BY s.step
"""
_EPISODE = """
SELECT e.cell, e.opening, e.status, e.score, e.message, e.prefix, e.demonstrations, e.reasons,
       e.left_out, e.leaked, e.near, e.attempt, i.departs, i.expert
FROM episodes e LEFT JOIN imitation i ON i.episode = e.id
WHERE e.id = ?
"""
_PREFIX = "SELECT parts FROM prefixes WHERE hash = ?"
_AS_JSON = ("demonstrations", "expected", "outcome", "dropped")
_HASH_BYTES = 16
_BEGINNING = 6000
"""Characters of a prompt's beginning that are kept."""
_DEMONSTRATIONS = 64
"""Of an episode, or of a step that has its own, of which the ids are kept."""

Drawn = NDArray[np.uint8] | bytes
"""Pixels, or a PNG."""


class Beginning(NamedTuple):
    """How the prompts of an episode begin."""

    text: str
    """With `[picture]` for each picture."""
    whole: bool
    """Whether that is all of what is fixed in them."""


class EpisodeReader:
    """Reads the episodes of a run. Not thread-safe, as its store.

    Args:
        run: The run.
    """

    def __init__(self, run: ReportedRun) -> None:
        self._run, self._replayer = run, Replayer(run)
        self._part = lru_cache(maxsize=2048)(run.store.part)

    def close(self) -> None:
        """Closes the environments."""
        self._replayer.close()

    def read(self, id: int) -> dict[str, Any]:
        """Returns an episode as JSON; plays it again where that shows more.

        Args:
            id: Its number in the store.

        Raises:
            StoreError: There is no such episode.
        """
        episode, steps = self._episode(id), self._steps(id)
        prompted = any(step["shown"] for step in steps)
        episode["prompted"] = prompted
        records = _records(steps)
        for step in steps:
            step["seen"] = self._content(step.pop("shown"))
            step["question"] = self._content(step.pop("question"))
        cell = self._run.cells[episode["cell"]]
        try:
            views = self._replayer.views(cell, stored=prompted)
        except IcilError as error:
            views, episode["unshown"] = (), str(error)
        texts = tuple(view for view in views if not view.image)
        states: Sequence[tuple[Observation | None, ...]] = ()
        if texts:
            playing = self._replayer.observations(cell, episode["opening"], records, texts)
            states, why = all_that_can(playing)
            if why:
                episode["unshown"] = why
        ends = bool(steps) and records[-1].played is not None
        for number, step in enumerate([*steps, episode] if ends else steps):
            for view in views:
                item: Any = None
                if view.image and (number == len(steps) or not view.only_last):
                    item = {"picture": _key(id, view, number)}
                elif not view.image and number < len(states):
                    state = states[number][texts.index(view)]
                    item = state.text if state else None
                if item is not None:
                    step.setdefault("seen" if view.seen else "board", []).append(item)
        episode["views"] = [view.format for view in views if not view.seen]
        episode["steps"] = [_short(step) for step in steps]
        return _short(episode)

    def pictures(self, id: int) -> Iterator[tuple[str, Drawn]]:
        """Yields the pictures of an episode with their keys: what was seen, then what is drawn.

        Raises:
            IcilError: The episode cannot be played again, and the rest of them not be drawn.
        """
        yield from self.seen(id)
        yield from self.drawn(id)

    def seen(self, id: int, at: Container[int] | None = None) -> Iterator[tuple[str, Drawn]]:
        """Yields the pictures that the agent was shown, which are in the store, with their keys.

        Args:
            id: The episode's number in the store.
            at: The steps whose pictures these are; None for all.
        """
        for step in self._steps(id):
            if at is None or step["step"] in at:
                for key in self._pictured(step["shown"]):
                    yield key, self._part(bytes.fromhex(key))[1]

    def drawn(self, id: int, at: Container[int] | None = None) -> Iterator[tuple[str, Drawn]]:
        """Yields the pictures that are drawn anew, with their keys.

        Args:
            id: The episode's number in the store.
            at: The steps whose pictures these are, the end being one more; None for all.

        Raises:
            IcilError: The episode cannot be played again, and the rest of them not be drawn.
        """
        views = self._drawn_views(id)
        if not views:
            return
        episode, records = self._episode(id), _records(self._steps(id))
        cell = self._run.cells[episode["cell"]]
        playing = self._replayer.observations(cell, episode["opening"], records, views, at)
        for number, state in enumerate(playing):
            for view, observation in zip(views, state, strict=True):
                if observation is not None and observation.image is not None:
                    yield _key(id, view, number), observation.image

    def drawable(self, id: int) -> range:
        """Returns the steps of which pictures are drawn anew, the end being one more."""
        views, steps = self._drawn_views(id), len(self._steps(id))
        if not views or not steps:
            return range(0)
        return range(steps if all(view.only_last for view in views) else 0, steps + 1)

    def draws_slowly(self, id: int) -> bool:
        """Returns whether it may take long to draw the pictures of an episode anew."""
        cell = self._run.cells[self._stored(id)["cell"]]
        return bool(self._drawn_views(id)) and self._replayer.slow(cell)

    def _drawn_views(self, id: int) -> tuple[View, ...]:
        """Returns the views of an episode that are pictures, and have to be drawn anew."""
        cell, prompted = self._run.cells[self._stored(id)["cell"]], self._is_prompted(id)
        try:
            views = self._replayer.views(cell, stored=prompted)
        except IcilError:  # `read` says why
            return ()
        return tuple(view for view in views if view.image)

    def beginning(self, id: int) -> Beginning | None:
        """Returns how the prompts of an episode begin; None where the agent reads none."""
        prefix = self._stored(id)["prefix"]
        if prefix is None:
            return None
        (packed,) = self._run.store.rows(_PREFIX, (prefix,))[1][0]
        hashes, text, read = _split(packed), "", 0
        while read < len(hashes) and len(text) < _BEGINNING:
            kind, content = self._part(hashes[read])
            text += "[picture]\n" if kind == "png" else content.decode()
            read += 1
        whole = read == len(hashes) and len(text) <= _BEGINNING
        return Beginning(text[:_BEGINNING], whole)

    def _is_prompted(self, id: int) -> bool:
        return any(step["shown"] for step in self._steps(id))

    def _episode(self, id: int) -> dict[str, Any]:
        found = self._stored(id)
        del found["prefix"]
        shown = json.loads(found["demonstrations"])
        found["shows"] = len(shown)
        found["demonstrations"] = shown[:_DEMONSTRATIONS]
        reasons = json.loads(found["reasons"])
        found["reasons"] = reasons[:_DEMONSTRATIONS] if isinstance(reasons, list) else reasons
        return found

    def _stored(self, id: int) -> dict[str, Any]:
        columns, rows = self._run.store.rows(_EPISODE, (id,))
        if not rows:
            raise StoreError(f"{self._run.store.path} holds no episode {id}")
        return dict(zip(columns, rows[0], strict=True))

    def _steps(self, id: int) -> list[dict[str, Any]]:
        columns, rows = self._run.store.rows(_STEPS, (id,))
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        for step in found:
            for name in _AS_JSON:
                step[name] = None if step[name] is None else json.loads(step[name])
            step["demonstrations"] = (step["demonstrations"] or [])[:_DEMONSTRATIONS]
        return found

    def _content(self, packed: bytes) -> list[Any]:
        """Returns parts as they were shown: texts that follow each other joined."""
        found: list[Any] = []
        for hash in _split(packed):
            kind, content = self._part(hash)
            if kind == "png":
                found.append({"picture": hash.hex()})
            elif found and isinstance(found[-1], str):
                found[-1] += content.decode()
            else:
                found.append(content.decode())
        return found

    def _pictured(self, packed: bytes) -> list[str]:
        return [hash.hex() for hash in _split(packed) if self._part(hash)[0] == "png"]


def _records(steps: Sequence[dict[str, Any]]) -> list[StepRecord]:
    return [
        StepRecord(
            step=step["step"],
            prompt=None,
            reply=step["reply"],
            action=step["action"],
            played=None
            if step["reward"] is None
            else Played(reward=step["reward"], outcome=step["outcome"]),
        )
        for step in steps
    ]


def _split(packed: bytes) -> list[bytes]:
    return [packed[i : i + _HASH_BYTES] for i in range(0, len(packed), _HASH_BYTES)]


def _key(id: int, view: View, number: int) -> str:
    return f"{id}.{view.format}.{number}"


def _short(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns fields without those that say nothing; nought is said of what was measured."""
    told = ("score", "reward", "agrees", "copies", "departs", "step", "opening", "reply", "action")
    return {
        name: value
        for name, value in fields.items()
        if value or (name in told and value is not None)
    }
