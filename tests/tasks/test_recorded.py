"""What a robot recorded, as a task."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from icil.tasks import (
    OpeningsError,
    PoolError,
    UnknownNameError,
    UsageError,
    load_pool_for,
    make,
)
from icil.tasks.exchange import import_pool
from icil.tasks.openings import take

pytest.importorskip("pyarrow")
pytest.importorskip("av")

DATA = Path(__file__).parent / "exchange" / "lerobot_v3"
NAME = f"recorded:{DATA}"


def push():
    return make(NAME, {"instruction": "push it"})


def test_a_recording_says_what_it_holds():
    task = push()
    assert (task.name, task.instruction, task.horizon) == (NAME, "push it", 7)
    assert (task.formats, task.image_formats, task.views) == (
        ("proprio", "top"),
        ("top",),
        ("top",),
    )
    assert task.action_box.low.tolist() == [0, -2]
    assert task.action_box.high.tolist() == pytest.approx([0.7, 0])
    assert set(task.settings) == {"instruction", "data"}
    assert make(NAME, task.settings).settings == task.settings
    assert make(NAME, {"instruction": "pull it"}).horizon == 8


def test_what_was_seen_is_shown_again_whatever_is_done():
    task = push()
    _, opening = take(task.openings("demonstration"), 2)
    assert opening.state == {"episode": 1}
    with closing(task.make_env()) as env:
        for action in ("[0.0, 0.0]", "[0.5, -1.5]"):
            task.reset(env, opening)
            seen, ended = [], []
            for _ in range(7):
                text, picture = (task.observe(env, f) for f in task.formats)
                seen.append((text.text, round(float(picture.image[40, 60].mean()), -1)))
                assert task.proprio(env).tolist() == text.state.tolist()
                assert (task.frame(env, "top") == picture.image).all()
                ended.append(task.step(env, task.parse(action, env).value))
            assert [one for one, _ in seen] == [f"[1.0, {step}.0, 0.1]" for step in range(7)]
            assert [grey for _, grey in seen] == pytest.approx(
                [5 + 20 * step for step in range(7)], abs=6
            )
            assert [done.terminated for done in ended] == [False] * 6 + [True]
            assert {done.reward for done in ended} == {0.0}
            with pytest.raises(ResetNeeded):
                env.step(env.action_space.low)


def test_nothing_is_played_before_an_episode_begins():
    with closing(push().make_env()) as env, pytest.raises(ResetNeeded):
        env.step(env.action_space.low)


def test_frames_can_be_asked_for_late_and_again():
    task = push()
    (opening,) = take(task.openings("demonstration"), 1)
    with closing(task.make_env()) as env:
        task.reset(env, opening)
        for _ in range(4):
            task.step(env, env.action)
        late = task.frame(env, "top").copy()
        assert (task.frame(env, "top") == late).all()
        task.reset(env, opening)
        assert task.frame(env, "top")[40, 60].mean() < 10 < late[40, 60].mean()


def test_actions_are_short_lists_within_the_bounds():
    task = push()
    with closing(task.make_env()) as env:
        said = task.word(np.array([0.1, -9.0]))
        assert said == "[0.1, -2.0]"
        assert task.parse(said, env).value.dtype == np.float32
        assert task.parse(said, env).action == said
        assert task.parse("[0.1, 0.5]", env).status == "invalid"
        assert "2 numbers" in task.legal_actions(env).describe()
        rng = np.random.default_rng(0)
        assert task.parse(task.legal_actions(env).sample(rng), env).status == "ok"


def test_numbers_are_shown_with_as_many_decimals_as_are_set():
    task = make(NAME, {"instruction": "push it", "decimals": 2})
    assert task.word_state(np.array([1.0, 2.0, 0.105])).text == "[1.00, 2.00, 0.10]"
    with pytest.raises(UsageError, match="shows 3 numbers"):
        task.word_state(np.zeros(2))


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({}, UsageError, "its setting `instruction` chooses one: push it; pull it"),
        ({"instruction": "push"}, UnknownNameError, "'push'; did you mean 'push it'?"),
        ({"instruction": "push it", "decimals": -1}, UsageError, "decimals of recorded:"),
        ({"instruction": "push it", "data": "0" * 16}, PoolError, "it was changed since"),
    ],
)
def test_a_wrong_setting_is_told(settings, error, said):
    with pytest.raises(error) as raised:
        make(NAME, settings)
    assert said in str(raised.value)


def test_nothing_but_the_recording_can_be_played():
    task = push()
    with pytest.raises(OpeningsError, match="play it with --teacher-forced"):
        task.openings("evaluation")
    with pytest.raises(OpeningsError, match="has 2 episodes; number 2 is not among them"):
        task.openings("demonstration")[2]
    with pytest.raises(UsageError, match="has no expert"):
        task.expert()


def test_nor_from_the_openings_of_a_pool(tmp_path):
    import_pool("lerobot", str(DATA), push(), tmp_path / "pool")
    task = make(NAME, {"instruction": "push it", "openings": str(tmp_path / "pool")})
    with pytest.raises(OpeningsError, match="play it with --teacher-forced"):
        task.openings("evaluation")
    assert task.openings("demonstration")[0] == push().openings("demonstration")[0]


def test_what_was_changed_is_another_recording(tmp_path):
    copy = Path(shutil.copytree(DATA, tmp_path / "copy"))
    first = make(f"recorded:{copy}", {"instruction": "push it"}).settings["data"]
    assert first == push().settings["data"]
    (film,) = copy.rglob("*.mp4")
    film.write_bytes(film.read_bytes() + b"\0")
    assert make(f"recorded:{copy}", {"instruction": "push it"}).settings["data"] != first


def test_a_data_set_that_is_not_there_says_where_to_look():
    with pytest.raises(PoolError, match="no folder /nowhere; put it there again"):
        make("recorded:/nowhere")
    with pytest.raises(PoolError, match="no folder nowhere here; run this in the folder that"):
        make("recorded:nowhere")


def test_a_pool_is_of_a_data_set_wherever_that_lies(tmp_path, monkeypatch):
    moved = shutil.copytree(DATA, tmp_path / "moved")
    folder = tmp_path / "pool"
    import_pool("lerobot", str(DATA), push(), folder)
    monkeypatch.chdir(tmp_path)
    for name in ("recorded:moved", f"recorded:{moved}"):
        assert (
            len(load_pool_for(make(name, {"instruction": "push it"}), folder).demonstrations) == 2
        )
    other = moved / "meta" / "info.json"
    other.write_text(other.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(PoolError, match=r"not of recorded:moved version 1$"):
        load_pool_for(make("recorded:moved", {"instruction": "push it"}), folder)


def test_a_pool_of_a_data_set_that_was_changed_is_not_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA, "set")
    task = make("recorded:set", {"instruction": "push it"})
    import_pool("lerobot", "set", task, tmp_path / "pool")
    info = tmp_path / "set" / "meta" / "info.json"
    info.write_text(info.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(PoolError, match="before its data set was changed; import it anew"):
        load_pool_for(make("recorded:set", {"instruction": "push it"}), tmp_path / "pool")
