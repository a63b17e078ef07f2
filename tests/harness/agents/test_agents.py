"""The embedded players: random, expert and replay."""

from collections import Counter

import pytest

from icil.harness.agents import make, names
from icil.tasks import demonstrate, load_pool_for, sample_action
from icil.tasks import make as make_task
from icil.tasks.openings import take
from icil.tasks.seeding import generator


def actions(episodes):
    return {e["opening"]: [s["action"] for s in e["steps"]] for e in episodes}


def test_every_listed_agent_can_be_made():
    assert {"random", "expert", "nearest", "replay"} <= set(names())
    assert all(make(name).capabilities for name in names() if not name.endswith(("/", ":", "@")))


def test_random_draws_uniformly_from_the_legal_actions(play, contents):
    summary = play(agent=("random",), demos=(0,), episodes=500)
    task = make_task("tic_tac_toe")
    env = task.make_env()
    counts = {n: Counter() for n in range(1, 10)}
    for episode in contents(summary.folder).of(agent="random"):
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        for step in episode["steps"]:
            legal = task.legal_actions(env)
            assert step["status"] == "ok"
            counts[len(legal)][legal.index(step["action"])] += 1
            task.step(env, task.parse(step["action"], env).value)
    tried = {n: c for n, c in counts.items() if n > 1 and c.total() >= 100}
    assert len(tried) >= 3
    for n, count in tried.items():
        expected = count.total() / n
        chi2 = sum((count[i] - expected) ** 2 / expected for i in range(n))
        assert chi2 < n - 1 + 4 * (2 * (n - 1)) ** 0.5, (n, count)


def test_reference_lines_are_the_same_in_every_run_and_for_every_seed(play, contents):
    fields = {"task": ("gridworld", "tic_tac_toe"), "format": ()}
    one = play("one", agent=("random", "expert"), seed=0, demos=(0,), **fields)
    other = play("other", agent=("nearest",), seed=5, demos=(2,), concurrency=1, **fields)
    for agent in ("random", "expert"):
        first, second = (contents(run.folder).of(agent=agent) for run in (one, other))
        assert [(e["task"], actions([e]), e["score"]) for e in first] == [
            (e["task"], actions([e]), e["score"]) for e in second
        ]
        assert len(first) == 12


def test_random_draws_differ_between_openings_steps_and_tasks(play, contents):
    summary = play(agent=("random",), task=("gridworld",), format=("coords",), demos=(0,))
    played = [tuple(a) for a in actions(contents(summary.folder).of(agent="random")).values()]
    assert len(set(played)) == len(played)
    assert all(len(set(episode)) > 1 for episode in played if len(episode) > 5)


@pytest.mark.parametrize("name", ["gridworld", "tic_tac_toe"])
def test_expert_plays_what_would_be_demonstrated_from_the_same_opening(name, play, contents):
    summary = play(agent=("expert",), task=(name,), format=(), demos=(0,), episodes=25)
    task = make_task(name)
    played = contents(summary.folder).of(agent="expert")
    for opening, episode in zip(take(task.openings("evaluation"), 25), played, strict=True):
        shown = demonstrate(task, opening, "x")
        assert [(s["action"], s["reward"]) for s in episode["steps"]] == [
            (s.action, s.reward) for s in shown.steps
        ]
        assert episode["score"] == shown.total


def test_replay_repeats_the_first_demonstration_and_then_says_nothing(play, contents):
    summary = play(agent=("replay",), task=("gridworld",), format=("coords",), demos=(0, 3))
    shown = load_pool_for(make_task("gridworld")).by_id
    episodes = contents(summary.folder).of(agent="replay", count=3)
    assert len(episodes) == 6
    for episode in episodes:
        repeated = [s.action for s in shown[episode["demonstrations"][0]].steps]
        replies = [s["reply"] for s in episode["steps"]]
        assert replies == [*repeated, *[""] * len(replies)][: len(replies)]
    for episode in contents(summary.folder).of(agent="replay", count=0):
        assert {s["reply"] for s in episode["steps"]} == {""}
        assert {s["status"] for s in episode["steps"]} == {"empty"}


def test_what_replaces_an_empty_reply_depends_on_the_seed_alone(play, contents):
    def played(name, seed):
        summary = play(name, agent=("replay",), demos=(0,), seed=seed)
        return actions(contents(summary.folder).of(agent="replay"))

    assert played("one", 0) == played("two", 0) != played("three", 1)


@pytest.mark.parametrize(
    ("task", "formats"), [("gridworld", ("coords", "ascii", "rgb")), ("tic_tac_toe", ("ascii",))]
)
def test_teacher_forced_replay_is_right_at_every_step(task, formats, play):
    summary = play(
        agent=("replay", "nearest", "random", "expert"),
        task=(task,),
        format=formats,
        demos=(1, 5),
        teacher_forced=True,
        episodes=8,
    )
    rows = summary.leaderboard.rows
    for row in rows:
        if row.agent in ("replay", "nearest", "expert"):
            assert (row.score_mean, row.expert_agreement) == (1.0, 1.0), row
    forced = {row.agent: row.score_mean for row in rows if not row.selector}
    assert {(row.random_mean, row.expert_mean) for row in rows} == {(forced["random"], 1.0)}
    assert {(r.agent, r.demonstrations) for r in rows} == {
        *((agent, k) for agent in ("replay", "nearest") for k in (1, 5)),
        ("random", 0),
        ("expert", 0),
    }


def test_random_reproduces_about_a_quarter_of_the_demonstrated_moves_of_a_grid_world(play):
    summary = play(
        agent=("random",),
        task=("gridworld",),
        format=("coords",),
        demos=(1,),
        teacher_forced=True,
        episodes=150,
    )
    (row,) = summary.leaderboard.rows
    assert row.expert_agreement == pytest.approx(0.25, abs=0.05)
    assert row.score_mean == pytest.approx(0.25, abs=0.06)


def test_a_teacher_forced_run_plays_the_demonstrated_actions_whatever_is_answered(play, contents):
    summary = play(agent=("replay", "random"), demos=(1,), teacher_forced=True, episodes=20)
    pool = load_pool_for(make_task("tic_tac_toe")).demonstrations
    episodes = contents(summary.folder).episodes
    assert len(episodes) == 40
    for episode in episodes:
        forced = pool[episode["opening"]]
        assert [(s["action"], s["reward"]) for s in episode["steps"]] == [
            (s.action, s.reward) for s in forced.steps
        ]
        agreed = [
            s["reply"] == t.action for s, t in zip(episode["steps"], forced.steps, strict=True)
        ]
        assert [bool(s["agrees"]) for s in episode["steps"]] == agreed
        assert episode["score"] == sum(agreed) / len(agreed)
    assert {e["opening"] for e in episodes} != set(range(20))


def test_a_draw_from_the_legal_actions_reaches_all_of_them():
    legal = ("p", "q", "r")
    assert {sample_action(legal, generator("draw", i)) for i in range(50)} == set(legal)
