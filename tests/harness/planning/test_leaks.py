"""What would show a model the opening that it is evaluated on is not offered, or is counted."""

from contextlib import closing

import pytest

from icil.harness import Experiment, FakeModel, load_experiment
from icil.harness.cli.leaks_table import print_leaks
from icil.harness.cli.tables import make_console
from icil.harness.planning.leaks import Guard, Leak, find_known
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.prompt_builders.embeddings.vicinity import find_vicinity, see
from icil.results import open_run
from icil.results.leaks import count_leaks
from icil.tasks import (
    Demonstration,
    ExperimentError,
    Opening,
    PoolError,
    Step,
    load_pool_for,
    make,
    members,
    render,
    save_pool,
)
from icil.tasks.demonstrations import state_digest
from icil.tasks.pools import make_pool
from icil.tasks.windows import windowed

CHEETAH = make("cheetah")
STILL = "[0, 0, 0, 0, 0, 0]"
FIELDS = {"task": ("cheetah",), "format": ("proprio",), "agent": ("nearest",), "episodes": 2}
NEAR, EXACT = "near copy", "the opening itself"


def one_step(state, id):
    """A demonstration of one step from a state, in which the cheetah does nothing."""
    opening = Opening(split="demonstration", index=0, state=state)
    with closing(CHEETAH.make_env()) as env:
        CHEETAH.reset(env, opening)
        digest = state_digest(CHEETAH, env)
        reward = CHEETAH.step(env, CHEETAH.parse(STILL, env).value).reward
    step = Step(state=digest, action=STILL, reward=reward)
    return Demonstration(id=id, opening=opening, steps=(step,), terminated=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pool of eight demonstrations that ship, and of two that give evaluation opening 0 away."""
    opening = CHEETAH.openings("evaluation")[0]
    shaken = {name: [x + 1.1e-4 for x in numbers] for name, numbers in opening.state.items()}
    planted = (one_step(opening.state, EXACT), one_step(shaken, NEAR))
    real = load_pool_for(CHEETAH).demonstrations[:8]
    where = tmp_path_factory.mktemp("pools") / "planted"
    save_pool(make_pool(CHEETAH, (*real, *planted)), where)
    return where


def plan_of(folder, **fields):
    fields = {**FIELDS, "selector": ("relevance",), "demos": (2,), "pool": (folder,), **fields}
    return make_plan(Experiment(**fields))


def only(plan):
    (cell,) = [cell for cell in plan.cells if cell.record.agent == "nearest"]
    return cell


def test_neither_is_offered(folder, play, contents):
    given = {**FIELDS, "selector": ("relevance",), "demos": (2,), "pool": (folder,)}
    done = play("run", **given)
    first, second = contents(done.folder).of(agent="nearest")
    assert (first["left_out"], second["left_out"]) == (2, 0)
    assert not {NEAR, EXACT} & set(first["demonstrations"])
    (counts,) = count_leaks(open_run(done.folder))
    assert (counts.left_out, counts.most_left_out, counts.shown, counts.episodes) == (2, 2, 4, 2)
    assert (counts.leaked, counts.near, counts.affected) == (0, 0, 0)


def test_both_are_offered_and_counted_where_they_are_allowed(folder, play, contents, capsys):
    given = {**FIELDS, "selector": ("relevance",), "demos": (1, 2), "pool": (folder,)}
    done = play("run", leaks="allow", **given)
    episodes = contents(done.folder).of(agent="nearest", opening=0)
    assert [set(e["demonstrations"]) for e in episodes] == [{EXACT}, {EXACT, NEAR}]
    assert [e["left_out"] for e in episodes] == [0, 0]
    store = open_run(done.folder)
    one, two = sorted(count_leaks(store), key=lambda counts: counts.shown)
    assert (one.leaked, one.near, one.affected, one.left_out) == (1, 0, 1, 0)
    assert (two.leaked, two.near, two.affected, two.most_left_out) == (1, 1, 1, 0)
    print_leaks(store, make_console())
    said = capsys.readouterr().out
    assert "cheetah · proprio" in said
    assert ["nearest", "relevance", "2", "2", "0.00", "0", "1", "1", "1"] in [
        line.split() for line in said.splitlines()
    ]


def test_a_run_without_demonstrations_has_no_table(play, capsys):
    done = play("run", agent=("nearest",), demos=(0,), episodes=1)
    print_leaks(open_run(done.folder), make_console())
    assert "nothing to leak" in capsys.readouterr().out


def test_budgets_keep_them_out_and_count_them_as_well(folder, play, contents):
    given = {**FIELDS, "selector": ("relevance",), "context_tokens": (90_000,), "pool": (folder,)}
    for leaks, planted in (("exclude", set()), ("allow", {NEAR, EXACT})):
        done = play(leaks, leaks=leaks, demos=(0,), **{**given, "episodes": 1})
        (episode,) = [e for e in contents(done.folder).of(agent="nearest") if e["selector"]]
        assert len(episode["demonstrations"]) > 2
        assert {NEAR, EXACT} & set(episode["demonstrations"]) == planted
        (counts,) = count_leaks(open_run(done.folder))
        assert (counts.leaked, counts.near) == ((1, 1) if planted else (0, 0))
        assert counts.left_out == 2 - len(planted)


def test_a_set_shows_none_of_its_episodes_their_openings(folder):
    for sets, hiding in ((1, [2, 2, 2]), (3, [2, 0, 0]), (None, [2, 0, 0])):
        done = plan_of(folder, demo_sets=sets, episodes=3)
        starts = list(done.starts(only(done)))
        assert [len(start.hidden) for start in starts] == hiding
        assert [len(start.leak.ids) for start in starts] == [2, 0, 0]
        assert all(start.guarded >= start.leak.guarded for start in starts)


def test_windows_that_pass_nearly_through_are_kept_out_and_no_others(folder):
    done = plan_of(folder, window=50)
    start = next(done.starts(only(done)))
    assert start.hidden == {f"{EXACT}[0:1]", f"{NEAR}[0:1]"}


def test_too_few_are_left_over_and_it_says_why(folder):
    with pytest.raises(PoolError, match=r"9 demonstrations of cheetah .* has 10, of which 8 never"):
        plan_of(folder, demos=(9,))
    with pytest.raises(PoolError, match=r"\(1 pass through one, 1 through a near duplicate"):
        plan_of(folder, demos=(9,))
    assert plan_of(folder, demos=(9,), leaks="allow").episodes
    with pytest.raises(PoolError, match=r"its pool has 10$"):
        plan_of(folder, demos=(11,), leaks="allow")


def test_what_is_played_again_is_counted_in_a_teacher_forced_run(folder):
    done = plan_of(folder, teacher_forced=True, demos=(10,), episodes=10)
    cell = only(done)
    found = {s.forced.id: choose(cell, s, 0) for s in done.starts(cell)}
    assert len(found) == 10
    for id, choice in found.items():
        assert choice.leaked == (1, 1 if id in (NEAR, EXACT) else 0)
        assert choice.left_out == 0


def test_what_controls_show_is_counted_by_what_was_played(folder):
    for control, leaked in (("+shuffle_actions", (1, 1)), ("+irrelevant", (0, 0))):
        done = plan_of(folder, selector=(f"relevance{control}",), leaks="allow")
        cell = only(done)
        assert choose(cell, next(done.starts(cell)), 0).leaked == leaked


def test_the_option_is_part_of_a_cell_only_if_it_makes_a_difference(folder):
    plain, same, other = (
        plan_of(folder),
        plan_of(folder, leaks="exclude"),
        plan_of(folder, leaks="allow"),
    )
    assert "leaks" not in plain.fields
    assert plain.hash == same.hash != other.hash
    assert other.fields["leaks"] == "allow"
    assert only(plain).record.hash == only(same).record.hash != only(other).record.hash
    assert only(other).record.options["leaks"] == "allow"
    nothing = [only(plan_of(folder, demos=(0,), leaks=leaks)) for leaks in ("exclude", "allow")]
    assert len({cell.record.hash for cell in nothing}) == 1


def test_it_is_a_word_of_experiment_files_and_of_the_command_line(tmp_path, icil):
    path = tmp_path / "experiment.yaml"
    path.write_text("leaks: allow\n")
    assert load_experiment(path, {}).leaks == "allow"
    path.write_text("leaks: some\n")
    with pytest.raises(ExperimentError, match="leaks: expected exclude or allow, got 'some'"):
        load_experiment(path, {})
    said = icil("estimate", "--leaks", "never", "--task", "gridworld")
    assert said.code == 2
    assert "option --leaks: expected exclude or allow, got 'never'" in said.err


# The pools of robots' worlds are small, and embedded when they are first needed.
LARGE = sorted({*members()} - {"pusht"})


@pytest.mark.parametrize("name", LARGE)
def test_what_ships_is_of_the_pools_that_ship(name):
    task = make(name)
    known = find_known(task, see(load_pool_for(task)))
    assert known is not None, "run benchmarks/leaks.py --write"
    assert known.openings >= 500


@pytest.mark.parametrize("name", ["tic_tac_toe", "gridworld"])
def test_what_ships_is_what_is_found(name):
    task = make(name)
    pool = load_pool_for(task)
    known, vicinity = find_known(task, see(pool)), find_vicinity(task, pool)
    with closing(task.make_env()) as env:
        for number in range(100):
            task.reset(env, task.openings("evaluation")[number])
            state = state_digest(task, env)
            near = vicinity.near(task.observe(env, vicinity.space.format)) - {state}
            assert near == known.near.get(state, frozenset())


def test_positions_of_chess_that_ship_and_were_reached_in_another_order_are_kept_out():
    plan = make_plan(
        Experiment(task=("chess",), format=("ascii",), agent=("nearest",), demos=(1,), episodes=440)
    )
    played = plan.tasks["chess"]
    found = [number for number, leak in enumerate(played.leaks) if leak.near]
    assert len(found) == 2
    with closing(played.task.make_env()) as env:
        for number in found:
            played.task.reset(env, played.openings[number])
            board = played.task.observe(env, "ascii").text
            (id,) = played.leaks[number].near
            assert id in played.hidden[number]
            shown = render(played.task, played.pool.by_id[id], "ascii")
            assert board in [one.observation.text for one in shown]


def test_what_ships_serves_windows_but_not_another_setting_of_the_task():
    task = make("gridworld")
    assert find_known(task, see(windowed(task, load_pool_for(task), 3))) is not None
    chess = make("chess", {"language": "uci"})
    assert find_known(chess, see(load_pool_for(chess))) is None


def test_an_opening_beyond_those_that_ship_is_compared_now():
    task = make("gridworld")
    pool, opening = load_pool_for(task), task.openings("evaluation")[1500]
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        leak = Guard(task, pool).of_opening(opening, env)
        state = state_digest(task, env)
    exact = pool.passing.get(state, frozenset())
    assert leak == Leak(state, frozenset(), exact, frozenset())


def test_models_are_shown_neither(folder, play, contents):
    model = FakeModel(STILL)
    given = {**FIELDS, "selector": ("relevance",), "demos": (2,), "pool": (folder,)}
    given |= {"agent": ("fake",), "episodes": 1}
    for leaks, planted in (("exclude", 0), ("allow", 2)):
        done = play(leaks, agents={"fake": model}, leaks=leaks, **given)
        (episode,) = contents(done.folder).of(agent="fake")
        assert len({NEAR, EXACT} & set(episode["demonstrations"])) == planted
