"""gym-pusht, imported when it is needed, without its greeting and without a window."""

import os
import warnings
from functools import cache
from typing import Any

from icil.tasks.errors import UsageError


@cache
def library() -> Any:
    """Returns gym-pusht's class of environments.

    Raises:
        UsageError: It is not installed.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from gym_pusht.envs.pusht import PushTEnv
    except ImportError as error:
        raise UsageError(
            f"gym-pusht is not installed ({error}): pip install 'icil[robots]'"
        ) from error
    return PushTEnv
