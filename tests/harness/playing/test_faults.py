"""Faults are no scores: errors, prompts that do not fit, plug-ins that break their contract."""

import re
from dataclasses import replace

import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.agents import _REGISTRY as AGENTS
from icil.harness.testing import fail_first
from icil.prompt_builders import Selection, Selector
from icil.prompt_builders.selectors import _REGISTRY as SELECTORS
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import ContractError, ModelError, load_pool_for, make
from icil.tasks.demonstrations import state_digest
from icil.tasks.gridworld import Gridworld, GridworldEnv
from icil.tasks.tasks import _REGISTRY as TASKS


def by_prompt(turn):
    return ("a1", "b2", "c3", "zz", "")[turn.prompt.hash[0] % 5]


def test_a_fault_is_no_score_and_is_tried_again(play, contents):
    whole = play("whole", agents={"fake": FakeModel(by_prompt)}, demos=(0, 2), episodes=10)

    def fault(turn):
        late = turn.step == 1 and turn.episode.opening.index < 4
        return ModelError("the server answered 503") if late else None

    model = FakeModel(by_prompt, faults=fault)
    faulty = play("run", agents={"fake": model}, demos=(0, 2), episodes=10)
    in_error = contents(faulty.folder).of(status="error")
    assert faulty.errors == len(in_error) > 2
    assert {e["message"] for e in in_error} == {"the server answered 503"}
    assert {e["score"] for e in in_error} == {None}
    assert all(len(e["steps"]) == 1 for e in in_error)
    scores = {
        (e["count"], e["opening"]): e["score"] for e in contents(whole.folder).of(agent="fake")
    }
    for row in faulty.leaderboard.rows:
        failed = {e["opening"] for e in in_error if e["count"] == row.demonstrations}
        kept = [scores[row.demonstrations, i] for i in range(10) if i not in failed]
        assert (row.errors, row.episodes) == (len(failed), 10 - len(failed))
        assert row.score_mean == pytest.approx(sum(kept) / len(kept))

    mended = FakeModel(by_prompt)
    again = play("run", agents={"fake": mended}, demos=(0, 2), episodes=10)
    assert again.errors == 0
    assert contents(again.folder).essence() == contents(whole.folder).essence()
    assert (again.folder / "leaderboard.csv").read_bytes() == (
        whole.folder / "leaderboard.csv"
    ).read_bytes()
    stored = sum(len(e["steps"]) for e in contents(whole.folder).of(agent="fake"))
    assert mended.calls == stored - (model.calls - len(in_error))


def test_a_fault_in_every_call_leaves_a_row_without_a_score(play):
    model = FakeModel("b2", faults=fail_first(10**9))
    summary = play(agents={"fake": model}, demos=(0,))
    (row,) = summary.leaderboard.rows
    assert (row.errors, row.episodes, row.score_mean, row.rank) == (6, 0, None, None)
    assert model.calls == 6


def test_a_reference_player_is_not_held_against_openings_that_it_did_not_play(play):
    summary = play(agents={"fake": FakeModel("b2", faults=fail_first(2))}, demos=(0,))
    (row,) = summary.leaderboard.rows
    assert (row.errors, row.episodes) == (2, 4)
    assert row.random_mean is not None


@pytest.mark.parametrize("message", ["half a \ud83d smiley", "a\0b", "é" * 100_000, "", "a\nb"])
def test_any_message_of_a_fault_can_be_kept(message, play, contents):
    model = FakeModel("b2", faults=fail_first(1, message))
    summary = play(agents={"fake": model}, demos=(0,), episodes=2, concurrency=1)
    (episode,) = contents(summary.folder).of(status="error")
    assert episode["message"] == message.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("field", ["model", "finish"])
def test_whatever_a_provider_calls_itself_can_be_kept(field, play, contents):
    class Odd(FakeModel):
        async def act(self, turn):
            return replace(await super().act(turn), **{field: "odd \udc80\0"})

    summary = play(agents={"fake": Odd("b2")}, demos=(0,), episodes=2)
    steps = [s for e in contents(summary.folder).of(agent="fake") for s in e["steps"]]
    assert {s[field] for s in steps} == {"odd ?\0"}


def test_the_command_exits_with_1_and_says_how_many_episodes_failed(monkeypatch, icil, tmp_path):
    model = FakeModel(by_prompt, faults=fail_first(3))
    monkeypatch.setitem(AGENTS._factories, "flaky", lambda: model)
    args = ("run", "--task", "tic_tac_toe", "--format", "ascii", "--agent", "flaky")
    args = (*args, "--demos", "0", "--episodes", "5", "--out", tmp_path / "run")
    first = icil(*args)
    assert first.code == 1
    assert "3 of 15 episodes ended in an error" in " ".join(first.err.split())
    again = icil(*args)
    assert (again.code, again.err) == (0, "")
    lines = (tmp_path / "run" / "leaderboard.csv").read_text().splitlines()
    errors = lines[0].split(",").index("errors")
    assert [line.split(",")[errors] for line in lines[1:]] == ["0"]


def prompts(folder, agent="fake"):
    """The tokens, as the fake model counts them, and the images of every request."""
    store = RunStore(folder / FILE_NAME, readonly=True)
    query = (
        "SELECT s.episode, s.step, e.opening FROM steps s JOIN episodes e ON e.id = s.episode "
        f"JOIN cells c ON c.id = e.cell WHERE c.agent = '{agent}'"
    )
    found = []
    for episode, step, opening in store.rows(query)[1]:
        parts = [store.part(hash) for hash in store.request(episode, step)]
        tokens = sum(-(-len(c.decode()) // 4) for kind, c in parts if kind == "text")
        found.append((opening, step, tokens, sum(kind == "png" for kind, _ in parts)))
    store.close()
    return found


def test_a_prompt_with_too_many_tokens_is_overlong_with_the_figures(play, contents):
    fields = {"demos": (3,), "episodes": 8}
    free = play("free", agents={"fake": FakeModel(by_prompt)}, **fields)
    longest = max(tokens for *_, tokens, _ in prompts(free.folder))
    fits = play("fits", agents={"fake": FakeModel(by_prompt, context_tokens=longest)}, **fields)
    assert fits.overlong == 0
    assert [r.score_mean for r in fits.leaderboard.rows] == [
        r.score_mean for r in free.leaderboard.rows
    ]

    tight = FakeModel(by_prompt, context_tokens=longest - 1)
    summary = play("tight", agents={"fake": tight}, concurrency=1, **fields)
    (overlong,) = contents(summary.folder).of(status="overlong")
    first = min((o, s) for o, s, tokens, _ in prompts(free.folder) if tokens == longest)
    assert (overlong["opening"], len(overlong["steps"])) == first
    assert overlong["message"] == f"the prompt has {longest} tokens, the model takes {longest - 1}"
    (row,) = summary.leaderboard.rows
    assert (row.score_mean, row.rank, row.normalized_mean) == (None, None, None)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_cell_is_given_up_with_its_first_overlong_episode(concurrency, play, contents):
    """Its score would be of the episodes that happen to fit; the others are not paid for."""
    fields = {"demos": (0, 3), "episodes": 30}
    free = play("free", agents={"fake": FakeModel(by_prompt)}, **fields)
    whole = contents(free.folder)
    fits = max(
        tokens
        for episode in whole.of(agent="fake", count=3)
        for tokens in [sum(-(-len(p) // 4) for p in episode["requests"][:1])]
    )
    tight = FakeModel(by_prompt, context_tokens=fits + 5)
    summary = play("tight", agents={"fake": tight}, concurrency=concurrency, **fields)
    left = contents(summary.folder)
    assert {e["status"] for e in left.of(agent="fake", count=0)} == {"done"}
    assert len(left.of(agent="fake", count=0)) == 30
    begun = left.of(agent="fake", count=3)
    overlong = [e["opening"] for e in begun if e["status"] == "overlong"]
    assert overlong
    assert [e["opening"] for e in begun] == list(range(len(begun)))
    assert len(begun) <= min(overlong) + concurrency < 30
    assert tight.calls == sum(len(e["steps"]) for e in left.of(agent="fake"))
    row = next(r for r in summary.leaderboard.rows if r.demonstrations == 3)
    assert (row.score_mean, row.rank, row.note) == (None, None, "overlong")
    # Nor when the run goes on, whatever its other episodes were at.
    store = RunStore(summary.folder / FILE_NAME)
    store._db.execute(f"UPDATE episodes SET status = 'running' WHERE id = {begun[0]['id']}")
    store.close()
    again = FakeModel(by_prompt, context_tokens=fits + 5)
    play("tight", agents={"fake": again}, **fields)
    assert again.calls == 0


def test_an_overlong_prefix_gives_up_its_cell_unasked(play, contents):
    model = FakeModel("b2", context_tokens=300)
    summary = play(agents={"fake": model}, demos=(40,), episodes=40, concurrency=3)
    assert (model.calls, summary.errors, summary.overlong) == (0, 0, 1)
    assert {e["status"] for e in contents(summary.folder).of(agent="fake")} == {"overlong"}


def test_nothing_is_sent_where_the_first_prompt_does_not_fit(play, contents):
    model = FakeModel("b2", context_tokens=200)
    summary = play(agents={"fake": model}, demos=(0, 20), episodes=3)
    assert {(e["count"], e["status"]) for e in contents(summary.folder).of(agent="fake")} == {
        (0, "done"),
        (20, "overlong"),
    }
    assert {e["score"] for e in contents(summary.folder).of(count=20)} == {None}
    assert all(not e["steps"] for e in contents(summary.folder).of(count=20))


def test_a_prompt_with_too_many_images_is_overlong_with_the_figures(play, contents):
    fields = {"demos": (2,), "episodes": 8, "format": ("rgb",)}
    free = play("free", agents={"fake": FakeModel(by_prompt)}, **fields)
    most = max(images for *_, images in prompts(free.folder))
    fits = play("fits", agents={"fake": FakeModel(by_prompt, max_images=most)}, **fields)
    assert fits.overlong == 0
    summary = play("tight", agents={"fake": FakeModel(by_prompt, max_images=most - 1)}, **fields)
    messages = {e["message"] for e in contents(summary.folder).of(status="overlong")}
    assert messages == {f"the prompt has {most} images, the model takes {most - 1}"}


def test_the_command_says_what_does_not_fit_and_by_how_much_and_exits_with_0(
    monkeypatch, icil, tmp_path
):
    monkeypatch.setitem(AGENTS._factories, "small", lambda: FakeModel("b2", context_tokens=1))
    args = ("--task", "tic_tac_toe", "--format", "ascii", "--agent", "small")
    said = icil("run", *args, "--demos", "0", "--episodes", "3", "--out", tmp_path / "run")
    assert said.code == 0
    told = " ".join(said.err.split())
    assert "3 episodes do not fit their model's context; their cells have no score" in told
    assert told.count("tic_tac_toe ascii small, demos 0: the prompt has ") == 1
    assert told.endswith(" tokens, the model takes 1")
    said = icil("run", *args, "--demos", "1,2,3,4,5", "--episodes", "3", "--out", tmp_path / "new")
    told = " ".join(said.err.split())
    assert "5 episodes do not fit" in told  # one a cell, for it is known beforehand
    assert told.count("the model takes 1") == 3
    assert "tic_tac_toe ascii small random, demos 1: the prompt has " in told
    assert f"and 2 more cells; `icil show {tmp_path / 'new'} --status overlong`" in told


@pytest.mark.parametrize("sets", [None, 4])
def test_nothing_of_a_cell_is_sent_where_the_first_prompt_of_any_episode_does_not_fit(
    sets, play, contents
):
    fields = {"demos": (3,), "episodes": 12, "demo_sets": sets, "concurrency": 1}
    free = play("free", agents={"fake": FakeModel(by_prompt)}, **fields)
    first = {opening: tokens for opening, step, tokens, _ in prompts(free.folder) if step == 0}
    longest = max(first.values())
    assert first[0] < longest - 20
    model = FakeModel(by_prompt, context_tokens=longest - 20)
    summary = play("tight", agents={"fake": model}, **fields)
    (overlong,) = contents(summary.folder).of(agent="fake")
    assert (model.calls, overlong["status"]) == (0, "overlong")
    assert first[overlong["opening"]] > longest - 20
    (misfit,) = summary.misfits
    assert (misfit.cell.agent, misfit.why) == ("fake", overlong["message"])
    play("tight", agents={"fake": model}, **fields)
    assert model.calls == 0


def test_faults_beyond_the_third_kind_are_counted(monkeypatch, icil, tmp_path):
    def each(turn):
        index = turn.episode.opening.index
        return ModelError(f"fault {min(index, 4)}")

    monkeypatch.setitem(AGENTS._factories, "bad", lambda: FakeModel("b2", faults=each))
    args = ("--task", "tic_tac_toe", "--format", "ascii", "--agent", "bad", "--demos", "0")
    said = icil("run", *args, "--episodes", "6", "--out", tmp_path / "run")
    assert said.code == 1
    told = " ".join(said.err.split())
    assert "2 × bad: fault 4 1 × bad: fault 0 1 × bad: fault 1 and 2 other faults;" in told
    assert f"`icil show {tmp_path / 'run'} --status error` lists them" in told


class Careless(Selector):
    def __init__(self, spoil):
        self.spoil = spoil

    def select(self, pool, query, k, rng):
        chosen = self.spoil(list(pool.demonstrations[:k]), query)
        return Selection(demonstrations=tuple(chosen), reasons=("x",) * len(chosen))


def leaking(chosen, query):
    """Puts in a demonstration that passes through the opening, which was not offered."""
    task = make("tic_tac_toe")
    env = task.make_env()
    task.reset(env, query.opening)
    digest = state_digest(task, env)
    showing = [d for d in load_pool_for(task).demonstrations if digest in d.states]
    return [*chosen[:-1], showing[0]] if showing else chosen


@pytest.mark.parametrize(
    "spoil",
    [
        lambda chosen, _: chosen[:-1],
        lambda chosen, _: [],
        lambda chosen, _: [*chosen[:-1], chosen[0]],
        lambda chosen, _: [*chosen, chosen[0]],
        lambda chosen, _: [replace(chosen[0], id="unheard-of"), *chosen[1:]],
        leaking,
    ],
    ids=["too few", "none", "one twice", "too many", "of no pool", "leaking"],
)
def test_a_selector_that_breaks_its_contract_ends_the_run(spoil, monkeypatch, play):
    monkeypatch.setitem(SELECTORS._factories, "careless", lambda: Careless(spoil))
    with pytest.raises(ContractError, match="'careless' was asked for 3 different"):
        play(agent=("nearest",), selector=("careless",), demos=(3,), episodes=70)


def test_a_selector_that_keeps_its_contract_does_not(monkeypatch, play, contents):
    monkeypatch.setitem(SELECTORS._factories, "careless", lambda: Careless(lambda c, _: c))
    summary = play(agent=("nearest",), selector=("careless", "random"), demos=(3,))
    shown = contents(summary.folder).of(selector="careless")
    assert all(e["demonstrations"] == sorted(e["demonstrations"]) for e in shown)
    assert {row.selector for row in summary.leaderboard.rows} == {"careless", "random"}


class EndlessEnv(GridworldEnv):
    def step(self, action):
        return self._observation(), 0.0, False, False, {}


class Endless(Gridworld):
    name = "endless"

    def make_env(self):
        return EndlessEnv()


def test_a_world_that_does_not_end_at_its_horizon_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS._factories, "endless", Endless)
    experiment = Experiment(
        task=("endless",), format=("coords",), agent=("random",), demos=(0,), episodes=1
    )
    with pytest.raises(ContractError, match=re.escape("endless did not end at its horizon of 25")):
        run(experiment, tmp_path / "run")


class Mute(Gridworld):
    """Offers an action that it does not take."""

    name = "mute"

    def legal_actions(self, env):
        return ("fly",)


def test_a_world_that_offers_what_it_does_not_take_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS._factories, "mute", Mute)
    experiment = Experiment(
        task=("mute",), format=("coords",), agent=("random",), demos=(0,), episodes=1
    )
    with pytest.raises(ContractError, match="mute does not take its own action 'fly'"):
        run(experiment, tmp_path / "run")


def test_an_own_agent_may_not_take_the_name_of_another(play):
    with pytest.raises(ContractError, match="named 'nearest' already"):
        play(agents={"nearest": FakeModel("b2")})


def test_an_agent_with_a_limit_must_count(play):
    class Lazy(FakeModel):
        def tokens(self, part):
            return super(FakeModel, self).tokens(part)

    with pytest.raises(AssertionError, match="Lazy names a context limit but counts no tokens"):
        play(agents={"fake": Lazy("b2", context_tokens=10)}, demos=(0,))
