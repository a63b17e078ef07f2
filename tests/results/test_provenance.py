"""Provenance: each row of a leaderboard names what it came from."""

import csv
import io

import pytest

from icil.results import make_leaderboard, make_provenance
from icil.results.leaderboard import COLUMNS

KEY = COLUMNS[1:7]
META = {
    "experiment": {
        "episodes": 2,
        "task": {"toy": 3},
        "pool": {"toy": "aa", "toy synthetic": "bb"},
    },
    "pools": {"toy": {"expert": "minimax", "demonstrations": 1000, "made_by": "icil 1"}},
}


@pytest.fixture
def read(make_store):
    """Returns a function that makes a store of cells and tells its rows by agent and selector."""

    def read(store):
        text = make_provenance(store).to_csv()
        return {(r["agent"], r["selector"]): r for r in csv.DictReader(io.StringIO(text))}

    return read


def test_there_is_a_row_for_each_of_the_leaderboard(make_store, make_cell, play):
    cells = [make_cell("random"), make_cell("expert", asked=False), make_cell("model")]
    cells += [make_cell("model", context_tokens=800, demonstrations=0)]
    store = make_store(*cells, **META)
    for cell in cells:
        play(store, cell, 0, 1.0)
    rows = list(csv.DictReader(io.StringIO(make_provenance(store).to_csv())))
    board = list(csv.DictReader(io.StringIO(make_leaderboard(store).to_csv())))
    assert sorted(tuple(r[k] for k in KEY) for r in rows) == sorted(
        tuple(r[k] for k in KEY) for r in board
    )
    assert {row["experiment_hash"] for row in rows} == {"e" * 16}
    assert {row["cell_hash"] for row in rows} == {c.hash for c in cells if c.asked}


def test_a_row_names_its_task_pool_and_wording(make_store, make_cell, read):
    store = make_store(
        make_cell("random"),
        make_cell("model", options={"template": "cc"}),
        make_cell("model", selector="synthetic"),
        make_cell("model", selector="", demonstrations=0),
        **META,
    )
    rows = read(store)
    assert {row["task_version"] for row in rows.values()} == {"3"}
    pools = {key: (row["pool"], row["pool_hash"]) for key, row in rows.items()}
    assert pools == {
        ("random", ""): ("", ""),
        ("model", "random"): ("1000 of minimax", "aa"),
        ("model", "synthetic"): ("1000 of minimax", "bb"),
        ("model", ""): ("", ""),
    }
    assert rows["model", "random"]["template_hash"] == "cc"
    assert rows["model", ""]["template_hash"] == ""
    assert rows["model", "random"]["episodes"] == "0"
    assert rows["model", "random"]["episodes_hash"] == rows["model", "random"]["icil"] == ""


def test_rows_of_the_same_prompts_and_episodes_share_hashes(make_store, make_cell, read):
    from icil.results import Answer

    cells = [make_cell("one"), make_cell("two"), make_cell("three")]
    store = make_store(*cells, **META)
    for cell, prompts in zip(cells, ((1, 2), (1, 2), (2, 1)), strict=True):
        for opening, number in enumerate(prompts):
            episode = store.begin_episode(store.cells()[cell.hash], opening)
            answer = Answer(reply="a", status="ok", action="a", prompt=bytes([number]) * 16)
            store.add_step(episode, 0, answer)
            store.end_episode(episode, "done", score=1.0)
    rows = {agent: row for (agent, _), row in read(store).items()}
    assert rows["one"]["prompts_hash"] == rows["two"]["prompts_hash"]
    assert rows["one"]["prompts_hash"] != rows["three"]["prompts_hash"]
    assert [row["prompts"] for row in rows.values()] == ["2"] * 3
    assert len({row["episodes_hash"] for row in rows.values()}) == 3


def test_all_the_software_that_played_is_named(make_store, make_cell, play, read):
    first, second = make_cell("one"), make_cell("two")
    store = make_store(first, second, **META)
    store.use_software({"icil": "1", "code": "abc", "python": "3.11.1", "platform": "Linux x"})
    play(store, first, 0, 1.0)
    store.use_software({"icil": "2", "code": "def", "python": "3.11.1", "platform": "Linux x"})
    play(store, first, 1, 1.0)
    play(store, second, 0, 1.0)
    rows = {agent: row for (agent, _), row in read(store).items()}
    names = ("icil", "code_hash", "python", "platform")
    assert [rows["one"][name] for name in names] == ["1; 2", "abc; def", "3.11.1", "Linux x"]
    assert [rows["two"][name] for name in names] == ["2", "def", "3.11.1", "Linux x"]
    one, two = (rows[name]["software_hash"] for name in ("one", "two"))
    assert one.endswith(f"; {two}")
