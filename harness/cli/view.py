"""`icil view`."""

import asyncio
import signal
from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="Port on 127.0.0.1. [default: any that is free]",
)
def view(folder: Path, port: int) -> None:
    """Show the run in DIR as a page in your browser, live while it is played.

    The page is that of `icil report` with all episodes, and follows the run. It is served on this
    machine only; nothing is written. Ctrl-C ends it.
    """
    asyncio.run(_view(folder, port))


async def _view(folder: Path, port: int) -> None:
    """Serves until the process is interrupted or told to end."""
    from icil.harness.viewing import ViewServer

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with ViewServer(folder, port) as server:
        click.echo(f"open {server.url} in a browser; Ctrl-C ends it")
        await ended.wait()
