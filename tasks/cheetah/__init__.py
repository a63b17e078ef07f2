"""Cheetah run: a planar cheetah gallops, by MuJoCo and dm_control's model of it."""

from icil.tasks.cheetah.env import CheetahEnv
from icil.tasks.cheetah.task import Cheetah

__all__ = ["Cheetah", "CheetahEnv"]
