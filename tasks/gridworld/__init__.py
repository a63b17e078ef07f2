"""A walled room in which a player looks for a target."""

from icil.tasks.gridworld.env import GridworldEnv
from icil.tasks.gridworld.task import Gridworld

__all__ = ["Gridworld", "GridworldEnv"]
