"""Push-T: a round pusher, a block in the shape of a T, and where it is to lie."""

from icil.tasks.pusht.env import PushTEnv
from icil.tasks.pusht.task import PushT

__all__ = ["PushT", "PushTEnv"]
