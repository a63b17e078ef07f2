"""Worlds: what can be demonstrated and played."""

from icil.tasks.actions import (
    ActionBox,
    ActionSpace,
    ActionStatus,
    LegalActions,
    ParsedAction,
    parse_choice,
    sample_action,
)
from icil.tasks.building import build_pool, build_pool_in
from icil.tasks.demonstrations import Demonstration, Shown, Step, demonstrate, render, replay
from icil.tasks.errors import (
    ContractError,
    ExperimentError,
    IcilError,
    ModelError,
    OpeningsError,
    PoolError,
    RunFolderError,
    StoreError,
    TemplateError,
    UnknownNameError,
    UsageError,
)
from icil.tasks.expert import Expert
from icil.tasks.observation import Observation
from icil.tasks.openings import EnumeratedOpenings, Opening, OpeningSource, SeededOpenings, Split
from icil.tasks.pools import Pool, PoolCard, load_pool, load_pool_for, save_pool
from icil.tasks.registry import load_named
from icil.tasks.task import ReferenceScores, Task, Transition
from icil.tasks.tasks import make, members, names, register
from icil.tasks.wrapper import TaskWrapper

__all__ = [
    "ActionBox",
    "ActionSpace",
    "ActionStatus",
    "ContractError",
    "Demonstration",
    "EnumeratedOpenings",
    "ExperimentError",
    "Expert",
    "IcilError",
    "LegalActions",
    "ModelError",
    "Observation",
    "Opening",
    "OpeningSource",
    "OpeningsError",
    "ParsedAction",
    "Pool",
    "PoolCard",
    "PoolError",
    "ReferenceScores",
    "RunFolderError",
    "SeededOpenings",
    "Shown",
    "Split",
    "Step",
    "StoreError",
    "Task",
    "TaskWrapper",
    "TemplateError",
    "Transition",
    "UnknownNameError",
    "UsageError",
    "build_pool",
    "build_pool_in",
    "demonstrate",
    "load_named",
    "load_pool",
    "load_pool_for",
    "make",
    "members",
    "names",
    "parse_choice",
    "register",
    "render",
    "replay",
    "sample_action",
    "save_pool",
]
