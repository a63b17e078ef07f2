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
        ExperimentError: One is not of that form.
    """
    found: dict[str, Any] = {}
    for item in given:
        name, sign, value = item.partition("=")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            sign = ""
        if not (sign and name.strip()):
            raise ExperimentError(f"option --set: expected NAME=VALUE, got {item!r}")
    return found or None
