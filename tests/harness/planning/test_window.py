"""Demonstrations that are windows of episodes."""

import pytest

from icil.harness import Experiment, FakeModel, load_experiment
from icil.harness.planning.plan import make_plan
from icil.tasks import ExperimentError, RunFolderError, make, render

GRID = {"task": ("gridworld",), "format": ("coords",), "agent": ("nearest",), "episodes": 6}


def plan(**fields):
    return make_plan(Experiment(**{**GRID, "demos": (8,), **fields}))


def hashes(found):
    return {c.record.hash for c in found.cells if c.record.agent == "nearest"}


def test_prompts_show_windows(play, contents):
    model = FakeModel("up")
    fields = {**GRID, "agent": ("fake",), "demos": (16,), "window": 2}
    for episode in contents(play(agents={"fake": model}, **fields).folder).of(agent="fake"):
        lengths = [steps_of(id) for id in episode["demonstrations"]]
        assert len(lengths) == 16
        assert set(lengths) == {1, 2}
        first = episode["requests"][0].decode()
        assert first.count("Action: ") == sum(lengths)


def steps_of(id):
    first, last = id.partition("[")[2].rstrip("]").split(":")
    return int(last) - int(first)


def test_a_window_is_kept_from_an_episode_only_if_it_shows_its_opening():
    whole, cut = plan(episodes=100), plan(episodes=100, window=2)
    for before, now in zip(
        whole.tasks["gridworld"].hidden, cut.tasks["gridworld"].hidden, strict=True
    ):
        assert {id.partition("[")[0] for id in now} == before
        assert len(now) == len(before)
    assert any(cut.tasks["gridworld"].hidden)


def test_they_can_be_asked_for_in_numbers_that_whole_episodes_have_not():
    found = plan(window=1, demos=(5000,))
    assert len(found.tasks["gridworld"].pool.demonstrations) > 5000
    with pytest.raises(ExperimentError, match="window"):
        load_experiment(None, {"window": 0})


def test_the_length_is_part_of_every_cell_that_shows_demonstrations():
    assert hashes(plan()) == hashes(plan(window=None))
    assert len(hashes(plan()) | hashes(plan(window=2)) | hashes(plan(window=3))) == 3
    assert hashes(plan(demos=(0,), window=2)) == hashes(plan(demos=(0,)))


def test_windows_that_hold_whole_episodes_play_alike(play, contents):
    fields = {**GRID, "demos": (16,), "episodes": 20}
    whole = contents(play("whole", **fields).folder)
    cut = contents(play("cut", window=25, **fields).folder)
    for before, now in zip(whole.of(agent="nearest"), cut.of(agent="nearest"), strict=True):
        assert [id.partition("[")[0] for id in now["demonstrations"]] == before["demonstrations"]
        assert [s["action"] for s in now["steps"]] == [s["action"] for s in before["steps"]]


def test_a_folder_with_another_length_is_refused(play):
    play(window=2, demos=(2,), **GRID)
    with pytest.raises(RunFolderError, match="window is 2 there and 3 here"):
        play(window=3, demos=(2,), **GRID)
    with pytest.raises(RunFolderError, match="window is 2 there and None here"):
        play(demos=(2,), **GRID)


def test_an_interrupted_run_goes_on(play, contents):
    fields = {**GRID, "agent": ("fake",), "demos": (4,), "window": 3, "episodes": 4}
    whole = play("whole", agents={"fake": FakeModel("up")}, **fields).folder
    left = 15

    def breaking(turn):
        nonlocal left
        left -= 1
        if not left:
            raise KeyError("a bug")
        return "up"

    with pytest.raises(KeyError):
        play("cut", agents={"fake": FakeModel(breaking)}, **fields)
    folder = play("cut", agents={"fake": FakeModel("up")}, **fields).folder
    assert contents(folder).essence() == contents(whole).essence()


def test_controls_work_on_windows(play):
    controls = ("noise=1", "shuffle_actions", "wrong_expert", "irrelevant", "permute_labels")
    rows = play(window=3, control=controls, demos=(64,), **{**GRID, "episodes": 40}).leaderboard
    score = {row.selector: row.score_mean for row in rows.rows if row.agent == "nearest"}
    assert score["random+permute_labels"] == score["random"]
    assert score["random"] > 0.1 + max(score["random+noise=1"], score["random+wrong_expert"])


def test_teacher_forced_windows_are_refused():
    with pytest.raises(ExperimentError, match="leave out one of window and teacher_forced"):
        plan(window=2, teacher_forced=True)


def test_a_model_is_shown_what_was_seen_at_that_step():
    found = plan(window=2)
    pool = found.tasks["gridworld"].pool
    task = make("gridworld")
    env = task.make_env()
    one = next(d for d in pool.demonstrations if d.first == 2)
    task.reset(env, one.whole.opening)
    for step in one.whole.steps[:2]:
        task.step(env, task.parse(step.action, env).value)
    assert next(render(task, one, "coords")).observation.text == task.observe(env, "coords").text
