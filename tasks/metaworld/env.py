"""The dynamics of a task of Meta-World; its own reward is shaped, 0 to 10 a step."""

from typing import Any, ClassVar

from icil.tasks.arms import ArmEnv, Moved, Score, Vector
from icil.tasks.metaworld.library import library


class MetaWorldEnv(ArmEnv):
    """Meta-World's arm; observations are its 39 numbers, an action moves up to a centimetre.

    Args:
        name: The task, such as `reach-v3`.
        horizon: Steps of an episode.
        score: What is paid.
    """

    library: ClassVar[str] = "Meta-World"

    def __init__(self, name: str, horizon: int, score: Score = "success_any") -> None:
        super().__init__(_make(name), 39, horizon, score)

    def _start(self, seed: int) -> Vector:
        self.inner.seed(seed)
        numbers: Vector = self.inner.reset()[0]
        return numbers

    def _move(self, action: Vector) -> Moved:
        numbers, shaped, _, _, info = self.inner.step(action)
        return Moved(numbers, shaped, bool(info["success"]))


def _make(name: str) -> Any:
    """Returns a world in which each reset draws from its own seed, and the goal is seen."""
    made = library().worlds[name]()
    made._set_task_called = True  # there are no tasks of a benchmark here, but openings
    made._freeze_rand_vec = False
    made.seeded_rand_vec = True
    made._partially_observable = False
    vars(made).pop("sawyer_observation_space", None)  # it was worked out with the goal hidden
    made.max_path_length = 2**31  # the horizon is ours
    return made
