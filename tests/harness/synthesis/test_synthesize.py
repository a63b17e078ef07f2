"""Synthesis with agents and functions: what is kept, what goes on, what is refused."""

import sys
from collections import Counter

import pytest

from icil.harness import FakeModel
from icil.harness.folders.folder import LEADERBOARD
from icil.harness.playing.budget import Budget
from icil.harness.synthesis import IncompleteError
from icil.tasks import (
    ContractError,
    ExperimentError,
    ModelError,
    PoolError,
    RunFolderError,
    StoreError,
    UnknownNameError,
    UsageError,
    demonstrate,
    load_pool,
    make,
    replay,
)
from icil.tasks.openings import take

TASK = make("tic_tac_toe")


def careless(turn):
    return "zz" if turn.prompt.hash[0] % 4 == 0 else turn.legal_actions()[-1]


def new(path):
    """What is in a folder beside the pool."""
    return sorted(one.name for one in path.iterdir())


def test_an_agent_plays_openings_that_are_new_to_the_pool(tmp_path, propose, pool):
    made = propose("nearest", add=True)
    real = load_pool(pool)
    assert made == load_pool(tmp_path / "made")
    assert made.demonstrations[:40] == real.demonstrations
    fresh = made.demonstrations[40:]
    assert [one.opening for one in fresh] == list(take(TASK.openings("demonstration"), 12, 40))
    for one in fresh:
        assert sum(1 for _ in replay(TASK, one)) == len(one.steps)
    how = made.card.synthesis
    assert (how.proposer, how.demonstrations, how.settings["format"]) == ("nearest", 2, "ascii")
    assert new(tmp_path) == ["made", "made.run"]
    assert (tmp_path / "made.run" / LEADERBOARD).exists()


def test_the_expert_as_an_agent_plays_as_the_expert_does(propose):
    made = propose("expert")
    openings = take(TASK.openings("demonstration"), 12, 40)
    expected = [demonstrate(TASK, o, f"s{o.index:05d}") for o in openings]
    assert list(made.demonstrations) == expected


def test_wrong_replies_are_told_apart(propose, tmp_path):
    model = FakeModel(careless)
    everything = propose("fake", manner={"agents": {"fake": model}})
    calls = model.calls
    legal = propose(
        "fake", "legal", out="legal", proposals="made", manner={"agents": {"fake": model}}
    )
    assert model.calls == calls
    how = legal.card.synthesis
    assert 0 < how.wrong == everything.card.synthesis.wrong < 12
    assert how.wrong == how.filters[0].dropped == 12 - how.kept
    ids = {one.id for one in legal.demonstrations}
    assert list(legal.demonstrations) == [d for d in everything.demonstrations if d.id in ids]
    assert set(how.settings) >= {"layout", "legal_actions", "template", "seed", "selector"}


def failing_at(opening, step=1):
    def fault(turn):
        here = turn.episode.opening.index == opening and turn.step == step
        return ModelError("the server answered 500") if here else None

    return fault


def test_a_proposer_that_fails_keeps_what_was_played_and_goes_on(propose, tmp_path):
    whole = propose("fake", out="whole", manner={"agents": {"fake": FakeModel("b2")}})
    broken = FakeModel("b2", faults=failing_at(45))
    with pytest.raises(
        IncompleteError,
        match=r"1 of 12 episodes of fake are missing: the server answered 500; what was played is "
        r"kept in .*made\.run: the same command goes on",
    ):
        propose("fake", manner={"agents": {"fake": broken}})
    assert new(tmp_path) == ["made.run", "whole", "whole.run"]
    mended = FakeModel("b2")
    assert propose("fake", manner={"agents": {"fake": mended}}) == whole
    (missing,) = (one for one in whole.demonstrations if one.opening.index == 45)
    assert mended.calls == len(missing.steps) - 1


def test_what_is_missing_can_be_done_without(propose):
    whole = propose("fake", out="whole", manner={"agents": {"fake": FakeModel("b2")}})
    broken = FakeModel("b2", faults=failing_at(45, step=0))
    made = propose("fake", manner={"agents": {"fake": broken}, "partial": True})
    assert [d for d in whole.demonstrations if d.id != "s00045"] == list(made.demonstrations)
    assert made.card.synthesis.generated == 11
    with pytest.raises(PoolError, match="no episode of tic_tac_toe was proposed"):
        propose(
            "fake",
            out="none",
            manner={
                "agents": {"fake": FakeModel("b2", faults=lambda turn: ModelError("no"))},
                "partial": True,
            },
        )


def test_a_budget_stops_it_and_more_goes_on(propose, tmp_path):
    class Model(FakeModel):
        def most(self, prompt):
            from icil.results import Usage

            return Usage(cost_usd=1.0)

    with pytest.raises(IncompleteError, match=r"are missing: .*are spent") as stopped:
        propose(
            "fake",
            manner={
                "agents": {"fake": Model("b2", cost_usd=1.0)},
                "budget": Budget(cost_usd=5.0),
                "concurrency": 1,
            },
        )
    assert "" in stopped.value.summary.stopped
    more = Model("b2", cost_usd=1.0)
    made = propose("fake", manner={"agents": {"fake": more}, "budget": Budget(cost_usd=500.0)})
    assert more.calls + 5 == sum(len(one.steps) for one in made.demonstrations)


def test_a_run_with_nothing_left_needs_no_agent(propose):
    propose("fake", manner={"agents": {"fake": FakeModel("b2")}})

    class Absent(FakeModel):
        async def prepare(self):
            raise UsageError("there is no key")

    def refuse(plan, folder):
        raise AssertionError("asked again")

    absent = Absent("b2")
    again = {"agents": {"fake": absent}, "agree": refuse}
    made = propose("fake", "distinct", out="again", proposals="made", manner=again)
    assert absent.calls == 0
    assert made.card.synthesis.generated == 12


def test_a_filter_that_keeps_nothing_loses_nothing(propose, tmp_path):
    model = FakeModel("b2")
    with pytest.raises(
        PoolError, match=r"'return>=7' keeps none of the 12 .*; they are kept beside .*made"
    ):
        propose("fake", "return>=7", manner={"agents": {"fake": model}})
    assert new(tmp_path) == ["made.run"]
    calls = model.calls
    propose("fake", "return>=-1", manner={"agents": {"fake": model}})
    assert model.calls == calls


def test_other_proposals_are_not_mixed_up(propose):
    propose("nearest")
    with pytest.raises(RunFolderError, match="holds another experiment: demos is 2 there and 3"):
        propose("nearest", out="other", proposals="made", demos=(3,))


def test_a_pool_is_not_overwritten(propose):
    propose("nearest")
    with pytest.raises(PoolError, match="made exists already"):
        propose("nearest", manner={"agree": lambda plan, folder: 1 / 0})


FUNCTIONS = """
import os

def legal(task, env, rng):
    found = task.legal_actions(env)
    return found[int(rng.integers(len(found)))]

def careless(task, env, rng):
    return "nonsense" if rng.random() < 0.2 else legal(task, env, rng)

def failing(task, env, rng):
    if rng.random() < 0.1 and not os.path.exists(os.environ["MENDED"]):
        raise ValueError("oh dear")
    return legal(task, env, rng)

def speechless(task, env, rng):
    return 3

number = 3
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "own_proposers.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setenv("MENDED", str(tmp_path / "lib" / "mended"))
    yield tmp_path / "lib"
    sys.modules.pop("own_proposers", None)


@pytest.mark.usefixtures("functions")
def test_a_function_of_ones_own_plays(propose):
    made = propose("own_proposers:legal", episodes=30)
    assert made.card.synthesis.wrong == 0
    assert Counter(step.action for one in made.demonstrations for step in one.steps).keys() == {
        row + column for row in "abc" for column in "123"
    }
    assert propose("own_proposers:legal", episodes=30, out="again") == made
    other = propose("own_proposers:legal", episodes=30, out="other", seed=1)
    assert other.demonstrations != made.demonstrations


@pytest.mark.usefixtures("functions")
def test_what_a_function_says_wrongly_is_replaced_and_counted(propose):
    made = propose("own_proposers:careless", "legal", episodes=30)
    assert 0 < made.card.synthesis.wrong == made.card.synthesis.filters[0].dropped < 30


def test_a_function_that_fails_goes_on_when_it_is_mended(functions, propose):
    with pytest.raises(
        IncompleteError, match=r"failing failed at step \d of opening \d+: ValueErr"
    ):
        propose("own_proposers:failing", episodes=30)
    (functions / "mended").write_text("", encoding="utf-8")
    made = propose("own_proposers:failing", episodes=30)
    assert len(made.demonstrations) == 30


@pytest.mark.usefixtures("functions")
@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("own_proposers:leagl", UsageError, "cannot be imported: .*named as MODULE:NAME"),
        ("no_such_module:play", UsageError, "cannot be imported: No module named"),
        ("own_proposers:number", UsageError, "is no function of a task"),
        ("own_proposers:speechless", ContractError, "must return an action as text, not 3"),
        ("neerest", UnknownNameError, "unknown proposer 'neerest'; did you mean 'nearest'"),
        ("pertrubed", UnknownNameError, "did you mean 'perturbed'"),
        ("perturbed:noise=7", UsageError, "expected a noise from 0 to 1, got '7'"),
    ],
)
def test_who_cannot_propose_is_refused(propose, tmp_path, name, error, said):
    with pytest.raises(error, match=said):
        propose(name)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": ("ascii", "rgb")}, "option --format: expected one, got ascii, rgb"),
        ({"demos": (1, 2)}, "option --demos: expected one, got 1, 2"),
        ({"selector": ("random", "relevance")}, "option --selector: expected one"),
        ({"teacher_forced": True}, "teacher_forced: not in a synthesis"),
        ({"context_tokens": (8000,)}, "context_tokens: not in a synthesis"),
        ({"control": ("noise=0.5",)}, "control: not in a synthesis"),
    ],
)
def test_it_plays_one_cell(propose, fields, said):
    with pytest.raises(ExperimentError, match=said):
        propose("nearest", **fields)


def test_filters_are_read_before_anything_is_played(propose, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown filter 'retrun'"):
        propose("nearest", "retrun>=1")
    assert new(tmp_path) == []


def test_settings_of_what_has_no_part_in_it_are_refused(propose):
    with pytest.raises(UnknownNameError, match=r"in the setting 'openai/gpt-5.temperature'"):
        propose("nearest", set={"openai/gpt-5.temperature": 1})


def test_a_store_that_was_changed_is_refused(propose, tmp_path):
    import sqlite3

    propose("nearest")
    with sqlite3.connect(tmp_path / "made.run" / "run.sqlite") as db:
        db.execute("UPDATE steps SET reward = 0.25 WHERE episode = 1 AND step = 0")
    db.close()
    with pytest.raises(StoreError, match=r"opening \d+ does not replay: step 0: the reward is"):
        propose("nearest", out="other", proposals="made")


def test_a_perturbed_expert_plays_beside_the_pool(propose, tmp_path):
    told = []
    made = propose(
        "perturbed:noise=0.5", "distinct", manner={"tell": lambda *what: told.append(what)}
    )
    assert new(tmp_path) == ["made", "made.proposals.jsonl"]
    assert told[-1] == ("a perturbed expert plays tic_tac_toe", 12, 12)
    assert made.card.synthesis.settings["noise"] == 0.5
    more = propose("perturbed:noise=0.5", "distinct", out="more", proposals="made", episodes=20)
    assert more.demonstrations[: len(made.demonstrations)] == made.demonstrations
