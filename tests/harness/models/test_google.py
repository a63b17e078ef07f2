"""Google's provider: what arrives, what is cached there and for how long, what comes back."""

import asyncio
import json
import queue
import subprocess
import sys
import threading
from base64 import b64encode
from itertools import pairwise, takewhile

import pytest
from aiohttp import web

from icil.harness.fake_server import Oddities, ServerSettings, serve_in_thread
from icil.harness.models import Sampling
from icil.harness.models.google.provider import GoogleProvider
from icil.prompt_builders import ImagePart, Prefix, Prompt, TextPart
from icil.prompt_builders.parts import merge_text, role_of
from icil.tasks import ExperimentError, ModelError

MODEL = "gemini-2.5-flash"
WANTED = Sampling(max_output_tokens=100)
CONTENTS = "/v1beta/cachedContents"
ANSWER = f"/v1beta/models/{MODEL}:generateContent"


@pytest.fixture(autouse=True)
def only_one_key(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)


def plain(**settings):
    """A provider that caches nothing explicitly."""
    return GoogleProvider(MODEL, cache_tokens=None, **settings)


def keen(**settings):
    """A provider that caches the shortest prefixes."""
    return GoogleProvider(MODEL, cache_tokens=0, **settings)


def shown(*bodies):
    """What requests show together, as pairs of role and kind with what is shown, texts joined."""
    found = []
    for content in [content for body in bodies for content in json.loads(body)["contents"]]:
        role = {"model": "assistant"}.get(content["role"], content["role"])
        for part in content["parts"]:
            if "text" in part:
                text = found.pop()[1] if found and found[-1][0] == (role, "text") else ""
                found.append(((role, "text"), text + part["text"]))
            else:
                assert part["inlineData"]["mimeType"] == "image/png"
                found.append(((role, "image"), part["inlineData"]["data"]))
    return found


def expected(prompt):
    """The same, of a prompt."""
    found = []
    for part in merge_text(prompt):
        if isinstance(part, ImagePart):
            found.append((("user", "image"), b64encode(part.png).decode()))
        else:
            found.append(((role_of(part), "text"), part.text))
    return found


def common_start(bodies):
    """The bytes that all bodies begin with."""
    return bytes(
        one for one, *_ in takewhile(lambda at: len(set(at)) == 1, zip(*bodies, strict=False))
    )


def done_with(server):
    """What a server was asked for, and how it answered."""
    return [(request.method, request.path, request.status) for request in server.requests]


def held(server):
    """The bodies of the requests that had a content cached."""
    return [request.body for request in server.requests if request.path == CONTENTS]


def answered(server):
    """The requests for an answer."""
    return [request for request in server.requests if request.path == ANSWER]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def together(provider, prompts):
    try:
        return await asyncio.gather(*(provider.complete(prompt, WANTED) for prompt in prompts))
    finally:
        await provider.close()


# What arrives


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_what_a_prompt_shows_arrives_in_its_order(serve, ask, make_prompts, layout, format):
    server = serve(answers="fixed:up")
    prompts = make_prompts(format, layout=layout)
    for done in ask(plain(), *prompts):
        assert (done.text, done.finish, done.model) == ("up", "stop", MODEL)
    for prompt, request in zip(prompts, server.requests, strict=True):
        assert shown(request.body) == expected(prompt)
        roles = [content["role"] for content in json.loads(request.body)["contents"]]
        assert roles[0] == roles[-1] == "user"
        assert all(one != other for one, other in pairwise(roles))
        assert len(roles) == 1 or layout == "chat"
        assert request.images == sum(isinstance(part, ImagePart) for part in prompt)


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_a_cached_prefix_and_the_rest_are_the_prompt(serve, ask, make_prompts, layout, format):
    server = serve(gemini_cache_minimum=0)
    prompts = make_prompts(format, layout=layout)
    ask(keen(), *prompts)
    (prefix,) = held(server)
    assert json.loads(prefix)["model"] == f"models/{MODEL}"
    for prompt, request in zip(prompts, answered(server), strict=True):
        assert shown(prefix, request.body) == expected(prompt)
        assert len(request.body) < len(prefix)
        assert "cachedContents/" in json.loads(request.body)["cachedContent"]


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_requests_of_a_prefix_begin_with_the_same_bytes(serve, ask, make_prompts, layout, format):
    server = serve()
    one = make_prompts(format, layout=layout)
    other = make_prompts(format, layout=layout, opening=1)
    assert one[0].prefix == other[0].prefix
    ask(plain(), *one, *other)
    bodies = [request.body for request in server.requests]
    common = common_start(bodies)
    _, end = expected(one[0].prefix.parts)[-1]
    assert json.dumps(end)[1:-1].encode() in common
    assert common.count(b'"}}') == one[0].prefix.images
    assert len(common) < len(min(bodies, key=len))


def test_empty_texts_are_left_out(serve, ask, make_prompts):
    server = serve()
    prompt = make_prompts()[0]
    prefix = Prefix((TextPart(""), *prompt.prefix.parts, TextPart("", "assistant")))
    ask(plain(), Prompt(prefix, [TextPart("")], 1, prompt.question, b""))
    ask(plain(), Prompt(Prefix((TextPart(""),)), [], 0, prompt.question, b""))
    assert [r.status for r in server.requests] == [200, 200]
    assert shown(server.requests[0].body) == expected((*prompt.prefix.parts, *prompt.question))
    assert shown(server.requests[1].body) == expected(prompt.question)


def test_parameters_go_where_google_has_them(serve, ask, make_prompts):
    server = serve()
    own = {"top_p": 0.9, "thinkingConfig": {"thinkingBudget": 0}, "safetySettings": []}
    (done,) = ask(plain(), make_prompts()[0], temperature=0.5, parameters=own)
    sent = {"max_output_tokens": 100, "temperature": 0.5, **own}
    assert (done.parameters, done.dropped) == (sent, ())
    request = json.loads(server.requests[0].body)
    assert request.pop("safetySettings") == sent.pop("safetySettings")
    assert request.pop("generation_config") == sent
    assert set(request) == {"contents"}


def test_nothing_is_sent_that_was_not_asked_for(serve, ask, make_prompts):
    server = serve()
    ask(plain(), make_prompts()[0])
    request = json.loads(server.requests[0].body)
    assert request.keys() == {"contents", "generation_config"}
    assert request["generation_config"] == {"max_output_tokens": 100}


def test_refused_parameters_are_left_out_from_then_on(serve, ask, make_prompts):
    server = serve(refused_parameters={"*": ("temperature", "top_p")})
    wanted = {"temperature": 0.0, "parameters": {"top_p": 0.9}}
    for done in ask(plain(), *make_prompts(), **wanted):
        assert set(done.dropped) == {"temperature", "top_p"}
        assert done.parameters == {"max_output_tokens": 100}
    assert [request.status for request in server.requests] == [400, 400, 200, 200, 200]


def test_two_providers_keep_their_keys_and_addresses(serve, ask, make_prompts, monkeypatch):
    one = serve(keys=("key-one",))
    monkeypatch.setenv("GOOGLE_API_KEY", "key-one")
    first = keen()
    two = serve(keys=("key-two",))
    monkeypatch.setenv("GOOGLE_API_KEY", "key-two")
    second = keen()
    prompts = make_prompts("rgb")
    ask(second, *prompts)
    ask(first, *prompts)
    assert done_with(one) == done_with(two)
    assert {status for *_, status in done_with(one)} == {200}


# What is cached


def test_a_prefix_is_cached_once_for_all(serve, make_prompts):
    server = serve(latency_s=0.02)
    prompts = [p for opening in range(4) for p in make_prompts("rgb", opening=opening)]
    completions = asyncio.run(together(keen(), prompts))
    assert len(held(server)) == 1
    assert len(answered(server)) == len(prompts)
    (method, path, status), *others = reversed(done_with(server))
    assert (method, path.startswith(f"{CONTENTS}/"), status) == ("DELETE", True, 200)
    assert "DELETE" not in [method for method, *_ in others]
    billed = sorted((done.tokens.cache_write, done.tokens.cached) for done in completions)
    *shared, (written, _) = billed
    assert written > 1000
    assert set(shared) == {(0, written)}
    assert all(done.tokens.input > written for done in completions)


def test_each_prefix_has_its_own_content_until_it_is_forgotten(serve, make_prompts):
    server = serve(gemini_cache_minimum=0)
    one, other = (make_prompts(first=first)[0] for first in (0, 4))

    async def play():
        provider = keen()
        await provider.complete(one, WANTED)
        await provider.complete(other, WANTED)
        await provider.forget(one.prefix)
        assert done_with(server)[-1][:2] == ("DELETE", f"{CONTENTS}/fake00000001")
        await provider.forget(one.prefix)
        await provider.complete(one, WANTED)
        await provider.close()

    asyncio.run(play())
    assert len(held(server)) == 3
    deleted = [path[-1] for method, path, _ in done_with(server) if method == "DELETE"]
    assert (deleted[0], sorted(deleted)) == ("1", ["1", "2", "3"])


def test_a_short_prefix_is_sent(serve, ask, make_prompts):
    server = serve(gemini_cache_minimum=0)
    ask(GoogleProvider(MODEL), *make_prompts())
    assert {path for _, path, _ in done_with(server)} == {ANSWER}


def test_what_is_too_short_for_google_is_sent(serve, ask, make_prompts):
    server = serve(gemini_cache_minimum=100_000)
    one, other = make_prompts("rgb"), make_prompts("rgb", first=4)
    for done in ask(keen(), *one, *other):
        assert (done.finish, done.tokens.cached) == ("stop", 0)
    assert [status for _, path, status in done_with(server) if path == CONTENTS] == [400, 400]
    bodies = [request.body for request in answered(server)]
    assert [shown(body) for body in bodies] == [expected(prompt) for prompt in (*one, *other)]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Model models/any does not support cached contents."),
        (404, "models/any is not found, or is not supported for createCachedContent."),
        (429, "TotalCachedContentStorageTokensPerModelFreeTier limit exceeded: limit=0"),
    ],
)
def test_a_model_without_caching_is_asked_for_it_once(
    serve_strange, ask, make_prompts, status, message
):
    def answer(body):
        if "ttl" in body:
            return status, {"error": {"code": status, "message": message}}
        return 200, said("up")

    server = serve_strange(answer)
    prompts = [make_prompts("rgb", first=first)[0] for first in (0, 4, 8)]
    assert [done.text for done in ask(keen(), *prompts)] == ["up"] * 3
    assert ["ttl" in body for body in server.bodies] == [True, False, False, False]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("429", "rate_limited"),
        ("500", "unavailable"),
        ("503", "unavailable"),
        ("drop", "unavailable"),
    ],
)
def test_a_failure_to_cache_may_pass(serve, ask, make_prompts, kind, fault):
    server = serve(script=(kind,))
    provider, prompt = keen(), make_prompts("rgb")[0]

    async def twice():
        with pytest.raises(ModelError) as failure:
            await provider.complete(prompt, WANTED)
        assert failure.value.fault == fault
        return await together(provider, [prompt])

    assert [done.tokens.cache_write > 0 for done in asyncio.run(twice())] == [True]
    assert [status for _, path, status in done_with(server) if path == CONTENTS][-1] == 200


def test_a_content_that_is_gone_is_made_anew(serve, ask, make_prompts):
    shift = 0.0
    server = serve(clock=lambda: 1e9 + shift)
    prompts = make_prompts("rgb", steps=4)

    async def play():
        nonlocal shift
        provider = keen()
        done = [await provider.complete(prompt, WANTED) for prompt in prompts[:2]]
        shift = 10_000.0
        done += [await provider.complete(prompt, WANTED) for prompt in prompts[2:]]
        await provider.close()
        return [completion.tokens for completion in done]

    first, second, third, fourth = asyncio.run(play())
    assert first.cache_write == second.cached == third.cache_write == fourth.cached > 1000
    asked = [
        (method, path.rpartition("/")[2], status) for method, path, status in done_with(server)
    ]
    assert [step for step in asked if step[0] == "POST"] == [
        ("POST", "cachedContents", 200),
        ("POST", f"{MODEL}:generateContent", 200),
        ("POST", f"{MODEL}:generateContent", 200),
        ("POST", f"{MODEL}:generateContent", 403),
        ("POST", "cachedContents", 200),
        ("POST", f"{MODEL}:generateContent", 200),
        ("POST", f"{MODEL}:generateContent", 200),
    ]
    assert asked[-1] == ("DELETE", "fake00000002", 200)


def test_all_who_find_it_gone_share_the_new_one(serve, make_prompts):
    shift = 0.0
    server = serve(clock=lambda: 1e9 + shift, latency_s=0.02)
    prompts = [p for opening in range(4) for p in make_prompts("rgb", opening=opening)]

    async def play():
        nonlocal shift
        provider = keen()
        await provider.complete(prompts[0], WANTED)
        shift = 10_000.0
        await together(provider, prompts)

    asyncio.run(play())
    assert len(held(server)) == 2
    assert [path[-1] for method, path, status in done_with(server) if status == 200][-1] == "2"
    assert len([1 for method, *_ in done_with(server) if method == "DELETE"]) == 2


def test_what_stays_gone_is_an_error(serve_strange, ask, make_prompts):
    names = iter(range(1000))

    def answer(body):
        if "ttl" in body:
            return 200, {"name": f"cachedContents/{next(names)}"}
        return 404, {"error": {"message": "Requested entity was not found."}}

    server = serve_strange(answer)
    with pytest.raises(ModelError) as failure:
        ask(keen(), make_prompts("rgb")[0])
    assert failure.value.fault == "fatal"
    assert next(names) == 2
    assert len([body for body in server.bodies if "cachedContent" in body]) == 2


class ShiftedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    shift = 0.0

    def time(self):
        return super().time() + self.shift


def test_a_content_is_prolonged_while_it_is_used(serve, make_prompts):
    server = serve()
    prompts = make_prompts("rgb", steps=6)

    async def play():
        loop = asyncio.get_running_loop()
        provider = keen(cache_life_s=1000)
        for prompt in prompts[:2]:
            await provider.complete(prompt, WANTED)
        loop.shift += 700
        await asyncio.gather(*(provider.complete(prompt, WANTED) for prompt in prompts[2:4]))
        loop.shift += 600
        await provider.complete(prompts[4], WANTED)
        loop.shift += 5000  # it has expired
        await provider.complete(prompts[5], WANTED)
        await provider.close()

    with asyncio.Runner(loop_factory=ShiftedLoop) as runner:
        runner.run(play())
    assert [method for method, path, _ in done_with(server) if path != ANSWER] == [
        "POST",
        "PATCH",
        "PATCH",
        "POST",
        "DELETE",
    ]
    (change,) = {request.body for request in server.requests if request.method == "PATCH"}
    assert json.loads(change)["ttl"] == "1000s"


def test_a_content_that_cannot_be_prolonged_is_made_anew(serve, make_prompts):
    shift = 0.0
    server = serve(clock=lambda: 1e9 + shift)
    one, two, _ = make_prompts("rgb")

    async def play():
        nonlocal shift
        provider = keen(cache_life_s=1000)
        await provider.complete(one, WANTED)
        shift = 5000.0
        asyncio.get_running_loop().shift += 700
        done = await provider.complete(two, WANTED)
        await provider.close()
        return done

    with asyncio.Runner(loop_factory=ShiftedLoop) as runner:
        assert runner.run(play()).tokens.cache_write > 1000
    assert [(method, status) for method, path, status in done_with(server) if path != ANSWER] == [
        ("POST", 200),
        ("PATCH", 403),
        ("POST", 200),
        ("DELETE", 200),
    ]


class Slow:
    """A server that takes its time to cache a content."""

    def __init__(self):
        self.asked = []
        self.arrived, self.go_on = threading.Event(), threading.Event()

    async def handle(self, request):
        await request.read()
        self.asked.append((request.method, request.path))
        if request.method == "POST" and request.path == CONTENTS:
            self.arrived.set()
            await asyncio.to_thread(self.go_on.wait, 10)
            return web.json_response({"name": "cachedContents/slow"})
        return web.json_response(said("up") if request.path == ANSWER else {})

    async def run(self, ports, stop):
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.put(runner.addresses[0][1])
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()


@pytest.fixture
def slow(point_at):
    server, stop, ports = Slow(), threading.Event(), queue.Queue()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(ports, stop)))
    thread.start()
    point_at(f"http://127.0.0.1:{ports.get()}")
    yield server
    server.go_on.set()
    stop.set()
    thread.join()


def test_what_is_just_being_cached_is_deleted_too(slow, make_prompts):
    """The run is interrupted while Google has not answered yet."""

    async def interrupted():
        provider = keen()
        asking = asyncio.create_task(provider.complete(make_prompts("rgb")[0], WANTED))
        await asyncio.to_thread(slow.arrived.wait)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        closing = asyncio.create_task(provider.close())
        await asyncio.sleep(0)
        slow.go_on.set()
        await closing

    asyncio.run(interrupted())
    assert slow.asked == [("POST", CONTENTS), ("DELETE", f"{CONTENTS}/slow")]


def test_others_get_what_one_who_is_cancelled_asked_for(slow, make_prompts):
    one, two, three = make_prompts("rgb")

    async def play():
        provider = keen()
        first, *others = [
            asyncio.create_task(provider.complete(prompt, WANTED)) for prompt in (one, two, three)
        ]
        await asyncio.to_thread(slow.arrived.wait)
        first.cancel()
        await asyncio.wait([first])
        slow.go_on.set()
        done = await asyncio.gather(*others)
        await provider.close()
        return done

    assert [done.text for done in asyncio.run(play())] == ["up", "up"]
    assert [asked for asked in slow.asked if asked[1] == CONTENTS] == [("POST", CONTENTS)]


def test_what_cannot_be_deleted_is_left_to_expire(point_at, make_prompts):
    async def play():
        with serve_in_thread(ServerSettings(gemini_cache_minimum=0)) as server:
            point_at(server.url)
            provider = keen()
            done = await provider.complete(make_prompts()[0], WANTED)
            assert len(held(server)) == 1
        await provider.close()
        return done

    assert asyncio.run(play()).finish == "stop"


# What comes back


def said(text=None, finish="STOP", **more):
    """An answer as Google words it; tokens as given."""
    parts = [] if text is None else [{"text": text}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish}
    return (
        {"candidates": [candidate], "usageMetadata": more} if more else {"candidates": [candidate]}
    )


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "refusal"),
        ("RECITATION", "refusal"),
        ("PROHIBITED_CONTENT", "refusal"),
        ("BLOCKLIST", "refusal"),
        ("SPII", "refusal"),
        ("OTHER", "other"),
        ("A_REASON_OF_NEXT_YEAR", "other"),
    ],
)
def test_why_it_stopped_is_told_in_our_words(serve_strange, ask, make_prompts, word, finish):
    serve_strange(lambda _: (200, said("up", word)))
    (done,) = ask(plain(), make_prompts()[0])
    assert (done.finish, done.detail) == (finish, word)
    assert done.text == ("" if finish == "refusal" else "up")


@pytest.mark.parametrize(
    ("oddity", "finish", "empty"),
    [("empty", "stop", True), ("refused", "refusal", True), ("truncated", "length", False)],
)
def test_what_a_model_says_oddly_is_its_own(serve, ask, make_prompts, oddity, finish, empty):
    serve(answers="fixed:left and then up", oddities=Oddities(**{oddity: 1.0}))
    for done in ask(plain(), *make_prompts(steps=6)):
        assert done.finish == finish
        assert (done.text == "") == empty
        assert done.detail
        assert done.tokens.input > 0


def test_a_blocked_prompt_is_a_refusal(serve_strange, ask, make_prompts):
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "not that"}
    serve_strange(lambda _: (200, {"promptFeedback": feedback}))
    (done,) = ask(plain(), make_prompts()[0])
    assert (done.text, done.finish, done.detail) == ("", "refusal", "SAFETY: not that")


def test_an_answer_may_be_cut_at_its_longest(serve, ask, make_prompts):
    serve(answers="fixed:a rather long answer, and no end of it")
    (done,) = ask(plain(), make_prompts()[0], max_output_tokens=2)
    assert (done.finish, done.tokens.output) == ("length", 2)


def test_thoughts_are_counted_and_not_said(serve_strange, ask, make_prompts):
    answer = said(promptTokenCount=50, candidatesTokenCount=3, thoughtsTokenCount=20)
    answer["candidates"][0]["content"]["parts"] = [
        {"text": "it was left before", "thought": True},
        {"text": "le", "thoughtSignature": "c2lnbmVk"},
        {"text": "ft"},
        {"executableCode": {"code": "1"}},
    ]
    serve_strange(lambda _: (200, answer))
    (done,) = ask(plain(), make_prompts()[0])
    assert done.text == "left"
    assert (done.tokens.input, done.tokens.output, done.tokens.reasoning) == (50, 23, 20)


def test_reasoning_that_takes_all_the_tokens_leaves_no_answer(serve, ask, make_prompts):
    serve(answers="fixed:left", oddities=Oddities(reasoning=1.0, reasoning_tokens=1000))
    (done,) = ask(plain(), make_prompts()[0])
    assert (done.text, done.finish) == ("", "length")
    assert done.tokens.output == done.tokens.reasoning == 100


def test_what_a_server_does_not_count_is_counted_here(serve_strange, ask, make_prompts):
    serve_strange(lambda _: (200, said("left")))
    provider, prompt = plain(), make_prompts()[0]
    (done,) = ask(provider, prompt)
    assert done.tokens.input == sum(map(provider.tokens, prompt)) > 100
    assert done.tokens.output == 1


def test_what_google_caches_by_itself_is_told(serve, ask, make_prompts):
    serve(gemini_implicit_cache=True)
    first, *later = [done.tokens for done in ask(plain(), *make_prompts("rgb"))]
    assert first.cached == 0
    assert all(1000 < tokens.cached < tokens.input and not tokens.cache_write for tokens in later)


# What goes wrong


@pytest.mark.parametrize(
    ("kind", "fault", "wait"),
    [
        ("401", "fatal", None),
        ("404", "fatal", None),
        ("408", "unavailable", None),
        ("429", "rate_limited", 7.0),
        ("500", "unavailable", None),
        ("503", "unavailable", None),
        ("529", "rate_limited", None),
        ("blank", "unavailable", None),
        ("drop", "unavailable", None),
        ("half", "unavailable", None),
        ("half-chunked", "unavailable", None),
        ("html", "unavailable", None),
        ("shape", "unavailable", None),
        ("text", "unavailable", None),
    ],
)
def test_a_failure_is_told_by_its_kind(serve, ask, make_prompts, kind, fault, wait):
    server = serve(script=(kind,), retry_after_s=7.0)
    with pytest.raises(ModelError) as failure:
        ask(plain(), make_prompts()[0])
    assert (failure.value.fault, failure.value.retry_after_s) == (fault, wait)
    assert len(server.requests) == 1
    (done,) = ask(plain(), make_prompts()[0])
    assert done.finish == "stop"


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"candidates": []},
        {"candidates": [{}]},
        {"candidates": ["up"]},
        {"candidates": 5, "usageMetadata": 6},
        {"candidates": [{"content": {"parts": ["up"]}, "finishReason": "STOP"}]},
        {"promptFeedback": {}},
    ],
)
def test_an_answer_of_another_shape_is_no_answer(serve_strange, ask, make_prompts, body):
    serve_strange(lambda _: (200, body))
    with pytest.raises(ModelError, match="not to be understood") as failure:
        ask(plain(), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_google_says_in_the_body_how_long_to_wait(serve_strange, ask, make_prompts):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13.5s"}]
    error = {"code": 429, "message": "You exceeded your quota.", "details": details}
    serve_strange(lambda _: (429, {"error": error}))
    with pytest.raises(ModelError, match="You exceeded your quota") as failure:
        ask(plain(), make_prompts()[0])
    assert (failure.value.fault, failure.value.retry_after_s) == ("rate_limited", 13.5)


@pytest.mark.parametrize(
    "limit", [{"context_tokens": 100}, {"max_request_bytes": 1000}, {"max_images": 3}]
)
@pytest.mark.parametrize("make", [plain, keen])
def test_a_prompt_that_does_not_fit_is_overlong(serve, ask, make_prompts, limit, make):
    serve(**limit)
    with pytest.raises(ModelError) as failure:
        ask(make(), make_prompts("rgb")[0])
    assert failure.value.fault == "overlong"


def test_what_is_wrong_with_a_request_is_not_taken_for_a_refusal(serve, ask, make_prompts):
    server = serve()
    with pytest.raises(ModelError, match="temperature") as failure:
        ask(plain(), make_prompts()[0], temperature=9.0)
    assert failure.value.fault == "rejected"
    assert len(server.requests) == 1


@pytest.mark.parametrize("make", [plain, keen])
def test_a_wrong_key_ends_it(serve, ask, make_prompts, make):
    serve(keys=("another",))
    with pytest.raises(ModelError, match="API key not valid") as failure:
        ask(make(), make_prompts("rgb")[0])
    assert failure.value.fault == "fatal"


def test_nobody_listens(point_at, ask, make_prompts):
    point_at("http://127.0.0.1:1")
    with pytest.raises(ModelError, match="no answer") as failure:
        ask(plain(), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_redirection_is_not_followed(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (307, {}))
    with pytest.raises(ModelError, match="answered 307"):
        ask(plain(), make_prompts()[0])
    assert len(server.bodies) == 1


def test_a_silent_server_is_given_up_when_told_to(serve, ask, make_prompts):
    serve(script=("hang",))
    with pytest.raises(ModelError, match="Timeout") as failure:
        ask(plain(timeout_s=0.2), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_cancelled_request_hangs_up(serve, make_prompts):
    server = serve(script=("hang",))
    first, second, _ = make_prompts()

    async def cancel():
        provider = plain()
        try:
            asking = asyncio.create_task(provider.complete(first, WANTED))
            await until(lambda: server.most_at_once)
            asking.cancel()
            await until(lambda: server.requests)  # it is done with it once the client is gone
            return await provider.complete(second, WANTED)
        finally:
            await provider.close()

    assert asyncio.run(asyncio.wait_for(cancel(), 20)).finish == "stop"
    assert [request.status for request in server.requests] == [0, 200]


def test_a_connection_in_use_again_can_be_hung_up(serve, make_prompts):
    server = serve(script=(None, "hang", "hang"))
    first, second, third = make_prompts()

    async def cancel():
        provider = plain()
        await provider.complete(first, WANTED)
        asking = [asyncio.create_task(provider.complete(p, WANTED)) for p in (second, third)]
        await until(lambda: server.most_at_once == 2)
        for task in asking:
            task.cancel()
        await until(lambda: len(server.requests) == 3)
        await provider.close()

    asyncio.run(asyncio.wait_for(cancel(), 20))
    assert [request.status for request in server.requests] == [200, 0, 0]


def test_no_thread_stays_behind(serve, make_prompts):
    server = serve(script=("hang",) * 8)
    prompts = make_prompts(steps=8)

    def ours():
        return [thread for thread in threading.enumerate() if thread.name.startswith("google")]

    async def cancel():
        provider = plain()
        asking = asyncio.gather(*(provider.complete(prompt, WANTED) for prompt in prompts))
        await until(lambda: server.most_at_once == len(prompts) == len(ours()))
        asking.cancel()
        await provider.close()
        await until(lambda: not ours())

    asyncio.run(asyncio.wait_for(cancel(), 20))


def test_a_refusal_reaches_who_is_still_sending(serve, ask, make_prompts):
    """A server may answer before it has read all, and close."""
    serve(keys=("another",))
    prompt = make_prompts()[0]
    long = Prefix((*prompt.prefix.parts, TextPart("word " * 1_000_000)))
    with pytest.raises(ModelError) as failure:
        ask(plain(), Prompt(long, [], 0, prompt.question, b""))
    assert failure.value.fault == "fatal"


# Keys, addresses, settings


def test_a_key_is_never_shown(serve_strange, ask, make_prompts, keys):
    """Not even if the server says it."""
    server = serve_strange(lambda _: (401, {"error": {"message": f"no such key: {keys}"}}))
    provider = plain()
    with pytest.raises(ModelError) as failure:
        ask(provider, make_prompts()[0])
    assert any(keys in value for value in server.headers[0].values())
    shown = [str(failure.value), repr(failure.value), repr(provider), repr(vars(provider))]
    assert not [text for text in shown if keys in text]
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def test_a_key_travels_in_a_header_alone(serve, ask, make_prompts, keys):
    server = serve(gemini_cache_minimum=0)
    ask(keen(), make_prompts()[0])
    for request in server.requests:
        assert keys not in request.path
        assert keys.encode() not in (request.body or b"")


def test_either_key_will_do(keys, serve, ask, make_prompts, monkeypatch):
    serve(keys=("gemini-key",))
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-key")
    (done,) = ask(plain(), make_prompts()[0])
    assert done.finish == "stop"


def test_a_missing_key_is_said_at_once(keys, monkeypatch):
    monkeypatch.delenv("GOOGLE_API_KEY")
    with pytest.raises(ExperimentError, match=r"google/.* set GOOGLE_API_KEY or GEMINI_API_KEY"):
        GoogleProvider(MODEL)


def test_an_address_is_shown_without_what_is_secret(keys, monkeypatch):
    monkeypatch.setenv("GOOGLE_BASE_URL", "http://me:hidden@127.0.0.1:8000/some/")
    assert plain().endpoint == "http://127.0.0.1:8000/some"


@pytest.mark.parametrize("end", ["/", "/v1beta", "/v1beta/"])
def test_an_address_may_end_as_people_end_it(serve, ask, make_prompts, monkeypatch, end):
    server = serve()
    monkeypatch.setenv("GOOGLE_BASE_URL", f"{server.url}{end}")
    (done,) = ask(plain(), make_prompts()[0])
    assert done.finish == "stop"


def test_the_model_may_be_named_in_full(serve, ask, make_prompts):
    server = serve()
    ask(GoogleProvider(f"models/{MODEL}"), make_prompts()[0])
    assert [path for _, path, _ in done_with(server)] == [ANSWER]


@pytest.mark.parametrize("model", ["", "a b", "models/", "google/gemini", "models/a/b", "a?key=1"])
def test_what_is_no_model_is_said_at_once(keys, model):
    with pytest.raises(ExperimentError, match="expected a model such as"):
        GoogleProvider(model)


@pytest.mark.parametrize(
    "setting",
    [
        {"cache_tokens": -1},
        {"cache_tokens": 1.5},
        {"cache_tokens": True},
        {"cache_life_s": 0},
        {"cache_life_s": "1h"},
        {"cache_life_s": float("nan")},
    ],
)
def test_what_is_no_setting_is_said_at_once(keys, setting):
    with pytest.raises(ExperimentError, match=f"{next(iter(setting))}: expected"):
        GoogleProvider(MODEL, **setting)


def test_what_is_known_of_a_model(keys):
    provider = plain()
    assert provider.limits.context_tokens > 500_000
    assert provider.limits.images == 3600
    assert (provider.name, provider.model) == ("google", MODEL)


def test_its_client_is_loaded_when_it_is_made():
    code = """
import sys, icil.harness.models.google.provider
assert not [name for name in ("google.auth", "google.ai", "requests") if name in sys.modules]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_says_nothing(serve, capfd, make_prompts):
    server = serve(script=("500", "text"), gemini_cache_minimum=0)
    code = f"""
import asyncio
from icil.harness.models import Sampling
from icil.harness.models.google.provider import GoogleProvider
from icil.prompt_builders import Prefix, Prompt, TextPart

async def ask():
    provider = GoogleProvider({MODEL!r}, cache_tokens=None)
    prompt = Prompt(Prefix((TextPart("before"),)), [], 0, (TextPart("now?"),), b"")
    for _ in range(2):
        try:
            await provider.complete(prompt, Sampling(max_output_tokens=5))
        except Exception:
            pass
    await provider.complete(prompt, Sampling(max_output_tokens=5))
    await provider.close()

asyncio.run(ask())
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr() == ("", "")
    assert len(server.requests) == 3
