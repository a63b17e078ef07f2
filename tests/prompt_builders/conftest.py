"""What the tests of prompts share."""

import pytest

from icil.prompt_builders import PromptBuilder, PromptOptions, Selection, load_template
from icil.tasks import build_pool, make
from icil.tasks.tic_tac_toe import TicTacToe


class WatchedTask(TicTacToe):
    """Tic-tac-toe that counts what is made and shown."""

    def __init__(self):
        self.envs = self.observed = 0

    def make_env(self):
        self.envs += 1
        return super().make_env()

    def observe(self, env, format):
        self.observed += 1
        return super().observe(env, format)


@pytest.fixture
def watched():
    return WatchedTask()


@pytest.fixture(scope="session")
def task():
    return make("tic_tac_toe")


@pytest.fixture(scope="session")
def pool(task):
    return build_pool(task, 40)


@pytest.fixture(scope="session")
def select(pool):
    """Returns a function that selects demonstrations by their places in the pool."""

    def select(*places):
        chosen = tuple(pool.demonstrations[place] for place in places)
        return Selection(demonstrations=chosen, reasons=("wanted",) * len(chosen))

    return select


@pytest.fixture(scope="session")
def make_builder(task):
    """Returns a function that makes a fresh builder."""

    def make_builder(format="ascii", *, task=task, template=None, **options):
        return PromptBuilder(
            task, format, template or load_template(), options=PromptOptions(**options)
        )

    return make_builder


@pytest.fixture(scope="session")
def play(task):
    """Returns a function that plays an episode with the first legal actions.

    It yields the tail and the prompt of each step.
    """

    def play(builder, prefix, opening=0):
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[opening])
        tail, over = builder.tail(prefix), False
        while not over:
            tail.observe(task.observe(env, builder.format))
            legal = task.legal_actions(env)
            yield tail, tail.question(legal)
            over = task.step(env, task.parse(legal[0], env).value).terminated
            tail.act(legal[0])

    return play
