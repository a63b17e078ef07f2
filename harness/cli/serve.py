"""`icil serve`."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from icil.harness.policies.serving import PolicyServer, Served


@click.command()
@click.argument("agent")
@click.option("--task", required=True, help="Task whose observations are answered.")
@click.option("--format", "format", help="Observation format. [default: the task's first]")
@click.option("--demos", type=click.IntRange(0), default=4, show_default=True, help="Shown.")
@click.option("--selector", default="random", show_default=True, help="How they are chosen.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of their choice.")
@click.option("--legal-actions", is_flag=True, help="List the legal actions at each step.")
@click.option("--reasoning", is_flag=True, help="Ask a model to think in writing first.")
@click.option("--layout", type=click.Choice(["single", "chat"]), help="[default: single]")
@click.option("--parse", type=click.Choice(["strict", "lenient"]), help="[default: strict]")
@click.option("--pool", metavar="DIR", multiple=True, help="Pool of demonstrations to use instead.")
@click.option(
    "--set",
    "settings",
    metavar="NAME.SETTING=VALUE",
    multiple=True,
    help="Setting of the task or the model; may be repeated.",
)
@click.option(
    "--protocol", type=click.Choice(["openpi"]), default="openpi", show_default=True, hidden=True
)
@click.option(
    "--key", help="Key of the numbers or the frame. [default: state, or image of a frame]"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True)
@click.option("--yes", is_flag=True, help="Serve a model that costs money, without asking first.")
def serve(
    agent: str,
    task: str,
    format: str | None,
    demos: int,
    settings: tuple[str, ...],
    protocol: str,
    key: str | None,
    host: str,
    port: int,
    yes: bool,
    **options: Any,
) -> None:
    """Let AGENT answer as an openpi policy, a language model too.

    It sees what clients send behind its demonstrations, and its action goes back as a chunk of
    one step. The observation's key, and all else that a client must know, is told on connecting.
    """
    from icil.harness.cli.options import read_experiment
    from icil.harness.planning.offering import offer
    from icil.harness.secrets import load_dotenv

    load_dotenv(Path())
    given = {name: value for name, value in options.items() if value not in (False, None, ())}
    wanted = {"task": task, "agent": agent, "demos": demos, "episodes": 1, **given}
    if format is not None:
        wanted["format"] = format
    served = offer(read_experiment(None, settings, wanted), key)
    _agree(served, yes)
    asyncio.run(_serve(served, host, port))


def _agree(served: "Served", yes: bool) -> None:
    """Asks before a model is served that costs money.

    Raises:
        UsageError: There is nobody to ask.
    """
    import sys

    from icil.harness.agents.model import ModelAgent
    from icil.tasks.errors import UsageError

    if yes or not (isinstance(served.agent, ModelAgent) and served.agent.paid):
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{served.name} costs money with each request; say --yes to serve it")
    click.confirm(f"{served.name} costs money with each request. Serve it?", abort=True, err=True)


async def _serve(served: "Served", host: str, port: int) -> None:
    """Serves until the process is interrupted or told to end."""
    from icil.harness.policies.serving import PolicyServer

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with PolicyServer(served, host=host, port=port) as server:
        _show(server, served)
        await ended.wait()
    click.echo(f"{server.requests} observations answered")


def _show(server: "PolicyServer", served: "Served") -> None:
    click.echo(f"serving {served.name} at {server.url} until Ctrl-C")
    kind = "a frame" if served.format in served.task.image_formats else "the numbers of the state"
    click.echo(f"  task          {served.task.name} · {served.format}")
    click.echo(f"  demonstrations {len(served.selection.ids)}")
    click.echo(f"  observation   {{{served.key!r}: {kind}}}")
    click.echo("  answer        {'actions': an array of shape (1, dimension)}")
