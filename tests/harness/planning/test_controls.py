"""Controls in runs: what they do to scores, and how they are named, refused and resumed."""

from contextlib import closing
from itertools import pairwise

import pytest

from icil.harness import Experiment, FakeModel
from icil.harness.estimates import make_estimate
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.results import open_run
from icil.tasks import PoolError, UnknownNameError, UsageError, make, replay
from icil.tasks.relabelled import relabel
from icil.tasks.seeding import generator

GRID = {"task": ("gridworld",), "format": ("coords",), "agent": ("nearest",)}
EVERY = (
    "noise=0.5",
    "shuffle_actions",
    "shuffle_order",
    "wrong_expert",
    "wrong_expert=adversary",
    "irrelevant",
    "permute_labels",
)


def scores(summary, agent="nearest"):
    rows = summary.leaderboard.rows
    return {row.selector: row.score_mean for row in rows if row.agent == agent}


def returns(contents, folder, selector):
    return {e["opening"]: e["score"] for e in contents(folder).of(selector=selector)}


def cells(**fields):
    plan = make_plan(Experiment(**{**GRID, "demos": (4,), "episodes": 3, **fields}))
    return {c.record.selector: c for c in plan.cells if c.record.agent not in ("random", "expert")}


def test_the_more_noise_the_less_an_imitator_scores(play):
    sweep = tuple(f"noise={share}" for share in (0, 0.25, 0.5, 0.75, 1))
    found = scores(play(control=sweep, demos=(64,), episodes=100, **GRID))
    falling = [found[f"random+noise={share}"] for share in ("0", "0.25", "0.5", "0.75", "1")]
    assert found["random"] == falling[0]
    assert all(less < more - 0.05 for more, less in pairwise(falling))
    assert falling[0] > falling[-1] + 0.4


@pytest.mark.parametrize(("task", "format"), [("gridworld", "coords"), ("gridworld", "rgb")])
def test_renamed_actions_are_imitated_as_well(play, contents, task, format):
    fields = {**GRID, "task": (task,), "format": (format,), "demos": (1, 16), "episodes": 40}
    folder = play(control=("permute_labels",), **fields).folder
    plain = returns(contents, folder, "random")
    assert plain == returns(contents, folder, "random+permute_labels")
    assert 0 < sum(plain.values()) < len(plain)


def test_renamed_moves_are_imitated_move_for_move(play, contents):
    """Until one is illegal: what replaces it is drawn anew."""
    fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "agent": ("nearest",)}
    folder = play(control=("permute_labels",), demos=(64,), episodes=60, **fields).folder
    labels = relabel(make("tic_tac_toe"), 0).labels
    held = contents(folder)
    same = 0
    for plain in held.of(selector="random"):
        (other,) = held.of(selector="random+permute_labels", opening=plain["opening"])
        for one, two in zip(plain["steps"], other["steps"], strict=False):
            assert (two["reply"], two["status"]) == (labels[one["reply"]], one["status"])
            if one["status"] != "ok":
                break
            assert two["action"] == labels[one["action"]]
        else:
            same += 1
            assert plain["score"] == other["score"]
    assert same > 30


def knowing(task):
    """A model that does what the expert would, and calls it by the name that everybody knows."""
    expert = task.expert()
    return FakeModel(lambda turn: expert.act(turn.env, generator("expert", turn.step)))


@pytest.mark.parametrize("task", ["gridworld", "tic_tac_toe"])
def test_whoever_only_knows_the_world_fails_under_other_names(play, task):
    fields = {"task": (task,), "format": ("ascii",), "demos": (4,), "episodes": 30}
    model = knowing(make(task))
    found = scores(play(agents={"knows": model}, control=("permute_labels",), **fields), "knows")
    assert found["random"] > 0.7
    assert found["random+permute_labels"] < 0.4 * found["random"]


def test_a_model_that_reads_the_names_succeeds(play):
    labels = relabel(make("gridworld"), 0).labels
    expert = make("gridworld").expert()

    def translate(turn):
        name = labels[expert.act(turn.env, generator("expert", turn.step))]
        assert f"Action: {name}" in turn.prompt.text() or turn.step == 0
        return name

    fields = {"task": ("gridworld",), "format": ("ascii",), "demos": (64,), "episodes": 6}
    model = FakeModel(translate)
    found = scores(play(agents={"reads": model}, control=("permute_labels",), **fields), "reads")
    assert found["random+permute_labels"] == 1.0


def test_a_prompt_has_the_new_names_alone(play, contents):
    labels = relabel(make("tic_tac_toe"), 0).labels
    task = make("tic_tac_toe")
    fields = {"demos": (3,), "episodes": 4, "legal_actions": True, "task": ("tic_tac_toe",)}
    first = FakeModel(lambda turn: turn.legal_actions()[0])
    folder = play(agents={"fake": first}, selector=("random+permute_labels",), **fields).folder
    for episode in contents(folder).of(agent="fake"):
        with closing(task.make_env()) as env:
            task.reset(env, task.openings("evaluation")[episode["opening"]])
            for step, request in zip(episode["steps"], episode["requests"], strict=True):
                legal = sorted(labels[action] for action in task.legal_actions(env))
                assert f"allowed now are: {', '.join(legal)}\n" in request.decode()
                # What the model sees is what the store holds: by the names it can be read again.
                assert step["reply"] == step["action"] == legal[0]
                meant = {label: action for action, label in labels.items()}[step["action"]]
                done = task.step(env, task.parse(meant, env).value)
                assert done.reward == step["reward"]
        assert f"Action: {episode['steps'][0]['action']}\n" in episode["requests"][-1].decode()


def test_the_store_tells_the_names(play):
    folder = play(selector=("random+permute_labels",), demos=(2,), episodes=2, **GRID).folder
    with closing(open_run(folder)) as store:
        settings = store.meta()["experiment"]["settings"]
    assert settings == {
        "controls random+permute_labels of gridworld coords": {
            "labels": relabel(make("gridworld"), 0).labels
        }
    }


def test_the_same_demonstrations_are_chosen_as_without(play, contents):
    folder = play(control=EVERY, demos=(8,), episodes=4, **GRID).folder
    held = contents(folder)
    for opening in range(4):
        (plain,) = held.of(selector="random", opening=opening)
        for control in EVERY:
            (other,) = held.of(selector=f"random+{control}", opening=opening)
            chosen = [id.partition("~")[0] for id in other["demonstrations"]]
            if control == "irrelevant":
                assert all(id.endswith("~irrelevant:tic_tac_toe") for id in other["demonstrations"])
            elif control == "shuffle_order":
                assert sorted(chosen) == sorted(plain["demonstrations"])
            else:
                assert chosen == plain["demonstrations"]


@pytest.mark.parametrize("controls", [EVERY[:4], EVERY[4:]])
def test_every_agent_is_shown_the_same(play, contents, controls):
    model = FakeModel("up")
    fields = {**GRID, "agent": ("nearest", "fake"), "demos": (4,), "episodes": 3}
    held = contents(play(agents={"fake": model}, control=controls, **fields).folder)
    for control in controls:
        of = [held.of(selector=f"random+{control}", agent=agent) for agent in ("nearest", "fake")]
        assert [e["demonstrations"] for e in of[0]] == [e["demonstrations"] for e in of[1]]


def test_sets_of_episodes_share_what_is_altered(play, contents):
    model = FakeModel("b2")
    fields = {"control": EVERY, "demos": (4,), "episodes": 9, "demo_sets": 2}
    held = contents(play(agents={"fake": model}, **fields).folder)
    for control in EVERY:
        shown = {
            e["opening"] % 2: e["demonstrations"] for e in held.of(selector=f"random+{control}")
        }
        for episode in held.of(selector=f"random+{control}"):
            assert episode["demonstrations"] == shown[episode["opening"] % 2]


@pytest.mark.parametrize("sets", [None, 1, 3])
def test_no_wrong_expert_shows_an_opening_that_is_evaluated(sets):
    fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "agent": ("nearest",)}
    wrong = ("random+wrong_expert",)
    plan = make_plan(
        Experiment(selector=wrong, demos=(400,), episodes=100, demo_sets=sets, **fields)
    )
    (cell,) = [c for c in plan.cells if c.record.agent == "nearest"]
    task, openings = cell.task.task, cell.task.openings
    others = 0
    for start in [start for start in plan.starts(cell) if start.query == start.opening]:
        members = openings[start.set :: sets] if sets else [start.opening]
        shown = choose(cell, start, 0).selection.demonstrations
        seen = {task.state_key(env) for one in shown for env, _ in replay(task, one)}
        with closing(task.make_env()) as env:
            for opening in members:
                task.reset(env, opening)
                assert task.state_key(env) not in seen
        others += sum(one.id.count(":") for one in shown)
    assert others  # some had to be played again


def test_a_control_is_a_selector_of_its_own_with_a_cell_of_its_own():
    found = cells(control=EVERY)
    assert list(found) == ["random", *(f"random+{control}" for control in EVERY)]
    assert len({cell.record.hash for cell in found.values()}) == 8


def test_control_and_selector_are_two_ways_to_say_the_same():
    fields = {**GRID, "demos": (4,), "episodes": 3}
    one = make_plan(Experiment(control=("noise=.5", "shuffle_order"), **fields))
    names = ("random+shuffle_order", "random", "random+noise=0.50")
    other = make_plan(Experiment(selector=names, **fields))
    assert one.hash == other.hash
    assert {c.record.hash for c in one.cells} == {c.record.hash for c in other.cells}
    assert one.experiment.selector == ("random", "random+noise=0.5", "random+shuffle_order")


def test_each_selector_is_played_with_each_control():
    found = cells(selector=("random", "random+noise=0.5"), control=("shuffle_order",))
    assert list(found) == [
        "random",
        "random+shuffle_order",
        "random+noise=0.5",
        "random+noise=0.5+shuffle_order",
    ]


def test_without_controls_all_is_as_it_was_before_there_were_any():
    plain = cells()["random"]
    assert plain.record.hash == cells(control=EVERY)["random"].record.hash
    plan = make_plan(Experiment(**{**GRID, "demos": (4,), "episodes": 3}))
    assert not {"control", "window"} & plan.fields.keys()


def test_seeds_decide_what_is_altered():
    labels = [cells(seed=s, control=("permute_labels",)) for s in range(3)]
    assert len({str(c["random+permute_labels"].task.task.settings) for c in labels}) > 1


def test_without_demonstrations_there_is_nothing_to_control():
    assert list(cells(demos=(0,), control=EVERY)) == [""]
    assert cells(demos=(0,), control=EVERY)[""].record == cells(demos=(0,))[""].record


def test_the_reference_players_play_the_plain_task(play):
    rows = play(selector=("random+permute_labels",), demos=(2,), episodes=5, **GRID).leaderboard
    (row,) = rows.rows
    plain = play("plain", demos=(2,), episodes=5, **GRID).leaderboard.rows[0]
    assert (row.random_mean, row.expert_mean) == (plain.random_mean, plain.expert_mean)


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"control": ("noise=2",)}, UsageError, "expected a share from 0 to 1"),
        ({"control": ("noise=0.5", "noise=x")}, UsageError, "got 'x'"),
        ({"control": ("nois=0.5",)}, UnknownNameError, "unknown control 'nois'; did you mean"),
        ({"selector": ("rndom+noise=1",)}, UnknownNameError, "unknown selector 'rndom'; did you"),
        ({"selector": ("+noise=1",)}, UnknownNameError, "unknown selector ''"),
        ({"control": ("irrelevant=nosuch",)}, UnknownNameError, "control irrelevant: 'nosuch'"),
        ({"control": ("irrelevant=tic_tac_toe",), "demos": (1001,)}, PoolError, "1001 demonst"),
        (
            {"task": ("cheetah",), "format": ("proprio",), "control": ("permute_labels",)},
            UsageError,
            "control permute_labels: the actions of cheetah are no fixed list of names",
        ),
        (
            {"task": ("gridworld", "chess"), "format": (), "control": ("wrong_expert",)},
            UsageError,
            "control wrong_expert: an episode of chess that is played anew",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields, error, said):
    with pytest.raises(error, match=said):
        make_plan(Experiment(**{**GRID, "episodes": 3, "demos": (2,), **fields}))


def test_on_the_command_line_it_is_one_line_and_nothing_is_made(icil, tmp_path):
    folder = tmp_path / "run"
    said = icil("run", "--control", "noise=2", "--out", folder)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "icil: control noise: expected a share from 0 to 1, such as noise=0.25, got '2'\n"
    )
    assert not folder.exists()
    options = ("--task", "gridworld", "--format", "coords", "--agent", "nearest")
    more = ("--demos", 2, "--episodes", 2, "--control", "noise=1,shuffle_order", "--out", folder)
    assert icil("run", *options, *more).code == 0
    assert "random+noise=1" in (folder / "leaderboard.csv").read_text()
    assert icil("run", "--out", folder, folder / "experiment.yaml").code == 0


def test_of_all_tasks_those_that_cannot_are_left_out(monkeypatch):
    import icil.harness.planning.plan as module

    monkeypatch.setattr(module, "members", lambda: ("chess", "crossword", "gridworld"))
    fields = {"agent": ("nearest",), "demos": (2,), "episodes": 1, "format": ("ascii",)}
    plan = make_plan(Experiment(task=("all",), control=("permute_labels",), **fields))
    assert plan.skipped == tuple(
        f"{task}: control permute_labels: the actions of {task} are no fixed list of names, so "
        "that they cannot be renamed"
        for task in ("chess", "crossword")
    )
    controlled = {c.record.task for c in plan.cells if "+" in c.record.selector}
    assert controlled == {"gridworld"}
    assert {c.record.task for c in plan.cells if c.record.selector == "random"} == {
        "chess",
        "crossword",
        "gridworld",
    }


def test_a_format_that_cannot_is_left_out(play):
    plan = make_plan(
        Experiment(
            task=("gridworld",), agent=("nearest",), demos=(2,), control=("irrelevant=crossword",)
        )
    )
    controlled = {c.record.format for c in plan.cells if "+" in c.record.selector}
    assert controlled == {"ascii", "coords"}
    assert [note for note in plan.skipped if "gridworld: control irrelevant=crossword" in note]


@pytest.mark.parametrize("k", [1, 4])
def test_teacher_forced_episodes_are_shown_altered(play, contents, k):
    agents = ("replay", "nearest")
    fields = {**GRID, "agent": agents, "teacher_forced": True, "demos": (k,), "episodes": 12}
    summary = play(
        control=("noise=1", "shuffle_actions", "wrong_expert", "permute_labels"), **fields
    )
    of = {(row.agent, row.selector): row.score_mean for row in summary.leaderboard.rows}
    base = "random" if k > 1 else ""
    for agent in agents:
        assert of[agent, base] == of[agent, f"{base}+permute_labels"] == 1.0
        for control in ("noise=1", "shuffle_actions", "wrong_expert"):
            assert of[agent, f"{base}+{control}"] < 0.9
    held = contents(summary.folder)
    for episode in held.of(agent="replay", selector=f"{base}+permute_labels"):
        assert episode["demonstrations"][0].endswith("~permute_labels")
        assert {step["agrees"] for step in episode["steps"]} == {1}


class BugError(Exception):
    pass


def test_after_interruptions_a_run_ends_as_if_there_had_been_none(play, contents):
    said = ("up", "down", "left", "right", "fly")
    calls = 0

    def by_prompt(turn):
        return said[turn.prompt.hash[0] % len(said)]

    def until_a_bug(turn):
        nonlocal calls
        calls += 1
        if calls % 60 == 0:
            raise BugError
        return by_prompt(turn)

    fields = {**GRID, "agent": ("fake",), "control": EVERY, "demos": (3,), "episodes": 4}
    whole = play("whole", agents={"fake": FakeModel(by_prompt)}, **fields).folder
    stops = 0
    for _ in range(40):
        try:
            folder = play("cut", agents={"fake": FakeModel(until_a_bug)}, **fields).folder
            break
        except BugError:
            stops += 1
    assert stops > 3
    assert contents(folder).essence() == contents(whole).essence()
    for name in ("leaderboard.csv", "experiment.yaml"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_one_worker_or_many_alter_alike(play, contents):
    fields = {**GRID, "control": EVERY, "demos": (5,), "episodes": 6}
    one, many = (play(str(n), concurrency=n, **fields).folder for n in (1, 12))
    assert contents(one).essence() == contents(many).essence()


def test_a_budget_is_kept_by_others_that_are_longer(play, contents):
    model = FakeModel("up", context_tokens=10**6)
    fields = {"control": EVERY, "context_tokens": (6000,), "demos": (0,), "episodes": 4}
    folder = play(agents={"fake": model}, **{**fields, **GRID, "agent": ("fake",)}).folder
    held = contents(folder)
    counts = {}
    for control in ("", *(f"+{control}" for control in EVERY)):
        episodes = held.of(selector=f"random{control}")
        counts[control] = [len(e["demonstrations"]) for e in episodes]
        assert all(step["input_tokens"] <= 6000 for e in episodes for step in e["steps"])
        assert {e["status"] for e in episodes} == {"done"}
    assert counts["+shuffle_actions"] == counts["+permute_labels"] == counts[""]
    assert sum(counts["+wrong_expert"]) < sum(counts[""]) / 2


def test_an_estimate_knows_what_is_shown():
    plan = make_plan(
        Experiment(**{**GRID, "agent": ("fake",), "demos": (8,), "episodes": 4, "control": EVERY}),
        {"fake": FakeModel("up")},
    )
    found = {
        one.cell.selector: one.prefix_tokens for one in make_estimate(plan, concurrency=1).cells
    }
    assert set(found) == {"random", *(f"random+{control}" for control in EVERY)}
    assert found["random+wrong_expert"] > 1.5 * found["random"]
    assert found["random+shuffle_order"] == pytest.approx(found["random"], rel=0.2)
