"""Tasks in action languages under all that runs can do: forced, controlled, estimated, judged."""

from contextlib import closing
from dataclasses import replace

import pytest

from icil.harness import Experiment, run
from icil.harness.agents import Agent, Capabilities, Reply
from icil.harness.cli.main import icil
from icil.harness.estimates import make_estimate
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.harness.playing.rehearsal import rehearse
from icil.results import open_run
from icil.tasks import UsageError, build_pool_in, make
from icil.tasks.conformance import check_task
from icil.tasks.demonstrations import Chunked, demonstrate

ALONE = {"action_language": "dct", "chunk": 25}
SPOKEN = {"cheetah.action_language": "dct", "cheetah.chunk": 25}


def experiment(**fields):
    usual = {"task": ("cheetah",), "format": ("proprio",), "agent": ("nearest",), "episodes": 2}
    return Experiment(**{**usual, "demos": (2,), "set": SPOKEN, **fields})


class Takes(Agent):
    """A policy's place: looks at the world's own arrays, and is shown whole trajectories."""

    capabilities = Capabilities(state=True, demonstrations="trajectory")
    heeds_legal_actions = False

    def __init__(self):
        self.seen = []

    async def act(self, turn):
        self.seen.append((turn.episode.task, turn.episode.demonstrations))
        return Reply(text=turn.episode.task.word(turn.episode.task.action_box.low))


def test_teacher_forced_players_and_policies_play_the_task_itself(tmp_path):
    takes = Takes()
    forced = experiment(
        agent=("nearest", "random", "expert", "takes"), teacher_forced=True, demos=(1,)
    )
    summary = run(forced, tmp_path / "run", agents={"takes": takes})
    steps = {row.agent: row.steps_mean for row in summary.leaderboard.rows}
    assert steps == {"nearest": 4, "random": 100, "expert": 100, "takes": 100}
    assert {row.errors for row in summary.leaderboard.rows} == {0}
    agreed = {row.agent: row.expert_agreement for row in summary.leaderboard.rows}
    assert agreed["expert"] == agreed["nearest"] == 1
    icil.main(["imitation", str(tmp_path / "run")], standalone_mode=False)


def test_whoever_takes_trajectories_is_given_them_as_they_were_played(tmp_path):
    takes = Takes()
    run(experiment(agent=("takes",), episodes=1), tmp_path / "run", agents={"takes": takes})
    task, shown = takes.seen[0]
    assert task is task.plain
    assert [len(one.steps) for one in shown] == [100, 100]
    assert not any(isinstance(one, Chunked) for one in shown)
    assert all(task.parse(one.steps[0].action, None).status == "ok" for one in shown)
    icil.main(["imitation", str(tmp_path / "run")], standalone_mode=False)


def test_what_a_wrong_expert_played_can_be_altered_further(tmp_path):
    wrong = experiment(selector=("random+wrong_expert+shuffle_actions",), demos=(1,), episodes=1)
    (row,) = run(wrong, tmp_path / "run").leaderboard.rows
    assert row.errors == 0


def test_windows_are_of_chunks_where_the_expert_was_wrong_too():
    plan = make_plan(experiment(selector=("random+wrong_expert",), window=2, demos=(1,)))
    cell = next(one for one in plan.cells if one.alterations)
    (shown,) = choose(cell, next(plan.starts(cell)), 0).selection.demonstrations
    assert len(shown.steps) == 2
    assert isinstance(shown.whole, Chunked)


def test_a_task_in_an_action_language_keeps_the_contract():
    assert check_task(make("cheetah", {**ALONE, "chunk": 50}), "cheetah", episodes=2) == ()


def test_what_a_language_was_fitted_to_is_on_record(tmp_path):
    fast = {"cheetah.action_language": "fast", "cheetah.chunk": 50}
    spoken = experiment(demos=(0,), episodes=1, set=fast)
    run(spoken, tmp_path / "run")
    with closing(open_run(tmp_path / "run")) as store:
        told = store.meta()["experiment"]["settings"]["action language of cheetah"]
    task = make("cheetah", spoken.settings_of("cheetah"))
    assert told == {"action_language": "fast", "chunk": 50, "fitted": task.language.settings}
    again = run(spoken, tmp_path / "run")  # it is the same experiment, read from the store
    assert again.errors == 0
    assert "action language of cheetah" not in make_plan(experiment(set={})).fields["settings"]


def test_an_estimate_is_of_chunks():
    found = make_estimate(
        make_plan(experiment(agent=("openai/gpt-4o-mini",), demos=(0,))), concurrency=1
    )
    assert found.total.expected.calls == 2 * 4


def test_the_expert_is_rehearsed_where_no_episode_of_its_is_on_record():
    plan = make_plan(experiment(demos=(0,), episodes=1))
    bare = {name: replace(task, references={}) for name, task in plan.tasks.items()}
    cells = tuple(replace(c, task=replace(c.task, references={})) for c in plan.cells)
    rehearse(replace(plan, tasks=bare, cells=cells))


def test_a_demonstration_is_told_in_chunks():
    task = make("cheetah", ALONE)
    shown = demonstrate(task, task.openings("demonstration")[0], "one", "random")
    assert isinstance(shown, Chunked)
    assert len(shown.steps) == 4


@pytest.mark.parametrize("player", ["expert", "random"])
def test_no_pool_is_built_in_an_action_language(player, tmp_path):
    with pytest.raises(UsageError, match="leave out action_language"):
        build_pool_in(tmp_path / "pool", "cheetah", 1, settings=ALONE, player=player)
    assert not (tmp_path / "pool").exists()
