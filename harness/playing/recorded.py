"""Reference episodes that are looked up instead of played."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from icil.harness.planning.cells import Cell
from icil.harness.planning.experiment import Experiment
from icil.harness.playing.episode import Desk
from icil.harness.playing.work import Job
from icil.harness.threads import call
from icil.results import Answer, Played
from icil.tasks import Demonstration, Task


def find_recorded(job: Job) -> Demonstration | None:
    """Returns the episode that this job would play, if it is on record.

    Only the reference players have episodes on record, and only from openings that are still
    the same.
    """
    player = job.cell.record.agent
    if player not in ("expert", "random") or job.start.forced:
        return None
    found = job.cell.task.references.get(player, {}).get(job.start.number)
    return found if found and found.opening == job.start.opening else None


def is_recorded(cell: Cell, experiment: Experiment) -> bool:
    """Returns whether all of a cell's episodes are on record, so that nothing is played."""
    found = cell.task.references.get(cell.record.agent, {})
    return all(number in found for number in range(experiment.episodes))


async def enter_recorded(desk: Desk, job: Job, recorded: Demonstration) -> None:
    """Writes an episode on record into the run's store, as if it had been played now."""
    store, task = desk.store, job.cell.task.task
    met: Sequence[bool | None] = [None] * len(recorded.steps)
    if task.goal:
        met = await call(True, _played_again, task, recorded)

    def write() -> None:
        # Begun by playing, perhaps: then this is another attempt.
        episode = store.begin_episode(job.number, job.start.number, restart=True)
        last = None
        for number, step in enumerate(recorded.steps):
            answer = Answer(reply=step.action, status="ok", action=step.action)
            store.add_step(episode, number, answer, previous=last and last[1])
            played = Played(reward=step.reward, outcome=step.outcome, success=met[number])
            last = (number, played)
        store.end_episode(episode, "done", score=recorded.total, last=last)

    await desk.write(write)
    desk.progress.ended("done")


def _played_again(task: Task[Any], recorded: Demonstration) -> list[bool | None]:
    """Returns for each step of an episode on record whether the goal is met, which is not."""
    met = []
    with closing(task.make_env()) as env:
        task.reset(env, recorded.opening)
        for step in recorded.steps:
            parsed = task.parse(task.express(step.action, env), env)
            met.append(task.step(env, parsed.value, step.outcome).success)
    return met
