"""Minari data sets as a target: what `minari` loads, and `icil demos import` takes back.

Observations and actions are the environment's own, as `reset` and `step` have them. The
metadata hold the pool's card and the openings; each step's `infos` hold the action's wording
and the outcome, as JSON; the first of each, which belong to the reset, are empty and `null`.
"""

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium

from icil.tasks.demonstrations import Demonstration, state_digest
from icil.tasks.errors import ExperimentError, PoolError, UsageError
from icil.tasks.exchange.files import new_path
from icil.tasks.exchange.minari import NOTES, NotedEpisode, Notes, minari_library
from icil.tasks.exchange.recording import Recording, UntrueError, close, play
from icil.tasks.exchange.watching import Watched
from icil.tasks.gym import GymTask
from icil.tasks.openings import Opening
from icil.tasks.pools import Pool
from icil.tasks.task import Task, Transition


def write_minari(pool: Pool, task: Task[Any], path: Path, format: str | None) -> None:
    """Writes a pool as a data set: a folder that Minari takes under the data set's id.

    Args:
        pool: The pool.
        task: Its task.
        path: The new folder.
        format: None: a data set holds the environment's own observations.

    Raises:
        ExperimentError: There is a format.
        PoolError: The folder exists or cannot be written, or the pool does not replay.
        UsageError: Minari is not installed, or does not know such spaces.
    """
    if format is not None:
        raise ExperimentError(
            "option --format: a Minari data set holds the environment's own observations; "
            "--to parquet holds rendered ones"
        )
    minari = minari_library()
    buffer = importlib.import_module("minari.data_collector").EpisodeBuffer
    storages = importlib.import_module("minari.dataset.minari_storage").MinariStorage
    card = pool.card
    name = "/".join(re.sub(r"[^-\w]+", "_", word) for word in ("icil", task.name, card.expert))
    episodes = [NotedEpisode(id=d.id, opening=d.opening) for d in pool.demonstrations]
    with new_path(path) as made, closing(task.make_env()) as env:
        made.mkdir()
        try:
            storage = storages.new(
                made / "data",
                observation_space=env.observation_space,
                action_space=env.action_space,
                env_spec=_spec(task),
                data_format="hdf5",
                jpeg_encoding=False,
            )
        except NotImplementedError as error:
            raise UsageError(f"Minari cannot hold {task.name}: {error}") from error
        except ImportError as error:
            raise UsageError("Minari takes packages more: pip install 'icil[minari]'") from error
        storage.update_metadata(
            {
                "dataset_id": f"{name}-v{card.task_version}",
                "minari_version": minari.__version__,
                "algorithm_name": card.expert,
                "author": {card.made_by},
                "description": f"Demonstrations of {task.name}: {task.summary}",
                "license": card.licence,
                NOTES: Notes(card=card, episodes=episodes).model_dump(mode="json"),
            }
        )
        storage.update_episodes(buffer(**episode) for episode in _episodes(task, pool))


def _spec(task: Task[Any]) -> Any:
    """Returns what Minari makes the environment of; None where that cannot be written down."""
    if not isinstance(task, GymTask):
        return None
    spec = gymnasium.spec(task.id.rpartition(":")[2])
    try:
        spec.to_json()
    except (TypeError, ValueError):  # it is made by an object, not by what has a name
        return None
    return spec


def _episodes(task: Task[Any], pool: Pool) -> Iterator[dict[str, Any]]:
    for demonstration in pool.demonstrations:
        trace = Trace(demonstration)
        try:
            play(task, trace)
        except UntrueError as error:
            raise PoolError(
                f"demonstration {demonstration.id} of {task.name} does not replay: {error}; "
                "the pool is damaged or was made by another version of the task"
            ) from error
        yield trace.episode(task)


class Trace(Recording):
    """A demonstration of ours that is watched while it is played again.

    Args:
        demonstration: The demonstration.
    """

    def __init__(self, demonstration: Demonstration) -> None:
        self.id, self.length = demonstration.id, len(demonstration.steps)
        self._demonstration, self._steps = demonstration, demonstration.steps
        self._observations: list[Any] = []
        self._values: list[Any] = []

    def opening(self) -> Opening:
        """Returns where it starts."""
        return self._demonstration.opening

    def make_env(self, task: Task[Any]) -> Watched:
        """Returns an environment that remembers its observation."""
        self._task = task
        return Watched(task.make_env())

    def compare(self, step: int, env: Watched) -> None:
        """Compares the states, and keeps the observation."""
        if state_digest(self._task, env) != self._steps[step].state:
            raise UntrueError(f"step {step}: the state differs")
        self._observations.append(deepcopy(env.observation))

    def action(self, step: int, env: Watched) -> str:
        """Returns the action."""
        return self._steps[step].action

    def outcome(self, step: int, env: Watched, value: Any) -> Any:
        """Returns the outcome, and keeps the action."""
        self._values.append(value)
        return self._steps[step].outcome

    def judge(self, step: int, env: Watched, done: Transition) -> None:
        """Compares the rewards, and keeps the last observation."""
        if not close(done.reward, self._steps[step].reward):
            raise UntrueError(f"step {step}: reward {done.reward}, not {self._steps[step].reward}")
        if step + 1 == self.length:
            self._observations.append(deepcopy(env.observation))

    def episode(self, task: Task[Any]) -> dict[str, Any]:
        """Returns what Minari stores of it, once it was played."""
        ends = [False] * (self.length - 1)
        terminated = self._demonstration.terminated
        state = self._demonstration.opening.state
        return {
            "seed": state["seed"] if isinstance(task, GymTask) else None,
            "observations": _stacked(self._observations),
            "actions": _stacked(self._values),
            "rewards": [step.reward for step in self._steps],
            "terminations": [*ends, terminated],
            "truncations": [*ends, not terminated],
            "infos": {
                "action": ["", *(step.action for step in self._steps)],
                "outcome": ["null", *(json.dumps(step.outcome) for step in self._steps)],
            },
        }


def _stacked(values: list[Any]) -> Any:
    """Returns a nested space's values as Minari takes them: one list for each of its leaves."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _stacked([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(_stacked([value[i] for value in values]) for i in range(len(first)))
    return values
