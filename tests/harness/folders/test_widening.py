"""A run folder comes to hold more; what it holds is neither lost nor played again."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import yaml

from icil.harness import FakeModel, load_experiment
from icil.harness.agents import Agent
from icil.harness.imitation import measure_imitation
from icil.harness.testing import fail_first
from icil.prompt_builders import Selection
from icil.prompt_builders.selectors.random import RandomSelector
from icil.prompt_builders.template import DEFAULT
from icil.results import open_run
from icil.results.store import FILE_NAME
from icil.tasks import Observation, RunFolderError, UsageError, load_pool_for, make
from icil.tasks.pools import make_pool, save_pool
from icil.tasks.tic_tac_toe import TicTacToe

SAID = ("a1", "b2", "c3", "a3", "c2", "z9", "up", "left", "")


def by_prompt(turn):
    return SAID[turn.prompt.hash[0] % len(SAID)]


def model():
    return FakeModel(by_prompt)


def meta(folder):
    with closing(open_run(folder)) as store:
        return store.meta()


def cells(folder):
    with closing(open_run(folder)) as store:
        rows = store.rows("SELECT id, hash, agent, asked FROM cells ORDER BY id")[1]
        return [tuple(row) for row in rows]


def rows(summary):
    return {(r.agent, r.format, r.selector, r.demonstrations): r for r in summary.leaderboard.rows}


def held(folder):
    """Every file of a run but what a reader of its store may leave."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}


WHOLE = {
    "task": ("tic_tac_toe", "gridworld"),
    "format": ("ascii", "coords"),
    "agent": ("nearest", "fake", "expert"),
    "selector": ("random", "relevance"),
    "control": ("noise=0.5",),
    "demos": (0, 2, 5),
    "episodes": 6,
    "legal_actions": (False, True),
}
PART = {**WHOLE, "task": ("tic_tac_toe",), "selector": ("random",), "control": ()}
STEPS = [
    {**PART, "agent": ("nearest",), "demos": (0, 2), "episodes": 4, "legal_actions": False},
    {**PART, "agent": ("fake",), "demos": (2,), "episodes": 4, "legal_actions": True},
    {**PART, "demos": (0, 5), "episodes": 6, "legal_actions": False},
    {**WHOLE, "agent": ("nearest",), "demos": (0,), "episodes": 2},
    WHOLE,
]


def test_a_run_widened_in_steps_is_the_run_that_is_played_at_once(play, contents):
    once = model()
    whole = play("whole", agents={"fake": once}, **WHOLE)
    asked = 0
    for fields in STEPS:
        player = model()
        # The formats of all tasks are asked for: a task plays those that it has.
        formats = ("ascii",) if len(fields["task"]) == 1 else fields["format"]
        wide = play("wide", agents={"fake": player}, **{**fields, "format": formats})
        asked += player.calls
    assert asked == once.calls
    essences = (sorted(map(repr, contents(r.folder).essence())) for r in (wide, whole))
    assert next(essences) == next(essences)
    assert (wide.folder / "leaderboard.csv").read_bytes() == (
        whole.folder / "leaderboard.csv"
    ).read_bytes()
    there, here = meta(whole.folder), meta(wide.folder)
    assert all(here[name] == there[name] for name in there)
    assert here["planned"] == {}
    files = [load_experiment(r.folder / "experiment.yaml", {}) for r in (whole, wide)]
    ones = [{k: sorted(v) if isinstance(v, tuple) else v for k, v in file} for file in files]
    assert ones[0] == ones[1]


def test_what_is_asked_for_now_is_played_now_and_the_rest_stays(play, contents):
    first = model()
    before = play(agents={"fake": first}, demos=(0, 2))
    kept = contents(before.folder).essence()
    silent = FakeModel(lambda turn: 1 / 0)
    after = play(agents={"fake": silent}, agent=("nearest",), demos=(3,), episodes=4)
    assert silent.calls == 0
    assert set(kept) < set(contents(before.folder).essence())
    assert {key[0:1] + key[3:] for key in rows(after)} == {
        ("fake", 0),
        ("fake", 2),
        ("nearest", 3),
    }
    assert after.episodes == 3 * 4  # the reference players' among them
    assert meta(after.folder)["experiment"]["agent"] == ["fake", "nearest"]
    assert meta(after.folder)["experiment"]["demos"] == [0, 2, 3]


def test_more_episodes_are_the_missing_openings(play):
    seen = []

    def answer(turn):
        seen.append((len(turn.episode.demonstrations), turn.episode.opening.index))
        return by_prompt(turn)

    play(agents={"fake": FakeModel(answer)}, episodes=4)
    seen.clear()
    wide = play(agents={"fake": FakeModel(answer)}, episodes=7)
    assert set(seen) == {(k, n) for k in (0, 2) for n in (4, 5, 6)}
    assert all(row.episodes == 7 and row.rank for row in wide.leaderboard.rows)
    assert all(row.normalized_mean is not None for row in wide.leaderboard.rows)


def test_fewer_episodes_take_nothing_away(play, contents):
    wide = play(agents={"fake": model()}, episodes=7)
    before, board = contents(wide.folder).essence(), wide.leaderboard.to_csv()
    again = play(agents={"fake": FakeModel(lambda turn: 1 / 0)}, episodes=3)
    assert again.unchanged
    assert again.leaderboard.to_csv() == board
    assert contents(wide.folder).essence() == before
    assert meta(wide.folder)["experiment"]["episodes"] == 7


@pytest.mark.parametrize(("first", "then"), [(4, 6), (6, 4)])
def test_a_cell_is_finished_when_all_that_was_asked_for_is_played(play, first, then):
    play(agents={"fake": model()}, demos=(2,), episodes=first)
    wide = play(agent=("nearest",), demos=(2,), episodes=then)
    assert {r.agent: r.episodes for r in wide.leaderboard.rows} == {"fake": first, "nearest": then}
    assert all(row.rank and not row.note for row in wide.leaderboard.rows)
    assert list(meta(wide.folder)["planned"].values()) == [4]


def test_reference_players_that_were_not_asked_for_can_be(play, contents):
    first = play(agent=("nearest",), episodes=4)
    assert {row.agent for row in first.leaderboard.rows} == {"nearest"}
    numbers = cells(first.folder)
    wide = play(agent=("random", "expert"), episodes=5)
    assert {row.agent: row.episodes for row in wide.leaderboard.rows} == {
        "nearest": 4,
        "random": 5,
        "expert": 5,
    }
    assert [row[:3] for row in cells(first.folder)] == [row[:3] for row in numbers]
    back = play(agent=("nearest",), episodes=4)
    assert {row.agent for row in back.leaderboard.rows} == {"nearest", "random", "expert"}


def test_sets_of_demonstrations_are_cells_of_their_own(play, contents):
    fields = {"agents": {"fake": model()}, "demos": (0, 3)}
    play(**fields)
    play(**fields, demo_sets=2)
    wide = play(**fields, demo_sets=2, episodes=8)  # which a set may have depends on its openings
    assert sorted((r.demonstrations, r.episodes) for r in wide.leaderboard.rows) == [
        (0, 8),
        (3, 6),
        (3, 6),
        (3, 8),
    ]
    assert meta(wide.folder)["experiment"]["demo_sets"] == [None, 2]
    assert len(contents(wide.folder).of(agent="fake", count=3)) == 6 + 6 + 8
    found = load_experiment(wide.folder / "experiment.yaml", {})
    assert found.demo_sets == (None, 2)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"parse": "lenient"}, "parse is strict there and lenient here"),
        ({"teacher_forced": True, "demos": (2,)}, "teacher_forced is False there and True here"),
        ({"leaks": "allow"}, "leaks is None there and allow here"),
        ({"template": "t.yaml"}, "template is "),
        ({"pool": ("own",)}, "pool is tic_tac_toe "),
    ],
)
def test_what_decides_all_cells_must_be_the_same(fields, says, play, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = load_pool_for(make("tic_tac_toe"))
    save_pool(make_pool(make("tic_tac_toe"), whole.demonstrations[:50]), tmp_path / "own")
    (tmp_path / "t.yaml").write_text(DEFAULT.read_text().replace("unknown", "known"))
    folder = play(agents={"fake": model()}).folder
    before = held(folder)
    silent = FakeModel(lambda turn: 1 / 0)
    # With another agent and another number, which could be joined.
    with pytest.raises(RunFolderError) as error:
        play(agents={"fake": silent, "more": silent}, **{"demos": (0, 2, 3), **fields})
    said = str(error.value)
    assert said.startswith(f"{folder} holds another experiment: {says}")
    assert said.count(" there and ") == 1
    assert held(folder) == before


def test_windows_are_not_mixed_with_whole_episodes(play):
    play(agents={"fake": model()})
    with pytest.raises(RunFolderError, match="window is None there and 2 here; name another"):
        play(agents={"fake": model()}, window=2)


def test_settings_that_differ_are_refused_and_those_of_others_joined(play):
    words = {"task": ("crossword",), "demos": (0,), "episodes": 1}
    folder = play(agent=("random",), set={"crossword.illegal": "end"}, **words).folder
    with pytest.raises(RunFolderError, match=r"settings is task crossword .* there and none here"):
        play(agent=("random", "nearest"), **words)
    play(agent=("nearest",), demos=(0,), episodes=1)
    assert meta(folder)["experiment"]["set"] == {"crossword.illegal": "end"}
    play(agent=("nearest",), set={"crossword.illegal": "end"}, **words)
    found = load_experiment(folder / "experiment.yaml", {})
    assert found.set == {"crossword.illegal": "end"}
    assert set(found.task) == {"crossword", "tic_tac_toe"}


@pytest.mark.parametrize(
    "fields", [{"temperature": 1.0}, {"max_output_tokens": 64}, {"template": DEFAULT}]
)
def test_what_no_cell_there_depends_on_may_differ(fields, play, tmp_path):
    folder = play(agent=("nearest",), demos=(2,)).folder
    path = tmp_path / "t.yaml"
    path.write_text(DEFAULT.read_text().replace("unknown", "known"))
    fields = {"template": path} if "template" in fields else fields
    agent = FakeModel(by_prompt)
    play(agents={"fake": agent}, demos=(2,), **fields)
    found = load_experiment(folder / "experiment.yaml", {})
    (name,) = fields
    if name == "template":
        assert found.template == folder / "template.yaml"
        assert found.template.read_text() == path.read_text()
        with pytest.raises(RunFolderError, match="template is "):
            play(agents={"fake": agent}, demos=(3,))
        # Whoever reads no prompts is welcome still, and changes no wording.
        play(agent=("nearest",), demos=(3,))
        again = load_experiment(folder / "experiment.yaml", {})
        assert again.template == folder / "template.yaml"
    else:
        assert getattr(found, name) == fields[name]


def test_prompts_that_became_others_are_not_mixed(play, monkeypatch):
    folder = play(agents={"fake": model()}, demos=(0, 2)).folder
    before, observe = held(folder), TicTacToe.observe
    monkeypatch.setattr(
        TicTacToe, "observe", lambda *a: Observation(text=observe(*a).text.replace(".", "-"))
    )
    silent = FakeModel(lambda turn: 1 / 0)
    with pytest.raises(RunFolderError, match=r"fake, opening 0: the prompt is another now than it"):
        play(agents={"fake": silent}, demos=(0, 2), episodes=8)
    with pytest.raises(RunFolderError, match=r"the prompt is another now"):
        play(agents={"fake": silent}, demos=(0, 2, 4))
    assert held(folder) == before


def test_demonstrations_that_became_others_are_not_mixed(play, monkeypatch):
    folder = play(agent=("nearest",), demos=(2,)).folder
    before, select = held(folder), RandomSelector.select

    def other(self, pool, query, k, rng):
        found = select(self, pool, query, k, rng)
        return Selection(demonstrations=found.demonstrations[::-1], reasons=found.reasons)

    monkeypatch.setattr(RandomSelector, "select", other)
    with pytest.raises(RunFolderError, match="other demonstrations are chosen now than were then"):
        play(agent=("nearest",), demos=(2, 4))
    assert held(folder) == before


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from icil.harness.folders.widening import read_cells
from icil.results import RunStore, store

add = store.cell_row

def dying(cell):
    if cell.hash == "0" * 16:
        os.kill(os.getpid(), signal.SIGKILL)
    return add(cell)

store.cell_row = dying
held = RunStore(Path(sys.argv[1]))
first, *_ = read_cells(held)
cells = [replace(first, hash="f" * 16), replace(first, hash="0" * 16)]
held.widen({**held.meta(), "experiment_hash": "changed"}, cells)
"""


def test_killed_while_it_is_widened_the_store_is_what_it_was(play, tmp_path, contents):
    folder = play(agents={"fake": model()}).folder
    before, kept, known = meta(folder), contents(folder).essence(), cells(folder)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder / FILE_NAME)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (meta(folder), contents(folder).essence(), cells(folder)) == (before, kept, known)
    wide = play(agents={"fake": model()}, demos=(0, 2, 3))
    whole = play("whole", agents={"fake": model()}, demos=(0, 2, 3))
    assert wide.leaderboard.to_csv() == whole.leaderboard.to_csv()


def test_killed_before_its_experiment_file_was_written_it_is_written_by_the_next(play):
    folder = play(agent=("nearest",), demos=(0,)).folder
    path = folder / "experiment.yaml"
    old = path.read_bytes()
    play(agent=("nearest",), demos=(2,))
    assert load_experiment(path, {}).demos == (0, 2)
    assert (folder / "experiment-1.yaml").read_bytes() == old
    path.write_bytes(old)
    play(agent=("nearest",), demos=(0,))
    assert load_experiment(path, {}).demos == (0, 2)
    path.write_text("task: [tic")
    play(agent=("nearest",), demos=(2,))
    assert load_experiment(path, {}).demos == (0, 2)
    assert (folder / "experiment-2.yaml").read_text() == "task: [tic"
    assert sorted(p.name for p in folder.glob("*.yaml")) == [
        "experiment-1.yaml",
        "experiment-2.yaml",
        "experiment.yaml",
    ]


def test_nobody_with_nothing_to_play_need_be_there(play):
    class Absent(Agent):
        capabilities = FakeModel("a1").capabilities

        async def prepare(self):
            raise UsageError("no key")

        async def act(self, turn):
            raise AssertionError

    play(agents={"fake": model()}, demos=(2,))
    wide = play(agents={"fake": Absent()}, agent=("fake", "nearest"), demos=(2,))
    assert {row.agent for row in wide.leaderboard.rows} == {"fake", "nearest"}
    with pytest.raises(UsageError, match="no key"):
        play(agents={"fake": Absent()}, demos=(2, 3))


def test_faults_of_cells_that_are_not_asked_for_are_not_told(play):
    broken = FakeModel(by_prompt, faults=fail_first(100))
    first = play(agents={"fake": broken}, demos=(2,))
    assert (first.errors, first.episodes) == (6, 18)
    other = play(agent=("nearest",), demos=(2,))
    assert (other.errors, other.faults) == (0, ())
    assert {r.agent: r.errors for r in other.leaderboard.rows} == {"fake": 6, "nearest": 0}
    again = play(agents={"fake": model()}, demos=(2,))
    assert again.errors == 0


def test_how_agents_imitate_is_measured_where_no_one_sweep_has_all_the_cells(play, tmp_path):
    """30 demonstrations of a pool of 20 there are not, and so no sweep of both tasks."""
    pool = load_pool_for(make("gridworld"))
    save_pool(make_pool(make("gridworld"), pool.demonstrations[:20]), tmp_path / "own")
    play(agents={"fake": model()}, demos=(0, 30))
    play(agents={"fake": model()}, demos=(4,), demo_sets=2, episodes=8)
    wide = play(
        task=("gridworld",),
        format=("coords",),
        agent=("nearest", "random"),
        demos=(0, 4),
        episodes=3,
        pool=(tmp_path / "own",),
        control=("noise=0.5",),
    )
    found = measure_imitation(wide.folder)
    assert found.measured == 6 + 6 + 8 + 3 + 3 + 3 + 3
    assert measure_imitation(wide.folder).measured == 0
    assert all(row.expert_agreement is not None for row in found.leaderboard.rows)
    later = play(agent=("replay",), demos=(4,), episodes=2)
    assert measure_imitation(later.folder).measured == 2


def test_the_hash_of_what_a_folder_holds_is_that_of_its_experiment_file(play):
    play(agent=("nearest",), demos=(0,))
    wide = play(agent=("nearest",), demos=(0, 2), episodes=8)
    fields = meta(wide.folder)
    again = play("again", **_fields(wide.folder / "experiment.yaml"))
    assert meta(again.folder)["experiment_hash"] == fields["experiment_hash"]
    assert again.leaderboard.to_csv() == wide.leaderboard.to_csv()
    assert fields["experiment"] == json.loads(json.dumps(fields["experiment"]))


def _fields(path):
    return {k: v for k, v in yaml.safe_load(path.read_text()).items() if v not in (None, [], {})}


def test_a_widened_store_is_sealed(play):
    folder = play(agent=("nearest",), demos=(0,)).folder
    play(agent=("nearest",), demos=(2,))
    play(agent=("nearest",), demos=(3,))
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute("UPDATE cells SET demonstrations = 9 WHERE demonstrations = 3")
    from icil.tasks import StoreError

    with pytest.raises(StoreError, match="the table cells was changed"):
        play(agent=("nearest",), demos=(4,))
