"""How agents imitate, measured after the run: known by hand, or worked out the slow way."""

import csv
import re
from contextlib import closing

import pytest

from icil.harness import FakeModel
from icil.harness.imitation import measure_imitation
from icil.tasks import Expert, load_pool_for, make, render
from icil.tasks.gridworld import Gridworld
from icil.tasks.gridworld.expert import ShortestPath

MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
NUMBER = re.compile(r"\d+")
LEFT_THEN_UP = ("left",) * 3 + ("up",) * 22
"""What a model says, whatever it sees; see the openings in `BY_HAND`."""
BY_HAND = {
    # Target to the right: always wrong.
    0: ("0" * 25, 0),
    # Three up and seven left to go: three right, three right, then past the row.
    1: ("111111" + "0" * 19, 6),
    # Target down and to the right: always wrong.
    2: ("0" * 25, 0),
    # Five up and nine left to go.
    3: ("11111111" + "0" * 17, 8),
    # One up and one right, from the left wall: three times into it, up once, then into another.
    4: ("0001" + "0" * 21, 0),
}
"""Of gridworld's first openings: at which steps left, left, left, up, up… is a step of a shortest
path, and the first step that is not."""


def good(player, target):
    """The steps that lead nearer, by arithmetic."""
    far = abs(player[0] - target[0]) + abs(player[1] - target[1])
    return {
        move
        for move, (down, right) in MOVES.items()
        if abs(player[0] + down - target[0]) + abs(player[1] + right - target[1]) < far
    }


def after(player, move):
    place = player[0] + MOVES[move][0], player[1] + MOVES[move][1]
    return place if all(1 <= coordinate <= 10 for coordinate in place) else player


def walked(episode):
    """Where a gridworld episode was before each step, by arithmetic."""
    state = make("gridworld").openings("evaluation")[episode["opening"]].state
    place = tuple(state["player"])
    for step in episode["steps"]:
        yield place, tuple(state["target"]), step
        place = after(place, step["action"])


def column(episode, name):
    return "".join("-" if step[name] is None else str(step[name]) for step in episode["steps"])


def departs(folder):
    """Of each episode by its number in the store."""
    from icil.results import imitation_frame, open_run

    with closing(open_run(folder)) as store:
        frame = imitation_frame(store).groupby("episode")["departs"].first()
    return {number: None if found != found else int(found) for number, found in frame.items()}


@pytest.fixture
def walk(play):
    """Plays gridworld in coordinates."""

    def walk(answers, *, name="run", **fields):
        fields = {"episodes": 5, "demos": (0,), **fields}
        agents = {"model": answers if isinstance(answers, FakeModel) else FakeModel(answers)}
        return play(
            name,
            agents=agents,
            agent=("model",),
            task=("gridworld",),
            format=("coords",),
            **fields,
        ).folder

    return walk


def test_agreement_and_departure_are_known_by_hand(walk, contents):
    folder = walk(LEFT_THEN_UP)
    found = measure_imitation(folder)
    episodes = contents(folder).of(agent="model")
    assert {e["opening"]: column(e, "agrees") for e in episodes} == {
        opening: agrees for opening, (agrees, _) in BY_HAND.items()
    }
    where = departs(folder)
    assert {e["opening"]: where[e["id"]] for e in episodes} == {
        opening: step for opening, (_, step) in BY_HAND.items()
    }
    assert {column(e, "copies") for e in episodes} == {"-" * 25}  # nothing to copy
    assert (found.measured, found.unasked) == (5, {})


def test_the_curve_is_known_by_hand(walk):
    (curve,) = measure_imitation(walk(LEFT_THEN_UP)).curves.rows
    rows = [
        (point.step, point.n, point.agreement.mean, point.on_course.mean) for point in curve.points
    ]
    agrees = [sum(int(agrees[step]) for agrees, _ in BY_HAND.values()) / 5 for step in range(25)]
    on = [sum(step < first for _, first in BY_HAND.values()) / 5 for step in range(25)]
    assert rows == [(step, 5, agrees[step], on[step]) for step in range(25)]
    assert (agrees[3], on[5], on[6], on[8]) == (3 / 5, 2 / 5, 1 / 5, 0.0)
    assert curve.agreement.mean == (6 + 8 + 1) / 125
    assert curve.on_course.mean == 0.0


def test_the_expert_for_three_steps_and_then_up(walk, contents):
    def answer(turn):
        return ShortestPath().act(turn.env, turn.rng()) if turn.step < 3 else "up"

    folder = walk(answer, episodes=30)
    measure_imitation(folder)
    where = departs(folder)
    lengths = set()
    for episode in contents(folder).of(agent="model"):
        agrees = [step["action"] in good(at, goal) for at, goal, step in walked(episode)]
        assert [bool(step["agrees"]) for step in episode["steps"]] == agrees
        assert all(agrees[:3])
        first = agrees.index(False) if False in agrees else None
        assert where[episode["id"]] == first
        lengths.add(len(agrees))
    assert min(lengths) < 3 < max(lengths)  # some reach the target before, with nothing amiss


def test_a_wrong_reply_agrees_with_nobody_and_what_is_played_instead_may_depart(walk, contents):
    folder = walk(("up!", "", "nowhere"))
    measure_imitation(folder)
    where = departs(folder)
    for episode in contents(folder).of(agent="model"):
        assert set(column(episode, "agrees")) == {"0"}
        on = [step["action"] in good(at, goal) for at, goal, step in walked(episode)]
        assert where[episode["id"]] == on.index(False)
    assert max(where.values()) > 0  # the draw was the expert's now and then


@pytest.mark.parametrize("parse", ["strict", "lenient"])
def test_replies_are_read_as_the_run_read_them(walk, contents, parse):
    folder = walk([f"**{move}**" for move in LEFT_THEN_UP], parse=parse)
    measure_imitation(folder)
    agrees = {e["opening"]: column(e, "agrees") for e in contents(folder).of(agent="model")}
    by_hand = {opening: agrees for opening, (agrees, _) in BY_HAND.items()}
    assert (agrees == by_hand) == (parse == "lenient")


def test_what_was_thought_is_no_part_of_the_choice(walk, contents):
    folder = walk([f"Right? No.\nAction: {move}" for move in LEFT_THEN_UP], reasoning=True)
    measure_imitation(folder)
    assert {e["opening"]: column(e, "agrees") for e in contents(folder).of(agent="model")} == {
        opening: agrees for opening, (agrees, _) in BY_HAND.items()
    }


def nearest_actions(shown, seen):
    """What was done in the nearest of the states shown, all that are equally near."""
    found = []
    for observation, action in shown:
        mine, there = seen.text, observation.text
        if NUMBER.sub("#", mine) == NUMBER.sub("#", there):
            pairs = zip(NUMBER.findall(mine), NUMBER.findall(there), strict=True)
            found.append(((0, sum((int(a) - int(b)) ** 2 for a, b in pairs)), action))
        else:
            differing = sum(a != b for a, b in zip(mine, there, strict=True))
            found.append(((1, differing), action))
    near = min(found)[0]
    return {action for distance, action in found if distance == near}


def replayed(task, episode):
    """The environment before each step, and the step."""
    with closing(task.make_env()) as env:
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        for step in episode["steps"]:
            yield env, step
            task.step(env, task.parse(step["action"], env).value)


@pytest.mark.parametrize(
    ("name", "format", "said"),
    [
        ("gridworld", "coords", ("up", "left", "what?", "right", "down")),
        ("gridworld", "ascii", ("up", "left", "", "right")),
        ("tic_tac_toe", "ascii", ("a1", "b2", "c3")),
    ],
)
@pytest.mark.parametrize("reasoning", [False, True])
def test_copies_are_those_of_the_nearest_states(play, contents, name, format, said, reasoning):
    task = make(name)
    before = "So be it.\nAction: " if reasoning else ""
    folder = play(
        agents={"model": FakeModel([before + one for one in said])},
        task=(name,),
        format=(format,),
        demos=(3,),
        episodes=12,
        reasoning=reasoning,
    ).folder
    measure_imitation(folder)
    copies, pool = {0: set(), 1: set()}, load_pool_for(task)
    for episode in contents(folder).of(agent="model"):
        ids = episode["demonstrations"]
        shown = [one for id in ids for one in render(task, pool.by_id[id], format)]
        for env, step in replayed(task, episode):
            near = nearest_actions(shown, task.observe(env, format))
            what = step["reply"].removeprefix(before)
            assert step["copies"] == (what in near)
            copies[step["copies"]].add(step["status"])
    assert copies[0]
    assert "ok" in copies[1]
    if name == "tic_tac_toe":
        assert "illegal" in copies[1]  # a mere copy does what is not allowed, too


@pytest.mark.parametrize("legal", [False, True])
@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_nearest_copies_always(play, contents, format, legal):
    folder = play(format=(format,), demos=(0, 1, 8), legal_actions=legal, episodes=8).folder
    found = measure_imitation(folder)
    for curve in found.curves.rows:
        if curve.agent != "nearest":
            continue
        assert (curve.copies and curve.copies.mean) == (1.0 if curve.demonstrations else None)
    replies = [s for e in contents(folder).of(agent="nearest", count=8) for s in e["steps"]]
    assert {step["copies"] for step in replies} <= {1, None}
    assert legal or any(step["status"] == "illegal" for step in replies)


def test_the_expert_agrees_with_itself_and_never_departs(play):
    found = measure_imitation(
        play(agent=("expert", "random"), task=("gridworld", "tic_tac_toe"), format=()).folder
    )
    formats = {"gridworld": ("ascii", "coords", "rgb"), "tic_tac_toe": ("ascii", "rgb")}
    assert [(c.task, c.format, c.agent) for c in found.curves.rows] == [
        (task, format, agent)
        for task, of_task in formats.items()
        for format in of_task
        for agent in ("expert", "random")
    ]
    for curve in found.curves.rows:
        right = curve.agent == "expert"
        assert (curve.agreement.mean == 1.0, curve.on_course.mean == 1.0) == (right, right)


def test_a_teacher_forced_run_keeps_its_agreement(play, contents):
    summary = play(
        agents={"model": FakeModel(("a1", "b2"))},
        agent=("model", "replay", "expert"),
        teacher_forced=True,
        demos=(1, 4),
    )
    before = summary.leaderboard.to_csv()
    agreed = {e["id"]: column(e, "agrees") for e in contents(summary.folder).episodes}
    found = measure_imitation(summary.folder)
    assert found.leaderboard.to_csv() == before
    assert {e["id"]: column(e, "agrees") for e in contents(summary.folder).episodes} == agreed
    assert set(departs(summary.folder).values()) == {None}
    assert "teacher-forced" in found.unasked["tic_tac_toe"]
    rows = {(c.agent, c.demonstrations): c for c in found.curves.rows}
    # The demonstration that is played again is among those shown.
    assert rows["replay", 4].copies.mean == rows["replay", 4].agreement.mean == 1.0
    assert rows["model", 1].agreement.mean < 1.0
    assert rows["expert", 0].copies is None
    assert {curve.on_course for curve in found.curves.rows} == {None}


def test_a_teacher_forced_run_without_anybody_who_is_shown_anything(play):
    folder = play(agent=("expert",), teacher_forced=True, demos=(1,)).folder
    (curve,) = measure_imitation(folder).curves.rows
    assert (curve.agreement.mean, curve.copies, curve.on_course) == (1.0, None, None)


def test_a_budget_that_holds_nothing_shows_nothing(play):
    found = measure_imitation(play(demos=(0,), context_tokens=(1,)).folder)
    assert [(c.selector, c.copies) for c in found.curves.rows if c.agent == "nearest"] == [
        ("", None),
        ("random", None),
    ]


def test_without_an_expert_only_copies_are_known(play, tmp_path):
    found = measure_imitation(
        play(task=("gym:CartPole-v1",), format=("proprio",), demos=(0,), episodes=2).folder
    )
    assert found.unasked == {"gym:CartPole-v1": "it has no expert"}
    (curve,) = found.curves.rows
    assert (curve.episodes, curve.agreement, curve.on_course) == (2, None, None)


class Planner(Expert):
    """Walks the rows first, as planned when it began."""

    name, plans = "planner", True

    def begin(self, env):
        up, left = env.player[0] - env.target[0], env.player[1] - env.target[1]
        self.moves = ["up"] * up + ["down"] * -up + ["left"] * left + ["right"] * -left

    def act(self, env, rng):
        return self.moves.pop(0)


def test_slow_experts_are_asked_by_those_who_will_wait(walk, contents, monkeypatch):
    folder = walk(("up", "up", "up", "left"))
    monkeypatch.setattr(Gridworld, "expert", lambda self: Planner())
    found = measure_imitation(folder)
    assert found.unasked == {
        "gridworld": "planner plans, which takes long; ask it with --slow-experts"
    }
    assert {column(e, "agrees") for e in contents(folder).of(agent="model")} == {"-" * 25}
    assert found.curves.rows[0].on_course is None
    found = measure_imitation(folder, slow_experts=True)
    assert (found.measured, found.unasked) == (5, {})
    assert found.curves.rows[0].on_course is not None
    # Three up and seven left to go: up, up, up, left, then up is wrong, and so on, with row and
    # target's row apart.
    (episode,) = contents(folder).of(agent="model", opening=1)
    assert column(episode, "agrees").startswith("11110000")
    assert departs(folder)[episode["id"]] == 4
    # Once asked, what it said is kept, also by those who would not ask.
    again = measure_imitation(folder)
    assert again.measured == 0
    assert again.curves == found.curves


def test_scores_do_not_change_and_the_rest_of_the_store_neither(play, contents):
    summary = play(agents={"model": FakeModel(("a1", "b2", "?"))}, demos=(0, 2))
    before, scores = contents(summary.folder), summary.leaderboard.rows
    found = measure_imitation(summary.folder)
    assert contents(summary.folder).essence() == before.essence()
    fields = [name for name in type(scores[0]).__slots__ if name != "expert_agreement"]
    for then, now in zip(scores, found.leaderboard.rows, strict=True):
        assert [getattr(then, f) for f in fields] == [getattr(now, f) for f in fields]
        assert (then.expert_agreement, now.expert_agreement is None) == (None, False)


def test_the_files_hold_what_was_found(play):
    folder = play(demos=(0, 2)).folder
    found = measure_imitation(folder)
    names = ("imitation.csv", "gaps.csv", "leaderboard.csv")
    written = [(folder / name).read_text() for name in names]
    assert written == [found.curves.to_csv(), found.gaps.to_csv(), found.leaderboard.to_csv()]
    (gap,) = csv.DictReader(written[1].splitlines())
    assert (gap["agent"], gap["demonstrations"], gap["control"]) == (
        "nearest",
        "2",
        "0 demonstrations",
    )
    assert (folder / "figures" / "imitation.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "figures" / "imitation.svg").read_text()


def test_controls_are_measured_as_they_were_shown(play, contents):
    selectors = ("random", "random+permute_labels", "random+noise=1", "random+shuffle_actions")
    found = measure_imitation(
        play(
            task=("gridworld",),
            format=("coords",),
            demos=(4,),
            selector=selectors,
            episodes=8,
        ).folder
    )
    rows = {curve.selector: curve for curve in found.curves.rows if curve.agent == "nearest"}
    assert rows.keys() == set(selectors)
    # It copies whatever it is shown.
    assert {curve.copies.mean for curve in rows.values()} == {1.0}
    # By other names it does the same, and so does the expert.
    true, renamed = rows["random"], rows["random+permute_labels"]
    assert [(p.agreement, p.on_course) for p in true.points] == [
        (p.agreement, p.on_course) for p in renamed.points
    ]
    assert true.agreement.mean > rows["random+noise=1"].agreement.mean
    gaps = {gap.control: gap for gap in found.gaps.rows}
    assert gaps.keys() == {"permute_labels", "noise=1", "shuffle_actions"}
    assert gaps["permute_labels"].gap == 0.0


@pytest.mark.parametrize(
    "fields",
    [
        {"demo_sets": 2},
        {"demos": (0,), "context_tokens": (2000,)},
        {"demo_sets": 3, "selector": ("random+noise=1",)},
        {"window": 2},
    ],
)
def test_however_demonstrations_are_shared_out(play, fields):
    found = measure_imitation(play(**{"demos": (4,), **fields}).folder)
    shown = [c for c in found.curves.rows if c.agent == "nearest" and c.selector]
    assert [curve.copies.mean for curve in shown] == [1.0]


def test_a_run_of_which_nothing_is_done_is_measured(walk):
    from icil.harness.testing import fail_first

    folder = walk(FakeModel("up", faults=fail_first(10**9)))
    found = measure_imitation(folder)
    assert (found.measured, found.curves.rows, found.gaps.rows) == (0, (), ())
    assert (folder / "imitation.csv").exists()
    assert not (folder / "figures" / "imitation.png").exists()  # it would show nothing
