"""The server itself: starting and stopping, the log, many requests at once."""

import asyncio
import hashlib
import json
import socket

import aiohttp
import pytest

from icil.harness.fake_server import FakeServer, ServerSettings, serve_in_thread
from icil.tasks import UsageError

PATH = "/v1/chat/completions"


def test_in_an_event_loop(dialects):
    async def run():
        async with FakeServer() as server, aiohttp.ClientSession() as session:
            assert server.url == f"http://127.0.0.1:{server.port}"
            body = dialects.body("openai", "Action: up")
            async with session.post(f"{server.urls.openai}/chat/completions", json=body) as answer:
                said = await answer.json()
            assert len(server.requests) == server.total == server.most_at_once == 1
            return dialects.said("openai", said), server.port

    said, port = asyncio.run(run())
    assert said == "up"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_listens_on_one_address_only(serve):
    # Of the loopback addresses, too, only one: whoever listens on all of them answers here.
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.2", serve().server.port)) != 0


def test_a_port_in_use_is_wrong_usage(serve):
    settings = ServerSettings(port=serve().server.port)
    wrong = f"port {settings.port} on 127.0.0.1 cannot be listened on"
    with pytest.raises(UsageError, match=wrong), serve_in_thread(settings):
        pass


def test_before_it_starts_there_is_nothing():
    server = FakeServer()
    assert (server.port, server.requests, server.total, server.most_at_once) == (0, [], 0, 0)


def test_the_log_tells_what_came(serve, dialects, draw):
    client = serve(keep_bodies=True)
    body = dialects.body("openai", "12345678", draw(32, 32).encode())
    sent = json.dumps(body).encode()
    client.ask(PATH, sent)
    client.ask(PATH, b"{")
    client.ask("/nowhere", sent)
    first, second, third = client.server.requests
    assert (first.dialect, first.model, first.path, first.method) == ("openai", "m", PATH, "POST")
    assert (first.number, first.answered, first.at_once) == (1, 1, 1)
    assert (first.status, first.fault) == (200, None)
    assert (first.input_tokens, first.output_tokens, first.images) == (3, 4, 1)
    assert (first.body, first.body_bytes) == (sent, len(sent))
    assert first.body_sha256 == hashlib.sha256(sent).hexdigest()
    assert (second.status, second.model, second.body) == (400, "", b"{")
    assert (third.status, third.path) == (404, "/nowhere")


def test_the_log_is_bounded_and_keeps_no_bodies_unless_told_to(serve, dialects):
    client = serve(kept_requests=3)
    for number in range(5):
        client.ask(PATH, dialects.body("openai", f"{number}"))
    assert [record.number for record in client.server.requests] == [3, 4, 5]
    assert {record.body for record in client.server.requests} == {None}
    assert client.server.total == 5


def test_answers_may_overtake_each_other(serve, dialects):
    client = serve(latency_s_per_1k_tokens=0.5)
    bodies = [dialects.body("openai", "x" * size) for size in (4000, 4)]

    async def run():
        async with aiohttp.ClientSession(client.server.url) as session:
            slow = asyncio.create_task(session.post(PATH, json=bodies[0]))
            while not client.server.most_at_once:
                await asyncio.sleep(0.01)
            (await session.post(PATH, json=bodies[1])).release()
            assert not slow.done()
            (await slow).release()

    asyncio.run(run())
    slow, quick = client.server.requests
    assert (slow.number, slow.answered, slow.at_once) == (1, 2, 1)
    assert (quick.number, quick.answered, quick.at_once) == (2, 1, 2)
    client.ask(PATH, bodies[1])
    assert client.server.requests[-1].at_once == 1
    assert client.server.most_at_once == 2


def test_many_requests_at_once_are_all_answered(serve, dialects):
    client = serve()
    asked = [(PATH, dialects.body("openai", f"Action: a{number}\n")) for number in range(100)]
    said = [dialects.said("openai", answered.json) for answered in client.ask_all(asked)]
    assert said == [f"a{number}" for number in range(100)]
    assert sorted(record.answered for record in client.server.requests) == list(range(1, 101))


def test_a_large_request_with_many_images(serve, dialects, draw):
    images = [draw(60, 60, shade).encode() for shade in range(200)]
    parts = [part for image in images for part in ("Observation:\n", image, "Action: up\n")]
    client = serve()
    for dialect, image_tokens in (("openai", 4), ("anthropic", 9), ("gemini", 258)):
        body = dialects.body(dialect, *parts)
        answered = client.ask(dialects.PATHS[dialect], body)
        assert dialects.said(dialect, answered.json) == "up"
        record = client.server.requests[-1]
        assert (record.images, record.input_tokens) == (200, 200 * (4 + image_tokens + 3))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", PATH, {"error": {"type": "invalid_request_error"}}),
        ("GET", "/", {"error": {"type": "invalid_request_error"}}),
        ("POST", "/v1/messages/batches", {"type": "error"}),
        ("GET", "/v1beta/tunedModels", {"error": {"status": "NOT_FOUND"}}),
        ("POST", "/local/v1/embeddings", {"error": {"code": 404}}),
    ],
)
def test_paths_that_there_are_not(serve, method, path, body):
    answered = serve().ask(path, method=method)
    assert answered.status == 404
    found = answered.json
    if "type" in body:
        assert found["type"] == body["type"]
    else:
        assert body["error"].items() <= found["error"].items()


def test_a_local_server_is_found_with_and_without_its_version(serve, dialects):
    client = serve(models=("qwen",), context_tokens=4096)
    for root in ("/local/v1", "/local"):
        (model,) = client.ask(f"{root}/models", method="GET").json["data"]
        assert (model["id"], model["max_model_len"]) == ("qwen", 4096)
        body = dialects.body("local", "Action: up", model="qwen")
        assert client.ask(f"{root}/chat/completions", body).status == 200


def test_the_listed_models_are_in_the_dialect_of_who_asks(serve):
    client = serve(models=("a",))
    assert client.ask("/v1/models", method="GET").json["object"] == "list"
    headers = {"anthropic-version": "2023-06-02"}
    assert client.ask("/v1/models", method="GET", headers=headers).json["has_more"] is False
    assert client.ask("/v1beta/models", method="GET").json["models"][0]["name"] == "models/a"
