"""The expert beside an episode that somebody else plays."""

from typing import Any

from icil.tasks.errors import ContractError
from icil.tasks.openings import Opening
from icil.tasks.players import expert_generator
from icil.tasks.task import Task


class Adviser:
    """Tells what the expert would do in each state of an episode, from its opening on.

    An expert that plans keeps to the plan that it made at the opening as long as the episode is
    on its course; from there on it begins anew in each state.

    Args:
        task: The task.
        opening: What the episode starts from.

    Raises:
        UsageError: The task has no expert.
    """

    def __init__(self, task: Task[Any], opening: Opening) -> None:
        self._task, self._opening = task, opening
        self._expert = task.expert()
        self.departs: int | None = None
        """The first step whose action the expert would not have taken; None if none so far."""

    def close(self) -> None:
        """Lets go of the expert."""
        self._expert.close()

    def choices(self, env: Any, step: int, played: str) -> frozenset[str]:
        """Returns every action that the expert might take in the present state.

        Is called at each step, before the action is played.

        Args:
            env: The environment, which it leaves as it is.
            step: The step's number, from 0.
            played: What is played at this step, in its canonical wording.

        Raises:
            ContractError: The expert would do what is not allowed.
        """
        if step == 0 or self.departs is not None:
            self._expert.begin(env)
        good = self._expert.equally_good(env)
        if good is None:
            rng = expert_generator(self._task, self._opening, step)
            good = (self._expert.act(env, rng),)
        choices = frozenset(self._canonical(said, env) for said in good)
        if self.departs is None and played not in choices:
            self.departs = step
        return choices

    def _canonical(self, said: str, env: Any) -> str:
        parsed = self._task.parse(said, env)
        if parsed.action is None:
            raise ContractError(
                f"the expert of {self._task.name} answered {said!r}: {parsed.reason}"
            )
        return parsed.action
