"""Keys: where they come from, and how they are kept out of everything that is written."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from icil.tasks.errors import ExperimentError

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)S?$", re.IGNORECASE)
"""Names of environment variables that hold secrets."""
_SHORTEST = 6
"""Shorter values are no keys; to replace them would garble ordinary text."""


def load_dotenv(folder: Path) -> None:
    """Takes the variables of a `.env` file in a folder that the environment does not have.

    Raises:
        ExperimentError: It cannot be read as one.
    """
    path = folder / ".env"
    if not path.is_file():
        return
    from dotenv import dotenv_values

    try:
        for name, value in dotenv_values(path, interpolate=False).items():
            if value is not None:
                os.environ.setdefault(name, value)
    except (OSError, ValueError) as error:  # what it says may hold a part of a key
        raise ExperimentError(
            f"{path.absolute()} cannot be read: expected lines such as OPENAI_API_KEY=…, in UTF-8 "
            f"({type(error).__name__})"
        ) from None


def scrub(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Returns a text with the value of each secret replaced by its variable's name."""
    found = {
        value: name
        for name, value in environment.items()
        if _SECRET.search(name) and len(value) >= _SHORTEST
    }
    for value in sorted(found, key=len, reverse=True):  # one key may begin with another
        if value in text:
            text = text.replace(value, f"[{found[value]}]")
    return text
