"""An environment that remembers what it answered: tasks keep only what a model is shown."""

from typing import Any

import gymnasium

Answer = tuple[Any, Any, bool, bool, dict[str, Any]]


class Watched(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Wraps a task's environment, whose attributes are still there.

    Args:
        env: The environment.
    """

    observation: Any = None
    """What `reset`, `step` or `repeat` returned last."""

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # not there yet
            raise AttributeError(name)
        return getattr(self.env, name)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        self.observation, info = self.env.reset(seed=seed, options=options)
        return self.observation, info

    def step(self, action: Any) -> Answer:
        """Plays an action."""
        return self._answered(self.env.step(action))

    def repeat(self, action: Any, outcome: Any) -> Answer:
        """Plays an action and a recorded outcome, where the world has such."""
        return self._answered(self.env.repeat(action, outcome))  # type: ignore[attr-defined]

    def _answered(self, answer: Answer) -> Answer:
        self.observation = answer[0]
        return answer
