"""What the tests of controls share."""

import pytest

from icil.prompt_builders import Selection
from icil.prompt_builders.controls import Scope, Stage, make
from icil.tasks import load_pool_for
from icil.tasks import make as make_task


class Setting:
    """A task's pool, to let controls loose on."""

    def __init__(self, name="gridworld", format="coords", seed=0, window=None):
        self.task = make_task(name)
        self.pool = load_pool_for(self.task)
        self.format, self.seed, self.window = format, seed, window

    def bind(self, text, most=64):
        """A control at work."""
        stage = Stage(
            task=self.task,
            format=self.format,
            pool=self.pool,
            seed=self.seed,
            most=most,
            window=self.window,
        )
        return make(text).bind(stage)

    def select(self, count, first=0):
        chosen = self.pool.demonstrations[first : first + count]
        return Selection(demonstrations=chosen, reasons=("wanted",) * count)

    def scope(self, who=7, **more):
        identity = (self.seed, self.task.name, self.task.version, who)
        return Scope(identity=identity, offered=more.pop("offered", self.pool), **more)

    def alter(self, text, count, who=7, **more):
        """What a control makes of the first demonstrations of the pool."""
        return self.bind(text).alter(self.select(count), self.scope(who, **more))


@pytest.fixture(scope="session")
def setting():
    return Setting


@pytest.fixture(scope="session")
def grid():
    return Setting()


@pytest.fixture(scope="session")
def board():
    return Setting("tic_tac_toe", "ascii")
