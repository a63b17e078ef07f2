"""Episodes as the page has them: what the store holds, and what is played again."""

import json
from contextlib import closing

import numpy as np
import pytest

from icil.prompt_builders.png import encode_png
from icil.results.report.episodes import EpisodeReader
from icil.results.report.runs import ReportedRun
from icil.tasks import IcilError, load_pool_for, make, save_pool
from icil.tasks.pools import make_pool

WALK = ("up", "left", "left")


def seen(task, format, actions, opening=0, split="evaluation"):
    """What there is to see before each action, and after the last."""
    task = make(task)
    with closing(task.make_env()) as env:
        task.reset(env, task.openings(split)[opening])
        found = [task.observe(env, format)]
        for action in actions:
            task.step(env, task.parse(action, env).value)
            found.append(task.observe(env, format))
    return found


def reader(store):
    return closing(EpisodeReader(ReportedRun(store)))


def read(store, id):
    with reader(store) as found:
        return found.read(id)


def test_what_a_model_saw_and_said_is_what_the_store_has(cell, writer, hostile):
    one = cell()
    written = writer(one)
    shown = [[("Observation:\n",), (f"board {number}",)] for number in range(3)]
    id = written.episode(one, 0, WALK, shown=shown, wrong=(None, hostile), finish="stop")
    episode = read(written.store, id)
    assert [step["seen"] for step in episode["steps"]] == [
        [f"Observation:\nboard {number}"] for number in range(3)
    ]
    first, second, third = episode["steps"]
    assert second["reply"] == hostile
    assert (second["status"], second["action"]) == ("invalid", "left")
    assert second["reason"] == f"{hostile!r} is not an action"
    assert (first["reply"], first["question"], first["input_tokens"]) == ("up", ["Which?"], 7)
    assert (third["reward"], third["latency_s"], third["finish"]) == (0.0, 0.5, "stop")
    assert (episode["demonstrations"], episode["reasons"]) == (["d1", "d2"], ["near", "far"])
    assert episode["prompted"]
    # Nobody sees the state after the last step, but whoever reads the report wants to.
    assert episode["board"] == [seen("gridworld", "ascii", WALK)[-1].text]
    assert "board" not in first


def test_what_an_agent_without_prompts_saw_is_played_again(cell, writer):
    one = cell("nearest", format="coords")
    written = writer(one)
    episode = read(written.store, written.episode(one, 1, WALK))
    coords = [view.text for view in seen("gridworld", "coords", WALK, 1)]
    boards = [view.text for view in seen("gridworld", "ascii", WALK, 1)]
    assert [step["seen"] for step in episode["steps"]] == [[text] for text in coords[:-1]]
    assert [step["board"] for step in episode["steps"]] == [[text] for text in boards[:-1]]
    assert (episode["seen"], episode["board"]) == (coords[-1:], boards[-1:])
    assert "unshown" not in episode


def test_of_an_agent_that_sees_nothing_there_is_the_board(cell, writer):
    one = cell("random", "tic_tac_toe")
    written = writer(one)
    state = make("tic_tac_toe").openings("evaluation")[0]
    with closing(make("tic_tac_toe").make_env()) as env:
        make("tic_tac_toe").reset(env, state)
        (move, *_) = make("tic_tac_toe").legal_actions(env)
    episode = read(written.store, written.episode(one, 0, [move], status="running"))
    (step,) = episode["steps"]
    assert step["board"] == [seen("tic_tac_toe", "ascii", [])[0].text]
    assert "seen" not in step
    assert "reward" not in step  # the world has not answered yet
    assert "board" not in episode


@pytest.mark.parametrize("prompted", [True, False])
def test_pictures_are_those_of_the_world(cell, writer, prompted):
    one = cell("model" if prompted else "nearest", format="rgb")
    written = writer(one)
    images = [view.image for view in seen("gridworld", "rgb", WALK)]
    shown = [[("Observation:\n",), (encode_png(image), "png")] for image in images[:-1]]
    id = written.episode(one, 0, WALK, shown=shown if prompted else None)
    with reader(written.store) as found:
        episode = found.read(id)
        pictures = dict(found.pictures(id))
        assert found.draws_slowly(id) is False
    keys = [step["seen"][-1]["picture"] for step in episode["steps"]]
    keys += [episode["board" if prompted else "seen"][-1]["picture"]]
    assert set(keys) == set(pictures)
    for key, image in zip(keys, images, strict=True):
        picture = pictures[key]
        if isinstance(picture, bytes):
            assert picture == encode_png(image)
        else:
            np.testing.assert_array_equal(picture, image)


def test_actions_by_other_names_are_played_as_they_were_meant(cell, writer):
    labels = {"up": "left", "left": "up", "down": "right", "right": "down"}
    one = cell("nearest", selector="random+permute_labels")
    settings = {"controls random+permute_labels of gridworld ascii": {"labels": labels}}
    written = writer(one, settings=settings)
    store = written.store
    id = written.episode(one, 0, [labels[move] for move in WALK])  # rewards are 0 either way
    boards = [view.text for view in seen("gridworld", "ascii", WALK)]
    assert [s["seen"] for s in read(store, id)["steps"]] == [[text] for text in boards[:-1]]


@pytest.mark.parametrize(
    ("experiment", "why"),
    [
        ({"task": {"gridworld": 2, "tic_tac_toe": 1}}, "as it was in the run"),
        ({"settings": {"task gridworld": {"size": 3}}}, "as it was in the run"),
        ({"set": {"gridworld.size": 3}}, "size"),
    ],
)
def test_another_world_is_not_shown_for_the_one_that_was_played(cell, writer, experiment, why):
    one = cell("nearest")
    written = writer(one, **experiment)
    id = written.episode(one, 0, WALK)
    episode = read(written.store, id)
    assert why in episode["unshown"]
    assert all("seen" not in step and step["action"] for step in episode["steps"])


def test_a_task_that_is_not_there_leaves_what_the_store_has(cell, writer):
    one = cell("nearest")
    written = writer(one)
    id = written.episode(one, 0, WALK)
    with written.store.resealing() as db:
        db.execute("UPDATE cells SET task = 'gone'")
    with reader(written.store) as found:
        assert "gone" in found.read(id)["unshown"]
        assert list(found.pictures(id)) == []


def test_a_world_that_answers_otherwise_is_shown_up_to_there(cell, writer):
    one, other = cell("nearest"), cell("nearest", format="rgb")
    written = writer(one, other)
    ids = [written.episode(each, 0, WALK) for each in (one, other)]
    with written.store.resealing() as db:
        db.execute("UPDATE steps SET reward = 0.5 WHERE step = 1")
    with reader(written.store) as found:
        episode = found.read(ids[0])
        assert ["seen" in step for step in episode["steps"]] == [True, True, False]
        assert "step 1" in episode["unshown"]
        pictures = found.pictures(ids[1])
        assert [key for key, _ in (next(pictures), next(pictures))] == [
            f"{ids[1]}.rgb.0",
            f"{ids[1]}.rgb.1",
        ]
        with pytest.raises(IcilError, match="step 1"):
            next(pictures)


@pytest.mark.parametrize("known", ["shipped", "named", "gone", "other"])
def test_a_teacher_forced_episode_starts_where_its_demonstration_did(cell, writer, known, tmp_path):
    task, pool = make("gridworld"), load_pool_for(make("gridworld"))
    if known != "shipped":
        pool = make_pool(task, pool.demonstrations[1:6])
    if known in ("named", "other"):
        other = make_pool(task, pool.demonstrations[:1])
        save_pool(pool if known == "named" else other, tmp_path / "pool")
    one = cell("nearest")
    hashes = {"gridworld": pool.hash}
    written = writer(one, teacher_forced=True, pool=hashes)
    named = [str(tmp_path / "nowhere"), str(tmp_path / "pool")]
    (written.store.path.parent / "experiment.yaml").write_text(json.dumps({"pool": named}))
    forced = pool.demonstrations[3]
    id = written.episode(one, 3, [step.action for step in forced.steps[:1]], status="running")
    episode = read(written.store, id)
    if known in ("gone", "other"):
        assert "is not found where its experiment.yaml names it" in episode["unshown"]
        return
    with closing(task.make_env()) as env:
        task.reset(env, forced.opening)
        assert episode["steps"][0]["seen"] == [task.observe(env, "ascii").text]


def test_how_a_prompt_begins(cell, writer):
    one = cell()
    written = writer(one)
    shown = [[("a",)], [("b",)], [("c",)]]
    long = ("You act.", (b"png", "png"), "x" * 9000)
    ids = [written.episode(one, n, WALK, shown=shown, prefix=p) for n, p in enumerate([long, "Y"])]
    none = written.episode(one, 2, ())
    with reader(written.store) as found:
        beginning, short, nothing = map(found.beginning, [*ids, none])
    assert (short.text, short.whole, nothing) == ("Y", True, None)
    assert beginning.text.startswith("You act.[picture]\nxxx")
    assert (len(beginning.text), beginning.whole) == (6000, False)
