"""Addresses of policies' servers: checked before they are used, bare where they are shown."""

from collections.abc import Collection
from urllib.parse import urlsplit

from icil.tasks.errors import ExperimentError

KEY = "ICIL_POLICY_API_KEY"
"""The environment variable that holds the key to a policy's server, if it asks for one."""


def read_url(url: str, name: str, schemes: Collection[str]) -> str:
    """Returns the address of a server, checked.

    Args:
        url: The address.
        name: What stands before it in the agent's name: `vla/act`.
        schemes: Those of the protocol, the plain one first.

    Raises:
        ExperimentError: It is none, or holds what must not be written into results.
    """
    plain = next(iter(schemes))
    try:
        parts = urlsplit(url)
        right = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if right and ("@" in parts.netloc or parts.query or parts.fragment):
        raise ExperimentError(
            f"{name}@{plain}://…: a user, a password or a query stands in the address, which would "
            f"be written into every result; set {KEY} instead"
        )
    if not right:
        raise ExperimentError(f"expected {name}@{plain}://host:port, got {url!r:.80}")
    return url


def bare(url: str) -> str:
    """Returns an address without user, password and query."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")
