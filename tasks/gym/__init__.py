"""Any Gymnasium environment as a task: `gym:ID`."""

from icil.tasks.gym.env import GymEnv
from icil.tasks.gym.task import GymTask

__all__ = ["GymEnv", "GymTask"]
