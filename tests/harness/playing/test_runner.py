"""The runner: what it plays is a function of the experiment, and of nothing else."""

import asyncio

import pytest

from icil.harness import FakeModel
from icil.prompt_builders import Selection, Selector
from icil.prompt_builders.selectors import _REGISTRY as SELECTORS
from icil.results import COLUMNS, make_leaderboard, open_run
from icil.tasks import UsageError, load_pool_for, make
from icil.tasks.demonstrations import state_digest
from icil.tasks.gridworld import Gridworld, GridworldEnv
from icil.tasks.seeding import digest
from icil.tasks.tasks import _REGISTRY as TASKS

SAID = ("a1", "b2", "c3", "a3", "c2", "z9", "", "left", "up")


def by_prompt(turn):
    """An answer that is a function of the prompt."""
    return SAID[turn.prompt.hash[0] % len(SAID)]


class Unsteady(FakeModel):
    """Answers after a while that differs from call to call, so that episodes overtake."""

    async def act(self, turn):
        await asyncio.sleep(digest("wait", turn.step, turn.episode.opening.index)[0] / 50_000)
        return await super().act(turn)


BROAD = {
    "task": ("gridworld", "tic_tac_toe"),
    "format": ("ascii", "rgb"),
    "agent": ("random", "nearest", "fake"),
    "demos": (0, 2),
    "episodes": 5,
}


def test_the_leaderboard_does_not_depend_on_how_many_episodes_play_at_once(play, contents):
    found = [
        play(
            f"at{n}",
            agents={"fake": FakeModel(by_prompt) if n == 1 else Unsteady(by_prompt)},
            concurrency=n,
            **BROAD,
        ).folder
        for n in (1, 4, 16)
    ]
    written = {(folder / "leaderboard.csv").read_bytes() for folder in found}
    assert len(written) == 1
    assert len(written.pop().splitlines()) == 1 + 4 * 1 + 4 * 2 + 4 * 2
    first, *others = (contents(folder).essence() for folder in found)
    assert all(other == first for other in others)
    assert len(first) == 5 * (2 * 2 + 4 * 2 + 4 * 2)


def test_the_leaderboard_does_not_depend_on_the_order_of_names(play):
    fields = {**BROAD, "agent": ("random", "nearest")}
    turned = {k: v[::-1] if isinstance(v, tuple) else v for k, v in fields.items()}
    one, other = play("one", **fields), play("other", **turned)
    assert one.leaderboard == other.leaderboard
    assert (one.folder / "leaderboard.csv").read_bytes() == (
        other.folder / "leaderboard.csv"
    ).read_bytes()


def test_a_folder_goes_on_with_the_same_experiment_in_another_order(play):
    play("run", agent=("random", "nearest"), demos=(0, 2))
    play("run", agent=("nearest", "random"), demos=(2, 0))


def test_the_file_holds_the_rows_that_the_summary_and_the_store_give(play):
    summary = play(agent=("nearest", "random"))
    text = (summary.folder / "leaderboard.csv").read_text("utf-8")
    assert text == summary.leaderboard.to_csv()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    store = open_run(summary.folder)
    assert make_leaderboard(store) == summary.leaderboard
    store.close()


def test_a_complete_run_is_read_and_not_played_again(play, contents):
    model = FakeModel(by_prompt)
    first = play(agents={"fake": model})
    calls, before = model.calls, contents(first.folder).essence()
    written = (first.folder / "leaderboard.csv").read_bytes()
    again = play(agents={"fake": model})
    assert model.calls == calls > 0
    assert contents(again.folder).essence() == before
    assert (again.folder / "leaderboard.csv").read_bytes() == written
    assert again == first


def test_the_seed_changes_demonstrations_but_not_openings(play, contents):
    one, other = (
        contents(play(f"seed{seed}", agent=("nearest",), demos=(4,), seed=seed).folder)
        for seed in (0, 1)
    )
    for agent in ("random", "expert"):
        assert [e["score"] for e in one.of(agent=agent)] == [
            e["score"] for e in other.of(agent=agent)
        ]
    pairs = list(zip(one.of(agent="nearest"), other.of(agent="nearest"), strict=True))
    assert [a["opening"] for a, _ in pairs] == [b["opening"] for _, b in pairs] == list(range(6))
    assert all(a["demonstrations"] != b["demonstrations"] for a, b in pairs)


def test_an_opening_has_the_same_demonstrations_for_all_agents_and_formats(play, contents):
    summary = play(
        agents={"fake": FakeModel("b2"), "other": FakeModel("a1")},
        agent=("fake", "nearest", "other", "replay"),
        format=("ascii", "rgb"),
        demos=(1, 4, 7),
    )
    shown = {}
    for episode in contents(summary.folder).of(selector="random"):
        ids = episode["demonstrations"]
        assert len(ids) == len(set(ids)) == episode["count"]
        shown.setdefault((episode["opening"], episode["count"]), set()).add(tuple(ids))
    assert len(shown) == 6 * 3
    assert all(len(found) == 1 for found in shown.values())
    for opening in range(6):
        one, four, seven = (next(iter(shown[opening, k])) for k in (1, 4, 7))
        assert seven[:4] == four
        assert four[:1] == one
    assert len({next(iter(shown[opening, 7])) for opening in range(6)}) == 6


def test_no_demonstration_shown_passes_through_the_evaluated_opening(play, contents):
    summary = play(agent=("nearest",), demos=(6,), episodes=300)
    task = make("tic_tac_toe")
    pool, env = load_pool_for(task), task.make_env()
    left_out = []
    for episode in contents(summary.folder).of(agent="nearest"):
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        opening = state_digest(task, env)
        showing = {d.id for d in pool.demonstrations if opening in d.states}
        assert not showing.intersection(episode["demonstrations"])
        assert episode["left_out"] == len(showing)
        left_out.append(len(showing))
    assert len(left_out) == 300
    assert any(left_out)
    assert not all(left_out)


class Watchful(Selector):
    """Notes what it was offered."""

    def __init__(self):
        self.offered = {}

    def select(self, pool, query, k, rng):
        self.offered[query.opening.index] = {d.id for d in pool.demonstrations}
        chosen = pool.demonstrations[:k]
        return Selection(demonstrations=chosen, reasons=("first",) * k)


def test_a_selector_is_not_even_offered_what_passes_through_the_opening(monkeypatch, play):
    watchful = Watchful()
    monkeypatch.setitem(SELECTORS._factories, "watchful", lambda: watchful)
    play(agent=("nearest",), selector=("watchful",), demos=(1,), episodes=130)
    task = make("tic_tac_toe")
    pool, env = load_pool_for(task), task.make_env()
    for index in range(130):
        task.reset(env, task.openings("evaluation")[index])
        opening = state_digest(task, env)
        kept = {d.id for d in pool.demonstrations if opening not in d.states}
        assert watchful.offered[index] == kept
    assert {len(offered) for offered in watchful.offered.values()} == {999, 1000}


def test_what_the_world_answered_is_kept_for_every_step(play, contents):
    summary = play(agents={"fake": FakeModel(by_prompt)}, episodes=10)
    task = make("tic_tac_toe")
    env = task.make_env()
    for episode in contents(summary.folder).episodes:
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        rewards = [
            task.step(env, task.parse(step["action"], env).value).reward
            for step in episode["steps"]
        ]
        assert [step["reward"] for step in episode["steps"]] == rewards
        assert episode["score"] == sum(rewards)


class BreaksDownEnv(GridworldEnv):
    broken = False

    def step(self, action):
        if self.broken:
            raise RuntimeError("the world broke down")
        return super().step(action)


class BreaksDown(Gridworld):
    name = "breaks_down"

    def make_env(self):
        return BreaksDownEnv()


def test_a_reply_is_on_disk_before_its_action_is_played(monkeypatch, play, contents, tmp_path):
    def answer(turn):
        turn.env.broken = turn.step == 2
        return "up"

    monkeypatch.setitem(TASKS._factories, "breaks_down", BreaksDown)
    fields = {"task": ("breaks_down",), "format": ("coords",), "demos": (0,), "episodes": 1}
    with pytest.raises(RuntimeError, match="the world broke down"):
        play(agents={"fake": FakeModel(answer)}, concurrency=1, **fields)
    (episode,) = contents(tmp_path / "run").of(agent="fake")
    assert episode["status"] == "running"
    assert [(s["reply"], s["reward"]) for s in episode["steps"]] == [
        ("up", 0.0),
        ("up", 0.0),
        ("up", None),
    ]


def test_reference_players_play_where_nobody_asked_for_them_and_are_no_rows(play, contents):
    alone = play("alone", agent=("nearest",))
    asked = play("asked", agent=("nearest", "random", "expert"))
    assert {row.agent for row in alone.leaderboard.rows} == {"nearest"}
    assert {row.agent for row in asked.leaderboard.rows} == {"nearest", "random", "expert"}
    players = {(e["agent"], e["asked"]) for e in contents(alone.folder).episodes}
    assert players == {("nearest", 1), ("random", 0), ("expert", 0)}

    def lines(summary):
        return [
            (r.demonstrations, r.score_mean, r.random_mean, r.expert_mean, r.normalized_mean)
            for r in summary.leaderboard.rows
            if r.agent == "nearest"
        ]

    assert lines(alone) == lines(asked)
    for row in asked.leaderboard.rows:
        if row.agent == "expert":
            assert row.score_mean == row.expert_mean
            assert row.normalized_mean == 1.0
        if row.agent == "random":
            assert row.score_mean == row.random_mean
            assert row.normalized_mean == 0.0
    assert alone.episodes == asked.episodes == 6 * 4


def test_one_play_of_the_reference_players_serves_all_the_formats_of_a_task(play, contents):
    summary = play(agent=("random",), format=("ascii", "rgb"), demos=(0,))
    assert len(contents(summary.folder).of(agent="random")) == 6
    assert [(r.format, r.rank) for r in summary.leaderboard.rows] == [("ascii", 1), ("rgb", 1)]


def test_an_agent_without_eyes_is_left_out_of_image_formats_and_that_is_said(play):
    summary = play(
        agents={"fake": FakeModel("b2", images=False)}, format=("ascii", "rgb"), demos=(0,)
    )
    assert [row.format for row in summary.leaderboard.rows] == ["ascii"]
    assert summary.skipped == ("fake is not shown tic_tac_toe rgb: it takes no images",)


@pytest.mark.parametrize("legal_actions", [False, True])
def test_every_prompt_that_was_sent_can_be_rebuilt_to_the_byte(legal_actions, play, contents):
    sent = {}

    def answer(turn):
        parts = [getattr(part, "png", None) or part.text.encode() for part in turn.prompt]
        key = (turn.episode.format, len(turn.episode.demonstrations), turn.episode.opening.index)
        assert (*key, turn.step) not in sent
        sent[(*key, turn.step)] = (b"".join(parts), turn.prompt.hash)
        return by_prompt(turn)

    summary = play(
        agents={"fake": FakeModel(answer)},
        format=("ascii", "rgb"),
        demos=(0, 1, 3),
        legal_actions=legal_actions,
    )
    stored = {
        (e["format"], e["count"], e["opening"], s["step"]): (request, s["prompt"])
        for e in contents(summary.folder).of(agent="fake")
        for s, request in zip(e["steps"], e["requests"], strict=True)
    }
    assert len(sent) > 60
    assert stored == sent
    listed = [b"The actions allowed now are: " in request for request, _ in sent.values()]
    assert all(listed) if legal_actions else not any(listed)


def test_each_prompt_goes_on_from_the_one_before_it(play, contents):
    """A provider's prefix cache hits: all but the question of a prompt opens the next one."""
    asked = b"Which action do you take now?"
    summary = play(agents={"fake": FakeModel(by_prompt)}, task=("gridworld",), demos=(2,))
    for episode in contents(summary.folder).of(agent="fake"):
        for one, following in zip(episode["requests"], episode["requests"][1:], strict=False):
            assert following.startswith(one[: one.rindex(asked)])


def test_what_replies_cost_is_added_up(play, contents):
    model = FakeModel("b2", cost_usd=0.25, latency_s=0.001)
    (row,) = play(agents={"fake": model}, demos=(2,)).leaderboard.rows
    assert row.cost_usd == pytest.approx(0.25 * model.calls)
    assert row.latency_p50_s == 0.001
    assert row.output_tokens == model.calls
    assert 0 < row.cached_input_tokens < row.input_tokens
    unknown = play("unknown", agents={"fake": FakeModel("b2", cost_usd=None)}, demos=(2,))
    assert unknown.leaderboard.rows[0].cost_usd is None


def test_progress_is_told_of_each_step_and_episode(tmp_path):
    from icil.harness import Experiment, run

    class Count:
        steps = 0
        ended_as = ()
        before = ()

        def resumed(self, ended, cost_usd):
            self.before = (*self.before, (ended, cost_usd))

        def stepped(self, usage):
            self.steps += 1

        def ended(self, status):
            self.ended_as = (*self.ended_as, status)

    experiment = Experiment(task=("tic_tac_toe",), format=("ascii",), agent=("fake",), episodes=4)
    model, count, again = FakeModel("b2", cost_usd=0.25), Count(), Count()
    run(experiment, tmp_path / "r", agents={"fake": model}, progress=count)
    run(experiment, tmp_path / "r", agents={"fake": model}, progress=again)
    assert count.steps == model.calls > 0  # the others are on record
    assert count.ended_as == ("done",) * 4 * 7
    assert count.before == ((0, 0.0),)
    assert (again.steps, again.ended_as) == (0, ())
    assert again.before == ((4 * 7, 0.25 * model.calls),)


def test_agents_that_were_prepared_are_closed_whatever_happens(play, tmp_path):
    class Counted(FakeModel):
        prepared = closed = 0
        trouble = None

        async def prepare(self):
            if self.trouble == "prepare":
                raise UsageError("it lacks a key")
            self.prepared += 1

        async def close(self):
            self.closed += 1
            if self.trouble == "close":
                raise OSError("it would not close")

    def go(name, trouble):
        agents = {"one": Counted("b2"), "odd": Counted("b2"), "two": Counted("b2")}
        agents["odd"].trouble = trouble
        with pytest.raises((UsageError, OSError), match="it "):
            play(name, agents=agents, demos=(0,), episodes=1)
        return [(agent.prepared, agent.closed) for agent in agents.values()]

    assert go("unready", "prepare") == [(1, 1), (0, 0), (0, 0)]
    assert not (tmp_path / "unready").exists()
    assert go("stuck", "close") == [(1, 1)] * 3


def test_cells_with_nothing_to_choose_are_played_once_for_all_selectors(monkeypatch, play):
    monkeypatch.setitem(SELECTORS._factories, "watchful", Watchful)
    fields = {"agent": ("nearest",), "selector": ("random", "watchful"), "episodes": 2}
    rows = play("run", demos=(0, 2), **fields).leaderboard.rows
    assert {(r.selector, r.demonstrations) for r in rows} == {
        ("", 0),
        ("random", 2),
        ("watchful", 2),
    }
    # A teacher-forced episode shows itself.
    rows = play("forced", demos=(1, 3), teacher_forced=True, **fields).leaderboard.rows
    assert {(r.selector, r.demonstrations) for r in rows} == {
        ("", 1),
        ("random", 3),
        ("watchful", 3),
    }


def test_all_tasks_are_those_that_a_name_makes(monkeypatch):
    from icil.harness import Experiment
    from icil.harness.planning.plan import make_plan
    from icil.tasks import members, names

    monkeypatch.setitem(TASKS._factories, "grids/", lambda size: Gridworld())
    assert "grids/" in names()
    plan = make_plan(Experiment(task=("all",), agent=("random",), demos=(0,), episodes=1))
    assert set(plan.tasks) == set(members())
    assert "grids/" not in plan.tasks
