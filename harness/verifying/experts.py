"""Whether the experts say again what is stored of how the agents imitate."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from icil.harness.imitation.judging import Judge
from icil.harness.imitation.past_run import PastRun
from icil.results import RunStore
from icil.results.verifying import Fault, Findings
from icil.results.verifying.faults import shortened
from icil.tasks import IcilError, UsageError

_STEPS = """
SELECT s.step, s.agrees, s.copies, s.expected
FROM steps s JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
WHERE s.episode = ? ORDER BY s.step
"""
_DEPARTS = "SELECT departs FROM imitation WHERE episode = ?"


class Experts:
    """Asks the experts once more, of the episodes of which they were asked.

    Args:
        store: The store.
        folder: The run's folder.
        findings: Is told what cannot be checked.
    """

    def __init__(self, store: RunStore, folder: Path, findings: Findings) -> None:
        self._store = store
        self._judge: Judge | None = None
        try:
            self._run = PastRun(store, folder)
        except UsageError as error:
            findings.unchecked.append(f"the experts were not asked: {error}")
            return
        self._judge = Judge(self._run, store, self._run.tasks)

    def close(self) -> None:
        """Closes what was opened."""
        if self._judge is not None:
            self._judge.close()

    def check(self, episode: int) -> Iterator[Fault]:
        """Yields the fields of an episode that its expert would not say again."""
        past = self._run.episodes.get(episode) if self._judge is not None else None
        if self._judge is None or past is None or not past.measured:
            return
        try:
            found = self._judge.judge(episode)
        except IcilError:
            return  # that it does not replay is told by itself
        (departs,) = self._store.rows(_DEPARTS, (episode,))[1][0]
        if departs != found.departs:
            yield _fault(episode, None, "departs", departs, found.departs)
        for step, agrees, copies, expected in self._store.rows(_STEPS, (episode,))[1]:
            known = found.expected[step] if found.expected else None
            for column, stored, right in (
                ("agrees", agrees, _number(found.agrees[step])),
                ("copies", copies, _number(found.copies[step])),
                ("expected", _listed(expected), None if known is None else sorted(known)),
            ):
                if stored != right:
                    yield _fault(episode, step, column, stored, right)


def _number(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else sorted(json.loads(text))


def _fault(episode: int, step: int | None, column: str, stored: Any, right: Any) -> Fault:
    return Fault(
        place="imitation" if step is None else "steps",
        what="the expert, asked again, says otherwise",
        episode=episode,
        step=step,
        column=column,
        stored=shortened(stored),
        right=shortened(right),
    )
