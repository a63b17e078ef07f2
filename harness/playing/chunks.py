"""The chunks of one episode: when the agent is asked for one, and what is done at each step.

An agent whose replies are chunks answers JSON: a list of actions, each a list of numbers. It is
asked only where its execution wants a chunk; between, the next action of what it answered is
played. What was asked can be told from what is stored, so that an interrupted episode goes on.
"""

import json
from typing import Any

import numpy as np

from icil.harness.policies.checks import ChunkError, check_chunk
from icil.harness.policies.executor import ChunkExecutor, Execution
from icil.tasks import ContractError, Task


class Chunks:
    """See the module.

    Args:
        task: The task; its actions are vectors.
        execution: How chunks are played.
    """

    def __init__(self, task: Task[Any], execution: Execution) -> None:
        box = task.action_box
        if box is None:
            raise ContractError(f"an agent answers {task.name} with vectors; its actions are words")
        self._task, self._box = task, box
        self._executor = ChunkExecutor(execution)

    def wants(self, step: int) -> bool:
        """Returns whether the agent is to be asked at this step."""
        return self._executor.wants(step)

    def take(self, step: int, reply: str) -> None:
        """Takes what the agent answered at a step.

        Raises:
            ContractError: It is no chunk; agents check what they are told by others.
        """
        try:
            chunk = check_chunk(np.array(json.loads(reply), np.float64), self._box, tolerance=0.0)
        except (ValueError, TypeError, ChunkError) as error:
            raise ContractError(f"a chunk of actions was to be answered: {error}") from error
        self._executor.take(step, chunk)

    def said(self, step: int, reply: str) -> str:
        """Returns what a reply, or what was answered before it, says of its own step.

        Args:
            step: The step.
            reply: What is stored of it: a chunk, where the agent was asked for one.

        Raises:
            ContractError: It was asked, and the reply is no chunk.
        """
        if self.wants(step):
            self.take(step, reply)
        return self.action(step)

    def action(self, step: int) -> str:
        """Returns what is done at a step, in the task's words."""
        return self._task.word(self._executor.action(step))
