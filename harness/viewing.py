"""A page on loopback that shows a run, live while it is played, and writes nothing.

    GET /                       the page
    GET /overview.json?since=N  leaderboard and cells; 204 where nothing has changed since N
    GET /cells/ID.json          a cell's episodes
    GET /episodes/ID.json       an episode with its pictures
    GET /beginnings/ID.json     how its prompts begin

The store is checked once, opened anew for each answer and closed at once, so that a run that ends
meanwhile can tidy up its log. All of it is read in one thread of its own. A request that names
another host is refused: no page of somebody else's can ask by way of a name that it lets point
here.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from aiohttp import web

from icil.results import open_run
from icil.results.report import (
    EpisodeReader,
    ReportedRun,
    live_episode,
    live_overview,
    live_page,
    policy,
)
from icil.results.store import FILE_NAME
from icil.tasks.errors import RunFolderError, StoreError, UsageError

HOST = "127.0.0.1"
_SHUTDOWN_S = 1.0
_NAMES = (HOST, "localhost")
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

T = TypeVar("T")
Stamp = tuple[tuple[int, int], ...]
"""Of the store's files, when they were written and how long they are."""


class ViewServer:
    """Serves the page of a run; starts and stops once.

    Args:
        folder: The run's folder.
        port: Where to listen; 0 for any that is free.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "view")
        self._runner: web.AppRunner | None = None
        self._stamp: Stamp | None = None
        self._overview: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it is, such as `http://127.0.0.1:8080`."""
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            UsageError: There is no run, or the port is in use.
            StoreError: The store is damaged.
        """
        await self._read(lambda: open_run(self._folder).close())
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._page)
        app.router.add_get("/overview.json", self._news)
        app.router.add_get(r"/cells/{id:\d{1,18}}.json", self._cell)
        app.router.add_get(r"/episodes/{id:\d{1,18}}.json", self._episode)
        app.router.add_get(r"/beginnings/{id:\d{1,18}}.json", self._beginning)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self.port).start()
        except OSError as error:
            await runner.cleanup()
            raise UsageError(
                f"port {self.port} on {HOST} cannot be listened on: {error.strerror or error}"
            ) from error
        self._runner, self.port = runner, runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops listening; what is being read is read to its end."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._thread.shutdown()

    async def _read(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Refuses requests of strangers, and says what went wrong with others."""
        response: web.StreamResponse
        try:
            if request.host in {f"{name}:{self.port}" for name in _NAMES}:
                response = await handler(request)
            else:
                response = web.Response(status=403, text="this page is for this machine alone\n")
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n")
        except (RunFolderError, StoreError) as error:
            response = web.Response(status=503, text=f"{error}\n")
        response.headers.update(_HEADERS)
        response.headers["Content-Security-Policy"] = f"{policy(live=True)}; frame-ancestors 'none'"
        return response

    async def _page(self, request: web.Request) -> web.Response:
        def read() -> str:
            stamp = self._look()
            with self._run() as run:
                return live_page(run, self._known(run, stamp))

        return web.Response(text=await self._read(read), content_type="text/html")

    async def _news(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "")

        def read() -> dict[str, Any] | None:
            stamp = self._look()
            if since == str(self._overview.get("revision")) and self._stamp == stamp:
                return None
            with self._run() as run:
                return self._known(run, stamp)

        found = await self._read(read)
        return web.Response(status=204) if found is None else _json(found)

    async def _cell(self, request: web.Request) -> web.Response:
        id = int(request.match_info["id"])

        def read() -> list[list[Any]]:
            with self._run() as run:
                return [line.to_json() for line in run.episodes(id)]

        return _json(await self._read(read))

    async def _episode(self, request: web.Request) -> web.Response:
        id = int(request.match_info["id"])
        return _json(await self._read(lambda: self._of_episode(lambda r: live_episode(r, id))))

    async def _beginning(self, request: web.Request) -> web.Response:
        id = int(request.match_info["id"])
        found = await self._read(lambda: self._of_episode(lambda r: r.beginning(id)))
        return _json(found._asdict() if found else None)

    def _of_episode(self, function: Callable[[EpisodeReader], T]) -> T:
        with self._run() as run, closing(EpisodeReader(run)) as reader:
            return function(reader)

    @contextmanager
    def _run(self) -> Iterator[ReportedRun]:
        with closing(open_run(self._folder, checked=True)) as store, store.snapshot():
            yield ReportedRun(store)

    def _known(self, run: ReportedRun, stamp: Stamp) -> dict[str, Any]:
        """Returns the overview, made anew where the store has changed.

        Args:
            run: The run.
            stamp: Of the store before it was opened: what is written later is news.
        """
        if stamp != self._stamp:
            found, revision = live_overview(run), self._overview.get("revision", 0) + 1
            self._overview, self._stamp = {**found, "revision": revision}, stamp
        return self._overview

    def _look(self) -> Stamp:
        found = []
        for name in (FILE_NAME, f"{FILE_NAME}-wal"):
            path = self._folder / name
            if path.exists():
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size))
        return tuple(found)


def _json(value: Any) -> web.Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return web.Response(text=text, content_type="application/json")
