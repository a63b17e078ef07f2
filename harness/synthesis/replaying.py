"""The episodes of a run as proposals: what was played is played again in the real world."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from icil.prompt_builders.synthesis import Proposal
from icil.results import RunStore, StepRecord
from icil.results.store import FILE_NAME
from icil.tasks import Opening, OpeningSource, StoreError, Task, Transition
from icil.tasks.exchange.recording import Recording, UntrueError, play

_EPISODES = """
SELECT e.id, e.opening, SUM(s.status != 'ok')
FROM episodes e JOIN steps s ON s.episode = e.id AND s.attempt = e.attempt
WHERE e.status = 'done'
GROUP BY e.id ORDER BY e.opening
"""


def read_proposals(folder: Path, task: Task[Any], openings: OpeningSource) -> Iterator[Proposal]:
    """Yields the episodes of a run that are done, in the order of their openings.

    Args:
        folder: The folder of a run with one cell.
        task: Its task.
        openings: The split that it played.

    Raises:
        StoreError: The world does not do again what it did in the run.
    """
    with closing(RunStore(folder / FILE_NAME, readonly=True)) as store:
        for episode, index, wrong in store.rows(_EPISODES)[1]:
            recording = _Episode(openings[index], store.steps(episode))
            try:
                played, beyond = play(task, recording)
            except UntrueError as error:
                raise _untrue(folder, index, str(error)) from error
            if beyond:
                raise _untrue(folder, index, f"{beyond} steps are beyond the task's horizon")
            yield Proposal(demonstration=played, wrong=wrong)


class _Episode(Recording):
    """An episode of a run."""

    def __init__(self, opening: Opening, steps: tuple[StepRecord, ...]) -> None:
        self.id, self.length = str(opening.index), len(steps)
        self._opening, self._steps = opening, steps

    def opening(self) -> Opening:
        return self._opening

    def action(self, step: int, env: Any) -> str:
        return self._steps[step].action

    def compare(self, step: int, env: Any) -> None:
        """A run keeps no states; the rewards and the end tell whether they are the same."""

    def outcome(self, step: int, env: Any, value: Any) -> Any:
        played = self._steps[step].played
        return None if played is None else played.outcome

    def judge(self, step: int, env: Any, done: Transition) -> None:
        then = self._steps[step].played
        if then is None or not abs(done.reward - then.reward) <= 1e-6 * max(1.0, abs(then.reward)):
            was = None if then is None else then.reward
            raise UntrueError(f"step {step}: the reward is {done.reward} now, and was {was} then")


def _untrue(folder: Path, opening: int, what: str) -> StoreError:
    return StoreError(
        f"{folder}: the episode of opening {opening} does not replay: {what}; the store is "
        "damaged, or this version of icil, or of what it stands on, is not the one that played it"
    )
