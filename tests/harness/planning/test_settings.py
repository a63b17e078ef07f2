"""What a task, an agent or a selector is set to is part of the experiment."""

import pytest

from icil.harness import Experiment, FakeModel
from icil.harness.planning.plan import make_plan
from icil.prompt_builders.selectors import _REGISTRY as SELECTORS
from icil.prompt_builders.selectors.random import RandomSelector
from icil.tasks import RunFolderError
from icil.tasks.tasks import _REGISTRY as TASKS
from icil.tasks.tic_tac_toe import TicTacToe

ONE = {"wind": 0.123456789012345, "names": ["a"]}
OTHER = {**ONE, "wind": 0.123456789012346}


def with_settings(kind, found):
    return type("Set", (kind,), {"settings": property(lambda self: found)})


@pytest.fixture
def played(monkeypatch, play):
    """Returns a function that plays a run whose task, agent and selector have settings."""

    def played(*, task=None, agent=None, selector=None):
        task, agent, selector = task or {}, agent or {}, selector or {}
        monkeypatch.setitem(TASKS._factories, "tic_tac_toe", with_settings(TicTacToe, task))
        monkeypatch.setitem(SELECTORS._factories, "odd", with_settings(RandomSelector, selector))
        model = with_settings(FakeModel, agent)("b2")
        return play(agents={"odd": model}, selector=("odd",), episodes=2)

    return played


@pytest.mark.parametrize(
    ("kind", "named"),
    [("task", "task tic_tac_toe"), ("agent", "agent odd"), ("selector", "selector odd")],
)
def test_settings_that_differ_make_another_experiment(kind, named, played):
    played(**{kind: ONE})
    played(**{kind: dict(reversed(ONE.items()))})
    with pytest.raises(RunFolderError) as error:
        played(**{kind: OTHER})
    said = str(error.value)
    assert "holds another experiment: settings is " in said
    assert f"{named} (" in said
    assert said.count("0.123456789012345") == said.count("0.123456789012346") == 1
    with pytest.raises(RunFolderError, match=r"0\.123456789012345.* there and none here"):
        played()


def test_things_of_one_name_keep_their_settings_apart(played):
    played(agent=ONE, selector=OTHER)
    with pytest.raises(RunFolderError, match=r"agent odd .* and agent odd "):
        played(agent=OTHER, selector=OTHER)


def test_settings_are_part_of_the_cells_that_they_concern():
    def hashes(settings):
        model = with_settings(FakeModel, settings)("b2")
        experiment = Experiment(
            task=("tic_tac_toe",), format=("ascii",), agent=("fake", "nearest"), demos=(0, 1)
        )
        plan = make_plan(experiment, {"fake": model})
        records = [cell.record for cell in plan.cells]
        fake = {r.hash for r in records if r.agent == "fake"}
        return plan.hash, fake, {r.hash for r in records} - fake

    (one, mine, others), (other, theirs, same) = hashes({}), hashes(ONE)
    assert one != other
    assert len(mine) == len(theirs) == 2
    assert not mine & theirs
    assert others == same
