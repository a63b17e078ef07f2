"""A Gymnasium environment that remembers what it showed last.

One thread of its own makes and uses it, whoever calls: what draws with OpenGL is bound to the
thread that made it, and shows the others a black picture.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import gymnasium
from gymnasium.spaces import Box, Discrete

from icil.tasks.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


class GymEnv(gymnasium.Env[Any, Any]):
    """Wraps an environment: openings are seeds, and the horizon is ours.

    Args:
        id: The environment's id, as `gymnasium.make` takes it.
        horizon: The most steps of an episode.
        rendering: Whether frames may be asked for.

    Raises:
        UsageError: It cannot be made; see `make_inner`.
    """

    def __init__(self, id: str, horizon: int, *, rendering: bool) -> None:
        self._id = id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"gym:{id}")
        self.inner = self._call(make_inner, id, horizon, rendering=rendering)
        self.observation_space = self.inner.observation_space
        self.action_space = self.inner.action_space
        self.observation: Any = None
        """What the environment showed last."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; `options={"opening": {"seed": …}}` fixes it.

        Raises:
            UsageError: The environment cannot be reset.
        """
        super().reset(seed=seed)
        opening = (options or {}).get("opening")
        chosen = int(self.np_random.integers(2**31)) if opening is None else opening["seed"]
        try:
            self.observation, info = self._call(self.inner.reset, seed=chosen)
        except Exception as error:
            problem = f"gym:{self._id} cannot be reset with the seed {chosen}: {told(error)}"
            raise UsageError(problem) from error
        return self.observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays an action."""
        answer = self._call(self.inner.step, action)
        self.observation, reward, terminated, truncated, info = answer
        over = bool(truncated) and not terminated
        return self.observation, float(reward), bool(terminated), over, info

    def render(self) -> Any:
        """Returns the present frame as the environment draws it."""
        return self._call(self.inner.render)

    def close(self) -> None:
        """Closes the environment within."""
        self._call(self.inner.close)

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._thread.submit(function, *args, **kwargs).result()


def make_inner(id: str, horizon: int | None, *, rendering: bool) -> gymnasium.Env[Any, Any]:
    """Makes an environment by its id; `module:ID` imports the module that registers it first.

    Args:
        id: The id.
        horizon: The most steps of an episode; None for the environment's own limit.
        rendering: Whether it is to draw frames.

    Raises:
        UsageError: There is none, it cannot be made, its id leaves the version open, or its
            actions are not supported.
    """
    drawn = {"render_mode": "rgb_array"} if rendering else {}  # not all know of such a thing
    try:
        env = gymnasium.make(id, max_episode_steps=horizon, disable_env_checker=True, **drawn)
    except Exception as error:  # whatever a world of somebody else's raises
        raise UsageError(f"gym:{id} cannot be made: {told(error)}") from error
    module, colon, name = id.rpartition(":")
    if env.spec and env.spec.id != name:
        raise UsageError(f"gym:{id} leaves the version open: gym:{module}{colon}{env.spec.id}")
    if not isinstance(env.action_space, Discrete | Box):
        raise UsageError(
            f"gym:{id} takes actions from {env.action_space}; supported are Discrete and Box"
        )
    return env


def told(error: Exception) -> str:
    """Returns an error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
