"""An estimate against what the run then took, by the count of a server on loopback.

A pilot comes first: what the server counts for a text is not what is counted here.
"""

import pytest

from icil.harness import Experiment, run
from icil.harness.estimates import make_estimate
from icil.harness.estimates.usage_history import remember
from icil.harness.fake_server import ServerSettings, serve_in_thread
from icil.harness.planning.plan import make_plan
from icil.results import open_run

_TAKEN = """
SELECT COUNT(*), SUM(input_tokens), SUM(cached_input_tokens), SUM(cache_write_tokens),
       SUM(output_tokens), SUM(cost_usd)
FROM steps WHERE latency_s IS NOT NULL
"""


@pytest.fixture
def server(monkeypatch):
    """Returns a function that gives a fresh server's local address, and points all clients at it.

    Each has a cache of its own, in which nothing is left of the run before.
    """
    running = []

    def start():
        context = serve_in_thread(ServerSettings())
        running.append(context)
        urls = context.__enter__().urls
        for provider, url in (("OPENAI", urls.openai), ("ANTHROPIC", urls.anthropic)):
            monkeypatch.setenv(f"{provider}_BASE_URL", url)
            monkeypatch.setenv(f"{provider}_API_KEY", "a-key-for-tests")
        return urls.local

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("agent", "task", "format", "pilot", "fields"),
    [
        ("openai/gpt-5.4", "crossword", "ascii", 2, {"episodes": 6, "demos": (2,)}),
        ("anthropic/claude-sonnet-5", "gridworld", "rgb", 24, {"episodes": 36, "demos": (0, 8)}),
        (
            "openai/gpt-6-sol",
            "gridworld",
            "ascii",
            30,
            {"episodes": 45, "demos": (8,), "demo_sets": 3, "layout": "chat"},
        ),
        (
            "local/some@{url}",
            "gridworld",
            "coords",
            6,
            {"episodes": 30, "demos": (4,), "teacher_forced": True},
        ),
    ],
)
def test_an_estimate_after_a_pilot_is_within_5_percent(
    agent, task, format, pilot, fields, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("ICIL_CACHE", str(tmp_path / "cache"))

    def experiment(**other):
        name = agent.format(url=server())
        return Experiment(task=(task,), format=(format,), agent=(name,), **{**fields, **other})

    run(experiment(episodes=pilot), tmp_path / "pilot")
    store = open_run(tmp_path / "pilot")
    remember(store)
    store.close()

    real = experiment()
    found = make_estimate(make_plan(real), concurrency=16).total.expected
    run(real, tmp_path / "real")
    store = open_run(tmp_path / "real")
    (taken,) = store.rows(_TAKEN)[1]
    store.close()
    calls, input_, cached, written, output, cost = taken
    assert found.calls == pytest.approx(calls, rel=0.05)
    assert found.input_tokens == pytest.approx(input_, rel=0.05)
    assert found.cached_tokens == pytest.approx(cached, rel=0.1)
    assert found.written_tokens == pytest.approx(written, rel=0.1)
    assert found.output_tokens == pytest.approx(output, rel=0.1)
    assert found.cost_usd == pytest.approx(cost, rel=0.05)
