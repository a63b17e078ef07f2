"""A Gymnasium environment that remembers what it showed last."""

import importlib
from typing import Any

import gymnasium
from gymnasium.error import DependencyNotInstalled, Error
from gymnasium.spaces import Box, Discrete

from icil.tasks.errors import UsageError


class GymEnv(gymnasium.Env[Any, Any]):
    """Wraps an environment: openings are seeds, and the horizon is ours.

    Args:
        id: The environment's id, as `gymnasium.make` takes it.
        horizon: The most steps of an episode.
        rendering: Whether frames may be asked for.
    """

    def __init__(self, id: str, horizon: int, *, rendering: bool) -> None:
        self.inner = make_inner(id, rendering=rendering)
        self.observation_space = self.inner.observation_space
        self.action_space = self.inner.action_space
        self.observation: Any = None
        """What the environment showed last."""
        self.steps = 0
        self._id, self._horizon = id, horizon

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; `options={"opening": {"seed": …}}` fixes it."""
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        chosen = int(self.np_random.integers(2**31)) if opening is None else opening["seed"]
        self.observation, info = self.inner.reset(seed=chosen)
        self.steps = 0
        return self.observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays an action."""
        self.observation, reward, terminated, truncated, info = self.inner.step(action)
        self.steps += 1
        over = truncated or (self.steps >= self._horizon and not terminated)
        return self.observation, float(reward), terminated, over, info

    def frame(self) -> Any:
        """Returns the present frame, shape (height, width, 3).

        Raises:
            UsageError: What draws it is not installed.
        """
        try:
            return self.inner.render()
        except DependencyNotInstalled as error:
            raise UsageError(
                f"gym:{self._id} cannot draw its frames: {error}; or do without them: "
                "--format proprio"
            ) from error

    def close(self) -> None:
        """Closes the environment within."""
        self.inner.close()


def make_inner(id: str, *, rendering: bool) -> gymnasium.Env[Any, Any]:
    """Makes an environment by its id; `module:ID` imports the module that registers it first.

    Raises:
        UsageError: There is none, it lacks a package, or its spaces are not supported.
    """
    module, _, name = id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        env = gymnasium.make(
            name, render_mode="rgb_array" if rendering else None, disable_env_checker=True
        )
    except (Error, ImportError) as error:
        raise UsageError(f"gym:{id}: {' '.join(str(error).split())}") from error
    if not isinstance(env.action_space, Discrete | Box):
        raise UsageError(
            f"gym:{id} takes actions from {env.action_space}; supported are Discrete and Box"
        )
    return env
