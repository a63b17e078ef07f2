"""Keys: where they come from, and how they are kept out of everything that is written."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)S?$", re.IGNORECASE)
"""Names of environment variables that hold secrets."""
_SHORTEST = 6
"""Shorter values are no keys; to replace them would garble ordinary text."""


def load_dotenv(folder: Path) -> None:
    """Takes the variables of a `.env` file in a folder that the environment does not have."""
    path = folder / ".env"
    if not path.is_file():
        return
    from dotenv import dotenv_values

    for name, value in dotenv_values(path, interpolate=False).items():
        if value is not None:
            os.environ.setdefault(name, value)


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
