"""`icil report` and `icil view`: the commands, and the server without a browser."""

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
from contextlib import closing

import aiohttp
import pytest

from icil.harness import FakeModel
from icil.harness.viewing import HOST, ViewServer
from icil.results import Answer, RunStore
from icil.results.store import FILE_NAME
from icil.tasks.errors import RunFolderError, UsageError


@pytest.fixture
def folder(play):
    """A run of two agents, two episodes a cell."""
    return play(agents={"model": FakeModel(("a1", "b2", "c3"))}, demos=(0, 2), episodes=2).folder


def ask(folder, *requests):
    """Returns status, headers and text of each request (path, headers) to a server."""

    async def all_of_them():
        async with ViewServer(folder) as server, aiohttp.ClientSession() as session:
            found = []
            for path, headers in requests:
                named = {name: text.format(port=server.port) for name, text in headers.items()}
                async with session.get(server.url + path, headers=named) as response:
                    found.append((response.status, response.headers, await response.text()))
            return found

    return asyncio.run(all_of_them())


def listed(folder):
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_report_writes_a_page_beside_the_run(icil, folder):
    said = icil("report", folder)
    assert (said.code, said.err) == (0, "")
    path = folder / "report.html"
    assert said.out.startswith(f"{path} (")
    assert "8 episodes" in said.out  # two cells of the model's, random's and the expert's
    assert path.read_text().startswith("<!doctype html>")


def test_report_says_what_it_left_out(icil, folder, tmp_path):
    said = icil("report", folder, "--episodes", 3, "-o", tmp_path / "some.html")
    assert said.code == 0
    assert said.err.startswith("note: 3 of 8 episodes were chosen")
    assert "3 episodes)" in said.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("missing",), "holds no run"),
        (("run", "-o", "run/run.sqlite"), "ends in .html"),
        (("run", "-o", "there.html"), "is a folder"),
        (("run", "other"), "name it with -o"),
        (("run", "--episodes", "-1"), "--episodes"),
        (("run", "--max-mb", "0"), "--max-mb"),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    icil, folder, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "there.html").mkdir()
    before = listed(folder)
    said = icil("report", *arguments)
    assert (said.code, said.out) == (2, "")
    assert expected in said.err
    assert len(said.err.splitlines()) == 1 or said.err.startswith("icil: ")
    assert listed(folder) == before


def test_a_report_into_a_folder_that_is_not_there_fails_in_one_line(icil, folder, tmp_path):
    said = icil("report", folder, "-o", tmp_path / "no" / "report.html")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "cannot write" in said.err


def test_two_runs_make_one_report(icil, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    said = icil("report", folder, tmp_path / "other", folder, "-o", tmp_path / "both.html")
    assert said.code == 0
    assert "both.html" in said.out
    assert (tmp_path / "both.html").read_text().count('"name":"') == 2


def test_the_server_tells_of_the_run_and_writes_nothing(folder):
    before = listed(folder)
    plain = [(path, {}) for path in ("/", "/overview.json", "/overview.json?since=1")]
    page, overview, again = ask(folder, *plain)
    assert (page[0], overview[0], again[0]) == (200, 200, 204)
    assert "live view" in page[2]
    assert page[1]["Content-Security-Policy"].endswith("connect-src 'self'; frame-ancestors 'none'")
    assert page[1]["X-Content-Type-Options"] == "nosniff"
    found = json.loads(overview[2])
    assert (found["live"], found["pulse"]) == (True, "8 of 8 episodes played")
    (cell,) = (c for c in found["cells"] if c["label"] == "model, 2 demonstrations, random")
    assert cell["count"] == 2
    (answer,) = ask(folder, (f"/cells/{cell['id']}.json", {}))
    entries = json.loads(answer[2])
    assert [entry[1] for entry in entries] == [0, 1]
    id = entries[0][0]
    episode, beginning = ask(folder, (f"/episodes/{id}.json", {}), (f"/beginnings/{id}.json", {}))
    assert json.loads(episode[2])["steps"][0]["reply"] == "a1"
    assert json.loads(beginning[2])["text"].startswith("You act in an unknown environment")
    assert listed(folder) == before


def test_pictures_come_with_their_episode(play):
    folder = play(format=("rgb",), demos=(0,), episodes=1).folder
    (overview,) = ask(folder, ("/overview.json", {}))
    (cell,) = (c for c in json.loads(overview[2])["cells"] if c["format"] == "rgb")
    (answer,) = ask(folder, (f"/cells/{cell['id']}.json", {}))
    ((id, *_),) = json.loads(answer[2])
    (answer,) = ask(folder, (f"/episodes/{id}.json", {}))
    episode = json.loads(answer[2])
    keys = [step["seen"][0]["picture"] for step in episode["steps"]]
    assert {*keys, episode["seen"][0]["picture"]} == episode["pictures"].keys()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 204),
        ("localhost:{port}", 204),
        ("evil.example:{port}", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1.evil.example:{port}", 403),
    ],
)
def test_only_this_machine_s_own_names_are_answered(folder, host, status):
    _, answer = ask(folder, ("/overview.json", {}), ("/overview.json?since=1", {"Host": host}))
    assert answer[0] == status
    assert answer[1]["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer[1]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/episodes/999.json", 503),
        ("/cells/999.json", 200),
        ("/episodes/x.json", 404),
        ("/episodes/99999999999999999999.json", 404),
        ("/../run.sqlite", 404),
        ("/run.sqlite", 404),
    ],
)
def test_what_is_not_there(folder, path, status):
    (answer,) = ask(folder, (path, {}))
    assert answer[0] == status
    assert "Traceback" not in answer[2]


def test_news_come_when_there_are_some(folder):
    async def scenario():
        async with ViewServer(folder) as server, aiohttp.ClientSession() as session:

            async def news(since):
                path = f"{server.url}/overview.json?since={since}"
                async with session.get(path) as response:
                    return await response.json() if response.status == 200 else None

            first = await news("")
            assert await news(first["revision"]) is None
            store = RunStore(folder / FILE_NAME)
            try:
                cell = first["cells"][0]["id"]
                episode = store.begin_episode(cell, 7)
                store.add_step(episode, 0, Answer(reply="b2", status="ok", action="b2"))
                second = await news(first["revision"])  # while somebody else writes
            finally:
                store.close()
            return first, second

    first, second = asyncio.run(scenario())
    assert second["revision"] > first["revision"]
    assert second["cells"][0]["count"] == first["cells"][0]["count"] + 1
    assert ["episodes", "8 done, 1 running"] in second["runs"][0]["facts"]
    # The run could tidy up after itself: nobody held its store.
    assert not (folder / f"{FILE_NAME}-wal").exists()
    assert json.dumps(second)


def test_what_is_written_while_the_overview_is_made_is_news(folder):
    """The overview of a run that ends just then must not be the last that is told."""
    server = ViewServer(folder)
    with closing(RunStore(folder / FILE_NAME)) as store:
        stamp = server._look()
        with server._run() as run:
            cell = min(run.cells)
            store.begin_episode(cell, 7)
            found = server._known(run, stamp)
        assert ["episodes", "8 done"] in found["runs"][0]["facts"]
        assert server._look() != server._stamp
    asyncio.run(server.stop())


def test_a_port_that_is_taken_and_a_folder_without_a_run(folder, tmp_path):
    async def begin(where, port):
        async with ViewServer(where, port):
            pass

    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 cannot be listened on"):
            asyncio.run(begin(folder, port))
    with pytest.raises(RunFolderError, match="holds no run"):
        asyncio.run(begin(tmp_path / "none", 0))


def test_view_serves_until_it_is_interrupted(folder, command):
    process = subprocess.Popen(
        [*command, "view", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", line)[1])
        with socket.create_connection((HOST, port), timeout=30) as connection:
            connection.sendall(f"GET /x HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 404")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()
