"""The scripts that serve policies: what they speak is understood by the agent that asks them.

The policies themselves are stand-ins: what they are made with does not fit into this environment.
"""

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import numpy as np
import pytest

pytest.importorskip("websockets")
pytest.importorskip("msgpack")

from icil.harness.agents import EpisodeContext, Turn
from icil.harness.policies.agent import openpi
from icil.prompt_builders import PromptOptions
from icil.tasks import ModelError, Opening, Task
from icil.tasks.actions import ActionBox

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """What lies beside a script is found by it, as where it is run."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    sys.modules.pop("openpi_server", None)


def script(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def served():
    """Returns a function that serves a policy as the scripts do; gives its address."""
    running, module = [], script("openpi_server")

    def served(policy):
        loop, found, ready = asyncio.new_event_loop(), [], threading.Event()

        def started(host, port):
            found.append(f"ws://{host}:{port}")
            ready.set()

        serving = loop.create_task(module.serve(policy, "127.0.0.1", 0, started))
        thread = threading.Thread(target=run, args=(loop, serving))
        thread.start()
        running.append((loop, serving, thread))
        assert ready.wait(30)
        return found[0]

    yield served
    for loop, serving, thread in running:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(30)
        loop.close()


def run(loop, serving):
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(serving)


class Seeing(Task):
    """A body of three numbers and a camera of 40 × 60 pixels, whose grey is the step."""

    name, version, summary, instruction = "seeing", 1, "", "Push it."
    formats, image_formats, horizon = ("proprio", "rgb"), ("rgb",), 9
    state_key = observe = legal_actions = parse = expert = None
    action_box = ActionBox(np.full(2, -1.0), np.full(2, 1.0))

    def openings(self, split):
        return [Opening(split=split, index=0, state={})]

    def make_env(self):
        return SimpleNamespace(step=0, close=lambda: None)

    def reset(self, env, opening):
        env.step = 0

    def proprio(self, env):
        return np.array([0.5, 1.0, env.step])

    def frame(self, env, camera):
        return np.full((40, 60, 3), 25 * env.step, np.uint8)


Seeing.__abstractmethods__ = frozenset()


def ask(url, steps, **settings):
    """Returns what the agent answers at each step of an episode."""
    agent = openpi(url, **settings)
    opening = Opening(split="evaluation", index=0, state={})
    context = EpisodeContext(
        task=Seeing(), format="rgb", opening=opening, demonstrations=(), options=PromptOptions(),
        generator=lambda step: np.random.default_rng(step),
    )  # fmt: skip

    async def play():
        await agent.begin(context)
        try:
            return [
                json.loads((await agent.act(turn(context, step))).text) for step in range(steps)
            ]
        finally:
            await agent.end(context)
            await agent.close()

    return asyncio.run(play())


def turn(context, step):
    env = SimpleNamespace(step=step)
    return Turn(episode=context, step=step, env=env, observation=None, prompt=None)


class Windows:
    """Octo as its script asks it; its first action tells what it was shown."""

    def __init__(self):
        self.said, self.seen = [], []

    def create_tasks(self, texts):
        self.said.append(texts)
        return {"words": texts}

    def sample(self, seen, tasks):
        self.seen.append(seen)
        frames = seen["image_primary"]
        assert (frames.shape, frames.dtype) == ((1, 2, 256, 256, 3), np.uint8)
        assert tasks == {"words": ["Push it."]}
        return frames[:, :, 128, 128, :2].astype(np.float32) / 100


def test_octo_is_shown_two_observations_and_the_first_time_one(served):
    octo, model = script("serve_octo"), Windows()
    url = served(octo.OctoPolicy(model.create_tasks, model.sample))
    replies = ask(url, 3, stateful=True)
    assert replies == [[[0.0] * 2, [0.0] * 2], [[0.0] * 2, [0.25] * 2], [[0.25] * 2, [0.5] * 2]]
    masks = [seen["timestep_pad_mask"].tolist() for seen in model.seen]
    assert masks == [[[False, True]], [[True, True]], [[True, True]]]
    assert model.said == [["Push it."]]
    assert ask(url, 1, stateful=True) == replies[:1]  # another episode knows nothing of the first


class Chunks:
    """A LeRobot policy without its tensors."""

    def __init__(self):
        self.metadata = {"policy": "act"}

    def session(self):
        return self.infer

    def infer(self, observation):
        assert observation["image"].shape == (224, 224, 3)
        assert observation["prompt"] == "Push it."
        if observation["state"][2] == 2:
            raise RuntimeError("the gripper is stuck")
        return np.full((4, 2), observation["state"][2] / 4)


def test_a_lerobot_policy_answers_chunks_and_its_faults_are_told(served, monkeypatch):
    monkeypatch.setattr("icil.harness.policies.asking._FIRST_WAIT_S", 0.01)
    url = served(Chunks())
    assert ask(url, 2) == [[[0.0] * 2] * 4, [[0.25] * 2] * 4]
    with pytest.raises(ModelError, match="the policy failed: RuntimeError: the gripper is stuck"):
        ask(url, 3)
    with urlopen(url.replace("ws://", "http://") + "/healthz", timeout=30) as answer:
        assert answer.read() == b"OK\n"


class Act:
    """What LeRobot's policies have; its chunk tells what it was shown."""

    def __init__(self):
        features = {key: SimpleNamespace(shape=shape) for key, shape in SENSES.items()}
        self.config = SimpleNamespace(type="act", n_obs_steps=1, input_features=features)

    def predict_action_chunk(self, batch):
        self.seen = batch
        return batch["observation.state"][:, None, :2].expand(1, 3, 2)


SENSES = {"observation.state": (3,), "observation.images.top": (3, 8, 12)}


def lerobot():
    """Returns a policy as it is served, and the one behind it; its numbers are one less."""
    act = Act()
    return script("serve_lerobot").LeRobotPolicy(act, dict, lambda chunk: chunk + 1), act


@pytest.mark.parametrize("numbers", ["uint8", "float32"])
def test_a_lerobot_policy_is_shown_tensors_as_it_was_trained_on(numbers):
    pytest.importorskip("torch")
    policy, act = lerobot()
    picture = np.zeros((16, 24, 3), np.uint8)
    picture[:8, :, 0], picture[:, :12, 2] = 255, 51
    sent = picture if numbers == "uint8" else picture.astype(np.float32) / 255
    observation = {"state": np.array([0.5, 1, 2]), "image": sent, "prompt": "Push it.", "more": 1}
    chunk = policy.session()(observation)
    assert (chunk.dtype, chunk.tolist()) == (np.float32, [[1.5, 2.0]] * 3)
    seen = act.seen["observation.images.top"]
    assert (tuple(seen.shape), str(seen.dtype)) == ((1, 3, 8, 12), "torch.float32")
    assert seen[0, :, 1, 1].tolist() == pytest.approx([1, 0, 0.2])
    assert seen[0, :, 6, 10].tolist() == pytest.approx([0, 0, 0])
    assert act.seen["task"] == ["Push it."]
    assert policy.metadata == {"policy": "act", "keys": list(SENSES)}


def test_a_lerobot_policy_tells_what_it_lacks():
    pytest.importorskip("torch")
    policy, act = lerobot()
    with pytest.raises(ValueError, match=r"the observation lacks observation\.images\.top"):
        policy.infer({"observation.state": np.zeros(3)})
    act.config.n_obs_steps = 2
    with pytest.raises(SystemExit, match="more than one observation"):
        type(policy)(act, dict, dict)


def test_what_is_packed_and_read_is_openpis():
    from icil.harness.policies.codec import pack, unpack

    module = script("openpi_server")
    message = {"state": np.arange(6, dtype=np.float32).reshape(2, 3), "prompt": "ü", "n": 3}
    for packed, read in ((module.pack, unpack), (pack, module.unpack)):
        found = read(packed(message))
        assert (found["state"] == message["state"]).all()
        assert found["state"].dtype == np.float32
        assert (found["prompt"], found["n"]) == ("ü", 3)
    assert module.unpack(pack({"x": np.float64(0.5)}))["x"] == 0.5


@pytest.mark.parametrize("name", ["serve_lerobot", "serve_octo"])
@pytest.mark.parametrize("given", [[], ["somewhere", "--random", "1", "2"]])
def test_a_script_takes_either_a_policy_or_random_weights(name, given, tmp_path):
    given = given[:2] if name == "serve_octo" else given
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *given],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "give either a policy or --random" in done.stderr


@pytest.mark.parametrize("name", ["serve_lerobot", "serve_octo"])
def test_a_script_names_its_environment(name):
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    block = text[: text.index("# ///\n", 1)].splitlines()
    assert block[0] == "# /// script"
    told = tomllib.loads("\n".join(line.removeprefix("#").strip() for line in block[1:]))
    assert told["requires-python"].startswith(">=3.1")
    assert any(one.startswith("websockets") for one in told["dependencies"])
