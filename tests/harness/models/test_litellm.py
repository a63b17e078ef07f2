"""litellm's provider, through the dialects of OpenAI, Anthropic, Gemini and vLLM."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
import warnings
from base64 import b64encode
from itertools import pairwise, takewhile

import pytest

from icil.harness.fake_server import Oddities
from icil.harness.models import Sampling
from icil.harness.models.litellm.provider import LiteLLMProvider
from icil.prompt_builders import ImagePart, Prefix, Prompt, TextPart
from icil.prompt_builders.parts import merge_text, role_of
from icil.tasks import ExperimentError, ModelError

MODELS = {
    "openai": "openai/gpt-4.1",
    "anthropic": "anthropic/claude-opus-4-5",
    "gemini": "gemini/gemini-2.5-flash",
    "vllm": "hosted_vllm/qwen",
}
ANTHROPIC = MODELS["anthropic"]
WANTED = Sampling(max_output_tokens=100)
ROLES = {"model": "assistant"}


@pytest.fixture(params=sorted(MODELS))
def dialect(request):
    return request.param


@pytest.fixture
def serve(serve, monkeypatch):
    """Also points litellm at the server, by the variables that it reads."""

    def serve_litellm(**settings):
        server = serve(**settings)
        address(monkeypatch, server.url)
        return server

    return serve_litellm


@pytest.fixture
def serve_all_strange(serve_strange, monkeypatch):
    """A server with answers of one's own, for litellm."""

    def serve_all_strange(answer):
        server = serve_strange(answer)
        address(monkeypatch, f"http://127.0.0.1:{server.port}")
        return server

    return serve_all_strange


def address(monkeypatch, url):
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-0123456789abcdefghij")
    monkeypatch.setenv("GEMINI_API_BASE", f"{url}/v1beta")
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", f"{url}/local/v1")
    monkeypatch.delenv("HOSTED_VLLM_API_KEY", raising=False)


def blocks(body):
    """The blocks of a request in any dialect, each with its role: a text, or base64."""
    request = json.loads(body)
    for message in request.get("messages") or request["contents"]:
        role = ROLES.get(message["role"], message["role"])
        content = message.get("content") or message["parts"]
        for block in [{"text": content}] if isinstance(content, str) else content:
            yield role, block


def shown(body):
    """What a request shows, as pairs of role and kind with what is shown, texts joined."""
    found = []
    for role, block in blocks(body):
        if "text" in block:
            text = found.pop()[1] if found and found[-1][0] == (role, "text") else ""
            found.append(((role, "text"), text + block["text"]))
        else:
            source = block.get("source") or block.get("inline_data") or {}
            data = source.get("data") or block["image_url"]["url"].partition("base64,")[2]
            found.append(((role, "image"), data))
    return found


def expected(prompt):
    """The same, of a prompt; white space alone says nothing."""
    found = []
    for part in merge_text(prompt):
        if isinstance(part, ImagePart):
            found.append((("user", "image"), b64encode(part.png).decode()))
        elif part.text.strip():
            found.append(((role_of(part), "text"), part.text))
    return found


def common_start(bodies):
    """The bytes that all bodies begin with."""
    at = zip(*bodies, strict=False)
    return bytes(one for one, *_ in takewhile(lambda found: len(set(found)) == 1, at))


def litellm_threads():
    return [thread for thread in threading.enumerate() if thread.name == "litellm"]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def stripped(found):
    return [(kind, content.strip()) for kind, content in found if content.strip()]


# What arrives


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_what_a_prompt_shows_arrives_in_its_order(
    serve, ask, make_prompts, dialect, layout, format
):
    server = serve(answers="fixed:up")
    prompts = make_prompts(format, layout=layout)
    for done in ask(LiteLLMProvider(MODELS[dialect]), *prompts):
        assert (done.text, done.finish) == ("up", "stop")
        assert done.model == MODELS[dialect].partition("/")[2]
        assert (done.parameters, done.dropped) == ({"max_tokens": 100}, ())
    for prompt, request in zip(prompts, server.requests, strict=True):
        assert stripped(shown(request.body)) == stripped(expected(prompt))
        kinds = [kind for kind, _ in expected(prompt)]
        assert request.images == kinds.count(("user", "image"))


@pytest.mark.parametrize("layout", ["single", "chat"])
@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_requests_of_a_prefix_begin_with_the_same_bytes(
    serve, ask, make_prompts, dialect, layout, format
):
    server = serve()
    one = make_prompts(format, layout=layout)
    other = make_prompts(format, layout=layout, opening=1)
    assert one[0].prefix == other[0].prefix
    ask(LiteLLMProvider(MODELS[dialect]), *one, *other)
    common = common_start([request.body for request in server.requests])
    _, end = expected(one[0].prefix.parts)[-1]
    assert json.dumps(end)[1:-1].encode() in common
    for _, image in [found for found in expected(one[0].prefix.parts) if found[0][1] == "image"]:
        assert image.encode() in common


def test_a_message_of_texts_is_a_string(serve, ask, make_prompts):
    """A server may put line breaks between the texts of a list."""
    server = serve()
    ask(LiteLLMProvider(MODELS["vllm"]), *make_prompts(layout="chat"))
    messages = [m for r in server.requests for m in json.loads(r.body)["messages"]]
    assert {type(message["content"]) for message in messages} == {str}


def test_texts_that_follow_each_other_are_one(serve, ask, make_prompts):
    server = serve()
    ask(LiteLLMProvider(MODELS["openai"]), make_prompts("rgb")[0])
    (message,) = json.loads(server.requests[0].body)["messages"]
    kinds = [block["type"] for block in message["content"]]
    assert ("text", "text") not in pairwise(kinds)


def test_parameters_are_sent_as_they_are(serve, ask, make_prompts):
    server = serve()
    own = {"top_p": 0.9, "seed": 3}
    (done,) = ask(
        LiteLLMProvider(MODELS["openai"]), make_prompts()[0], temperature=0.5, parameters=own
    )
    sent = {"max_tokens": 100, "temperature": 0.5, **own}
    assert (done.parameters, done.dropped) == (sent, ())
    assert json.loads(server.requests[0].body).items() >= sent.items()


@pytest.mark.parametrize(
    ("model", "asked", "dropped"),
    [
        ("openai/gpt-5", {"temperature": 0.0}, {"temperature"}),
        ("openai/o3", {"temperature": 0.0, "top_p": 0.5, "seed": 1}, {"temperature", "top_p"}),
        ("anthropic/claude-opus-4-7", {"temperature": 0.0}, {"temperature"}),
        (ANTHROPIC, {"temperature": 0.0, "seed": 1}, {"seed"}),
        (MODELS["gemini"], {"temperature": 0.0, "logit_bias": {"5": 1}}, {"logit_bias"}),
    ],
)
def test_what_litellm_drops_is_told(serve, ask, make_prompts, model, asked, dropped):
    server = serve()
    temperature, own = asked["temperature"], {k: v for k, v in asked.items() if k != "temperature"}
    for done in ask(
        LiteLLMProvider(model), *make_prompts(), temperature=temperature, parameters=own
    ):
        assert set(done.dropped) == dropped
        assert done.parameters.keys() == {"max_tokens", *asked} - dropped
    assert {request.status for request in server.requests} == {200}
    for request in server.requests:
        body = json.loads(request.body)
        assert not dropped & {*body, *body.get("generationConfig", ())}


def test_refused_parameters_are_left_out_from_then_on(serve, ask, make_prompts, dialect):
    server = serve(refused_parameters={"*": ("temperature", "top_p")})
    wanted = {"temperature": 0.0, "parameters": {"top_p": 0.9}}
    for done in ask(LiteLLMProvider(MODELS[dialect]), *make_prompts(), **wanted):
        assert set(done.dropped) == {"temperature", "top_p"}
        assert done.parameters == {"max_tokens": 100}
    assert [request.status for request in server.requests] == [400, 400, 200, 200, 200]


def test_the_longest_answer_has_another_name_for_some(serve, ask, make_prompts):
    server = serve(refused_parameters={"*": ("max_tokens",)})
    for done in ask(LiteLLMProvider("openai/some-new-model"), *make_prompts()):
        assert (done.parameters, done.dropped) == ({"max_completion_tokens": 100}, ())
    assert [request.status for request in server.requests] == [400, 200, 200, 200]


# What is cached


@pytest.mark.parametrize("layout", ["single", "chat"])
def test_anthropic_reads_the_prefix_and_the_tail_from_its_cache(serve, ask, make_prompts, layout):
    serve()
    provider = LiteLLMProvider(ANTHROPIC)
    prompts = make_prompts("rgb", layout=layout, steps=5)
    again = make_prompts("rgb", layout=layout, opening=1)[0]
    first, *later, other = [done.tokens for done in ask(provider, *prompts, again)]
    assert first.cached == 0
    assert first.input >= first.cache_write > 1000
    for before, tokens in zip([first, *later], later, strict=False):
        assert before.input - 60 < tokens.cached <= before.cached + before.cache_write
        assert 0 < tokens.cache_write <= tokens.input - tokens.cached
    assert 1000 < other.cached <= first.cache_write


def test_anthropic_is_told_where_the_prefix_ends(serve, ask, make_prompts):
    server = serve()
    prompts = make_prompts("rgb", steps=4)
    ask(LiteLLMProvider(ANTHROPIC), *prompts)
    for prompt, request in zip(prompts, server.requests, strict=True):
        body = json.loads(request.body)
        assert body["max_tokens"] == 100
        marked = [block for _, block in blocks(request.body) if "cache_control" in block]
        assert 2 <= len(marked) <= 3
        assert marked[0]["text"] == expected(prompt.prefix.parts)[-1][1]
        assert "cache_control" not in [block for _, block in blocks(request.body)][-1]


def test_other_providers_are_told_nothing_of_caching(serve, ask, make_prompts):
    server = serve()
    for model in set(MODELS.values()) - {ANTHROPIC}:
        ask(LiteLLMProvider(model), *make_prompts("rgb"))
    assert {request.method for request in server.requests} == {"POST"}
    assert not [request for request in server.requests if b"cache" in request.body[:2000]]
    assert len(server.requests) == 9


def test_openai_caches_by_itself(serve, ask, make_prompts):
    serve()
    done = ask(LiteLLMProvider(MODELS["openai"]), *make_prompts("rgb", demonstrations=16))
    first, *later = [completion.tokens for completion in done]
    assert first.cached == 0
    assert all(1000 < tokens.cached < tokens.input for tokens in later)


# What comes back


@pytest.mark.parametrize(
    ("oddity", "finish", "empty"),
    [("empty", "stop", True), ("refused", "refusal", True), ("truncated", "length", False)],
)
def test_what_a_model_says_oddly_is_its_own(
    serve, ask, make_prompts, dialect, oddity, finish, empty
):
    serve(answers="fixed:left and then up", oddities=Oddities(**{oddity: 1.0}))
    for done in ask(LiteLLMProvider(MODELS[dialect]), *make_prompts(steps=6)):
        assert done.finish == finish
        assert (done.text == "") == empty
        assert done.detail
        assert done.tokens.input > 0


def test_what_a_provider_will_not_have_answered_is_a_refusal(serve_all_strange, ask, make_prompts):
    message = "The response was filtered due to the prompt triggering content management policy."
    error = {
        "message": message,
        "code": "content_policy_violation",
        "type": "invalid_request_error",
    }
    serve_all_strange(lambda _: (400, {"error": error}))
    (done,) = ask(LiteLLMProvider(MODELS["openai"]), make_prompts()[0])
    assert (done.text, done.finish) == ("", "refusal")
    assert message[:40] in done.detail
    assert done.tokens.input > 100


def test_an_answer_may_be_cut_at_its_longest(serve, ask, make_prompts, dialect):
    serve(answers="fixed:a rather long answer, and no end of it")
    (done,) = ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0], max_output_tokens=2)
    assert (done.finish, done.tokens.output) == ("length", 2)


def test_reasoning_is_counted_apart(serve, ask, make_prompts, dialect):
    serve(answers="fixed:left", oddities=Oddities(reasoning=1.0, reasoning_tokens=20))
    (done,) = ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert done.text == "left"
    assert done.tokens.output > done.tokens.reasoning == 20


def test_what_a_server_does_not_count_is_counted_here(serve_all_strange, ask, make_prompts):
    message = {"role": "assistant", "content": "left"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    serve_all_strange(
        lambda _: (200, {"id": "1", "object": "chat.completion", "choices": [choice]})
    )
    provider, prompt = LiteLLMProvider(MODELS["vllm"]), make_prompts()[0]
    (done,) = ask(provider, prompt)
    assert (done.text, done.tokens.output) == ("left", 1)
    assert done.tokens.input == sum(map(provider.tokens, prompt)) > 100


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
def test_a_failure_is_told_by_its_kind(serve, ask, make_prompts, dialect, kind, fault, wait):
    server = serve(script=(kind,), retry_after_s=7.0)
    with pytest.raises(ModelError) as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert (failure.value.fault, failure.value.retry_after_s) == (fault, wait)
    assert "Traceback" not in str(failure.value)
    assert len(server.requests) == 1


def test_a_date_may_say_how_long_to_wait(serve, ask, make_prompts, dialect):
    serve(script=("429-date",), retry_after_s=1000.0)
    with pytest.raises(ModelError) as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert 900 < failure.value.retry_after_s <= 1001


@pytest.mark.parametrize("limit", [{"context_tokens": 100}, {"max_request_bytes": 1000}])
def test_a_prompt_that_does_not_fit_is_overlong(serve, ask, make_prompts, dialect, limit):
    serve(**limit)
    with pytest.raises(ModelError) as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert failure.value.fault == "overlong"


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"], indirect=True)
def test_a_wrong_key_ends_it(serve, ask, make_prompts, dialect):
    serve(keys=("another",))
    with pytest.raises(ModelError) as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert failure.value.fault == "fatal"


def test_what_is_wrong_with_a_request_is_not_taken_for_a_refusal(serve, ask, make_prompts, dialect):
    server = serve()
    with pytest.raises(ModelError, match="temperature") as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0], temperature=9.0)
    assert failure.value.fault == "rejected"
    assert len(server.requests) == 1


def test_nobody_listens(point_at, ask, make_prompts, dialect, monkeypatch):
    point_at("http://127.0.0.1:1")
    address(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ModelError, match="no answer") as failure:
        ask(LiteLLMProvider(MODELS[dialect]), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_silent_server_is_given_up_when_told_to(serve, ask, make_prompts, dialect):
    serve(script=("hang",))
    with pytest.raises(ModelError, match="Timeout") as failure:
        ask(LiteLLMProvider(MODELS[dialect], timeout_s=0.2), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_a_cancelled_request_hangs_up(serve, make_prompts, dialect):
    server = serve(script=("hang",))
    first, second, _ = make_prompts()

    async def cancel():
        provider = LiteLLMProvider(MODELS[dialect])
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


# Its loop


def test_all_use_one_loop_and_the_last_ends_it(serve, make_prompts):
    serve()
    prompt = make_prompts()[0]

    async def play():
        one, other = LiteLLMProvider(MODELS["openai"]), LiteLLMProvider(ANTHROPIC)
        for _ in range(2):  # closed, they can be used again
            await asyncio.gather(*(each.complete(prompt, WANTED) for each in (one, other)))
            assert len(litellm_threads()) == 1
            await one.close()
            await one.close()
            assert len(litellm_threads()) == 1
            await other.complete(prompt, WANTED)
            await other.close()
            assert not litellm_threads()

    asyncio.run(play())


def test_many_at_the_same_time(serve, make_prompts, dialect):
    serve(answers=lambda call: seen(b"".join(p.content for p in call.parts)), latency_s=0.02)
    prompts = [make_prompts(opening=opening)[0] for opening in range(12)]

    def seen(shown):
        return shown.rpartition(b"Observation:\n")[2].splitlines()[0].decode()

    async def play():
        provider = LiteLLMProvider(MODELS[dialect])
        done = await asyncio.gather(*(provider.complete(prompt, WANTED) for prompt in prompts))
        await provider.close()
        return done

    texts = [done.text for done in asyncio.run(play())]
    assert texts == [seen(prompt.text().encode()) for prompt in prompts]
    assert len(set(texts)) == len(texts)


def test_nothing_is_left_of_those_who_are_cancelled(serve, make_prompts, dialect):
    """Whatever litellm was doing for them."""
    serve()
    prompts = make_prompts("rgb", steps=12)

    async def play():
        provider = LiteLLMProvider(MODELS[dialect])
        for number, prompt in enumerate(prompts):
            asking = asyncio.create_task(provider.complete(prompt, WANTED))
            await asyncio.sleep(number / 1000)
            asking.cancel()
            await asyncio.wait([asking])
        await provider.close()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        asyncio.run(play())
        gc.collect()
    assert not [str(warning.message) for warning in seen]


def test_it_says_nothing_and_asks_nobody_else(serve, capfd):
    server = serve(script=(None, "500", "shape", "429", "drop"))
    code = """
import asyncio, sys

def watch(event, args):
    if event in ("socket.getaddrinfo", "socket.connect"):
        host = args[0] if event == "socket.getaddrinfo" else args[1][0]
        if host not in ("127.0.0.1", "localhost", "::1", None):
            raise SystemExit(f"asked {host}")

sys.addaudithook(watch)
import icil.harness.models.litellm.provider
assert "litellm" not in sys.modules
from icil.harness.models import Sampling
from icil.harness.models.litellm.provider import LiteLLMProvider
from icil.prompt_builders import Prefix, Prompt, TextPart
from icil.tasks import ModelError

async def ask(model):
    provider = LiteLLMProvider(model)
    prompt = Prompt(Prefix((TextPart("before"),)), [], 0, (TextPart("now?"),), b"")
    wanted = Sampling(max_output_tokens=5, temperature=0.0)
    for _ in range(5):
        try:
            await provider.complete(prompt, wanted)
        except ModelError:
            pass
    if model != "openai/gpt-4.1":
        await provider.close()

for model in ("gemini/gemini-3-pro-preview", "hosted_vllm/qwen", "anthropic/claude-opus-4-7"):
    asyncio.run(ask(model))
asyncio.run(ask("openai/gpt-4.1"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert capfd.readouterr() == ("", "")
    assert len(server.requests) == 20


# Keys, names, settings


def test_a_key_is_never_shown(serve_all_strange, ask, make_prompts, keys):
    """Not even if the server says it."""
    server = serve_all_strange(lambda _: (401, {"error": {"message": f"no such key: {keys}"}}))
    provider = LiteLLMProvider(MODELS["openai"])
    with pytest.raises(ModelError) as failure:
        ask(provider, make_prompts()[0])
    assert any(keys in value for value in server.headers[0].values())
    shown = [str(failure.value), repr(failure.value), repr(provider), repr(vars(provider))]
    assert not [text for text in shown if keys in text]
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("name", ["api_key", "api_base", "extra_headers", "stream", "num_retries"])
def test_what_is_no_parameter_is_refused(serve, ask, make_prompts, name):
    server = serve()
    with pytest.raises(ModelError, match=f"{name} is no parameter") as failure:
        ask(LiteLLMProvider(MODELS["openai"]), make_prompts()[0], parameters={name: "secret"})
    assert failure.value.fault == "fatal"
    assert "secret" not in str(failure.value)
    assert not server.requests


@pytest.mark.parametrize(
    ("model", "own"),
    [
        (MODELS["openai"], {"response_format": 7}),
        (MODELS["openai"], {"tools": 5}),
        (ANTHROPIC, {"reasoning_effort": "very"}),
        (MODELS["gemini"], {"thinking": "much"}),
    ],
)
def test_parameters_that_litellm_cannot_read_end_it(serve, ask, make_prompts, model, own):
    server = serve()
    with pytest.raises(ModelError, match="no request of these parameters") as failure:
        ask(LiteLLMProvider(model), make_prompts()[0], parameters=own)
    assert failure.value.fault == "fatal"
    assert not server.requests


@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("gemini", "GEMINI_API_KEY or GOOGLE_API_KEY"),
    ],
    indirect=["dialect"],
)
def test_a_missing_key_is_said_at_once(keys, dialect, names, monkeypatch):
    for name in names.split(" or "):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ExperimentError, match=f"litellm/{dialect}/.* set {names}"):
        LiteLLMProvider(MODELS[dialect])


@pytest.mark.parametrize("model", ["", "nobody/model", "model-of-nobody", "openai", "openai/"])
def test_an_unknown_provider_is_said_at_once(keys, model):
    with pytest.raises(ExperimentError, match="expected litellm/PROVIDER/MODEL"):
        LiteLLMProvider(model)


@pytest.mark.parametrize("model", ["ollama/llava", "ollama_chat/llava", "deepseek/deepseek-chat"])
def test_who_would_not_see_the_images_in_their_places_is_sent_none(
    keys, ask, make_prompts, monkeypatch, model
):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "deepseek-0123456789")
    provider = LiteLLMProvider(model)
    assert provider.limits.images == 0
    with pytest.raises(ModelError, match="takes no images") as failure:
        ask(provider, make_prompts("rgb")[0])
    assert failure.value.fault == "fatal"


def test_an_image_may_come_in_the_tail_first(keys, ask, make_prompts):
    (prompt,) = make_prompts("rgb", demonstrations=0, steps=1)
    assert prompt.prefix.images == 0
    with pytest.raises(ModelError, match="takes no images"):
        ask(LiteLLMProvider("ollama_chat/llava"), prompt)


@pytest.mark.parametrize(
    "model", [*MODELS.values(), "custom_openai/any", "vertex_ai/gemini-2.5-pro"]
)
def test_others_are_sent_images(keys, monkeypatch, model):
    address(monkeypatch, "http://127.0.0.1:1")
    assert LiteLLMProvider(model).limits.images != 0


def test_the_endpoint_is_where_litellm_asks(keys, monkeypatch):
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", "http://me:hidden@127.0.0.1:8000/v1")
    assert LiteLLMProvider("hosted_vllm/any").endpoint == "http://127.0.0.1:8000/v1"
    assert LiteLLMProvider("openai/gpt-5").endpoint == "litellm/openai"
    monkeypatch.setenv("GROQ_API_KEY", "groq-0123456789")
    assert LiteLLMProvider("groq/any").endpoint == "https://api.groq.com/openai/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    with pytest.raises(ExperimentError, match="OPENAI_BASE_URL is no address"):
        LiteLLMProvider("openai/gpt-5")


def test_what_is_known_of_a_model(keys):
    provider = LiteLLMProvider(ANTHROPIC)
    assert provider.limits.context_tokens == 200_000
    assert provider.limits.images == 100
    assert (provider.name, provider.model) == ("litellm", ANTHROPIC)


def test_blank_texts_are_no_blocks_for_anthropic(serve, ask):
    server = serve()
    prefix = Prefix((TextPart("before"), TextPart("said", "assistant")))
    tail = [TextPart(" \n"), TextPart("seen"), TextPart("", "assistant")]
    prompt = Prompt(prefix, tail, 3, (TextPart("now?"), TextPart("\n")), b"")
    ask(LiteLLMProvider(ANTHROPIC), prompt)
    assert [(role, block["text"]) for role, block in blocks(server.requests[0].body)] == [
        ("user", "before"),
        ("assistant", "said"),
        ("user", " \nseen"),
        ("user", "now?"),
    ]
