"""The run store: what was written is there, whole, for whoever looks."""

import gc
import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from icil.prompt_builders import ImagePart, PromptBuilder, Selection, load_template
from icil.prompt_builders.parts import combined_hash
from icil.results import Answer, Played, RunStore, StepRecord, Usage, open_run
from icil.results.store import LAYOUT
from icil.tasks import RunFolderError, StoreError, build_pool, make

KILLED = """
import os, sys
from pathlib import Path
from icil.results import Answer, CellRecord, RunStore
cell = CellRecord(hash="c", task="t", format="f", agent="a", selector="", demonstrations=0)
store = RunStore.create(Path(sys.argv[1]), {}, [cell])
episode = store.begin_episode(1, 0)
for step in range(7):
    store.add_step(episode, step, Answer(reply=str(step), status="ok", action="a"))
os._exit(9)
"""


def part(number, size=4):
    return number.to_bytes(16, "big"), "text", bytes([65 + number % 26]) * size


def other_connection(path, query):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def cell(make_cell):
    return make_cell()


@pytest.fixture
def store(make_store, cell):
    return make_store(cell)


@pytest.fixture
def episode(store):
    return store.begin_episode(1, 0)


def test_a_new_store_holds_its_run(make_store, make_cell, tmp_path):
    cells = [
        make_cell("model", options={"reasoning": True}, context_tokens=8000),
        make_cell("random", asked=False),
    ]
    store = make_store(*cells, note="naïve ☃", nested={"a": [1, None]})
    meta = store.meta()
    assert (meta["note"], meta["nested"], meta["layout"]) == ("naïve ☃", {"a": [1, None]}, LAYOUT)
    assert store.cells() == {cells[0].hash: 1, cells[1].hash: 2}
    columns, rows = store.rows("SELECT * FROM cells ORDER BY id")
    first, second = (dict(zip(columns, row, strict=True)) for row in rows)
    assert json.loads(first.pop("options")) == {"reasoning": True}
    assert first == {
        "id": 1,
        "hash": cells[0].hash,
        "task": "toy",
        "format": "ascii",
        "agent": "model",
        "selector": "random",
        "demonstrations": 1,
        "context_tokens": 8000,
        "asked": 1,
    }
    assert (second["asked"], second["context_tokens"], second["format"]) == (0, None, "")
    assert not list(tmp_path.glob("*.new"))


def test_a_store_is_opened_again_as_it_was(store, cell, answer, episode):
    store.add_step(episode, 0, answer())
    store.close()
    for readonly in (False, True):
        with closing(RunStore(store.path, readonly=readonly)) as again:
            assert again.cells() == {cell.hash: 1}
            assert again.counts() == {"running": 1}
            assert again.rows("SELECT COUNT(*) FROM steps")[1] == [(1,)]


def test_a_store_is_made_where_there_is_none(store, make_cell, tmp_path):
    store.close()
    before = store.path.read_bytes()
    with pytest.raises(RunFolderError, match=f"{store.path} exists already"):
        RunStore.create(store.path, {}, [make_cell()])
    assert store.path.read_bytes() == before
    with pytest.raises(StoreError, match="cannot make"):
        RunStore.create(tmp_path / "no folder" / "run.sqlite", {}, [])


def test_a_store_that_cannot_be_made_whole_is_not_made(make_store, make_cell, cell, tmp_path):
    path = tmp_path / "other.sqlite"
    with pytest.raises(StoreError, match="cannot make"):
        RunStore.create(path, {}, [cell, cell])
    assert not path.exists()
    # What a killed process left half made is no obstacle.
    path.with_name("other.sqlite.new").write_bytes(b"half")
    assert make_store(cell, path=path).cells() == {cell.hash: 1}


def test_a_step_is_seen_by_others_at_once(store, answer, episode):
    with closing(RunStore(store.path, readonly=True)) as reader:
        for step in range(3):
            store.add_step(episode, step, answer(reply=f"reply {step}"))
            query = "SELECT reply FROM steps ORDER BY step"
            expected = [(f"reply {number}",) for number in range(step + 1)]
            assert other_connection(store.path, query) == expected
            assert reader.rows(query)[1] == expected


def test_all_that_is_known_of_a_step_is_kept(store, episode):
    usage = Usage(
        input_tokens=1,
        cached_input_tokens=2,
        cache_write_tokens=3,
        output_tokens=4,
        reasoning_tokens=5,
        images=6,
        cost_usd=0.25,
        latency_s=1.5,
    )
    answer = Answer(
        shown=(b"a" * 16, b"b" * 16),
        question=(b"q" * 16,),
        prompt=b"p" * 16,
        prefix=b"f" * 16,
        demonstrations=("b", "a"),
        reasons=("near", "nearer"),
        reply="I go ↑\0.",
        status="invalid",
        otherwise="ok",
        reason="no action",
        action="up",
        agrees=False,
        usage=usage,
        model="model-7",
        finish="stop",
        detail="end_turn",
        parameters={"temperature": 0.0},
        dropped=("top_k",),
    )
    store.add_step(episode, 0, answer)
    columns, ((*values,),) = store.rows("SELECT * FROM steps")
    row = dict(zip(columns, values, strict=True))
    assert json.loads(row.pop("parameters")) == {"temperature": 0.0}
    assert row == {
        "episode": episode.id,
        "attempt": 0,
        "step": 0,
        "shown": b"a" * 16 + b"b" * 16,
        "question": b"q" * 16,
        "prefix": b"f" * 16,
        "demonstrations": '["b","a"]',
        "reasons": '["near","nearer"]',
        "prompt": b"p" * 16,
        "reply": "I go ↑\0.",
        "status": "invalid",
        "otherwise": "ok",
        "reason": "no action",
        "action": "up",
        "expected": None,
        "agrees": 0,
        "copies": None,
        "reward": None,
        "outcome": None,
        "success": None,
        "input_tokens": 1,
        "cached_input_tokens": 2,
        "cache_write_tokens": 3,
        "output_tokens": 4,
        "reasoning_tokens": 5,
        "images": 6,
        "cost_usd": 0.25,
        "latency_s": 1.5,
        "model": "model-7",
        "finish": "stop",
        "detail": "end_turn",
        "dropped": '["top_k"]',
    }


def test_what_a_killed_process_wrote_is_there(tmp_path):
    path = tmp_path / "run.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60)
    assert done.returncode == 9
    with closing(RunStore(path)) as store:
        record = store.begin_episode(1, 0)
    assert [step.reply for step in record.steps] == [str(number) for number in range(7)]


def test_an_episode_goes_on_where_it_was(store, answer, episode):
    store.add_step(episode, 0, answer(reply="one", action="a1"))
    wrong = Answer(
        reply="", status="empty", reason="the reply is empty", action="a2", prompt=b"p" * 16
    )
    store.add_step(episode, 1, wrong, previous=Played(reward=0.5, outcome={"gust": [1]}))
    record = store.begin_episode(1, 0)
    assert (record.id, record.status, record.attempt) == (episode.id, "running", 0)
    assert record.steps == (
        StepRecord(
            step=0,
            prompt=None,
            reply="one",
            action="a1",
            played=Played(reward=0.5, outcome={"gust": [1]}),
        ),
        StepRecord(
            step=1,
            prompt=b"p" * 16,
            reply="",
            action="a2",
            played=None,
        ),
    )


def test_an_episode_in_error_is_tried_again(store, answer, episode):
    store.add_step(episode, 0, answer())
    store.end_episode(
        episode, "error", message="no route to host", last=(0, Played(reward=1.0, outcome=None))
    )
    assert store.rows("SELECT status, message FROM episodes")[1] == [("error", "no route to host")]
    record = store.begin_episode(1, 0)
    assert (record.id, record.status, record.attempt) == (episode.id, "error", 0)
    assert record.steps[0].played == Played(reward=1.0)
    assert store.rows("SELECT status, message FROM episodes")[1] == [("running", None)]


def test_a_restart_leaves_the_steps_of_that_episode_behind_for_what_they_cost(
    store, answer, episode
):
    other = store.begin_episode(1, 1)
    for begun in (episode, other):
        store.add_step(begun, 0, answer(cost_usd=0.25))
        store.add_step(begun, 1, answer(cost_usd=0.25), previous=Played(reward=1.0))
    again = store.begin_episode(1, 0, restart=True)
    assert (again.id, again.attempt, again.steps) == (episode.id, 1, ())
    assert len(store.begin_episode(1, 1).steps) == 2
    store.add_step(again, 0, answer(reply="anew", cost_usd=0.5))
    store.end_episode(again, "done", score=2.0, last=(0, Played(reward=2.0)))
    found = store.begin_episode(1, 0)
    assert (found.attempt, [step.reply for step in found.steps]) == (1, ["anew"])
    query = "SELECT attempt, step, reward FROM steps WHERE episode = 1 ORDER BY 1, 2"
    assert store.rows(query)[1] == [(0, 0, 1.0), (0, 1, None), (1, 0, 2.0)]
    assert store.cost() == 1.5


def test_what_is_written_for_an_older_attempt_changes_nothing_in_the_new_one(
    store, answer, episode
):
    """A write may still be on its way when an episode is begun again."""
    store.add_step(episode, 0, answer(reply="old"))
    again = store.begin_episode(1, 0, restart=True)
    store.add_step(again, 0, answer(reply="new"))
    store.add_step(episode, 1, answer(reply="late"), previous=Played(reward=9.0))
    (step,) = store.begin_episode(1, 0).steps
    assert (step.reply, step.played) == ("new", None)


def test_a_request_is_that_of_the_last_attempt(store, episode):
    def shown(*numbers):
        answer = Answer(
            shown=[part(n)[0] for n in numbers[:-1]],
            question=[part(numbers[-1])[0]],
            reply="",
            status="ok",
            action="a",
        )
        return answer, [part(n) for n in numbers]

    store.set_prefix(episode.id, b"p" * 16, (part(0)[0],), lambda: [part(0)])
    store.add_step(episode, 0, *shown(1, 2))
    store.add_step(episode, 1, *shown(3, 4))
    again = store.begin_episode(1, 0, restart=True)
    with pytest.raises(StoreError, match="holds no step 0"):
        store.request(episode.id, 0)
    store.add_step(again, 0, *shown(5, 6))
    assert store.request(episode.id, 0) == tuple(part(n)[0] for n in (0, 5, 6))
    with pytest.raises(StoreError, match="holds no step 1"):
        store.request(episode.id, 1)


@pytest.mark.parametrize("restart", [False, True])
def test_an_episode_does_not_go_on_with_other_demonstrations(store, answer, restart):
    begun = store.begin_episode(1, 5, demonstrations=["00001", "00002"], reasons=["a", "b"])
    store.add_step(begun, 0, answer())
    for others in (["00002", "00001"], ["00001"], []):
        with pytest.raises(StoreError, match="opening 5 was begun with other demonstrations"):
            store.begin_episode(1, 5, demonstrations=others, restart=restart)
    record = store.begin_episode(1, 5, demonstrations=["00001", "00002"])
    assert (record.attempt, len(record.steps)) == (0, 1)


def test_what_was_chosen_for_an_episode_is_kept(store):
    shown = ["00007", "00001"]
    number = store.begin_episode(1, 5, demonstrations=shown, reasons=["near", "far"], left_out=3).id
    query = "SELECT id, opening, demonstrations, reasons, left_out FROM episodes"
    expected = (number, 5, '["00007","00001"]', '["near","far"]', 3)
    assert store.rows(query)[1] == [expected]
    store.begin_episode(1, 5, demonstrations=shown)
    assert store.rows(query)[1] == [expected]


def test_episodes_that_ended_are_told_from_those_to_play(store, play, cell):
    for opening, status in enumerate(("done", "error", "overlong", "done")):
        play(store, cell, opening, 1.0 if status == "done" else None, status=status)
    store.begin_episode(1, 9)
    assert store.ended(1) == {0: "done", 2: "overlong", 3: "done"}
    assert store.ended(2) == {}
    assert store.counts() == {"done": 2, "error": 1, "overlong": 1, "running": 1}


def test_the_cost_is_that_of_all_steps_with_a_known_price(store, answer, episode):
    assert store.cost() == 0.0
    for step, cost in enumerate((0.25, None, 0.5)):
        store.add_step(episode, step, answer(cost_usd=cost))
    assert store.cost() == 0.75


def test_the_end_of_an_episode_writes_what_the_world_answered_last(store, answer, episode):
    store.add_step(episode, 0, answer())
    last = (0, Played(reward=-1.0, outcome={"gust": 2}))
    store.end_episode(episode, "done", score=-1.0, last=last)
    query = "SELECT e.status, e.score, s.reward, s.outcome FROM episodes e JOIN steps s"
    assert store.rows(query)[1] == [("done", -1.0, -1.0, '{"gust":2}')]


def test_parts_are_stored_once(store, answer, episode):
    store.add_step(episode, 0, answer(), [part(1), part(2)])
    store.add_step(episode, 1, answer(), [part(2), part(3), part(3)])
    store.set_prefix(episode.id, b"p" * 16, (part(1)[0], part(4)[0]), lambda: [part(1), part(4)])
    hashes = [hash for (hash,) in store.rows("SELECT hash FROM parts ORDER BY hash")[1]]
    assert hashes == [part(number)[0] for number in (1, 2, 3, 4)]
    assert store.part(part(3)[0]) == ("text", b"DDDD")


def test_a_part_of_a_wrong_kind_is_not_passed_over(store, answer, episode):
    with pytest.raises(StoreError):
        store.add_step(episode, 0, answer(), [(b"x" * 16, "jpeg", b"x")])
    assert store.begin_episode(1, 0).steps == ()


def test_a_part_that_is_not_there_is_named(store):
    with pytest.raises(StoreError, match=f"holds no part {'ab' * 16}"):
        store.part(b"\xab" * 16)


def test_a_prefix_that_is_known_is_not_asked_for_again(store):
    asked = []

    def parts():
        asked.append(None)
        return [part(1), part(2)]

    for opening in range(3):
        number = store.begin_episode(1, opening).id
        store.set_prefix(number, b"p" * 16, (part(1)[0], part(2)[0]), parts)
    assert len(asked) == 1
    assert store.rows("SELECT DISTINCT prefix FROM episodes")[1] == [(b"p" * 16,)]
    assert store.rows("SELECT hash, parts FROM prefixes")[1] == [
        (b"p" * 16, part(1)[0] + part(2)[0])
    ]


@pytest.mark.parametrize("restart", [False, True])
def test_a_prefix_that_was_answered_stays(store, answer, episode, restart):
    def set_prefix(letter, number):
        store.set_prefix(episode.id, letter * 16, (part(number)[0],), lambda: [part(number)])

    set_prefix(b"o", 0)
    assert store.begin_episode(1, 0).prefix is None
    set_prefix(b"p", 1)  # nothing was sent yet
    store.add_step(episode, 0, answer())
    assert store.begin_episode(1, 0, restart=restart).prefix == b"p" * 16
    set_prefix(b"q", 2)
    assert store.rows("SELECT prefix FROM episodes")[1] == [(b"p" * 16,)]


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_every_request_can_be_built_again_byte_for_byte(store, format):
    def stored(parts):
        return [
            (p.hash, "png", p.png)
            if isinstance(p, ImagePart)
            else (p.hash, "text", p.text.encode())
            for p in parts
        ]

    task = make("tic_tac_toe")
    chosen = build_pool(task, 3).demonstrations
    builder = PromptBuilder(task, format, load_template())
    prefix = builder.prefix(Selection(demonstrations=chosen, reasons=("",) * 3))
    sent = {}
    for opening in (4, 5):
        begun = store.begin_episode(1, opening)
        number = begun.id
        hashes = tuple(p.hash for p in prefix.parts)
        store.set_prefix(number, prefix.hash, hashes, lambda: stored(prefix.parts))
        env, tail, seen, step, over = task.make_env(), builder.tail(prefix), 0, 0, False
        task.reset(env, task.openings("evaluation")[opening])
        while not over:
            tail.observe(task.observe(env, format))
            prompt, new = tail.question(), tail.since(seen)
            seen = len(tail)
            sent[number, step] = (prompt.hash, stored(prompt))
            action = task.legal_actions(env)[0]
            reply = Answer(
                shown=tuple(p.hash for p in new),
                question=tuple(p.hash for p in prompt.question),
                prompt=prompt.hash,
                reply=action,
                status="ok",
                action=action,
            )
            store.add_step(begun, step, reply, stored([*new, *prompt.question]))
            over = task.step(env, task.parse(action, env).value).terminated
            tail.act(action)
            step += 1
    store.close()
    with closing(RunStore(store.path, readonly=True)) as reader:
        assert len(sent) >= 5
        for (number, step), (hash, parts) in sent.items():
            hashes = reader.request(number, step)
            assert [(hash, *reader.part(hash)) for hash in hashes] == parts
            assert combined_hash(hashes) == hash
            query = f"SELECT prompt FROM steps WHERE episode = {number} AND step = {step}"
            assert reader.rows(query)[1] == [(hash,)]


@pytest.mark.parametrize("step", [1, 7, -1])
def test_a_request_that_was_not_made_is_named(store, answer, episode, step):
    store.add_step(episode, 0, answer())
    with pytest.raises(StoreError, match=f"holds no step {step} of episode {episode.id}"):
        store.request(episode.id, step)


def test_a_request_of_an_episode_that_is_not_there_is_named(store):
    with pytest.raises(StoreError, match="holds no step 0 of episode 99"):
        store.request(99, 0)


def test_writes_can_be_joined_into_one_transaction(store, answer, episode):
    query = "SELECT step FROM steps ORDER BY step"
    with store.transaction():
        store.add_step(episode, 0, answer())
        store.add_step(episode, 1, answer())
        assert other_connection(store.path, query) == []
    assert other_connection(store.path, query) == [(0,), (1,)]


def test_joined_writes_are_all_or_none(store, answer, episode):
    store.add_step(episode, 0, answer())

    def write():
        with store.transaction():
            store.add_step(episode, 1, answer(), [part(1)])
            store.set_prefix(episode.id, b"p" * 16, (part(2)[0],), lambda: [part(2)])
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write()
    assert other_connection(store.path, "SELECT step FROM steps") == [(0,)]
    assert other_connection(store.path, "SELECT hash FROM parts") == []
    # What was taken back is written when it is needed again.
    store.set_prefix(episode.id, b"q" * 16, (part(2)[0],), lambda: [part(2)])
    assert store.part(part(2)[0]) == ("text", b"CCCC")


def test_a_reader_cannot_write(store, answer, episode):
    store.add_step(episode, 0, answer())
    store.close()
    before = store.path.read_bytes()
    with closing(RunStore(store.path, readonly=True)) as reader:
        for write in (
            lambda: reader.add_step(episode, 1, answer()),
            lambda: reader.begin_episode(1, 1),
            lambda: reader.begin_episode(1, 0, restart=True),
            lambda: reader.end_episode(episode, "done", score=1.0),
            lambda: reader.set_prefix(episode.id, b"p" * 16, (), list),
            lambda: reader.rows("DELETE FROM steps"),
        ):
            with pytest.raises(StoreError, match="readonly"):
                write()
        assert reader.counts() == {"running": 1}
    assert store.path.read_bytes() == before


def test_a_full_disk_is_named_with_its_remedy_and_costs_nothing(store, answer, episode):
    store.add_step(episode, 0, answer(), [part(0, 5000)])
    pages = store.rows("PRAGMA page_count")[1][0][0]
    store.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match=r"run\.sqlite: the disk is full; free some space, then "):
        store.add_step(episode, 1, answer(), [part(1, 50_000)], Played(reward=0.25))
    hashes = (part(2)[0], part(3)[0])
    with pytest.raises(StoreError, match="the disk is full"):
        store.set_prefix(episode.id, b"p" * 16, hashes, lambda: [part(2), part(3, 50_000)])
    (step,) = store.begin_episode(1, 0).steps
    assert (step.step, step.played) == (0, None)
    assert other_connection(store.path, "SELECT hash FROM parts") == [(part(0)[0],)]
    store.rows("PRAGMA max_page_count = 100000")
    store.add_step(episode, 1, answer(), [part(1, 50_000)], Played(reward=0.25))
    store.set_prefix(episode.id, b"q" * 16, (part(2)[0],), lambda: [part(2)])
    assert [s.played for s in store.begin_episode(1, 0).steps] == [Played(reward=0.25), None]
    assert [store.part(part(n)[0])[0] for n in (0, 1, 2)] == ["text"] * 3


def test_a_transaction_that_outlives_its_store_wrote_nothing_and_says_nothing(
    make_store, make_cell, monkeypatch
):
    """As where Ctrl-C comes between its beginning and its block."""
    said = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    store = make_store(make_cell())
    forgotten = store.transaction()
    forgotten.__enter__()
    store.begin_episode(1, 0)
    store.close()
    del forgotten
    gc.collect()
    assert said == []
    with closing(open_run(store.path.parent)) as again:
        assert again.counts() == {}
