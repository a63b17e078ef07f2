"""What is kept of past runs, and what is learnt from it."""

import json
import sqlite3
from collections import Counter

import numpy as np
import pytest

from icil.harness.estimates.usage_history import (
    FILE_NAME,
    Entry,
    History,
    ModelName,
    Used,
    _restored,
    model_name,
    played,
    recall,
    remember,
    summarise,
)
from icil.harness.models.tables.tokens import count_text, count_tokens
from icil.harness.testing import FakeModel
from icil.prompt_builders import ImagePart, TextPart, encode_image
from icil.prompt_builders.parts import read_image
from icil.results import open_run

ME = ModelName("openai", "gpt-5")


def cell(task="chess", format="fen", k=4, **options):
    return played(task, format, options, {}, k)


def entry(place, model=ME, **used):
    return Entry(model, place, Used(**used))


def test_a_local_model_is_the_same_at_another_address():
    assert model_name("local/llama@http://a:1") == model_name("local/llama@http://b:2")
    assert model_name("openai/gpt-5") == ME
    assert model_name("litellm/xai/grok@x") == ("litellm", "xai/grok")
    assert model_name("mine") == ("", "mine")


def test_nothing_is_known_of_another_model():
    history = History([entry(cell(), ModelName("openai", "other"), calls=1, output_tokens=9)])
    assert history.output_tokens(ME, cell()) is None
    assert history.latency_s(ME, cell()) is None
    assert history.ratios(ME, cell()) is None
    assert history.steps(ME, cell()) == Counter()


def test_what_was_played_most_alike_counts():
    history = History(
        [
            entry(cell(), steps={10: 2}, calls=20, output_tokens=40, latency_s=20),
            entry(cell(), steps={10: 1, 12: 1}, calls=22, output_tokens=44, latency_s=22),
            entry(cell(k=8), steps={5: 1}, calls=5, output_tokens=50, latency_s=50),
            entry(cell(reasoning=True), steps={3: 1}, calls=3, output_tokens=900, latency_s=9),
            entry(cell("gridworld", "coords"), steps={2: 1}, calls=2, output_tokens=4),
        ]
    )
    assert history.steps(ME, cell()) == {10: 3, 12: 1}
    assert history.output_tokens(ME, cell()) == 2
    assert history.output_tokens(ME, cell(k=8)) == 10
    # With another number of demonstrations than any: all with the same options.
    assert history.steps(ME, cell(k=1)) == {10: 3, 12: 1, 5: 1}
    assert history.output_tokens(ME, cell(k=1)) == pytest.approx(134 / 47)
    assert history.output_tokens(ME, cell(reasoning=True)) == 300
    # With other options than any: all of this task and format, but of replies nothing.
    assert history.steps(ME, cell(legal=True)) == {10: 3, 12: 1, 5: 1, 3: 1}
    assert history.output_tokens(ME, cell(legal=True)) is None
    # In another task: replies of the same options, no steps, and how fast it was.
    assert history.steps(ME, cell("crossword", "ascii")) == Counter()
    assert history.output_tokens(ME, cell("crossword", "ascii")) == pytest.approx(138 / 49)
    assert history.latency_s(ME, cell("crossword", "ascii")) == pytest.approx(92 / 49)
    assert history.latency_s(ME, cell("crossword", "ascii", other=1)) == pytest.approx(101 / 52)


def test_texts_and_images_have_ratios_of_their_own():
    text = entry(cell(), input_tokens=1500, text_tokens=1000)
    both = entry(cell(format="rgb"), input_tokens=2150, text_tokens=100, image_tokens=1000)
    assert History([text]).ratios(ME, cell()) == (1.5, 1.0)
    # Of 2150 tokens the texts take 150.
    assert History([text, both]).ratios(ME, cell(format="rgb")) == (1.5, 2.0)
    assert History([text, both]).ratios(ME, cell()) == (1.5, 1.0)
    # With no text alone to go by, texts are taken as they are counted here.
    assert History([both]).ratios(ME, cell(format="rgb")) == (1.0, 2.05)
    # Of a task that was never played, the model's in all.
    assert History([text, both]).ratios(ME, cell("go")) == (1.5, 2.0)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ICIL_CACHE", str(folder))
    return folder


@pytest.fixture
def ran(play, tmp_path):
    """Returns a function that plays and hands out the run's store."""

    def ran(name="run", **fields):
        model = FakeModel(lambda turn: f"{turn.legal_actions()[0]}", latency_s=0.001)
        play(name, agents={"fake": model}, **fields)
        return open_run(tmp_path / name)

    return ran


def test_a_run_is_summarised(ran):
    store = ran(demos=(0, 2))
    first, second = summarise(store)
    assert first.model == second.model == ("", "fake")
    assert [e.played.demonstrations for e in (first, second)] == [0, 2]
    _, rows = store.rows(
        "SELECT c.id, e.id, s.step, s.input_tokens, s.output_tokens, s.latency_s FROM cells c "
        "JOIN episodes e ON e.cell = c.id JOIN steps s ON s.episode = e.id "
        "WHERE c.agent = 'fake'"
    )
    for found, number in ((first, min(r[0] for r in rows)), (second, max(r[0] for r in rows))):
        mine = [row for row in rows if row[0] == number]
        used = found.used
        assert used.calls == len(mine)
        assert used.input_tokens == sum(row[3] for row in mine)
        assert used.output_tokens == sum(row[4] for row in mine)
        assert used.latency_s == pytest.approx(sum(row[5] for row in mine))
        assert used.steps == Counter(Counter(row[1] for row in mine).values())
        whole = 0
        for _, episode, step, *_ in mine:
            for hash in store.request(episode, step):
                kind, content = store.part(hash)
                assert kind == "text"
                whole += count_text(content.decode(), "", "fake")
        assert used.text_tokens == whole
        assert used.image_tokens == 0
    store.close()


def test_images_are_told_from_texts(ran):
    store = ran(format=("rgb",), demos=(1,), episodes=2)
    (found,) = summarise(store)
    _, steps = store.rows(
        "SELECT e.id, s.step FROM steps s JOIN episodes e ON e.id = s.episode "
        "JOIN cells c ON c.id = e.cell WHERE c.agent = 'fake'"
    )
    parts = [store.part(hash) for row in steps for hash in store.request(*row)]
    store.close()
    images = [read_image(content) for kind, content in parts if kind == "png"]
    assert found.used.image_tokens == sum(count_tokens(i, "", "fake") for i in images) > 0
    texts = [content.decode() for kind, content in parts if kind == "text"]
    assert found.used.text_tokens == sum(count_text(text, "", "fake") for text in texts) > 0


def test_what_was_remembered_is_recalled(ran, cache):
    store = ran()
    remember(store)
    history = recall([ModelName("", "fake")])
    (first, _) = summarise(store)
    store.close()
    steps = history.steps(first.model, first.played)
    assert steps == first.used.steps
    assert steps.total() == 6
    assert history.ratios(first.model, first.played) is not None
    assert recall([ME]).steps(ME, first.played) == Counter()


def test_a_run_is_remembered_once_however_often_it_is_gone_on_with(ran, cache):
    store = ran()
    for _ in range(3):
        remember(store)
    (first, _) = summarise(store)
    store.close()
    assert recall([first.model]).steps(first.model, first.played).total() == 6
    other = ran("other")
    remember(other)
    other.close()
    assert recall([first.model]).steps(first.model, first.played).total() == 12


def test_of_a_model_that_is_left_out_what_was_kept_before_stays(ran, cache):
    store = ran()
    (first, _) = summarise(store)
    (cache / FILE_NAME).unlink()
    for but, total in ((first.model,), 0), ((), 6), ((first.model,), 6):
        remember(store, but)
        assert recall([first.model]).steps(first.model, first.played).total() == total
    store.close()


def test_what_is_kept_names_no_place_and_holds_no_prompt(ran, cache, tmp_path):
    store = ran()
    remember(store)
    store.close()
    content = (cache / FILE_NAME).read_bytes()
    assert str(tmp_path).encode() not in content
    assert b"Observation" not in content


def test_no_cache_no_memory(ran, monkeypatch):
    monkeypatch.setenv("ICIL_CACHE", "off")
    store = ran()
    remember(store)
    store.close()
    assert recall([ModelName("", "fake")]).steps(ModelName("", "fake"), cell()) == Counter()


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_as_none(content, ran, cache):
    cache.mkdir()
    (cache / FILE_NAME).write_bytes(content)
    name = ModelName("", "fake")
    assert recall([name]).latency_s(name, cell()) is None
    store = ran()
    remember(store)
    store.close()


def test_what_another_version_wrote_is_passed_over(cache):
    cache.mkdir()
    with sqlite3.connect(cache / FILE_NAME) as db:
        db.execute("CREATE TABLE used (run BLOB, provider TEXT, model TEXT, task TEXT)")
    assert recall([ME]).latency_s(ME, cell()) is None


def test_a_folder_that_cannot_be_written_is_no_failure(ran, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICIL_CACHE", str(tmp_path / "file" / "below"))
    store = ran()
    remember(store)
    assert recall([ME]).latency_s(ME, cell()) is None
    store.close()


def test_the_oldest_go(ran, cache, monkeypatch):
    monkeypatch.setattr("icil.harness.estimates.usage_history._KEPT", 3)
    for name in ("a", "b"):
        store = ran(name)
        remember(store)
        store.close()
    with sqlite3.connect(cache / FILE_NAME) as db:
        kept = db.execute("SELECT demonstrations FROM used ORDER BY rowid").fetchall()
    assert kept == [(2,), (0,), (2,)]


def test_settings_tell_cells_apart():
    one = played("chess", "fen", {"a": 1}, {"max_output_tokens": 5}, 0)
    assert one != played("chess", "fen", {"a": 1}, {"max_output_tokens": 6}, 0)
    assert one == played("chess", "fen", {"a": 1}, {"max_output_tokens": 5}, 0)
    assert json.loads(one.options) == [{"a": 1}, {"max_output_tokens": 5}]


def test_parts_are_restored_as_they_were_counted():
    assert _restored("text", b"seen") == TextPart("seen")
    image = encode_image(np.zeros((4, 6, 3), np.uint8))
    again = _restored("png", image.png)
    assert isinstance(again, ImagePart)
    assert (again.width, again.height) == (6, 4)
