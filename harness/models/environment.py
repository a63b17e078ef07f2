"""The environment: where a provider is, and with which key, as its own client reads them."""

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from icil.tasks import ExperimentError


class Address(NamedTuple):
    """Where requests go."""

    url: str
    """As it was set."""
    endpoint: str
    """The same without user, password and query, to be shown."""


def read_key(model: str, *variables: str) -> str:
    """Returns the key to a model: the first of these variables that is set.

    Args:
        model: As the user wrote it, such as `openai/gpt-5`.
        variables: Names of environment variables.

    Raises:
        ExperimentError: None is set, or to something that no header can hold.
    """
    for variable in variables:
        key = os.environ.get(variable)
        if not key:
            continue
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ExperimentError(f"{variable} is no key: it holds a blank, or no plain letter")
        return key
    raise ExperimentError(
        f"{model} needs a key: set {' or '.join(variables)}, in the environment or in a .env file"
    )


def read_address(variable: str, default: str) -> Address:
    """Returns the address that an environment variable holds.

    Args:
        variable: Its name.
        default: What holds where it is not set.

    Raises:
        ExperimentError: It is no address.
    """
    url = os.environ.get(variable) or default
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ExperimentError(f"{variable} is no address: expected http://… or https://…")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(url, f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/"))
