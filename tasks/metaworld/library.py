"""The library of Meta-World's worlds and scripted experts, imported when it is needed."""

import warnings
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

from icil.tasks.errors import UnknownNameError, UsageError


class Library(NamedTuple):
    """What is used of it, by the names of tasks (`reach-v3`)."""

    worlds: dict[str, Any]
    experts: dict[str, Any]


@cache
def library() -> Library:
    """Returns the library.

    Raises:
        UsageError: It is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from metaworld.env_dict import ALL_V3_ENVIRONMENTS
            from metaworld.policies import ENV_POLICY_MAP
    except ImportError as error:
        raise UsageError(
            f"metaworld is not installed ({error}): pip install 'icil[robots]'"
        ) from error
    # Its scripts warn at steps that the world cuts off anyway; other filters are not of one thread.
    policy: Any = import_module("metaworld.policies.policy")
    policy.warnings = SimpleNamespace(warn=lambda message: None)
    return Library(dict(ALL_V3_ENVIRONMENTS), dict(ENV_POLICY_MAP))


def check_name(name: str) -> str:
    """Returns the name of a task.

    Raises:
        UnknownNameError: There is none of this name; the message names the nearest.
        UsageError: The library is not installed.
    """
    if name not in library().worlds:
        raise UnknownNameError("task of Meta-World", name, library().worlds)
    return name
