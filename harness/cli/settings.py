"""Settings given as `NAME=VALUE`."""

from collections.abc import Iterable
from typing import Any

import yaml

from icil.tasks.errors import ExperimentError


def read_settings(given: Iterable[str]) -> dict[str, Any] | None:
    """Reads settings, their values as YAML has them (`5`, `0.5`, `true`, `uci`).

    Returns:
        None if there are none.

    Raises:
        ExperimentError: One is not of that form, or is given two values.
    """
    found: dict[str, Any] = {}
    for item in given:
        name, sign, text = (part.strip() for part in item.partition("="))
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            sign = ""
        if not (sign and name):
            raise ExperimentError(f"option --set: expected NAME=VALUE, got {item!r}")
        if found.setdefault(name, value) != value:
            raise ExperimentError(
                f"option --set: {name} is given two values, {found[name]} and {value}; a run has "
                "one, and `icil leaderboard DIR DIR` shows several runs in one table"
            )
    return found or None
