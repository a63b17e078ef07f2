"""Action languages: what is said comes back, rubbish is refused, worlds are played by them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from icil.tasks import UsageError, load_pool_for, make, render
from icil.tasks.languages import (
    DctRows,
    Decimals,
    Fast,
    Integers,
    LanguageError,
    actions_of,
    cut,
    fit,
    make_language,
    units,
)

TASK = make("cheetah")
CHUNKS = [
    chunk
    for demonstration in load_pool_for(TASK).demonstrations[:40]
    for chunk in cut(actions_of(TASK, demonstration), 20)
]
FITTED = fit(CHUNKS)
FEW = replace(load_pool_for(TASK), demonstrations=load_pool_for(TASK).demonstrations[:4])
LANGUAGES = [Decimals(20, 6, 2), Integers(20, 6, 0, 100), DctRows(20, 6), Fast(20, 6, FITTED)]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.name)
def test_a_chunk_comes_back_nearly(language):
    most = {"decimals:2": 0.0026, "integers:0-100": 0.0026, "dct": 0.02, "fast": 0.02}
    for chunk in CHUNKS[::7]:
        text = language.encode(chunk)
        found = language.decode(text)
        assert found.shape == (20, 6)
        assert (np.abs(found) <= 1).all()
        assert language.canonical(text) == text
        assert language.error(chunk) <= most[language.name]


def test_each_is_shorter_than_the_one_before():
    said = [np.mean([len(one.encode(c)) for c in CHUNKS]) for one in LANGUAGES]
    assert said == sorted(said, reverse=True)
    assert said[-1] < said[0] / 4


def test_the_coefficients_are_the_orthonormal_dct_times_ten():
    chunk = CHUNKS[3]
    rows = [
        [int(word) for word in line.split()] for line in DctRows(20, 6).encode(chunk).splitlines()
    ]
    wanted = np.rint(dct(chunk, type=2, axis=0, norm="ortho") * 10)
    assert np.array_equal(wanted[: len(rows)], rows)
    assert not wanted[len(rows) :].any()


def test_a_constant_chunk_is_one_row():
    assert DctRows(50, 2).encode(np.full((50, 2), 0.5)).count("\n") == 0
    assert DctRows(50, 2).encode(np.zeros((50, 2))) == "0 0"


def test_fast_is_fitted_to_the_percentiles_and_has_at_most_its_vocabulary():
    stacked = np.concatenate(CHUNKS)
    low, high = np.percentile(stacked, [1, 99], axis=0)
    wide = high - low > 1e-5
    assert np.allclose(np.array(FITTED.low)[wide], low[wide])
    assert np.allclose(np.array(FITTED.high)[wide], high[wide])
    assert 0 < len(FITTED.merges) <= 1024 - FITTED.values
    tokens = [token for chunk in CHUNKS for token in Fast(20, 6, FITTED).tokens(chunk)]
    assert max(tokens) < 1024


def test_fast_is_the_same_when_it_is_fitted_again_and_when_it_comes_from_its_record():
    again = fit(CHUNKS)
    assert again == FITTED
    record = json.loads(json.dumps(FITTED.settings))
    assert record["merges"] == [list(pair) for pair in FITTED.merges]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda one: one.name)
@given(text=st.text(alphabet="0123456789 .,-+eE\n\u0663x", max_size=300))
@settings(max_examples=60, deadline=None)
def test_rubbish_is_refused_or_read_and_nothing_else(language, text):
    try:
        found = language.decode(text)
    except LanguageError:
        return
    assert found.shape == (20, 6)
    assert (np.abs(found) <= 1).all()


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        (Decimals(1, 2, 2), "0.5", "line 1 has 1 numbers, not 2"),
        (Decimals(1, 2, 2), "0.5 1.5", "outside -1 to 1"),
        (Decimals(1, 2, 2), "0.5 nan", "'nan' in line 1 is no number"),
        (Decimals(2, 1, 2), "0.5", "1 lines of numbers, not 2"),
        (Integers(1, 2, 0, 100), "50 101", "outside 0 to 100"),
        (Integers(1, 2, 0, 100), "50 0.5", "'0.5' in line 1"),
        (DctRows(4, 2), "1 2 3", "line 1 has 3 numbers, not 2"),
        (DctRows(4, 2), "1 x", "no whole number"),
        (DctRows(4, 2), "1 9999999", "beyond 40"),
        (DctRows(4, 2), "1 2\n" * 5, "5 lines"),
        (DctRows(4, 2), "", "0 lines"),
        (Fast(20, 6, FITTED), "9999", "there is no token 9999"),
        (Fast(20, 6, FITTED), "1 -1", "no whole number"),
        (Fast(20, 6, FITTED), "1", "stand for"),
        (Fast(20, 6, FITTED), "", "0 tokens"),
        (Decimals(1, 2, 2), "1 " * 1000, "too long"),
    ],
)
def test_what_is_no_chunk_is_told(language, text, said):
    with pytest.raises(LanguageError, match=said):
        language.decode(text)


@pytest.mark.parametrize(
    "name", ["decimals", "decimals:99", "integers:5-5", "integers:9-1", "latin"]
)
def test_unknown_languages(name):
    with pytest.raises(UsageError, match="unknown action language"):
        make_language(name, 1, 2, lambda: [])


SPEAKING = [
    {"action_language": "decimals:3"},
    {"action_language": "integers:0-100", "chunk": 7},
    {"action_language": "dct", "chunk": 10},
    {"action_language": "fast", "chunk": 50},
]


@pytest.mark.parametrize("setting", SPEAKING, ids=lambda one: one["action_language"])
def test_a_world_is_played_in_chunks(setting):
    task = make("cheetah", setting)
    chunk = setting.get("chunk", 1)
    assert task.horizon == -(-100 // chunk)
    assert task.settings["action_language"] == setting["action_language"]
    env = task.make_env()
    opening = task.openings("evaluation")[0]
    task.reset(env, opening)
    total, steps, over, said = 0.0, 0, False, []
    rng = np.random.default_rng(0)
    while not over:
        text = task.legal_actions(env).sample(rng)
        parsed = task.parse(text, env)
        assert parsed.status == "ok"
        assert task.parse(parsed.action, env).action == parsed.action
        done = task.step(env, parsed.value)
        said.append(parsed.value)
        total, steps, over = total + done.reward, steps + 1, done.terminated or done.truncated
    assert steps == task.horizon
    # The same actions, one at a time, in the task itself.
    plain, alone = TASK, TASK.make_env()
    plain.reset(alone, opening)
    again = 0.0
    for vector in np.concatenate(said)[:100]:
        parsed = plain.parse(plain.word(vector), alone)
        again += plain.step(alone, parsed.value).reward
    assert total == pytest.approx(again)


@pytest.mark.parametrize("setting", SPEAKING, ids=lambda one: one["action_language"])
def test_demonstrations_are_shown_in_chunks(setting):
    task, chunk = make("cheetah", setting), setting.get("chunk", 1)
    pool = FEW
    spoken = task.pool(pool)
    assert spoken.hash != pool.hash
    assert len(spoken.demonstrations) == len(pool.demonstrations)
    one, whole = spoken.demonstrations[2], pool.demonstrations[2]
    shown, plain = list(render(task, one, "proprio")), list(render(TASK, whole, "proprio"))
    assert [s.observation.text for s in shown] == [s.observation.text for s in plain[::chunk]]
    actions = actions_of(TASK, whole)
    for place, (_, action) in enumerate(shown):
        value = task.parse(action, None).value
        part = actions[place * chunk : (place + 1) * chunk]
        assert np.abs(units(value, TASK.action_box)[: len(part)] - part).mean() < 0.05
    assert one.total == pytest.approx(whole.total)


@pytest.mark.parametrize(
    ("name", "setting", "said"),
    [
        ("gridworld", {"action_language": "dct"}, "no vectors with bounds"),
        ("cheetah", {"action_language": "latin"}, "unknown action language"),
        ("cheetah", {"chunk": 0}, "chunk is a whole number"),
        ("cheetah", {"chunk": "ten"}, "chunk is a whole number"),
        ("gym:CartPole-v1", {"chunk": 2}, "no vectors with bounds"),
    ],
)
def test_what_cannot_be_spoken(name, setting, said):
    with pytest.raises(UsageError, match=said):
        make(name, setting)


def test_chess_has_a_language_of_its_own():
    assert make("chess", {"language": "uci"}).settings["language"] == "uci"
