"""A user's function as a proposer, named as `module:function`."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from icil.harness.agents import Agent, Capabilities, Reply, Turn
from icil.harness.threads import call
from icil.tasks import ContractError, ModelError, Task, UsageError, load_named

Function = Callable[[Task[Any], Any, np.random.Generator], str]
"""Takes a task, its environment (to look at, and leave as it is) and a generator; returns an
action in the task's language."""

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class FunctionAgent(Agent):
    """Does what a function says. It is called on a thread, for one episode at a time.

    Args:
        name: What to call it in messages: `module:function`.
        function: The function.
    """

    capabilities = Capabilities()

    def __init__(self, name: str, function: Function) -> None:
        self._name, self._function = name, function
        self._alone = asyncio.Lock()

    async def act(self, turn: Turn) -> Reply:
        """Returns what the function said.

        Raises:
            ModelError: It failed: an episode in error is tried again by the same command.
            ContractError: It returned no text.
        """
        async with self._alone:
            try:
                said = await call(True, self._function, turn.episode.task, turn.env, turn.rng())
            except Exception as error:
                raise ModelError(
                    f"{self._name} failed at step {turn.step} of opening "
                    f"{turn.episode.opening.index}: {type(error).__name__}: {error}"
                ) from error
        if not isinstance(said, str):
            raise ContractError(f"{self._name} must return an action as text, not {said!r:.80}")
        return Reply(text=said)


def names_function(name: str) -> bool:
    """Returns whether a name is of the form `module:function`."""
    return _NAMED.fullmatch(name) is not None


def load_function(name: str) -> FunctionAgent:
    """Returns the proposer that `module:function` names.

    Raises:
        UsageError: It cannot be imported, or is no function.
    """
    found = load_named("proposer", name)
    if isinstance(found, type) or not callable(found):
        raise UsageError(f"the proposer {name} is no function of a task, an environment and a rng")
    return FunctionAgent(name, found)
