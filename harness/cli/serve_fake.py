"""`icil serve-fake`."""

import asyncio
import signal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from icil.harness.fake_server import FakeServer, ServerSettings


@click.command("serve-fake")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="Port on 127.0.0.1. [default: any that is free]",
)
@click.option(
    "--answers",
    metavar="imitate|echo|fixed:TEXT",
    default="imitate",
    show_default=True,
    help="What the models say; imitate repeats an action that the prompt shows or allows.",
)
@click.option(
    "--fault",
    "faults",
    metavar="KIND:SHARE|KIND:first=N",
    multiple=True,
    help="What goes wrong, such as 429:0.1 or drop:first=3; may be repeated. Kinds: 400, 401, "
    "404, 408, 429, 429-date, 500, 503, 529, blank, drop, half, half-chunked, hang, html, "
    "shape, text.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the faults.")
@click.option(
    "--latency",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds that an answer takes.",
)
@click.option("--context-tokens", type=click.IntRange(1), help="Longest prompt. [default: any]")
@click.option("--max-images", type=click.IntRange(0), help="Most images. [default: the provider's]")
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="Key to ask for; may be repeated. [default: any key, or none]",
)
def serve_fake(
    port: int,
    answers: str,
    faults: tuple[str, ...],
    seed: int,
    latency: float,
    context_tokens: int | None,
    max_images: int | None,
    keys: tuple[str, ...],
) -> None:
    """Serve models that cost nothing, to try a set-up without a key.

    The server speaks the dialects of OpenAI, Anthropic, Gemini and of local servers, on this
    machine only. Its models know nothing: they repeat actions that a prompt shows.
    """
    from icil.harness.fake_server import ServerSettings, read_fault

    settings = ServerSettings(
        port=port,
        answers=answers,
        faults=tuple(map(read_fault, faults)),
        seed=seed,
        latency_s=latency,
        context_tokens=context_tokens,
        max_images=max_images,
        keys=keys,
    )
    asyncio.run(_serve(settings))


async def _serve(settings: "ServerSettings") -> None:
    """Serves until the process is interrupted or told to end."""
    from icil.harness.fake_server import FakeServer

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with FakeServer(settings) as server:
        _show(server)
        await ended.wait()
    faulty = sum(record.fault is not None for record in server.requests)
    click.echo(f"{server.total} requests, {faulty} of the last {len(server.requests)} with a fault")


def _show(server: "FakeServer") -> None:
    urls = server.urls
    click.echo(f"serving on {server.url} until Ctrl-C; for another terminal:\n")
    click.echo(f"  export OPENAI_BASE_URL={urls.openai}")
    click.echo(f"  export ANTHROPIC_BASE_URL={urls.anthropic}")
    click.echo(f"  export GOOGLE_BASE_URL={urls.google}")
    if not server.settings.keys:
        click.echo("  export OPENAI_API_KEY=any ANTHROPIC_API_KEY=any GOOGLE_API_KEY=any")
    click.echo(f"\nlocal models: local/MODEL@{urls.local}")
