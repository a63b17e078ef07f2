"""Local servers: what goes over the wire to a real one on loopback, and what is made of it."""

import asyncio
import json
import socket
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event, Thread

import numpy as np
import pytest

from icil.harness.fake_server import Oddities
from icil.harness.models import Limits, Sampling, Tokens
from icil.harness.models.local.body import Bodies, close
from icil.harness.models.local.provider import LocalProvider, is_private
from icil.prompt_builders import ImagePart, Prefix, TextPart, encode_image
from icil.prompt_builders.parts import merge_text, role_of
from icil.prompt_builders.prompt import History
from icil.tasks import ExperimentError, ModelError, UsageError

MODEL = "org/model:7b"
LAYOUTS = pytest.mark.parametrize("layout", ["single", "chat"])
FORMATS = pytest.mark.parametrize("format", ["coords", "rgb"])


def connect(server, model=MODEL, **own):
    return LocalProvider(f"{model}@{server.urls.local}", **own)


def connect_strange(server, **own):
    return LocalProvider(f"{MODEL}@http://127.0.0.1:{server.port}", **own)


def asked(server):
    """The bodies of the requests for an answer."""
    return [record.body for record in server.requests if record.method == "POST"]


def shown(body):
    """What a request shows, as pairs of role and text or base64, block by block."""
    found = []
    for message in json.loads(body)["messages"]:
        if isinstance(message["content"], str):
            found.append((message["role"], message["content"]))
        else:
            for block in message["content"]:
                text = block["text"] if block["type"] == "text" else block["image_url"]["url"]
                found.append((message["role"], text))
    return found


def expected(prompt):
    return [
        (
            role_of(part),
            "data:image/png;base64," + b64encode(part.png).decode()
            if isinstance(part, ImagePart)
            else part.text,
        )
        for part in merge_text(prompt)
    ]


def prompt_of(prefix, *rest, question="?"):
    history = History(Prefix(tuple(prefix)))
    history.append(*rest)
    return history.ask((TextPart(question),))


def image(seed):
    return encode_image(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))


def body_of(bodies, prompt, **fields):
    return b"".join([*asyncio.run(bodies.chunks(prompt)), close(fields)])


# What is sent


@LAYOUTS
@FORMATS
@pytest.mark.parametrize("demonstrations", [0, 3])
def test_what_a_prompt_shows_arrives_to_the_letter_and_in_its_order(
    serve, ask, make_prompts, layout, format, demonstrations
):
    server = serve()
    prompts = make_prompts(format, layout=layout, demonstrations=demonstrations)
    ask(connect(server), *prompts)
    assert [shown(body) for body in asked(server)] == [expected(prompt) for prompt in prompts]


def test_texts_that_follow_each_other_are_one_text(serve, ask, make_prompts):
    server = serve()
    ask(connect(server), *make_prompts("coords", steps=2))
    for body in asked(server):
        ((message),) = json.loads(body)["messages"]
        assert isinstance(message["content"], str)


def test_the_beginning_may_hold_texts_alone_and_the_tail_images():
    bodies = Bodies("m")
    prefix = [TextPart("before, "), TextPart("and ")]
    for rest in ([image(0)], [TextPart("after"), image(0), image(1)], [TextPart("after")]):
        prompt = prompt_of(prefix, *rest)
        assert shown(body_of(bodies, prompt)) == expected(prompt)


def test_what_json_must_escape_arrives_to_the_letter():
    awkward = 'a "quote", a \\, a \ttab\r\n\x00\x1f\x7f\u2028 é 漢 🙂 </script> %s {"a": [1]}'
    bodies = Bodies(awkward)
    prompt = prompt_of([TextPart(awkward)], TextPart(awkward), question=awkward)
    body = body_of(bodies, prompt, stop=[awkward])
    assert json.loads(body)["model"] == awkward
    assert json.loads(body)["stop"] == [awkward]
    assert shown(body) == [("user", awkward * 3)]
    assert "é 漢 🙂".encode() in body


@LAYOUTS
@FORMATS
def test_bodies_begin_with_the_same_bytes_over_steps_and_episodes(
    serve, ask, make_prompts, layout, format
):
    server = serve()
    steps = make_prompts(format, layout=layout, steps=4)
    others = make_prompts(format, layout=layout, steps=2, opening=7)
    ask(connect(server), *steps, *others)
    head, prefix, _ = asyncio.run(Bodies(MODEL).chunks(steps[0]))
    assert len(prefix) > 1000
    assert all(body.startswith(head + prefix) for body in asked(server))
    # From step to step all is the same up to the question.
    question = json.dumps("".join(part.text for part in steps[0].question))[1:-1].encode()
    for earlier, later in pairwise(asked(server)[:4]):
        assert later.startswith(earlier[: earlier.rindex(question)])


def test_a_prefix_is_encoded_once_for_all_that_share_it(make_prompts):
    one, two = make_prompts("rgb", opening=1), make_prompts("rgb", opening=2)
    bodies = Bodies("m")

    async def run():
        together = await asyncio.gather(*(bodies.chunks(prompt) for prompt in [*one, *two]))
        again = await bodies.chunks(one[0])
        bodies.forget(one[0].prefix)
        return [chunks[1] for chunks in (*together, again)], (await bodies.chunks(one[0]))[1]

    kept, anew = asyncio.run(run())
    assert all(content is kept[0] for content in kept)
    assert anew == kept[0]
    assert anew is not kept[0]


def test_who_waits_for_a_prefix_is_served_though_the_first_gave_up(make_prompts):
    (prompt,) = make_prompts("rgb", steps=1)
    bodies = Bodies("m")

    async def run():
        first = asyncio.ensure_future(bodies.chunks(prompt))
        second = asyncio.ensure_future(bodies.chunks(prompt))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return b"".join([*await second, close({})])

    assert shown(asyncio.run(run())) == expected(prompt)


def test_megabytes_arrive_whole_and_their_length_is_told(serve_strange, ask):
    server = serve_strange(lambda body: (200, answer()))
    noise = [
        encode_image(np.random.default_rng(seed).integers(0, 256, (512, 512, 3), np.uint8))
        for seed in range(6)
    ]
    prompt = prompt_of([TextPart("é\n" * 500_000), *noise[:3]], *noise[3:])
    ask(connect_strange(server), prompt)
    (body,) = server.bodies
    assert shown(json.dumps(body)) == expected(prompt)
    (headers,) = server.headers
    assert int(headers["Content-Length"]) > 6_000_000
    assert "Transfer-Encoding" not in headers


def test_a_key_goes_into_a_header_if_there_is_one(serve_strange, ask, make_prompts, monkeypatch):
    server = serve_strange(lambda body: (200, answer()))
    prompts = make_prompts(steps=1)
    ask(connect_strange(server), *prompts)
    monkeypatch.delenv("ICIL_LOCAL_API_KEY")
    ask(connect_strange(server), *prompts)
    with_key, without = server.headers
    assert with_key["Authorization"] == "Bearer sk-test-0123456789abcdefghij"
    assert "Authorization" not in without


def test_parameters_are_sent_as_they_are(serve, ask, make_prompts):
    server = serve()
    parameters = {"top_k": 3, "chat_template_kwargs": {"enable_thinking": False}}
    (done,) = ask(
        connect(server),
        *make_prompts(steps=1),
        max_output_tokens=7,
        temperature=0.5,
        parameters=parameters,
    )
    sent = json.loads(*asked(server))
    del sent["messages"]
    assert sent == {"model": MODEL, "max_tokens": 7, "temperature": 0.5, **parameters}
    assert done.parameters == {"max_tokens": 7, "temperature": 0.5, **parameters}
    assert done.dropped == ()


def test_each_call_is_asked_as_it_wants(serve, make_prompts):
    server = serve()
    provider = connect(server)
    prompts = make_prompts(steps=4)

    async def run():
        wanted = [Sampling(max_output_tokens=10 + number % 2) for number in range(4)]
        pairs = zip(prompts, wanted, strict=True)
        done = await asyncio.gather(*(provider.complete(*pair) for pair in pairs))
        await provider.close()
        return [one.parameters for one in done]

    assert asyncio.run(run()) == [{"max_tokens": 10}, {"max_tokens": 11}] * 2
    assert sorted(json.loads(body)["max_tokens"] for body in asked(server)) == [10, 10, 11, 11]


@pytest.mark.parametrize("name", ["messages", "model", "n", "stream"])
def test_some_fields_are_not_to_be_set(serve, ask, make_prompts, name):
    with pytest.raises(UsageError, match=f"{name} cannot be set"):
        ask(connect(serve()), *make_prompts(steps=1), parameters={name: True})


def test_a_refused_parameter_is_dropped_at_once_and_for_good(serve, ask, make_prompts):
    server = serve(refused_parameters={"*": ("temperature", "max_tokens")})
    first, second = ask(connect(server), *make_prompts(steps=2), temperature=0.0)
    assert first.parameters == second.parameters == {"max_completion_tokens": 100}
    assert first.dropped == second.dropped == ("temperature",)
    assert len(asked(server)) == 4


# What comes back


def answer(message=None, *, finish="stop", **more):
    message = {"role": "assistant", "content": "up"} if message is None else message
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"object": "chat.completion", "model": "m-1", "choices": [choice], **more}


def test_an_answer_has_its_tokens_and_what_the_cache_gave(serve, ask, make_prompts):
    server = serve(answers="fixed:down")
    prompts = make_prompts(steps=2)
    first, second = ask(connect(server), *prompts)
    done = [record for record in server.requests if record.method == "POST"]
    assert (first.text, first.model, first.finish, first.detail) == ("down", MODEL, "stop", "stop")
    assert first.tokens == Tokens(input=done[0].input_tokens, output=done[0].output_tokens)
    assert second.tokens.cached == done[1].cached_tokens
    assert done[0].input_tokens - 200 < second.tokens.cached < second.tokens.input


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"usage": {"prompt_tokens": 9, "completion_tokens": 2}}, Tokens(input=9, output=2)),
        (
            {"usage": {"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens": 0}},
            Tokens(input=9),
        ),
        (  # vLLM
            {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 6,
                    "prompt_tokens_details": {"cached_tokens": 4},
                    "completion_tokens_details": {"reasoning_tokens": 3},
                }
            },
            Tokens(input=9, cached=4, output=6, reasoning=3),
        ),
        (  # SGLang
            {"usage": {"prompt_tokens": 9, "completion_tokens": 6, "reasoning_tokens": 5}},
            Tokens(input=9, output=6, reasoning=5),
        ),
        (  # llama.cpp
            {
                "usage": {"prompt_tokens": 9, "completion_tokens": 1},
                "timings": {"cache_n": 8, "prompt_n": 1, "predicted_n": 1},
            },
            Tokens(input=9, cached=8, output=1),
        ),
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 1}, "tokens_cached": 12},
            Tokens(input=9, cached=9, output=1),
        ),
    ],
)
def test_each_server_tells_its_tokens_in_its_own_words(
    serve_strange, ask, make_prompts, usage, tokens
):
    server = serve_strange(lambda body: (200, answer(**usage)))
    (done,) = ask(connect_strange(server), *make_prompts(steps=1))
    assert done.tokens == tokens


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": "many"}}])
def test_what_the_server_does_not_count_is_counted_here(serve_strange, ask, make_prompts, usage):
    server = serve_strange(lambda body: (200, answer(**usage)))
    provider = connect_strange(server)
    (prompt,) = make_prompts(steps=1)
    (done,) = ask(provider, prompt)
    assert done.tokens == Tokens(input=sum(map(provider.tokens, prompt)), output=1)
    assert done.tokens.input > 100


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_no_part_of_the_text_and_is_counted(serve_strange, ask, make_prompts, name):
    message = {"role": "assistant", "content": "up", name: "one two three four"}
    usage = {"prompt_tokens": 9, "completion_tokens": 6}
    server = serve_strange(lambda body: (200, answer(message, usage=usage)))
    (done,) = ask(connect_strange(server), *make_prompts(steps=1))
    assert done.text == "up"
    assert done.tokens == Tokens(input=9, output=6, reasoning=4)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant", "content": ""}, ""),
        ({"role": "assistant"}, ""),
        ({"role": "assistant", "content": []}, ""),
        ({"content": [{"type": "text", "text": "u"}, {"type": "text", "text": "p"}]}, "up"),
    ],
)
def test_an_empty_answer_is_the_model_s_own(serve_strange, ask, make_prompts, message, text):
    server = serve_strange(lambda body: (200, answer(message)))
    (done,) = ask(connect_strange(server), *make_prompts(steps=1))
    assert (done.text, done.finish) == (text, "stop")


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "refusal"),
        ("abort", "other"),
        (None, "other"),
    ],
)
def test_why_it_stopped_is_told(serve_strange, ask, make_prompts, word, finish):
    server = serve_strange(lambda body: (200, answer(finish=word)))
    (done,) = ask(connect_strange(server), *make_prompts(steps=1))
    assert (done.finish, done.detail) == (finish, word)


def test_a_refusal_is_an_answer(serve, ask, make_prompts):
    server = serve(oddities=Oddities(refused=1.0))
    done = ask(connect(server), *make_prompts(steps=6))
    assert {one.finish for one in done} == {"refusal"}
    assert {one.text for one in done} == {""}
    assert {one.detail for one in done} == {"I cannot help with that.", "content_filter"}


def test_an_answer_that_is_cut_off_says_so(serve, ask, make_prompts):
    server = serve(answers="fixed:" + "up and down " * 20)
    (done,) = ask(connect(server), *make_prompts(steps=1), max_output_tokens=2)
    assert (done.text, done.finish) == ("up and d", "length")


# Faults


@pytest.mark.parametrize(
    ("script", "fault", "message"),
    [
        ("401", "fatal", "401"),
        ("404", "fatal", "does not exist"),
        ("429", "rate_limited", "429"),
        ("429-date", "rate_limited", "429"),
        ("408", "unavailable", "408"),
        ("500", "unavailable", "500"),
        ("503", "unavailable", "503"),
        ("529", "rate_limited", "529"),
        ("drop", "unavailable", "no answer"),
        ("half", "unavailable", "no answer"),
        ("half-chunked", "unavailable", "no answer"),
        ("blank", "unavailable", "not to be understood"),
        ("html", "unavailable", "not to be understood"),
        ("shape", "unavailable", "not to be understood"),
        ("text", "unavailable", "not to be understood"),
    ],
)
def test_each_fault_has_its_kind_and_the_next_request_is_answered(
    serve, make_prompts, script, fault, message
):
    server = serve(script=(script,), retry_after_s=3)
    provider = connect(server)
    (prompt,) = make_prompts(steps=1)
    sampling = Sampling(max_output_tokens=10)

    async def run():
        with pytest.raises(ModelError, match=message) as caught:
            await provider.complete(prompt, sampling)
        done = await provider.complete(prompt, sampling)
        await provider.close()
        return caught.value, done

    error, done = asyncio.run(run())
    assert error.fault == fault
    assert (error.retry_after_s is not None) == script.startswith("429")
    assert error.retry_after_s is None or 0 < error.retry_after_s <= 4
    assert done.text


def test_another_400_is_told_and_not_sent_again(serve_strange, ask, make_prompts):
    said = {"object": "error", "message": "the chat template is broken", "code": 400}
    server = serve_strange(lambda body: (400, said))
    with pytest.raises(ModelError, match="400: the chat template is broken") as caught:
        ask(connect_strange(server), *make_prompts(steps=1), temperature=0.0)
    assert caught.value.fault == "rejected"
    assert len(server.bodies) == 1


def test_a_prompt_that_does_not_fit_is_overlong(serve, ask, make_prompts):
    with pytest.raises(ModelError, match="maximum context length") as caught:
        ask(connect(serve(context_tokens=64)), *make_prompts(steps=1))
    assert caught.value.fault == "overlong"


def test_a_server_that_is_not_there_is_unavailable(serve, ask, make_prompts, unused_port):
    provider = LocalProvider(f"m@http://127.0.0.1:{unused_port}")
    assert provider.limits == Limits()
    with pytest.raises(ModelError, match="no answer") as caught:
        ask(provider, *make_prompts(steps=1))
    assert caught.value.fault == "unavailable"


@pytest.fixture
def unused_port():
    with socket.socket() as taken:  # bound but not listening: nobody else gets it
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_request_that_is_given_up_is_broken_off(serve, make_prompts):
    arrived = Event()
    server = serve(answers=lambda call: "up" if arrived.set() is None else "", latency_s=3600)
    provider = connect(server)
    done = server.total

    async def run():
        (prompt,) = make_prompts(steps=1)
        call = asyncio.ensure_future(provider.complete(prompt, Sampling(max_output_tokens=10)))
        await asyncio.to_thread(arrived.wait)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.total == done:  # it is done with the request only once that is gone
            await asyncio.sleep(0.01)
        await provider.close()

    asyncio.run(run())
    assert server.requests[-1].status == 0


def test_a_request_that_takes_too_long_is_unavailable(serve, ask, make_prompts):
    server = serve(script=("hang",))
    with pytest.raises(ModelError, match="no answer") as caught:
        ask(connect(server, timeout_s=0.2), *make_prompts(steps=1))
    assert caught.value.fault == "unavailable"


def test_many_requests_go_out_at_once(serve, make_prompts):
    server = serve(latency_s=0.3)
    provider = connect(server)
    prompts = [make_prompts("rgb", steps=1, opening=opening)[0] for opening in range(24)]

    async def run():
        sampling = Sampling(max_output_tokens=10)
        done = await asyncio.gather(*(provider.complete(one, sampling) for one in prompts))
        await provider.close()
        return done

    assert len({one.tokens.input for one in asyncio.run(run())}) == 1
    assert server.most_at_once == len(prompts)
    assert {json.dumps(shown(body)) for body in asked(server)} == {
        json.dumps(expected(prompt)) for prompt in prompts
    }


def test_an_answer_without_end_is_broken_off(serve_strange, ask, make_prompts, monkeypatch):
    monkeypatch.setattr("icil.harness.models.local.http._LONGEST_ANSWER", 1 << 20)
    message = {"role": "assistant", "content": "x" * (2 << 20)}
    server = serve_strange(lambda body: (200, answer(message)))
    with pytest.raises(ModelError, match="longer than 1 MiB"):
        ask(connect_strange(server), *make_prompts(steps=1))


def test_a_long_answer_is_read_whole(serve_strange, ask, make_prompts):
    message = {"role": "assistant", "content": "x" * (2 << 20)}
    usage = {"prompt_tokens": 9, "completion_tokens": 9}
    server = serve_strange(lambda body: (200, answer(message, usage=usage)))
    (done,) = ask(connect_strange(server), *make_prompts(steps=1))
    assert done.text == message["content"]


def test_no_key_stands_in_what_is_told(serve_strange, ask, make_prompts, keys):
    server = serve_strange(lambda body: (401, {"error": f"wrong key: {keys}"}))
    provider = connect_strange(server)
    with pytest.raises(ModelError) as caught:
        ask(provider, *make_prompts(steps=1))
    assert server.headers[0]["Authorization"].endswith(keys)
    for told in (str(caught.value), repr(caught.value), repr(provider), provider.endpoint):
        assert keys not in told


# Names, addresses, limits


class Told(ThreadingHTTPServer):
    """Answers GET requests by their path, with JSON; notes them."""

    daemon_threads = True

    def __init__(self, pages):
        self.pages, self.seen = pages, []
        super().__init__(("127.0.0.1", 0), Teller)


class Teller(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        page = self.server.pages.get(self.path)
        self.answer(404 if page is None else 200, page)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, page):
        content = page if isinstance(page, bytes) else json.dumps(page).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def tell():
    servers = []

    def tell(pages):
        server = Told(pages)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return server

    yield tell
    for server in servers:
        server.shutdown()
        server.server_close()


VLLM = {"data": [{"id": "other", "max_model_len": 7}, {"id": "m", "max_model_len": 4096}]}
LLAMA = {"data": [{"id": "file.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}]}
LLAMA_SLOT = {"data": [{"id": "file.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 2048}}]}
PROPS = {"default_generation_settings": {"n_ctx": 8192}, "modalities": {"vision": False}}


@pytest.mark.parametrize(
    ("pages", "limits"),
    [
        ({"/v1/models": VLLM}, Limits(context_tokens=4096)),
        ({"/v1/models": LLAMA_SLOT}, Limits(context_tokens=2048)),
        ({"/v1/models": LLAMA, "/props": PROPS}, Limits(context_tokens=8192, images=0)),
        (
            {"/v1/models": LLAMA, "/props": {**PROPS, "modalities": {"vision": True}}},
            Limits(context_tokens=8192),
        ),
        ({"/v1/models": LLAMA}, Limits()),
        ({"/v1/models": {"data": VLLM["data"][:1] * 2}}, Limits()),
        ({"/v1/models": {"data": [{"id": "m", "max_model_len": None}]}}, Limits()),
        ({"/v1/models": {"data": ["m", None]}}, Limits()),
        ({"/v1/models": {"data": None}}, Limits()),
        ({"/v1/models": [1]}, Limits()),
        ({"/v1/models": b"<html>"}, Limits()),
        ({"/v1/models": b"\xff"}, Limits()),
        ({}, Limits()),
    ],
)
def test_a_server_is_asked_for_its_limits(tell, keys, pages, limits):
    server = tell(pages)
    assert LocalProvider(f"m@http://127.0.0.1:{server.server_port}").limits == limits
    assert server.seen[0] == ("/v1/models", f"Bearer {keys}")


def test_no_server_is_asked_where_that_would_hold_up_an_event_loop(tell):
    server = tell({"/v1/models": VLLM})

    async def run():
        there = LocalProvider(f"m@http://127.0.0.1:{server.server_port}")
        thread = await asyncio.to_thread(LocalProvider, f"m@http://127.0.0.1:{server.server_port}")
        return there.limits, thread.limits

    assert asyncio.run(run()) == (Limits(), Limits(context_tokens=4096))
    assert len(server.seen) == 1


def test_a_redirect_is_not_followed(tell, ask, make_prompts):
    server = tell({})
    with pytest.raises(ModelError, match="answered 307: it redirects") as caught:
        ask(LocalProvider(f"m@http://127.0.0.1:{server.server_port}"), *make_prompts(steps=1))
    assert caught.value.fault == "fatal"


@pytest.mark.parametrize(
    ("name", "model", "endpoint"),
    [
        ("m@http://[::1]:9", "m", "http://[::1]:9/v1"),
        ("m@http://127.0.0.1:9/", "m", "http://127.0.0.1:9/v1"),
        ("m@http://127.0.0.1:9/v1", "m", "http://127.0.0.1:9/v1"),
        ("m@http://127.0.0.1:9/v1/", "m", "http://127.0.0.1:9/v1"),
        ("m@http://127.0.0.1:9/v1/chat/completions", "m", "http://127.0.0.1:9/v1"),
        ("m@http://127.0.0.1:9/a/v3", "m", "http://127.0.0.1:9/a/v3"),
        ("org/m:7b@main@http://127.0.0.1:9", "org/m:7b@main", "http://127.0.0.1:9/v1"),
    ],
)
def test_a_name_says_the_model_and_where_it_is(name, model, endpoint):
    provider = LocalProvider(name)
    assert (provider.model, provider.endpoint) == (model, endpoint)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "m",
        "m@",
        "m@127.0.0.1:8000",
        "m@ftp://127.0.0.1",
        "@http://127.0.0.1:8000",
        "m@http://",
        "m@http://:8000",
        "m@http://127.0.0.1:port",
        "m@http://127.0.0.1:99999",
        "m@http://[::1",
        "m@http://127.0.0.1:8000/v1?key=1",
        "m@http://127.0.0.1:8000/v1#here",
        "m@http://two words:8000",
        "m@http://user:hunter2@127.0.0.1:8000",
        "m@http://user@127.0.0.1:8000",
    ],
)
def test_a_wrong_name_is_told_with_what_would_be_right(name):
    for call in (LocalProvider, is_private):
        with pytest.raises(UsageError, match="expected local/MODEL@http://host:port") as caught:
            call(name)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["two words", "ключ", "line\nbreak"])
def test_a_key_that_is_none_is_told_by_its_variable(monkeypatch, key):
    monkeypatch.setenv("ICIL_LOCAL_API_KEY", key)
    with pytest.raises(ExperimentError, match="ICIL_LOCAL_API_KEY is no key") as caught:
        LocalProvider("m@http://127.0.0.1:9")
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("192.168.0.7:8000", True),
        ("169.254.1.1", True),
        ("[::1]", True),
        ("[fd00::1]:80", True),
        ("localhost:11434", True),
        ("gpu7", True),
        ("gpu7.local", True),
        ("8.8.8.8", False),
        ("[2001:4860:4860::8888]", False),
        ("models.example.com", False),
        ("local.example.com", False),
    ],
)
def test_what_is_near_is_free(host, private):
    assert is_private(f"m@http://{host}/v1") is private
