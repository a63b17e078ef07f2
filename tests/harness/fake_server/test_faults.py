"""What goes wrong, as a raw client sees it."""

import asyncio
from collections import Counter
from email.utils import parsedate_to_datetime

import aiohttp
import anthropic
import openai
import pytest

from icil.harness.fake_server import FakeServer, FaultRule, ServerSettings, read_fault
from icil.harness.fake_server.faults import KINDS
from icil.tasks import UsageError

ALL = ("openai", "local", "responses", "anthropic", "gemini")
STATUSES = {
    "400": {"openai": (400, "invalid_request_error"), "local": (400, "BadRequestError")},
    "401": {"openai": (401, "invalid_request_error")},
    "404": {"openai": (404, "invalid_request_error"), "local": (404, "NotFoundError")},
    "408": {"openai": (408, "invalid_request_error")},
    "429": {"openai": (429, "requests")},
    "429-date": {"openai": (429, "requests")},
    "500": {"openai": (500, "server_error")},
    "503": {"openai": (503, "server_error")},
    "529": {"openai": (529, "server_error")},
}
ANTHROPIC = {
    "400": (400, "invalid_request_error"),
    "401": (401, "authentication_error"),
    "404": (404, "not_found_error"),
    "408": (408, "timeout_error"),
    "429": (429, "rate_limit_error"),
    "429-date": (429, "rate_limit_error"),
    "500": (500, "api_error"),
    "503": (503, "api_error"),
    "529": (529, "overloaded_error"),
}
GEMINI = {
    "400": (400, "INVALID_ARGUMENT"),
    "401": (400, "INVALID_ARGUMENT"),
    "404": (404, "NOT_FOUND"),
    "408": (408, "DEADLINE_EXCEEDED"),
    "429": (429, "RESOURCE_EXHAUSTED"),
    "429-date": (429, "RESOURCE_EXHAUSTED"),
    "500": (500, "INTERNAL"),
    "503": (503, "UNAVAILABLE"),
    "529": (529, "UNAVAILABLE"),
}


@pytest.mark.parametrize("kind", STATUSES)
@pytest.mark.parametrize("dialect", ALL)
def test_an_error_has_the_provider_s_status_and_body(serve, dialects, dialect, kind):
    client = serve(script=(kind,), retry_after_s=1.5)
    path, body = dialects.PATHS[dialect], dialects.body(dialect, "hello")
    answered = client.ask(path, body)
    if dialect == "anthropic":
        assert (answered.status, answered.error["type"]) == ANTHROPIC[kind]
        assert answered.json["type"] == "error"
    elif dialect == "gemini":
        assert (answered.status, answered.error["status"]) == GEMINI[kind]
        assert answered.error["code"] == answered.status
    else:
        expected = STATUSES[kind]
        expected = expected.get(dialect, expected["openai"])
        assert (answered.status, answered.error["type"]) == expected
    assert answered.error["message"]
    if kind == "429":
        assert answered.headers["Retry-After"] == "1.5"
    if kind == "429" and dialect == "gemini":
        assert answered.error["details"][0]["retryDelay"] == "1.5s"
    record = client.server.requests[0]
    assert (record.fault, record.status) == (kind, answered.status)
    assert client.ask(path, body).status == 200


def test_retry_after_as_a_date(serve, dialects, clock):
    client = serve(script=("429-date",), retry_after_s=90, clock=clock)
    answered = client.ask(dialects.PATHS["openai"], dialects.body("openai", "hello"))
    then = parsedate_to_datetime(answered.headers["Retry-After"])
    assert then.timestamp() == clock.now + 90


@pytest.mark.parametrize(
    ("kind", "type", "body"),
    [
        ("blank", "application/json", b""),
        ("html", "text/html", b"<html>"),
        ("shape", "application/json", b'{"status"'),
        ("text", "application/json", b"upstream"),
    ],
)
@pytest.mark.parametrize("dialect", ALL)
def test_rubbish_comes_with_200(serve, dialects, dialect, kind, type, body):
    client = serve(script=(kind,))
    answered = client.ask(dialects.PATHS[dialect], dialects.body(dialect, "hello"))
    assert answered.status == 200
    assert answered.headers["Content-Type"].startswith(type)
    assert answered.body.startswith(body)


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("drop", aiohttp.ServerDisconnectedError, 0),
        ("half", aiohttp.ClientPayloadError, 200),
        ("half-chunked", aiohttp.ClientPayloadError, 200),
    ],
)
@pytest.mark.parametrize("dialect", ALL)
def test_a_connection_that_breaks(serve, dialects, dialect, kind, error, status):
    client = serve(script=(kind,))
    path, body = dialects.PATHS[dialect], dialects.body(dialect, "hello")
    with pytest.raises(error):
        client.ask(path, body)
    record = client.server.requests[0]
    assert (record.fault, record.status) == (kind, status)
    assert client.ask(path, body).status == 200


def test_half_an_answer_is_half_of_it(serve, dialects):
    # A client that looks at what arrived sees the beginning of the real answer.
    client = serve(script=("half", "half-chunked", None))
    path, body = dialects.PATHS["openai"], dialects.body("openai", "Action: up")

    async def read():
        came = b""
        async with (
            aiohttp.ClientSession(client.server.url) as session,
            session.post(path, json=body) as response,
        ):
            try:
                async for piece in response.content.iter_any():
                    came += piece
            except aiohttp.ClientPayloadError:
                return came, response.headers
        return came, None

    for chunked in (False, True):
        came, headers = asyncio.run(read())
        assert came.startswith(b'{"id": "chatcmpl-')
        assert headers.get("Transfer-Encoding") == ("chunked" if chunked else None)
        if not chunked:
            assert int(headers["Content-Length"]) // 2 == len(came)
    assert asyncio.run(read())[1] is None


def test_a_hang_lasts_until_the_client_gives_up(serve, dialects):
    client = serve(script=("hang",))
    path, body = dialects.PATHS["openai"], dialects.body("openai", "hello")
    with pytest.raises(TimeoutError):
        client.ask_all([(path, body)], timeout_s=0.3)
    assert client.ask(path, body).status == 200
    first, second = client.server.requests
    assert (first.fault, first.status, second.status) == ("hang", 0, 200)


def test_a_hang_ends_after_its_time_or_with_the_server(serve, dialects):
    path, body = dialects.PATHS["openai"], dialects.body("openai", "hello")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        serve(script=("hang",), hang_s=0.1).ask(path, body)

    async def run():
        server = FakeServer(ServerSettings(script=("hang",)))
        async with aiohttp.ClientSession() as session:
            async with server:
                asked = asyncio.create_task(session.post(server.url + path, json=body))
                while not server.most_at_once:
                    await asyncio.sleep(0.01)
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await asked

    asyncio.run(run())


def test_clients_with_retries_get_through(serve):
    raw = serve(script=("429", "drop", None, "429", "half", None), retry_after_s=0.01)
    with openai.OpenAI(base_url=raw.server.urls.openai, api_key="any", max_retries=3) as client:
        messages = [{"role": "user", "content": "Action: up"}]
        answer = client.chat.completions.create(model="m", messages=messages)
    assert answer.choices[0].message.content == "up"
    url = raw.server.urls.anthropic
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=3) as client:
        answer = client.messages.create(model="m", messages=messages, max_tokens=9)
    assert answer.content[0].text == "up"
    assert len({record.body_sha256 for record in raw.server.requests[:3]}) == 1


def statuses(client, dialects, count, **more):
    path = dialects.PATHS["openai"]
    return [
        client.ask(path, dialects.body("openai", f"prompt {number}", **more)).status
        for number in range(count)
    ]


def test_shares_are_shares_and_the_seed_draws_them(serve, dialects):
    rules = (FaultRule(kind="429", share=0.2), FaultRule(kind="500", share=0.1))

    def run(seed):
        return statuses(serve(faults=rules, seed=seed), dialects, 200)

    first = run(0)
    counts = Counter(first)
    assert set(counts) == {200, 429, 500}
    assert 22 <= counts[429] <= 60
    assert 8 <= counts[500] <= 35
    assert run(0) == first != run(1)


def test_a_prompt_fails_so_many_times_in_a_row_at_most(serve, dialects):
    client = serve(faults=(FaultRule(kind="500", share=1.0),), most_in_a_row=2)
    path, body = dialects.PATHS["openai"], dialects.body("openai", "hello")
    assert [client.ask(path, body).status for _ in range(7)] == [500, 500, 200, 500, 500, 200, 500]
    # Another prompt is counted on its own.
    other = dialects.body("openai", "other")
    assert [client.ask(path, other).status for _ in range(3)] == [500, 500, 200]


def test_each_time_a_prompt_comes_it_fails_or_not_anew(serve, dialects):
    client = serve(faults=(FaultRule(kind="500", share=0.5),), most_in_a_row=100)
    path, body = dialects.PATHS["openai"], dialects.body("openai", "hello")
    counts = Counter(client.ask(path, body).status for _ in range(30))
    assert 5 <= counts[500] <= 25


def test_faults_do_not_depend_on_the_order_of_prompts(serve, dialects):
    rules = (FaultRule(kind="500", share=0.5),)
    bodies = [dialects.body("openai", f"prompt {number}") for number in range(20)]

    def run(order):
        client = serve(faults=rules)
        path = dialects.PATHS["openai"]
        found = {}
        for number in order:
            found[number] = [client.ask(path, bodies[number]).status for _ in range(2)]
        return dict(sorted(found.items()))

    assert run(range(20)) == run(reversed(range(20)))


def test_the_first_requests_fail_and_only_of_some_models(serve, dialects):
    client = serve(faults=(FaultRule(kind="503", first=2, models="gpt-*"),))
    assert statuses(client, dialects, 2, model="other") == [200, 200]
    assert statuses(client, dialects, 4, model="gpt-4o") == [503, 503, 200, 200]


def test_a_script_goes_before_the_rules(serve, dialects):
    rules = (FaultRule(kind="503", share=1.0),)
    client = serve(script=(None, "500"), faults=rules)
    assert statuses(client, dialects, 3) == [200, 500, 503]


def test_counting_and_listing_do_not_fail(serve, dialects):
    client = serve(faults=(FaultRule(kind="500", share=1.0),))
    body = dialects.body("anthropic", "12345678")
    del body["max_tokens"]
    assert client.ask("/v1/messages/count_tokens", body).json == {"input_tokens": 2}
    assert client.ask("/v1/models", method="GET").status == 200


def test_making_a_cached_content_fails_like_an_answer(serve, dialects):
    client = serve(script=("429", "drop"))
    body = {"model": "models/m", "contents": [{"parts": [{"text": "x" * 4096}]}]}
    assert client.ask("/v1beta/cachedContents", body).status == 429
    with pytest.raises(aiohttp.ServerDisconnectedError):
        client.ask("/v1beta/cachedContents", body)
    assert client.ask("/v1beta/cachedContents", body).status == 200
    assert len(client.ask("/v1beta/cachedContents", method="GET").json["cachedContents"]) == 1


def test_rules_as_the_command_line_has_them():
    assert read_fault("429:0.1") == FaultRule(kind="429", share=0.1)
    assert read_fault("half-chunked:first=3") == FaultRule(kind="half-chunked", first=3)
    assert [read_fault(f"{kind}:1").kind for kind in KINDS] == list(KINDS)


@pytest.mark.parametrize(
    "rule", ["429", "429:", "429:x", "429:2", "429:-1", "429:nan", "429:first=x", "429:last=1"]
)
def test_rules_that_are_none(rule):
    with pytest.raises(UsageError, match="fault"):
        read_fault(rule)


def test_an_unknown_fault_is_answered_with_the_nearest():
    for make in (
        lambda: read_fault("hanging:0.1"),
        lambda: FaultRule(kind="hanging"),
        lambda: ServerSettings(script=("hanging",)),
    ):
        with pytest.raises(UsageError, match="unknown fault 'hanging'; did you mean 'hang'"):
            make()


def test_shares_of_all_rules_fit_together():
    with pytest.raises(UsageError, match="add up to 1"):
        ServerSettings(faults=(FaultRule(kind="500", share=0.6), FaultRule(kind="429", share=0.5)))
