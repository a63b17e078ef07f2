"""What plays: the versions of icil, Python and the libraries, and a hash of icil's own code.

Nothing of it tells who or where somebody is: no names of users, hosts or folders.
"""

import hashlib
import platform
import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PACKAGES = ("tasks", "prompt_builders", "results", "harness")
_CODE = (".py", ".sql", ".yaml")
"""What of the packages decides how a run comes out; pools have hashes of their own."""
_NAME = re.compile(r"[\w.-]+")
_TOOLS = 'extra == "dev"'
"""Marks what icil is developed with, which plays no part in a run."""


@lru_cache(maxsize=1)
def describe_software() -> dict[str, Any]:
    """Returns what plays, as JSON.

    Keys: `icil` (its version), `code` (`code_hash`), `python`, `platform` (system and processor)
    and `libraries` (versions of those that icil stands on, as far as they are installed).
    """
    return {
        "icil": version("icil"),
        "code": code_hash(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": _libraries(),
    }


def code_hash() -> str:
    """Returns a hash of the source files of the installed packages, 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for package in _PACKAGES:
        spec = find_spec(f"icil.{package}")
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
        for name in sorted(name for name in paths if name.endswith(_CODE)):
            content = paths[name].read_bytes()
            found.update(f"{package}/{name} {len(content)}\n".encode())
            found.update(content)
    return found.hexdigest()


def _libraries() -> dict[str, str]:
    found: dict[str, str] = {}
    for requirement in requires("icil") or ():
        name = _NAME.match(requirement)
        if name is None or _TOOLS in requirement:
            continue
        try:
            found[name.group().lower()] = version(name.group())
        except PackageNotFoundError:  # of an extra that is not installed
            continue
    return found
