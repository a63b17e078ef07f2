"""What docs/policies.md and docs/robots.md say of maps, numbers and wires."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

from icil.harness.agents import make
from icil.harness.policies import ObservationMap, check_chunk, presets, unpack
from icil.harness.policies.act import read_json, write_json
from icil.harness.policies.map_file import read_map
from icil.tasks import ActionBox
from icil.tasks import make as make_task

DOCS = Path(__file__).parents[3] / "docs"
POLICIES = (DOCS / "policies.md").read_text()
ROBOTS = (DOCS / "robots.md").read_text()
BOX = ActionBox(np.full(2, -1.0), np.full(2, 1.0))


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", POLICIES, re.DOTALL)


def sent(wanted, above=""):
    """The keys of a map with what each is given, in words."""
    for key, one in wanted.items():
        if isinstance(one, dict):
            yield from sent(one, f"{above}{key}.")
        else:
            yield f"`{above}{key}`: {one}"


def row(name):
    """What a preset does, as a row of the table."""
    found = read_map(name)
    keys = list(sent(found.observation))
    image = found.image
    turned = f", turned by {image.rotate}°" if image.rotate else ""
    frames = f"{image.size} px, {image.layout}{turned}" if "frame" in str(keys) else "none"
    key = "the answer itself" if found.actions.key is None else f"`{found.actions.key}`"
    first, end = found.actions.columns or (None, None)
    taken = key if end is None else f"{key}, {first}:{end}"
    robot = "any" if found.robot is None else found.robot.name
    for numbers in (found.robot.body, found.robot.action) if found.robot else ():
        robot += "; " + ", ".join(f"{what} {count}" for what, count in numbers.items())
    return f"| `{name}` | {' · '.join(keys)} | {frames} | {taken} | {robot} |"


def test_the_table_tells_what_each_preset_sends():
    head = [
        "| preset | keys, and what each is given | frames | actions | robot; its body; an action |",
        "|---|---|---|---|---|",
    ]
    assert "\n".join([*head, *map(row, presets())]) in POLICIES


def test_the_map_of_the_page_fits_the_task_that_it_names(tmp_path):
    pytest.importorskip("metaworld")
    path = tmp_path / "map.yaml"
    path.write_text(blocks("yaml")[0])
    task = make_task("metaworld/reach-v3")
    assert "observation/state" in ObservationMap(str(path)).fit(task).sources


ROWS = re.findall(r"^\| `?([^|]*?)`? \| (\d+) \| (`0:.*) \|$", ROBOTS, re.MULTILINE)
TASKS = {
    "pusht": ("pusht",),
    "metaworld/NAME": ("metaworld/reach-v3", "metaworld/assembly-v3"),
    "fetch/reach": ("fetch/reach",),
    "other `fetch/TASK": ("fetch/push", "fetch/pick-and-place", "fetch/slide"),
    "cheetah": ("cheetah",),
}
LIBRARIES = {"pusht": "gym_pusht", "metaworld": "metaworld", "fetch": "gymnasium_robotics"}


def test_the_numbers_of_each_robot_are_in_the_table():
    assert [name for name, _, _ in ROWS] == list(TASKS)


@pytest.mark.parametrize(("name", "count", "meanings"), ROWS)
def test_each_number_has_one_meaning(name, count, meanings):
    ends = [0]
    for first, end in re.findall(r"`(\d+):(\d+)`", meanings):
        assert int(first) == ends[-1] < int(end)
        ends.append(int(end))
    assert ends[-1] == int(count)
    for one in TASKS[name]:
        if library := LIBRARIES.get(one.partition("/")[0]):
            pytest.importorskip(library)
        task = make_task(one)
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[0])
        assert len(task.proprio(env)) == int(count)


@pytest.fixture
def written(tmp_path):
    """Runs the server that the page shows; returns its address."""
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 35
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "server.py"
    path.write_text(code.replace("8000", str(port)))
    with subprocess.Popen([sys.executable, str(path)]) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"ws://127.0.0.1:{port}"
        process.terminate()


def test_the_server_of_the_page_can_be_played(written, play):
    replies = play(make(f"vla/openpi@{written}", {"map": "plain"}), 2)
    assert [json.loads(reply.text) for reply in replies] == [[[0.0] * 6] * 10] * 2
    assert replies[0].model == "zeros"


def test_the_server_of_the_page_tells_of_faults(written):
    async def go():
        async with connect(written) as client:
            metadata = unpack(await client.recv())
            await client.send(b"\xc1")
            return metadata, await client.recv()

    metadata, fault = asyncio.run(go())
    assert metadata == {"model": "zeros"}
    assert isinstance(fault, str)


def test_what_the_page_shows_of_act_is_what_is_sent_and_read(act_server, play):
    body, answer = blocks("json")
    message = read_json(body.encode())
    assert message["image"].tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert message["proprio"].tolist() == [0.5, 1.0]
    assert json.loads(write_json(message)) == json.loads(body)
    chunk = check_chunk(read_json(answer.encode()), BOX, tolerance=0)
    assert chunk.tolist() == [[0.25, -0.5], [0.0, 1.0]]
    server = act_server(lambda message: [0.0] * 6)
    play(make(f"vla/act@{server.url}", {"map": "act"}))
    assert server.messages[0].keys() == message.keys()
