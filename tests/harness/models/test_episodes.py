"""Whole episodes against the loopback server: every adapter, faults or none, the same scores."""

import json
import re
import sqlite3

import pytest

from icil.harness import Experiment, run
from icil.harness.fake_server import FaultRule
from icil.harness.models.asking import asker as asking
from icil.harness.playing.budget import Budget
from icil.results import open_run

HOSTED = (
    "anthropic/claude-sonnet-4-5",
    "google/gemini-2.5-flash",
    "litellm/openai/gpt-4.1",
    "openai/gpt-4.1",
)
FAULTS = tuple(
    FaultRule(kind=kind, share=0.03)
    for kind in ("429", "429-date", "500", "529", "408", "drop", "half", "html", "blank", "shape")
)
FIELDS = {"demos": (0, 2), "episodes": 2, "legal_actions": True}


HUGE = 10**30
RUBBISH = {
    "model": "m" * 5000,
    "modelVersion": "m" * 5000,
    "usage": {
        "prompt_tokens": HUGE,
        "completion_tokens": HUGE,
        "prompt_tokens_details": {"cached_tokens": HUGE},
        "input_tokens": HUGE,
        "output_tokens": HUGE,
        "cache_read_input_tokens": float("inf"),
    },
    "usageMetadata": {"promptTokenCount": HUGE, "candidatesTokenCount": -HUGE},
    "choices": [{"message": {"content": "b2"}, "finish_reason": "f" * 5000}],
    "content": [{"type": "text", "text": "b2"}],
    "stop_reason": "f" * 5000,
    "candidates": [{"content": {"parts": [{"text": "b2"}]}, "finishReason": "f" * 5000}],
}
"""An answer in all dialects, with numbers that no store can hold and words without end."""


def local(server):
    return f"local/m@{server.urls.local}"


def agents_of(server):
    return (*HOSTED, local(server))


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Waits are as the servers ask, and short where they do not ask."""
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setitem(asking.Asker.__init__.__kwdefaults__, "first_wait_s", 0.01)


def scores(folder):
    """The score of each episode; a local server's address is left out."""
    with sqlite3.connect(folder / "run.sqlite") as db:
        rows = db.execute(
            "SELECT c.task, c.format, c.agent, c.demonstrations, e.opening, e.status, e.score "
            "FROM episodes e JOIN cells c ON c.id = e.cell ORDER BY 1, 2, 3, 4, 5"
        ).fetchall()
    return [(*row[:2], row[2].partition("@")[0], *row[3:]) for row in rows]


def replies(folder):
    with sqlite3.connect(folder / "run.sqlite") as db:
        return db.execute(
            "SELECT c.agent, e.opening, s.* FROM steps s JOIN episodes e ON e.id = s.episode "
            "JOIN cells c ON c.id = e.cell WHERE s.latency_s IS NOT NULL"
        ).fetchall()


def play(serve, folder, *, faults=(), **fields):
    server = serve(faults=faults, retry_after_s=0.01, keep_bodies=False)
    experiment = Experiment(**{"agent": agents_of(server), **FIELDS, **fields})
    return server, run(experiment, folder, concurrency=4)


@pytest.mark.parametrize("layout", ["single", "chat"])
def test_faults_change_no_score(serve, tmp_path, layout):
    fields = {"task": ("gridworld", "tic_tac_toe"), "format": ("coords", "rgb"), "layout": layout}
    quiet, calm = play(serve, tmp_path / "calm", **fields)
    noisy, stormy = play(serve, tmp_path / "stormy", faults=FAULTS, **fields)
    assert scores(stormy.folder) == scores(calm.folder)
    assert (calm.errors, stormy.errors, stormy.stopped) == (0, 0, {})
    assert {status for *_, status, _ in scores(calm.folder)} == {"done"}
    assert noisy.total > quiet.total
    assert len(replies(stormy.folder)) == len(replies(calm.folder))


def test_what_was_sent_and_what_it_cost_is_recorded(serve, tmp_path):
    server, summary = play(serve, tmp_path / "run", task=("gridworld",), format=("rgb",))
    store = open_run(summary.folder)
    columns, rows = store.rows(
        "SELECT c.agent, s.* FROM steps s JOIN episodes e ON e.id = s.episode "
        "JOIN cells c ON c.id = e.cell WHERE s.latency_s IS NOT NULL"
    )
    steps = [dict(zip(columns, row, strict=True)) for row in rows]
    answered = [r for r in server.requests if r.model and r.status == 200]
    assert len(steps) == len(answered) > 100
    assert sum(s["input_tokens"] for s in steps) == sum(r.input_tokens for r in answered)
    assert sum(s["output_tokens"] for s in steps) == sum(r.output_tokens for r in answered)
    for step in steps:
        assert (step["cost_usd"] == 0) == step["agent"].startswith("local/")
        assert (step["finish"], bool(step["model"])) == ("stop", True)
        kinds = [store.part(part)[0] for part in store.request(step["episode"], step["step"])]
        assert step["images"] == kinds.count("png") > 0
        limit = 8192 if "claude" in step["agent"] or "gemini" in step["agent"] else 2048
        assert limit in json.loads(step["parameters"]).values()
    store.close()


def test_the_cache_is_hit_with_a_shared_set(serve, tmp_path):
    fields = {"task": ("gridworld",), "format": ("rgb",), "demos": (16,), "episodes": 4}
    _, summary = play(serve, tmp_path / "run", demo_sets=1, **fields)
    for row in summary.leaderboard.rows:
        if row.input_tokens:
            # Only the prefix is held in an explicit cache of Gemini's, the tail is not.
            least = 0.85 if row.agent.startswith("google") else 0.9
            assert row.cached_input_tokens / row.input_tokens > least, row.agent


def test_no_key_is_written_anywhere(serve, tmp_path, keys, capfd):
    server = serve(keys=("another-key-than-ours",))
    experiment = Experiment(task=("gridworld",), format=("coords",), agent=HOSTED, **FIELDS)
    summary = run(experiment, tmp_path / "run")
    assert set(summary.stopped) == set(HOSTED)
    assert server.total <= 2 * 16 * len(HOSTED)
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or keys.encode() not in path.read_bytes()
    said = capfd.readouterr()
    assert keys not in said.out + said.err + str(summary)


def test_the_right_key_is_let_in(serve, tmp_path, keys):
    server = serve(keys=(keys,))
    experiment = Experiment(
        task=("gridworld",), format=("coords",), agent=HOSTED, demos=(0,), episodes=1
    )
    summary = run(experiment, tmp_path / "run")
    assert (summary.errors, summary.stopped) == (0, {})
    assert server.total > 0


def test_a_wrong_key_stops_one_model_and_the_others_play_on(serve, tmp_path):
    server = serve(keys=("right",))
    agents = ("openai/gpt-4.1", local(server))  # local servers never ask
    experiment = Experiment(task=("gridworld",), format=("coords",), agent=agents, **FIELDS)
    summary = run(experiment, tmp_path / "run", concurrency=1)
    assert list(summary.stopped) == ["openai/gpt-4.1"]
    assert "401" in summary.stopped["openai/gpt-4.1"]
    done = {row.agent: row.episodes for row in summary.leaderboard.rows}
    assert done[agents[1]] == 2
    assert sum(r.status == 401 for r in server.requests) == 1


def test_a_prompt_that_the_server_finds_too_long_is_overlong(serve, tmp_path):
    server = serve(context_tokens=450)
    experiment = Experiment(
        task=("gridworld",), format=("coords",), agent=agents_of(server), **FIELDS
    )
    summary = run(experiment, tmp_path / "run")
    notes = {(row.agent, row.demonstrations): row.note for row in summary.leaderboard.rows}
    for agent in agents_of(server):
        assert notes[agent, 2] == "overlong", agent
    assert summary.errors == 0


def test_replies_that_are_refused_empty_or_cut_are_the_models_own(serve, tmp_path):
    from icil.harness.fake_server import Oddities

    server = serve(oddities=Oddities(empty=0.2, refused=0.2, truncated=0.2))
    experiment = Experiment(
        task=("gridworld",), format=("coords",), agent=agents_of(server), **FIELDS
    )
    summary = run(experiment, tmp_path / "run")
    assert summary.errors == 0
    with sqlite3.connect(summary.folder / "run.sqlite") as db:
        rows = db.execute(
            "SELECT c.agent, s.finish, s.status, COUNT(*) FROM steps s JOIN episodes e "
            "ON e.id = s.episode JOIN cells c ON c.id = e.cell WHERE s.latency_s IS NOT NULL "
            "GROUP BY 1, 2, 3"
        ).fetchall()
    for agent in agents_of(server):
        found = {(finish, status) for who, finish, status, _ in rows if who == agent}
        assert {("refusal", "empty"), ("stop", "empty"), ("stop", "ok")} <= found, agent
        assert "length" in {finish for finish, _ in found}


def test_a_budget_stops_a_hosted_model_before_it_is_passed(serve, tmp_path):
    server = serve()
    experiment = Experiment(
        task=("gridworld",), format=("coords",), agent=("openai/gpt-4.1",), **FIELDS
    )
    stopped = run(experiment, tmp_path / "run", budget=Budget(cost_usd=0.05))
    store = open_run(tmp_path / "run")
    assert 0.01 < store.cost() <= 0.05
    store.close()
    assert "might cost" in stopped.stopped[""]
    whole = run(experiment, tmp_path / "run")
    assert (whole.stopped, {row.episodes for row in whole.leaderboard.rows}) == ({}, {2})
    assert server.total == len(replies(tmp_path / "run"))


@pytest.mark.parametrize("agent", ["anthropic/claude-sonnet-4-5", "openai/gpt-4.1"])
def test_a_limit_holds_though_the_provider_counts_more(serve, tmp_path, agent):
    serve(bytes_per_token=1)  # some three times as many as are counted here
    experiment = Experiment(
        task=("gridworld",), format=("ascii",), agent=(agent,), demos=(4,), episodes=8
    )
    limit = 400_000
    stopped = run(experiment, tmp_path / "run", budget=Budget(tokens=limit), concurrency=1)
    assert "might take" in stopped.stopped[""]
    store = open_run(tmp_path / "run")
    assert 0.9 * limit < store.tokens() <= limit
    store.close()


def test_calls_made_before_their_price_was_known_count_towards_a_limit(serve, tmp_path):
    server = serve()
    fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "agent": ("openai/new",)}
    experiment = Experiment(**fields, demos=(0,), episodes=4)
    first = run(experiment, tmp_path / "run", budget=Budget(tokens=2500))
    assert first.stopped
    assert {row.cost_usd for row in first.leaderboard.rows} == {None}
    sent = server.total
    prices = tmp_path / "prices.yaml"
    prices.write_text("new: {input: 10000, output: 1}")
    priced = experiment.model_copy(update={"prices": prices})
    stopped = run(priced, tmp_path / "run", budget=Budget(cost_usd=1.0))
    assert re.search(r"\$[1-9]\d*\.\d+ of \$1 are spent", stopped.stopped[""])
    assert server.total == sent
    assert run(priced, tmp_path / "run").stopped == {}


@pytest.mark.parametrize("agent", ["anthropic/m", "google/m", "local/m", "openai/m"])
def test_numbers_that_cannot_be_are_none(serve_strange, tmp_path, agent):
    server = serve_strange(lambda body: (200, RUBBISH))
    agent += f"@http://127.0.0.1:{server.port}" if agent.startswith("local") else ""
    summary = run(
        Experiment(
            task=("tic_tac_toe",), format=("ascii",), agent=(agent,), demos=(0,), episodes=1
        ),
        tmp_path / "run",
    )
    assert summary.errors == 0
    steps = replies(tmp_path / "run")
    assert steps
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as db:
        (most, model, detail), *_ = db.execute(
            "SELECT MAX(input_tokens + output_tokens), MAX(LENGTH(model)), MAX(LENGTH(detail)) "
            "FROM steps WHERE latency_s IS NOT NULL"
        )
    assert 0 < most < 10_000  # counted here
    assert (model, detail) == (200, 200)


def test_the_first_request_of_a_prefix_is_answered_before_the_others_are_sent(serve, tmp_path):
    server = serve(latency_s=0.05)
    experiment = Experiment(
        task=("gridworld",),
        format=("rgb",),
        agent=("openai/gpt-4.1",),
        demos=(8,),
        episodes=4,
        demo_sets=1,
    )
    run(experiment, tmp_path / "run", concurrency=4)
    requests = sorted(server.requests, key=lambda request: request.number)
    assert [request.at_once for request in requests[:2]] == [1, 1]
    assert max(request.at_once for request in requests) >= 3
    assert [request.cached_tokens > 0 for request in requests[:6]] == [False] + [True] * 5
