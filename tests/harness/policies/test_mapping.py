"""From a task's senses to a server's keys."""

import numpy as np
import pytest
import yaml

from icil.harness.policies import ObservationMap, PictureFormat, presets
from icil.harness.policies.map_file import read_map
from icil.tasks import ExperimentError, make

TASK = make("cheetah")


@pytest.fixture
def env():
    env = TASK.make_env()
    TASK.reset(env, TASK.openings("evaluation")[0])
    yield env
    env.close()


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "map.yaml"
        path.write_text(text)
        return ObservationMap(str(path))

    return write


def test_what_is_asked_for_is_sent(env, write):
    found = write(
        """
observation:
  observation/image: frame
  state: proprio
  joints: proprio:0:7
  deep: {cam: frame:rgb, gripper: {value: [0.5]}}
  prompt: instruction
image: {size: 32, layout: chw}
"""
    ).fit(TASK)
    sent = found.observe(env)
    assert sent["observation/image"].shape == (3, 32, 32)
    assert sent["observation/image"].dtype == np.uint8
    assert sent["state"].dtype == np.float32
    assert sent["state"] == pytest.approx(env.state.astype(np.float32))
    assert sent["joints"] == pytest.approx(sent["state"][:7])
    assert np.array_equal(sent["deep"]["cam"], sent["observation/image"])
    assert sent["deep"]["gripper"].tolist() == [0.5]
    assert sent["prompt"] == TASK.instruction


def test_answers_are_read_as_the_map_says(write):
    found = write("{observation: {s: proprio}, actions: {key: a, columns: [1, 7], scale: unit}}")
    pendulum = make("gym:Pendulum-v1")
    assert found.fit(TASK).read({"a": np.ones((2, 8))}).tolist() == [[1.0] * 6] * 2
    scaled = write("{observation: {s: proprio}, actions: {scale: unit}}").fit(pendulum)
    assert scaled.read({"actions": np.array([[0.5]])}).tolist() == [[1.0]]
    assert scaled.unread(np.array([[1.0]])).tolist() == [[0.5]]
    bare = write("{observation: {s: proprio}, actions: {key: null}}").fit(pendulum)
    assert bare.read(np.array([[0.5]])).tolist() == [[0.5]]
    with pytest.raises(KeyError, match="holds no 'actions'"):
        scaled.read({"action": 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "observation: expected the server's keys, each with what it is given .*nothing"),
        ("{observation: {}}", "observation: expected the server's keys"),
        ("{observation: [a]}", "observation: expected the server's keys"),
        ("{observations: {a: frame}}", "unknown key 'observations'; did you mean 'observation'"),
        ("[1]", r"expected the keys observation, image and actions, got \[1\]"),
        ("", "expected the keys observation, image and actions, got nothing"),
        ("{observation: {a: frames}}", "expected frame"),
        ("{observation: {a: frame:wrist}}", "no view 'wrist'"),
        ("{observation: {a: proprio:3}}", "proprio:FIRST:END"),
        ("{observation: {a: proprio:3:99}}", "has 17 numbers"),
        ("{observation: {a: proprio:3:3}}", "no 3:3"),
        (
            "{observation: {a: proprio}, image: {size: 0}}",
            "image.size: expected the pix.*got 0",
        ),
        ("{observation: {a: proprio}, image: {sise: 9}}", "image: unknown key 'sise'; .* 'size'"),
        ("{observation: {a: proprio}, image: 9}", "image: expected a map with the keys size, "),
        ("{observation: {a: proprio}, pictures: {}}", "unknown key 'pictures'"),
        ("{observation: {a: proprio}, actions: {columns: [0, 4, 6]}}", "actions.columns: expected"),
        ("{observation: {a: proprio}, actions: {columns: [6, 0]}}", "END is the greater"),
        ("{observation: {a: proprio}, actions: {columns: [-6, 0]}}", "two numbers from 0"),
        (
            "{observation: {a: proprio}, actions: {columns: [0, 9]}}",
            r"actions.columns: \[0, 9\] takes 9 numbers .* an action of cheetah has 6",
        ),
        ("{observation: {a: {value: .nan}}}", "observation: a: value: expected .*finite, got nan"),
        ("{observation: {a: {value: [0, -.inf]}}}", "numbers that are finite"),
        ("{observation: {a: {value: [1e300]}}}", "numbers that are finite"),
        ("{observation: {a: {value: [[1, 2], [3]]}}}", "value: expected"),
        ("{observation: {a: {value: [up]}}}", "value: expected"),
        ("{observation: {a: {value: 2026-01-01}}}", "value: expected"),
        ("{observation: {a: {value: {b: 1}}}}", "value: expected"),
        ("{observation: {a: {b: nothing}}}", "observation: a: b"),
        ("observation: {", "map"),
    ],
)
def test_a_wrong_map_is_named_with_its_place(text, said, write):
    with pytest.raises(ExperimentError, match=said) as found:
        write(text).fit(TASK)
    assert "map.yaml" in str(found.value)


@pytest.mark.parametrize("text", ["7", "0.5", "true", "null", "hand", "[[1, 2], [3, 4]]"])
def test_constants_are_sent_as_they_stand(text, env, write):
    sent = write(f"{{observation: {{a: {{value: {text}}}}}}}").fit(TASK).observe(env)["a"]
    assert np.array_equal(sent, yaml.safe_load(text))


@pytest.mark.parametrize("name", ["aloha", "droid", "libero"])
def test_a_preset_of_a_robot_fits_no_other(name):
    with pytest.raises(ExperimentError, match=rf"{name} is for .*; cheetah has 17 and 6, and what"):
        ObservationMap(name).fit(TASK)


BODY = """
robot: {name: a runner, body: {position: 8, velocity: 9}, action: {motors: 6}}
observation: {state: proprio}
"""


def test_a_map_of_a_robot_fits_a_task_with_as_many_numbers(write):
    found = write(BODY)
    assert found.fit(TASK).sources.keys() == {"state"}
    assert "robot" not in found.settings  # what is sent is the same without it
    with pytest.raises(ExperimentError, match="Pendulum-v1 has 3 and 1"):
        found.fit(make("gym:Pendulum-v1"))


@pytest.mark.parametrize("name", presets())
def test_what_a_preset_means_is_what_it_sends_and_takes(name):
    found = read_map(name)
    if found.robot is not None:
        ends = [int(s.rpartition(":")[2]) for s in sources(found.observation) if "proprio:" in s]
        assert sum(found.robot.body.values()) == max(ends)
        assert found.actions.columns == (0, sum(found.robot.action.values()))


def sources(wanted):
    return [s for one in wanted.values() for s in (sources(one) if type(one) is dict else [one])]


def test_places_that_are_none():
    with pytest.raises(ExperimentError, match="did you mean 'libero'"):
        ObservationMap("liberro")
    with pytest.raises(ExperimentError, match="No such file"):
        ObservationMap("nowhere.yaml")


def test_a_task_without_vectors_is_refused():
    with pytest.raises(ExperimentError, match="has words for actions"):
        ObservationMap("plain").fit(make("gridworld"))


@pytest.mark.parametrize("name", presets())
def test_the_maps_that_ship_can_be_read(name):
    assert ObservationMap(name).settings["observation"]


def test_a_frame_keeps_its_proportions_on_black():
    frame = np.full((10, 20, 3), 200, np.uint8)
    found = PictureFormat(size=40).apply(frame)
    assert found.shape == (40, 40, 3)
    assert (found[:10] == 0).all()
    assert (found[10:30] == 200).all()
    assert (found[30:] == 0).all()


def test_a_frame_is_turned_stretched_and_laid_out():
    frame = np.zeros((10, 20, 3), np.uint8)
    frame[0, 0] = 255
    turned = PictureFormat(size=None, rotate=180, layout="chw", numbers="float32").apply(frame)
    assert turned.shape == (3, 10, 20)
    assert turned.dtype == np.float32
    assert turned[:, 9, 19].tolist() == [1.0, 1.0, 1.0]
    assert PictureFormat(size=8, resize="stretch").apply(frame + 7).min() == 7
