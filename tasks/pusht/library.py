"""gym-pusht, imported when it is needed, without its greeting and without a window."""

import os
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

from icil.tasks.errors import UsageError


def check_installed() -> None:
    """Checks that there is a gym-pusht, without importing it.

    Raises:
        UsageError: It is not installed.
    """
    if find_spec("gym_pusht") is None:
        raise UsageError("gym-pusht is not installed: pip install 'icil[robots]'")


@cache
def library() -> Any:
    """Returns gym-pusht's class of environments.

    Raises:
        UsageError: It is not installed, or lacks libraries of the system.
    """
    check_installed()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from gym_pusht.envs.pusht import PushTEnv
    except ModuleNotFoundError as error:
        raise UsageError(
            f"gym-pusht is not installed whole: {error}; pip install 'icil[robots]'"
        ) from error
    except ImportError as error:
        raise UsageError(
            f"gym-pusht is installed, and a library of the system is missing: {error}; its "
            "pictures need libGL and glib (on Debian, apt-get install libgl1 libglib2.0-bin)"
        ) from error
    return PushTEnv
