"""The page in a real browser: a report opened as a file, and a run shown live.

Chromium is driven over its DevTools protocol. Where there is none, these tests are skipped.
"""

import asyncio
import itertools
import json
import shutil
import subprocess
from contextlib import closing

import aiohttp
import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.viewing import ViewServer
from icil.results import Answer, RunStore, open_run
from icil.results.report import write_report
from icil.results.store import FILE_NAME

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=\"document.title='run'\"><!-- </script> --> &lt;"
)
WAIT_S = 60

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Browser:
    """A page in a browser of its own.

    Args:
        folder: Where the browser keeps its things.
    """

    def __init__(self, folder):
        self._folder = folder
        self._numbers = itertools.count(1)
        self.events = []
        """What the page logged, threw, or asked of who sits before it."""

    async def __aenter__(self):
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={self._folder}", "about:blank"]
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        line = b""
        async with asyncio.timeout(WAIT_S):
            while b"DevTools listening on" not in line:
                line = await self._process.stderr.readline()
                assert line, "Chromium did not start"
        # What it says further must not fill the pipe.
        self._rest = asyncio.create_task(self._process.stderr.read())
        port = line.decode().split("127.0.0.1:")[1].split("/")[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json") as response:
            (page,) = (one for one in await response.json() if one["type"] == "page")
        self._socket = await self._session.ws_connect(
            page["webSocketDebuggerUrl"], max_msg_size=1 << 28
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        return self

    async def __aexit__(self, *error):
        await self._socket.close()
        await self._session.close()
        self._process.terminate()
        await self._process.wait()
        await self._rest

    async def ask(self, method, **params):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") == number:
                    assert "error" not in message, message
                    return message["result"]
                self.events.append(message)

    async def js(self, code):
        """Returns what an expression gives in the page."""
        how = {"awaitPromise": True, "returnByValue": True}
        found = await self.ask("Runtime.evaluate", expression=code, **how)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, code, expected=True):
        """Waits until an expression gives what is expected."""
        found = None
        for _ in range(WAIT_S * 20):
            found = await self.js(code)
            if found == expected:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{code} is {found!r}, not {expected!r}")

    async def open(self, url):
        await self.ask("Page.navigate", url="about:blank")
        await self.ask("Page.navigate", url=url)
        await self.until("document.documentElement?.dataset.ready", "yes")

    async def key(self, name):
        text = {"text": name} if len(name) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            await self.ask("Input.dispatchKeyEvent", type=kind, key=name, code=name, **text)
            text = {}

    async def click(self, selector):
        """Clicks with the mouse, in the middle of an element."""
        x, y = await self.js(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2] }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def choose(self, selector, value):
        """Chooses in a list, as by hand."""
        await self.js(
            f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change')) }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def complaints(self):
        """What the browser refused or could not do."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening")
        return [event for event in self.events if event["method"] in kinds]

    def asked_for(self):
        """Where the page went, or wanted to, but for what it holds itself."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = {event["params"]["request"]["url"] for event in sent}
        return {url for url in urls if not url.startswith(("data:", "about:"))}


def browse(tmp_path, scenario):
    """Runs a scenario in a browser."""

    async def whole():
        async with Browser(tmp_path / "profile") as browser:
            return await scenario(browser)

    return asyncio.run(whole())


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run of gridworld in which a model says what no browser should run, and its report."""
    folder = tmp_path_factory.mktemp("browser") / "run"
    experiment = Experiment(
        task=("gridworld",),
        format=("ascii", "rgb"),
        agent=("model", "random"),
        demos=(0, 2),
        episodes=3,
    )
    run(experiment, folder, agents={"model": FakeModel(("up", HOSTILE, "left"))})
    with closing(open_run(folder)) as store:
        write_report([store], folder / "report.html")
    return folder


@pytest.fixture
def report(played):
    """The report, as the address of a file."""
    return (played / "report.html").as_uri()


STEP = "Number(document.getElementById('slider').value)"
REPLY = "document.getElementById('reply').textContent"


async def watch(browser, *texts):
    """Clicks on the arrow before the first row of the leaderboard that has these texts."""
    await browser.js(
        f"[...document.querySelectorAll('#board tbody tr')].find(row => {json.dumps(texts)}"
        ".every(text => [...row.cells].some(cell => cell.textContent === text))).id = 'wanted'"
    )
    await browser.click("#wanted button")
    await browser.until(f"[location.hash.startsWith('#play/'), {STEP}]", [True, 0])


def test_what_a_model_says_is_shown_and_never_run(report, tmp_path):
    async def scenario(browser):
        await browser.open(report)
        await watch(browser, "model", "ascii")
        await browser.key("ArrowRight")
        await browser.until(STEP, 1)
        assert await browser.js(REPLY) == HOSTILE
        assert await browser.js("document.querySelector('#step .chip.bad').textContent") == (
            "no action of the task"
        )
        assert await browser.js("document.title") == "run · icil report"
        assert await browser.js("document.querySelectorAll('img[src=x], #step script').length") == 0
        assert browser.complaints() == []
        assert browser.asked_for() == {report}

    browse(tmp_path, scenario)


def test_the_policy_holds_whatever_gets_into_the_page(report, tmp_path):
    async def scenario(browser):
        await browser.open(report)
        await browser.js(
            "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            "document.body.append(s); const d = document.createElement('div');"
            'd.innerHTML = \'<img src=x onerror="window.ran = 2"><b style="color:red">b</b>\';'
            "document.body.append(d); return fetch('https://example.invalid/').catch(() => 0) })()"
        )
        assert await browser.js("window.ran") is None
        refused = [c["params"]["entry"]["text"] for c in browser.complaints()]
        assert len(refused) >= 4
        assert all("Content Security Policy" in text for text in refused)
        assert not any("example.invalid" in url for url in browser.asked_for())

    browse(tmp_path, scenario)


def test_keys_buttons_and_the_address_lead_to_a_step(report, tmp_path):
    async def scenario(browser):
        await browser.open(report)
        await watch(browser, "model", "rgb")
        last = await browser.js("Number(document.getElementById('slider').max)")
        for key, expected in [
            ("ArrowRight", 1),
            ("ArrowRight", 2),
            ("ArrowLeft", 1),
            ("End", last),
            ("ArrowRight", last),
            ("Home", 0),
        ]:
            await browser.key(key)
            await browser.until(STEP, expected)
        await browser.key("n")
        await browser.until("document.getElementById('episode').selectedIndex", 1)
        await browser.key("p")
        await browser.until("document.getElementById('episode').selectedIndex", 0)
        await browser.click("#next")
        await browser.until(STEP, 1)
        # A picture of the world, drawn.
        assert await browser.js("document.querySelector('#step img')?.naturalWidth") == 192
        await browser.choose("#speed", "80")
        await browser.js("document.getElementById('stage').focus()")
        await browser.key(" ")
        await browser.until(STEP, last)
        await browser.until("document.getElementById('play').getAttribute('aria-label')", "Play")
        for key in ("Home", "ArrowRight", "ArrowRight"):
            await browser.key(key)
        hash = await browser.js("location.hash")
        assert hash.endswith("/0/2")
        assert await browser.js("document.getElementById('link').getAttribute('href')") == hash
        await browser.open(report + hash)
        await browser.until(STEP, 2)
        assert await browser.js(REPLY) == "left"
        assert browser.complaints() == []

    browse(tmp_path, scenario)


def test_the_leaderboard_is_filtered_and_sorted(report, tmp_path):
    column = "[...document.querySelectorAll('#board tbody tr')].map(r => r.cells[{}].textContent)"

    async def scenario(browser):
        await browser.open(report)
        heads = await browser.js(
            "[...document.querySelectorAll('#board th')].map(th => th.textContent)"
        )
        agent, demos = column.format(heads.index("agent")), column.format(heads.index("demos"))
        whole = await browser.js(agent)
        await browser.choose("#filter-agent", "=model")
        assert set(await browser.js(agent)) == {"model"}
        assert await browser.js("document.getElementById('shown').textContent") == (
            f"4 of {len(whole)} rows"
        )
        await browser.choose("#filter-agent", "")
        for order in ("descending", "ascending"):
            await browser.click(f"#board th:nth-child({heads.index('demos') + 1}) button")
            found = list(map(int, await browser.js(demos)))
            assert found == sorted(found, reverse=order == "descending")
            assert await browser.js("document.querySelector('th[aria-sort]').ariaSort") == order
        await browser.click(f"#board th:nth-child({heads.index('demos') + 1}) button")
        assert await browser.js(agent) == whole

    browse(tmp_path, scenario)


def test_it_fits_a_telephone_and_the_dark(report, tmp_path):
    async def scenario(browser):
        await browser.open(report)
        light = await browser.js("getComputedStyle(document.body).backgroundColor")
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        await browser.ask("Emulation.setEmulatedMedia", features=[dark])
        assert await browser.js("getComputedStyle(document.body).backgroundColor") != light
        for width in (400, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            await browser.ask("Emulation.setDeviceMetricsOverride", **size)
            assert await browser.js("document.documentElement.scrollWidth") <= width
        named = (
            "[...document.querySelectorAll('button, select, input')].filter(e => !e.ariaLabel &&"
            " !e.textContent.trim() && !(e.labels && e.labels.length)).map(e => e.outerHTML)"
        )
        assert await browser.js(named) == []

    browse(tmp_path, scenario)


def test_a_browser_that_cannot_unpack_says_so(report, tmp_path):
    async def scenario(browser):
        await browser.ask(
            "Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream"
        )
        await browser.open(report)
        await browser.until("document.getElementById('trouble').hidden", False)
        assert "DecompressionStream" in await browser.js(
            "document.getElementById('trouble').textContent"
        )
        assert await browser.js("document.querySelectorAll('#board tbody tr').length") > 0

    browse(tmp_path, scenario)


def test_a_run_is_shown_while_it_is_played(played, tmp_path):
    folder = shutil.copytree(played, tmp_path / "run")
    count = "document.getElementById('episode').length"

    async def scenario(browser):
        async with ViewServer(folder) as server:
            await browser.open(server.url)
            pulse = "document.getElementById('pulse').textContent"
            await browser.until(pulse, "18 of 18 episodes played")
            await watch(browser, "model", "rgb")
            await browser.until("document.querySelector('#step img')?.naturalWidth", 192)
            await browser.key("ArrowRight")
            await browser.until(REPLY, HOSTILE)
            assert await browser.js(count) == 3
            with closing(RunStore(folder / FILE_NAME)) as store:
                hash = (await browser.js("location.hash")).split("/")[2]
                episode = store.begin_episode(store.cells()[hash], 9)
                store.add_step(episode, 0, Answer(reply="up", status="ok", action="up"))
            await browser.until(count, 4)
            assert await browser.js(REPLY) == HOSTILE  # the reader stays where they are
            assert await browser.js("document.title") == "run · icil report"
            assert all(url.startswith(server.url) for url in browser.asked_for())
            assert browser.complaints() == []

    browse(tmp_path, scenario)
