"""Pools: what is on disk, and what is refused to be read from it."""

import gzip
import hashlib
import json
from dataclasses import replace

import pytest

from icil.tasks import (
    PoolError,
    build_pool,
    load_pool,
    load_pool_for,
    make,
    render,
    save_pool,
)
from icil.tasks.demonstrations import state_digest
from icil.tasks.openings import take
from icil.tasks.pools import make_pool, read_card

NAMES = ("gridworld", "tic_tac_toe")
CARD, TRACES = "card.json", "traces.jsonl.gz"


@pytest.fixture(scope="module", params=NAMES)
def task(request):
    return make(request.param)


@pytest.fixture(scope="module")
def built(task):
    return build_pool(task, 30)


@pytest.fixture
def saved(built, tmp_path):
    save_pool(built, tmp_path / "pools" / "mine")
    return tmp_path / "pools" / "mine"


@pytest.fixture(scope="module")
def shipped(task):
    return load_pool_for(task)


def traces(folder):
    return gzip.decompress((folder / TRACES).read_bytes())


def write(folder, lines):
    """Writes traces, and a card that has their hash."""
    (folder / TRACES).write_bytes(gzip.compress(lines))
    card = json.loads((folder / CARD).read_bytes())
    card["hash"] = hashlib.sha256(lines).hexdigest()
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


def refused(folder, file):
    """Checks that a pool is refused in one line that names the file; returns the line."""
    with pytest.raises(PoolError) as raised:
        load_pool(folder)
    message = str(raised.value)
    assert str(folder / file) in message
    assert "\n" not in message
    assert len(message) < len(str(folder)) + 200
    return message


def test_building_twice_gives_the_same_bytes_and_hash(task, built, tmp_path):
    again = build_pool(task, 30)
    assert again == built
    save_pool(built, tmp_path / "one")
    save_pool(again, tmp_path / "two")
    assert traces(tmp_path / "one") == traces(tmp_path / "two")
    assert hashlib.sha256(traces(tmp_path / "one")).hexdigest() == built.hash
    assert (tmp_path / "one" / CARD).read_bytes() == (tmp_path / "two" / CARD).read_bytes()


def test_a_pool_is_that_of_everybody():
    built = build_pool(make("tic_tac_toe"), 5)
    assert built.hash == "44d1c1ad26d50d0a7973b405da72c10d0fde08debc09275cd6ec937be0d7a944"


def test_the_hash_is_that_of_the_content(task, built):
    assert build_pool(task, 29).hash != built.hash
    first, *others = built.demonstrations
    assert make_pool(task, [replace(first, id="x"), *others]).hash != built.hash
    assert make_pool(task, [*others, first]).hash != built.hash


def test_progress_is_told_after_each_demonstration(task):
    told = []
    build_pool(task, 3, progress=lambda: told.append(None))
    assert len(told) == 3


def test_a_card_says_what_is_in_the_pool(task, built):
    card, made = built.card, built.demonstrations
    lengths = [len(d.steps) for d in made]
    returns = [d.total for d in made]
    mean = sum(returns) / 30
    assert (card.task, card.task_version, card.expert) == (
        task.name,
        task.version,
        task.expert().name,
    )
    assert (card.demonstrations, card.distinct_openings) == (30, 30)
    assert (card.steps_min, card.steps_max) == (min(lengths), max(lengths))
    assert card.steps_mean == pytest.approx(sum(lengths) / 30, abs=1e-6)
    assert card.return_mean == pytest.approx(mean, abs=1e-6)
    deviation = (sum((r - mean) ** 2 for r in returns) / 29) ** 0.5
    assert card.return_std == pytest.approx(deviation, abs=1e-6)


def test_a_card_counts_openings_that_came_again_once():
    task = make("tic_tac_toe")
    count = task.openings("demonstration").distinct
    one, two = (build_pool(task, n).demonstrations for n in (1, count + 1))
    pool = make_pool(task, [*one, replace(two[count], id="again")])
    assert (pool.card.demonstrations, pool.card.distinct_openings) == (2, 1)


def test_a_pool_of_one_has_no_spread_and_of_none_is_none(task, built):
    assert make_pool(task, built.demonstrations[:1]).card.return_std == 0.0
    with pytest.raises(PoolError, match=f"a pool of {task.name} needs at least one"):
        make_pool(task, [])


def test_what_is_saved_is_loaded(task, built, saved):
    assert sorted(p.name for p in saved.iterdir()) == [CARD, TRACES]
    assert sorted(p.name for p in saved.parent.iterdir()) == ["mine"]
    loaded = load_pool(saved)
    assert loaded == built
    assert read_card(saved) == built.card
    assert load_pool_for(task, saved) == built
    for demonstration in loaded.demonstrations[:5]:
        assert len(list(render(task, demonstration, "ascii"))) == len(demonstration.steps)


def test_saving_overwrites_nothing(built, saved, tmp_path):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for path in (saved, tmp_path / "file", tmp_path / "empty"):
        with pytest.raises(PoolError, match="exists already"):
            save_pool(built, path)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_pool_that_cannot_be_saved_is_a_pool_error(built, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PoolError, match="cannot write the pool"):
        save_pool(built, tmp_path / "file" / "pool")


def test_a_missing_pool_is_named(task, tmp_path):
    for load in (load_pool, read_card, lambda folder: load_pool_for(task, folder)):
        with pytest.raises(PoolError) as raised:
            load(tmp_path / "nowhere")
        assert str(tmp_path / "nowhere") in str(raised.value)


def test_a_task_without_a_shipped_pool_is_told_how_to_make_one():
    class Other(type(make("gridworld"))):
        name = "family/other"

    with pytest.raises(PoolError, match=r"no pool of family/other ships .* `icil demos build fam"):
        load_pool_for(Other())
    Other.has_expert = False
    with pytest.raises(PoolError, match=r"no pool of family/other ships .* it has no expert"):
        load_pool_for(Other())


@pytest.mark.parametrize("keep", [0, 1, 50, -1, -2, -3])
def test_a_truncated_card_is_refused(saved, keep):
    whole = (saved / CARD).read_bytes()
    (saved / CARD).write_bytes(whole[:keep] if keep >= 0 else whole[: keep - 1])
    assert "damaged" in refused(saved, CARD)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("demonstrations", "many"),
        ("demonstrations", None),
        ("task", 7),
        ("return_mean", [1.0]),
        ("expert_settings", "strong"),
    ],
)
def test_a_card_with_a_wrong_value_is_refused(saved, key, value):
    card = json.loads((saved / CARD).read_bytes())
    card[key] = value
    (saved / CARD).write_text(json.dumps(card), encoding="utf-8")
    assert f"damaged: {key}: " in refused(saved, CARD)


def test_a_card_with_a_key_too_many_or_too_few_is_refused(saved):
    card = json.loads((saved / CARD).read_bytes())
    (saved / CARD).write_text(json.dumps({**card, "colour": "red"}), encoding="utf-8")
    assert "damaged: colour: " in refused(saved, CARD)
    for key in card.keys() - {"layout"}:
        less = {k: v for k, v in card.items() if k != key}
        (saved / CARD).write_text(json.dumps(less), encoding="utf-8")
        assert f"damaged: {key}: " in refused(saved, CARD)


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff\xfe", b"{}{}", b"not a card"])
def test_a_card_that_is_none_is_refused(saved, content):
    (saved / CARD).write_bytes(content)
    assert "damaged" in refused(saved, CARD)


def test_truncated_traces_are_refused(saved):
    whole = (saved / TRACES).read_bytes()
    for keep in (0, 1, 5, 10, 18, len(whole) // 3, len(whole) - 9, len(whole) - 1):
        (saved / TRACES).write_bytes(whole[:keep])
        refused(saved, TRACES)


def test_damaged_traces_are_refused(saved):
    whole = (saved / TRACES).read_bytes()
    for place in (0, 1, 2, *range(10, len(whole), len(whole) // 30)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (saved / TRACES).write_bytes(damaged)
        refused(saved, TRACES)
    (saved / TRACES).write_bytes(whole + b"more")
    refused(saved, TRACES)
    (saved / TRACES).write_bytes(b"not gzip at all")
    refused(saved, TRACES)


def test_absent_traces_are_refused(saved):
    (saved / TRACES).unlink()
    refused(saved, TRACES)
    (saved / TRACES).mkdir()
    refused(saved, TRACES)


def test_traces_without_the_hash_of_the_card_are_refused(saved):
    lines = traces(saved).replace(b'"reward":0.0', b'"reward":0.5', 1)
    assert lines != traces(saved)
    (saved / TRACES).write_bytes(gzip.compress(lines))
    assert "hash" in refused(saved, TRACES)


@pytest.mark.parametrize(
    "line", [b"{}", b"nonsense", b"[1, 2]", b'{"id": "a"}', b'"' + b"x" * 9999 + b'"', b"\xff"]
)
def test_lines_that_are_no_demonstrations_are_refused(saved, line):
    write(saved, traces(saved) + line + b"\n")
    assert "does not hold demonstrations" in refused(saved, TRACES)


def test_a_demonstration_without_steps_is_refused(task, built, saved):
    first, *others = traces(saved).splitlines()
    line = {**json.loads(first), "steps": []}
    write(saved, b"\n".join([json.dumps(line).encode(), *others]) + b"\n")
    with pytest.raises(PoolError, match=r"traces\.jsonl\.gz is damaged: a demonstration has no st"):
        load_pool(saved)
    empty = replace(built.demonstrations[0], id="x", steps=())
    with pytest.raises(PoolError, match=f"demonstration x of {task.name} has no steps"):
        make_pool(task, [*built.demonstrations, empty])


def test_a_pool_of_another_task_or_version_is_refused(task, saved):
    other = make(next(name for name in NAMES if name != task.name))
    with pytest.raises(PoolError, match=f"is of {task.name} version 1, not of {other.name} ver"):
        load_pool_for(other, saved)

    class Newer(type(task)):
        version = task.version + 1

    with pytest.raises(PoolError, match=f"{saved} is of .* version 1, not of .* 2; build it anew"):
        load_pool_for(Newer(), saved)


def test_a_pool_of_another_layout_is_not_called_damaged(saved):
    card = (saved / CARD).read_text()
    (saved / CARD).write_text(card.replace('"layout": 1', '"layout": 2'))
    said = refused(saved, CARD)
    assert "is of layout 2; this icil reads layout 1" in said
    assert "damaged" not in said


def test_shipped_pools_are_what_the_task_makes(task, shipped):
    made = build_pool(task, 50)
    assert shipped.demonstrations[:50] == made.demonstrations
    assert len(shipped.demonstrations) == shipped.card.demonstrations
    whole = make_pool(task, shipped.demonstrations).card
    assert shipped.card == whole.model_copy(update={"made_by": shipped.card.made_by})
    assert len(shipped.by_id) == len(shipped.demonstrations)


def test_shipped_pools_replay(task, shipped):
    for demonstration in shipped.demonstrations[::7]:
        for _ in render(task, demonstration, "ascii"):
            pass


def test_demonstrations_are_found_by_the_states_they_pass_through(shipped):
    def brute(state):
        return {d.id for d in shipped.demonstrations if state in {s.state for s in d.steps}}

    states = {step.state for d in shipped.demonstrations for step in d.steps}
    assert set(shipped.passing) == states
    for state in sorted(states)[::50]:
        assert shipped.passing[state] == brute(state)
    assert max(map(len, shipped.passing.values())) > 1


def test_no_evaluation_opening_is_a_demonstrated_opening(task, shipped):
    demonstrated = {d.steps[0].state for d in shipped.demonstrations}
    env, passed = task.make_env(), 0
    for opening in take(task.openings("evaluation"), 500):
        task.reset(env, opening)
        state = state_digest(task, env)
        assert state not in demonstrated
        showing = shipped.passing.get(state, frozenset())
        passed += bool(showing)
        less = shipped.without(showing)
        assert all(state not in d.states for d in less.demonstrations)
        assert len(less.demonstrations) == len(shipped.demonstrations) - len(showing)
    # Otherwise nothing was tried: some are passed through, though none is begun in.
    assert passed > 0


def test_a_pool_less_some_keeps_order_and_hash(built):
    ids = [d.id for d in built.demonstrations]
    less = built.without(frozenset({ids[3], ids[7], "no such id"}))
    assert [d.id for d in less.demonstrations] == [*ids[:3], *ids[4:7], *ids[8:]]
    assert (less.hash, less.card) == (built.hash, built.card)
    assert ids[3] not in less.by_id
    assert all(ids[3] not in through for through in less.passing.values())
    assert [d.id for d in built.demonstrations] == ids
    assert built.without(frozenset()) is built
