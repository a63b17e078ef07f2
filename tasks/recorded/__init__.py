"""What a robot recorded, as a task: nothing is simulated, what was seen is shown again."""

from icil.tasks.recorded.task import Recorded

__all__ = ["Recorded"]
