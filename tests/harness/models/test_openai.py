"""OpenAI: its own fields, caching at breakpoints, and what servers that speak its dialect do."""

import json

import pytest

from icil.harness.models.openai import OpenAIProvider
from icil.tasks import ModelError

MARK = "prompt_cache_breakpoint"


def answer(content="left", *, finish="stop", usage=None, **message):
    choice = {"index": 0, "finish_reason": finish, "message": {"content": content, **message}}
    return {"object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage}


def marks(body):
    """Where a request has breakpoints: the places of its blocks."""
    found = [block for message in body["messages"] for block in message["content"]]
    return [place for place, block in enumerate(found) if MARK in block]


def test_a_request_is_as_openai_has_it(serve_strange, ask, make_prompts, keys):
    server = serve_strange(lambda _: (200, answer()))
    prompt = make_prompts("rgb")[0]
    ask(OpenAIProvider("gpt-5.6"), prompt)
    (body,) = server.bodies
    (message,) = body.pop("messages")
    assert message["role"] == "user"
    assert {block["type"] for block in message["content"]} == {"text", "image_url"}
    assert body == {
        "model": "gpt-5.6",
        "max_completion_tokens": 100,
        "prompt_cache_key": f"icil-{prompt.prefix.hash.hex()}",
    }
    assert server.headers[0]["Authorization"] == f"Bearer {keys}"
    assert server.headers[0]["Content-Type"] == "application/json"


def test_an_administrators_key_is_not_sent(serve_strange, ask, make_prompts, keys, monkeypatch):
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-0123456789")
    server = serve_strange(lambda _: (200, answer()))
    ask(OpenAIProvider("gpt-5.6"), make_prompts()[0])
    assert server.headers[0]["Authorization"] == f"Bearer {keys}"


def test_breakpoints_end_the_prefix_and_the_tail_of_this_step_and_the_last(
    serve_strange, ask, make_prompts
):
    server = serve_strange(lambda _: (200, answer()))
    prompts = make_prompts(steps=4)
    ask(OpenAIProvider("gpt-5.6"), *prompts)
    # The prefix is one block, and each part of the tail is another.
    assert [marks(body) for body in server.bodies] == [[0, 1], [0, 1, 3], [0, 3, 5], [0, 5, 7]]
    assert [prompt.length for prompt in prompts] == [1, 3, 5, 7]


def test_a_prompt_that_was_not_answered_is_no_breakpoint(serve_strange, ask, make_prompts):
    statuses = iter((500, 200))
    server = serve_strange(lambda _: (next(statuses), answer()))
    first, second = make_prompts(steps=2)
    with pytest.raises(ModelError):
        ask(OpenAIProvider("gpt-5.6"), first)
    ask(OpenAIProvider("gpt-5.6"), second)
    assert [marks(body) for body in server.bodies] == [[0, 1], [0, 3]]


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": f"Unknown parameter: 'messages[0].content[0].{MARK}'."}},
        {"error": {"message": "Unknown parameter.", "param": MARK}},
        {"detail": [{"loc": ["body", MARK], "msg": "Extra inputs are not permitted"}]},
        {"message": f"{MARK} is not supported"},
        {"error": f"unexpected field {MARK}"},
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_knows_no_breakpoints_is_sent_none(
    serve_strange, ask, make_prompts, error, status
):
    server = serve_strange(lambda body: (status, error) if marks(body) else (200, answer()))
    completions = ask(OpenAIProvider("old"), *make_prompts())
    assert [bool(marks(body)) for body in server.bodies] == [True, False, False, False]
    for done in completions:
        assert done.dropped == ()  # nobody asked for it
        assert MARK not in done.parameters
        assert "prompt_cache_key" in done.parameters


def test_breakpoints_can_be_switched_off(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    ask(OpenAIProvider("gpt-5.6"), *make_prompts(), parameters={MARK: None})
    assert [marks(body) for body in server.bodies] == [[], [], []]
    assert MARK not in server.bodies[0]


def test_an_older_server_is_told_the_longest_answer_in_its_words(serve, ask, make_prompts):
    server = serve(refused_parameters={"*": ("max_completion_tokens",)})
    (done,) = ask(OpenAIProvider("old"), make_prompts()[0])
    assert done.parameters["max_tokens"] == 100
    assert "max_completion_tokens" not in done.parameters
    assert done.dropped == ()
    assert [request.status for request in server.requests] == [400, 200]


def test_automatic_caches_are_reported(serve, ask, make_prompts):
    serve()
    first, second, third = ask(OpenAIProvider("gpt-4.1"), *make_prompts("rgb"))
    assert first.tokens.cached == first.tokens.cache_write == 0
    assert 1000 < second.tokens.cached <= third.tokens.cached < third.tokens.input


def test_usage_is_read_from_where_it_stands(serve_strange, ask, make_prompts):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 25},
    }
    serve_strange(lambda _: (200, answer(usage=usage)))
    (done,) = ask(OpenAIProvider("m"), make_prompts()[0])
    found = done.tokens
    assert (found.input, found.cached, found.cache_write) == (100, 60, 40)
    assert (found.output, found.reasoning, found.cache_write_1h) == (30, 25, 0)
    assert done.model == "m-1"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many"}, 7])
def test_tokens_are_counted_where_the_server_does_not(serve_strange, ask, make_prompts, usage):
    serve_strange(lambda _: (200, answer("left, then up", usage=usage)))
    short, long = make_prompts(demonstrations=1)[0], make_prompts(demonstrations=8)[0]
    few, many = (done.tokens for done in ask(OpenAIProvider("gpt-4.1"), short, long))
    assert 100 < few.input < many.input
    assert few.output == many.output == 4


def test_details_of_usage_may_be_missing(serve_strange, ask, make_prompts):
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None}
    serve_strange(lambda _: (200, answer(usage=usage)))
    (done,) = ask(OpenAIProvider("m"), make_prompts()[0])
    assert (done.tokens.input, done.tokens.cached, done.tokens.output) == (9, 0, 1)


@pytest.mark.parametrize(
    ("said", "text", "finish", "detail"),
    [
        (answer(), "left", "stop", "stop"),
        (answer("lef", finish="length"), "lef", "length", "length"),
        (answer(None, finish="content_filter"), "", "refusal", "content_filter"),
        (answer(None, refusal="I will not."), "", "refusal", "I will not."),
        (answer(None), "", "stop", "stop"),
        (answer(None, finish="tool_calls", tool_calls=[{}]), "", "other", "tool_calls"),
        (answer(finish=None), "left", "other", None),
        (answer([{"type": "text", "text": "le"}, {"text": "ft"}]), "left", "stop", "stop"),
        (answer([]), "", "stop", "stop"),
    ],
)
def test_why_a_model_stopped(serve_strange, ask, make_prompts, said, text, finish, detail):
    serve_strange(lambda _: (200, said))
    (done,) = ask(OpenAIProvider("m"), make_prompts()[0])
    assert (done.text, done.finish, done.detail) == (text, finish, detail)


def test_a_long_refusal_is_told_shortly(serve_strange, ask, make_prompts):
    serve_strange(lambda _: (200, answer(None, refusal="No.\n" * 1000)))
    (done,) = ask(OpenAIProvider("m"), make_prompts()[0])
    assert done.detail.startswith("No. No.")
    assert len(done.detail) <= 200


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        "left",
        None,
        {"choices": []},
        {"choices": None},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"role": "assistant"}}]},
        {"choices": [{"text": "left"}]},
        answer(7),
        answer(["left"]),
        {"error": {"message": "upstream failed", "code": 502}},
    ],
)
def test_what_is_no_answer_is_a_fault(serve_strange, ask, make_prompts, said):
    serve_strange(lambda _: (200, said))
    with pytest.raises(ModelError, match="not to be understood") as failure:
        ask(OpenAIProvider("m"), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_an_empty_account_is_no_rate_limit(serve_strange, ask, make_prompts):
    error = {"error": {"message": "You are out.", "code": "insufficient_quota"}}
    serve_strange(lambda _: (429, error))
    with pytest.raises(ModelError, match="You are out") as failure:
        ask(OpenAIProvider("m"), make_prompts()[0])
    assert failure.value.fault == "fatal"


def test_what_was_sent_can_be_written_down(serve, ask, make_prompts):
    serve()
    (done,) = ask(OpenAIProvider("gpt-5.6"), make_prompts()[0], temperature=0.0)
    assert json.loads(json.dumps(done.parameters)) == {
        "prompt_cache_key": f"icil-{make_prompts()[0].prefix.hash.hex()}",
        MARK: {"mode": "explicit"},
        "max_completion_tokens": 100,
        "temperature": 0.0,
    }
