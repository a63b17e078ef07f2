"""What the tests of synthesis share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icil.harness import Experiment
from icil.harness.synthesis import Manner, synthesize
from icil.tasks import Pool, build_pool, make, save_pool


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pool of tic-tac-toe, in a folder."""
    folder = tmp_path_factory.mktemp("pools") / "real"
    save_pool(build_pool(make("tic_tac_toe"), 40), folder)
    return folder


@pytest.fixture
def propose(tmp_path: Path, pool: Path) -> Callable[..., Pool]:
    """Makes a synthetic pool of tic-tac-toe below `tmp_path`."""

    def propose(
        proposer: str,
        *filters: str,
        out: str = "made",
        add: bool = False,
        proposals: str | None = None,
        manner: Any = None,
        **fields: Any,
    ) -> Pool:
        fields = {"episodes": 12, "demos": (2,), "format": ("ascii",), **fields}
        experiment = Experiment(task=("tic_tac_toe",), agent=(proposer,), pool=(pool,), **fields)
        return synthesize(
            experiment,
            tmp_path / out,
            filters=filters,
            add=add,
            proposals=tmp_path / proposals if proposals else None,
            manner=Manner(**(manner or {})),
        )

    return propose
