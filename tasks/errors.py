"""The one tree of errors. Whoever catches `IcilError` catches all that icil raises on purpose.

IcilError
├── UsageError                what was asked for cannot be; the command line exits with 2
│   ├── UnknownNameError      no such task, format, agent, selector…; names the nearest
│   ├── ExperimentError       an option or a key of an experiment file is wrong
│   ├── TemplateError         a template file is wrong
│   ├── PoolError             a pool of demonstrations is missing, damaged or too small
│   ├── OpeningsError         a task has no such opening
│   └── RunFolderError        a run folder holds something else, or is in use
├── StoreError                the run store cannot be read or written (damage, a full disk)
├── ContractError             a plug-in (task, agent, selector) broke its contract
└── ModelError                a model could not be asked; a fault, never a score
"""

import difflib
from collections.abc import Iterable
from typing import Literal


class IcilError(Exception):
    """The root of all errors that icil raises on purpose."""


class UsageError(IcilError):
    """What was asked for cannot be done as asked."""


class UnknownNameError(UsageError):
    """A name that nothing is registered under.

    Args:
        noun: What was looked up, such as `task`.
        name: The name that was not found.
        known: All the names that would have been right.
    """

    def __init__(self, noun: str, name: str, known: Iterable[str]) -> None:
        self.noun, self.name, self.known = noun, name, tuple(known)
        super().__init__(f"unknown {noun} {name!r}{suggestion(name, self.known)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.noun, self.name, self.known)  # from a worker process


class ExperimentError(UsageError):
    """An option, or a key of an experiment file, has a value that it cannot have."""


class TemplateError(UsageError):
    """A template file lacks a piece, has one too many, or uses an unknown placeholder."""


class PoolError(UsageError):
    """A pool of demonstrations is missing, damaged, of another task, or too small."""


class OpeningsError(UsageError):
    """A split of a task's openings has fewer openings than were asked for."""


class RunFolderError(UsageError):
    """A folder cannot serve as the folder of this run."""


class StoreError(IcilError):
    """The run store cannot be read or written."""


class ContractError(IcilError):
    """A task, agent or selector did what its contract forbids; the message says what."""


ModelFault = Literal["unavailable", "rate_limited", "rejected", "fatal", "overlong"]
"""Why a model did not answer:

unavailable   the server or the connection failed: the same request may succeed later
rate_limited  asked too often: the same request will succeed later
rejected      this request will never succeed; others may
fatal         none will: a wrong key, no such model
overlong      the prompt does not fit the model
"""


class ModelError(IcilError):
    """A model could not be asked, or its answer did not arrive whole.

    The episode gets the status `error` (`overlong` where the prompt does not fit), is not
    scored, and is tried again on resume.

    Args:
        message: What happened; never a key or a header.
        fault: Of which kind it is.
        retry_after_s: When the server says how long to wait: that, in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        fault: ModelFault = "rejected",
        retry_after_s: float | None = None,
    ) -> None:
        self.fault, self.retry_after_s = fault, retry_after_s
        super().__init__(message)


def suggestion(name: object, known: Iterable[str]) -> str:
    """Returns what to append to an error about an unknown name: the nearest, or all, names.

    Args:
        name: Most often a text; YAML has other keys too, such as a bare `on`, which is true.
        known: All the names that would have been right.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if nearest:
        return f"; did you mean {nearest[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; there are none"
