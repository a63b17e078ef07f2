"""What OpenAI's and Anthropic's providers share: the same prompts, faults, and economies."""

import asyncio
import json
from base64 import b64encode
from itertools import pairwise, takewhile

import pytest

from icil.harness.fake_server import Oddities
from icil.harness.models import Sampling
from icil.harness.models.anthropic import AnthropicProvider
from icil.harness.models.openai import OpenAIProvider
from icil.prompt_builders import ImagePart, Prefix, Prompt, TextPart
from icil.prompt_builders.parts import merge_text, role_of
from icil.tasks import ExperimentError, ModelError

PROVIDERS = {"openai": OpenAIProvider, "anthropic": AnthropicProvider}
MODELS = {"openai": "gpt-4.1", "anthropic": "claude-opus-4-5"}
MARKS = ("prompt_cache_breakpoint", "cache_control")


@pytest.fixture(params=sorted(PROVIDERS))
def family(request):
    return request.param


@pytest.fixture
def connect(family):
    """Returns a function that makes a provider; the server must be there."""
    return lambda model=MODELS[family], **own: PROVIDERS[family](model, **own)


def is_image(part):
    return isinstance(part, ImagePart)


def blocks(body, *, marks=False):
    """The blocks of a request, each with its role; without their marks unless wanted."""
    return [
        (message["role"], {k: v for k, v in block.items() if marks or k not in MARKS})
        for message in json.loads(body)["messages"]
        for block in message["content"]
    ]


def shown(body):
    """What a request shows, as pairs of role and text or base64, texts joined."""
    found = []
    for role, block in blocks(body):
        if block["type"] == "text":
            if found and found[-1][0] == (role, "text"):
                block = {"text": found.pop()[1] + block["text"]}
            found.append(((role, "text"), block["text"]))
        else:
            source = block.get("source") or {}
            data = source.get("data") or block["image_url"]["url"].partition("base64,")[2]
            found.append(((role, "image"), data))
    return found


def expected(prompt):
    """The same, of a prompt; white space alone says nothing."""
    found = []
    for part in merge_text(prompt):
        if is_image(part):
            found.append((("user", "image"), b64encode(part.png).decode()))
        elif part.text.strip():
            found.append(((role_of(part), "text"), part.text))
    return found


def stripped(found):
    return [(kind, content.strip()) for kind, content in found if content.strip()]


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_what_a_prompt_shows_arrives_in_its_order(
    serve, ask, connect, make_prompts, layout, format
):
    server = serve(answers="fixed:up")
    prompts = make_prompts(format, layout=layout)
    ask(connect(), *prompts)
    for prompt, request in zip(prompts, server.requests, strict=True):
        assert stripped(shown(request.body)) == stripped(expected(prompt))
        roles = [message["role"] for message in json.loads(request.body)["messages"]]
        assert roles[0] == roles[-1] == "user"
        assert all(one != other for one, other in pairwise(roles))
        assert len(roles) == 1 or layout == "chat"
        assert request.images == sum(map(is_image, prompt))


def test_not_a_character_is_lost(serve, ask, connect, make_prompts):
    server = serve(answers="fixed:up")
    prompts = make_prompts("rgb", steps=4)
    ask(connect(), *prompts)
    for prompt, request in zip(prompts, server.requests, strict=True):
        assert shown(request.body) == expected(prompt)


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_requests_of_a_prefix_begin_with_the_same_bytes(
    serve, ask, connect, make_prompts, layout, format
):
    server = serve()
    one = make_prompts(format, layout=layout)
    other = make_prompts(format, layout=layout, opening=1)
    assert one[0].prefix == other[0].prefix
    ask(connect(), *one, *other)
    bodies = [request.body for request in server.requests]
    same = takewhile(lambda bytes: len(set(bytes)) == 1, zip(*bodies, strict=False))
    common = bodies[0][: sum(1 for _ in same)]
    (_, end), *_ = reversed(expected(one[0].prefix.parts))
    assert json.dumps(end)[1:-1].encode() in common
    assert all(b64encode(part.png) in common for part in one[0].prefix.parts if is_image(part))
    assert len(common) < len(min(bodies, key=len))


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_a_step_goes_on_from_the_last_breakpoint(serve, ask, connect, make_prompts, layout, format):
    """What stands before it is the same, block by block, in the next request."""
    server = serve()
    ask(connect("gpt-5.6"), *make_prompts(format, layout=layout, steps=4))
    bodies = [request.body for request in server.requests]
    for before, after in pairwise(bodies):
        marked = [any(mark in block for mark in MARKS) for _, block in blocks(before, marks=True)]
        end = len(marked) - marked[::-1].index(True)
        assert 0 < end < len(marked)
        assert blocks(before)[:end] == blocks(after)[:end]


@pytest.mark.parametrize("layout", ["single", "chat"])
def test_the_tail_is_read_from_the_cache_too(serve, ask, family, connect, make_prompts, layout):
    serve()
    provider = connect("gpt-5.6" if family == "openai" else "claude-opus-4-5")
    own, others = make_prompts("rgb", layout=layout, steps=5), make_prompts("rgb", layout=layout)
    first, *later = [done.tokens for done in ask(provider, *own)]
    assert first.cached == 0
    assert first.input >= first.cache_write > 1000
    read = [tokens.cached for tokens in later]
    assert read == sorted(set(read))
    for before, tokens in pairwise([first, *later]):
        # All of the last prompt but its question, of some forty tokens.
        assert before.input - 60 < tokens.cached <= before.cached + before.cache_write
        assert 0 < tokens.cache_write <= tokens.input - tokens.cached
    again = make_prompts("rgb", layout=layout, opening=1)[0]
    assert again.prefix == others[0].prefix
    (tokens,) = [done.tokens for done in ask(connect(provider.model), again)]
    assert tokens.cached > 1000


def test_an_answer_says_what_was_sent(serve, ask, family, connect, make_prompts):
    serve(answers="fixed:left")
    wanted = {"temperature": 0.5, "parameters": {"top_p": 0.9}}
    (done,) = ask(connect(), make_prompts()[0], **wanted)
    assert (done.text, done.finish, done.model) == ("left", "stop", MODELS[family])
    longest = "max_completion_tokens" if family == "openai" else "max_tokens"
    assert done.parameters.items() >= {longest: 100, "temperature": 0.5, "top_p": 0.9}.items()
    assert done.dropped == ()
    assert done.tokens.output > 0
    json.dumps(done.parameters)


def test_no_temperature_is_sent_unless_asked_for(serve, ask, connect, make_prompts):
    server = serve()
    (done,) = ask(connect(), make_prompts()[0])
    assert "temperature" not in done.parameters
    assert "temperature" not in json.loads(server.requests[0].body)


def test_refused_parameters_are_left_out_from_then_on(serve, ask, connect, make_prompts):
    server = serve(refused_parameters={"*": ("temperature", "top_p")})
    wanted = {"temperature": 0.0, "parameters": {"top_p": 0.9}}
    completions = ask(connect(), *make_prompts(), **wanted)
    for done in completions:
        assert set(done.dropped) == {"temperature", "top_p"}
        assert not {"temperature", "top_p"} & set(done.parameters)
    assert [request.status for request in server.requests] == [400, 400, 200, 200, 200]


def test_requests_at_the_same_time_all_learn_what_is_refused(serve, connect, make_prompts):
    serve(refused_parameters={"*": ("temperature",)}, latency_s=0.05)
    prompts = make_prompts(steps=8)

    async def together():
        provider = connect()
        wanted = Sampling(max_output_tokens=10, temperature=0.0)
        try:
            return await asyncio.gather(*(provider.complete(p, wanted) for p in prompts))
        finally:
            await provider.close()

    assert [done.dropped for done in asyncio.run(together())] == [("temperature",)] * 8


@pytest.mark.parametrize(
    ("oddity", "finish", "empty"),
    [("empty", "stop", True), ("refused", "refusal", True), ("truncated", "length", False)],
)
def test_what_a_model_says_oddly_is_its_own(
    serve, ask, connect, make_prompts, oddity, finish, empty
):
    serve(answers="fixed:left and then up", oddities=Oddities(**{oddity: 1.0}))
    for done in ask(connect(), *make_prompts(steps=6)):
        assert done.finish == finish
        assert (done.text == "") == empty
        assert done.detail
        assert done.tokens.input > 0


def test_an_answer_may_be_cut_at_its_longest(serve, ask, connect, make_prompts):
    serve(answers="fixed:a rather long answer, and no end of it")
    (done,) = ask(connect(), make_prompts()[0], max_output_tokens=2)
    assert (done.finish, done.tokens.output) == ("length", 2)


def test_reasoning_is_counted_apart(serve, ask, connect, make_prompts):
    serve(answers="fixed:left", oddities=Oddities(reasoning=1.0, reasoning_tokens=20))
    (done,) = ask(connect(), make_prompts()[0])
    assert done.text == "left"
    assert done.tokens.reasoning == 20
    assert done.tokens.output > 20


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
def test_a_failure_is_told_by_its_kind(serve, ask, connect, make_prompts, kind, fault, wait):
    server = serve(script=(kind,), retry_after_s=7.0)
    with pytest.raises(ModelError) as failure:
        ask(connect(), make_prompts()[0])
    assert (failure.value.fault, failure.value.retry_after_s) == (fault, wait)
    assert len(server.requests) == 1
    (done,) = ask(connect(), make_prompts()[0])
    assert done.finish == "stop"


def test_a_date_may_say_how_long_to_wait(serve, ask, connect, make_prompts):
    serve(script=("429-date",), retry_after_s=1000.0)
    with pytest.raises(ModelError) as failure:
        ask(connect(), make_prompts()[0])
    assert failure.value.fault == "rate_limited"
    assert 900 < failure.value.retry_after_s <= 1001


@pytest.mark.parametrize("limit", [{"context_tokens": 100}, {"max_request_bytes": 1000}])
def test_a_prompt_that_does_not_fit_is_overlong(serve, ask, connect, make_prompts, limit):
    serve(**limit)
    with pytest.raises(ModelError) as failure:
        ask(connect(), make_prompts()[0])
    assert failure.value.fault == "overlong"


def test_what_is_wrong_with_a_request_is_not_taken_for_a_refusal(serve, ask, connect, make_prompts):
    server = serve()
    with pytest.raises(ModelError, match="temperature") as failure:
        ask(connect(), make_prompts()[0], temperature=9.0)
    assert failure.value.fault == "rejected"
    assert len(server.requests) == 1


def test_nobody_listens(point_at, ask, connect, make_prompts):
    point_at("http://127.0.0.1:1")
    with pytest.raises(ModelError, match="no answer") as failure:
        ask(connect(), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_silent_server_is_given_up_when_told_to(serve, ask, connect, make_prompts):
    serve(script=("hang",))
    with pytest.raises(ModelError, match="Timeout") as failure:
        ask(connect(timeout_s=0.2), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_cancelled_request_hangs_up(serve, connect, make_prompts):
    server = serve(script=("hang",))
    first, second, _ = make_prompts()
    wanted = Sampling(max_output_tokens=10)

    async def cancel():
        provider = connect()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await provider.complete(first, wanted)
            while not server.requests:  # the server is done with it once the client is gone
                await asyncio.sleep(0.01)
            return await provider.complete(second, wanted)
        finally:
            await provider.close()

    assert asyncio.run(asyncio.wait_for(cancel(), 20)).finish == "stop"
    assert [request.status for request in server.requests] == [0, 200]


def test_a_refusal_reaches_who_is_still_sending(serve, ask, connect, make_prompts):
    """A server may answer before it has read all, and close."""
    serve(keys=("another",))
    prompt = make_prompts()[0]
    long = Prefix((*prompt.prefix.parts, TextPart("word " * 1_000_000)))
    with pytest.raises(ModelError) as failure:
        ask(connect(), Prompt(long, [], 0, prompt.question, b""))
    assert failure.value.fault == "fatal"


def test_a_key_is_never_shown(serve_strange, ask, family, connect, make_prompts, keys):
    """Not even if the server says it."""
    server = serve_strange(lambda _: (401, {"error": {"message": f"no such key: {keys}"}}))
    provider = connect()
    with pytest.raises(ModelError) as failure:
        ask(provider, make_prompts()[0])
    assert any(keys in value for value in server.headers[0].values())
    shown = [str(failure.value), repr(failure.value), repr(provider), repr(vars(provider))]
    assert not [text for text in shown if keys in text]
    assert failure.value.__cause__ is failure.value.__context__ is None


def test_an_address_is_shown_without_what_is_secret(keys, family, connect, monkeypatch):
    variable = f"{family.upper()}_BASE_URL"
    monkeypatch.setenv(variable, "http://me:hidden@127.0.0.1:8000/some/v1/?token=hidden")
    assert connect().endpoint == "http://127.0.0.1:8000/some/v1"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/", "http://", "http://host:none"])
def test_what_is_no_address_is_said_at_once(keys, family, connect, monkeypatch, url):
    variable = f"{family.upper()}_BASE_URL"
    monkeypatch.setenv(variable, url)
    with pytest.raises(ExperimentError, match=f"{variable} is no address"):
        connect()


def test_a_missing_key_is_said_at_once(keys, family, connect, monkeypatch):
    variable = f"{family.upper()}_API_KEY"
    monkeypatch.setenv(variable, "")
    with pytest.raises(ExperimentError, match=f"{family}/.* needs a key: set {variable}, in the"):
        connect()


@pytest.mark.parametrize("key", ["sk-with space", "sk-line\n", "sk-ключ"])
def test_what_is_no_key_is_not_repeated(keys, connect, monkeypatch, family, key):
    monkeypatch.setenv(f"{family.upper()}_API_KEY", key)
    with pytest.raises(ExperimentError, match="is no key") as failure:
        connect()
    assert "sk-" not in str(failure.value)


def test_what_is_known_of_a_model(keys, family, connect):
    provider = connect()
    assert provider.limits.context_tokens > 100_000
    assert provider.limits.images >= 100
    assert (provider.name, provider.model) == (family, MODELS[family])
