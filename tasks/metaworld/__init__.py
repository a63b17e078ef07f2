"""Meta-World: an arm on a table, fifty things to do with it, an expert for each."""

from icil.tasks.metaworld.env import MetaWorldEnv
from icil.tasks.metaworld.task import MetaWorld

__all__ = ["MetaWorld", "MetaWorldEnv"]
