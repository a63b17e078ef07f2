"""Anthropic: its own fields, breakpoints and their times, usage that excludes what is cached."""

import pytest

from icil.harness.models.anthropic import AnthropicProvider
from icil.prompt_builders import Prefix, Prompt, TextPart
from icil.tasks import ExperimentError, ModelError


def answer(*content, stop="end_turn", usage=None, **more):
    content = content or ({"type": "text", "text": "left"},)
    return {
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": list(content),
        "stop_reason": stop,
        "usage": usage or {"input_tokens": 9, "output_tokens": 1},
        **more,
    }


def marks(body):
    """The breakpoints of a request: the places of its blocks, and what is set there."""
    found = [block for message in body["messages"] for block in message["content"]]
    return {n: block["cache_control"] for n, block in enumerate(found) if "cache_control" in block}


def test_a_request_is_as_anthropic_has_it(serve_strange, ask, make_prompts, keys):
    server = serve_strange(lambda _: (200, answer()))
    ask(AnthropicProvider("claude-opus-4-5"), make_prompts("rgb")[0])
    (body,) = server.bodies
    (message,) = body.pop("messages")
    assert message["role"] == "user"
    assert {block["type"] for block in message["content"]} == {"text", "image"}
    assert body == {"model": "claude-opus-4-5", "max_tokens": 100}
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert keys in (headers.get("x-api-key"), headers.get("authorization", "").split()[-1:][0])
    assert headers["anthropic-version"] >= "2023-06-01"


def test_no_text_is_empty_or_blank(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    ask(AnthropicProvider("m"), *make_prompts("rgb"), *make_prompts("rgb", layout="chat"))
    texts = [
        block["text"]
        for body in server.bodies
        for message in body["messages"]
        for block in message["content"]
        if block["type"] == "text"
    ]
    assert len(texts) > 20
    assert all(text.strip() for text in texts)


def test_breakpoints_are_four_at_most_and_near_each_other(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    prompts = make_prompts("rgb", steps=6)
    ask(AnthropicProvider("m"), *prompts)
    before = None
    for body in server.bodies:
        found = sorted(marks(body))
        assert 2 <= len(found) <= 4
        assert found[-1] < len(body["messages"][0]["content"]) - 1  # the question is not cached
        assert before is None or found[-1] - before < 20  # as far as the server looks back
        before = found[-1]


def test_a_prefix_may_be_kept_for_an_hour(serve, serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    ask(AnthropicProvider("m", ttl="1h"), make_prompts("rgb")[0])
    prefix, tail = marks(server.bodies[0]).values()
    assert prefix == {"type": "ephemeral", "ttl": "1h"}
    assert tail == {"type": "ephemeral"}
    serve()
    first, second = ask(AnthropicProvider("claude-m", ttl="1h"), *make_prompts("rgb", steps=2))
    assert 1000 < first.tokens.cache_write_1h < first.tokens.cache_write
    assert second.tokens.cache_write_1h == 0 < second.tokens.cache_write


def test_a_prefix_is_kept_for_minutes_unless_told_otherwise(serve, ask, make_prompts):
    serve()
    (done,) = ask(AnthropicProvider("claude-m"), make_prompts("rgb")[0])
    assert done.tokens.cache_write_1h == 0 < done.tokens.cache_write
    assert done.parameters["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("ttl", ["2h", "", None, 5])
def test_no_other_time_can_be_set(keys, ttl):
    with pytest.raises(ExperimentError, match="anthropic/m: ttl: expected 5m or 1h, got"):
        AnthropicProvider("m", ttl=ttl)


def test_the_time_can_be_set_as_a_parameter(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    control = {"type": "ephemeral", "ttl": "1h"}
    ask(AnthropicProvider("m"), make_prompts()[0], parameters={"cache_control": control})
    assert marks(server.bodies[0]) == {0: control, 1: {"type": "ephemeral"}}
    assert "cache_control" not in server.bodies[0]


def test_a_short_prefix_does_no_harm(serve, ask, make_prompts):
    serve()
    completions = ask(AnthropicProvider("claude-m"), *make_prompts(demonstrations=1))
    assert [done.tokens.cached + done.tokens.cache_write for done in completions] == [0, 0, 0]


def test_a_server_that_knows_no_breakpoints_is_sent_none(serve_strange, ask, make_prompts):
    message = "messages.0.content.0.text.cache_control: Extra inputs are not permitted"
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    server = serve_strange(lambda body: (400, error) if marks(body) else (200, answer()))
    completions = ask(AnthropicProvider("m"), *make_prompts())
    assert [bool(marks(body)) for body in server.bodies] == [True, False, False, False]
    assert [done.dropped for done in completions] == [(), (), ()]


def test_input_is_all_of_it(serve_strange, ask, make_prompts):
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 15},
    }
    serve_strange(lambda _: (200, answer(usage=usage)))
    (done,) = ask(AnthropicProvider("m"), make_prompts()[0])
    found = done.tokens
    assert (found.input, found.cached, found.cache_write) == (105, 60, 40)
    assert (found.cache_write_1h, found.output, found.reasoning) == (30, 20, 15)


@pytest.mark.parametrize("usage", [{"input_tokens": None}, {"output_tokens": 3}, [], "none"])
def test_tokens_are_counted_where_the_server_does_not(serve_strange, ask, make_prompts, usage):
    serve_strange(lambda _: (200, {**answer(), "usage": usage}))
    (done,) = ask(AnthropicProvider("m"), make_prompts()[0])
    assert done.tokens.input > 100
    assert done.tokens.output == 1


TEXT = {"type": "text", "text": "left"}
THOUGHT = {"type": "thinking", "thinking": "Where to?", "signature": "x"}
WHY = {"type": "refusal", "category": "cyber", "explanation": "That would be harmful."}


@pytest.mark.parametrize(
    ("said", "text", "finish", "detail"),
    [
        (answer(), "left", "stop", "end_turn"),
        (answer(TEXT, stop="stop_sequence"), "left", "stop", "stop_sequence"),
        (answer(TEXT, stop="max_tokens"), "left", "length", "max_tokens"),
        (
            answer(TEXT, stop="model_context_window_exceeded"),
            "left",
            "length",
            "model_context_window_exceeded",
        ),
        (answer(TEXT, stop="pause_turn"), "left", "other", "pause_turn"),
        (answer(THOUGHT, TEXT, TEXT), "leftleft", "stop", "end_turn"),
        (answer(THOUGHT), "", "stop", "end_turn"),
        (
            answer(THOUGHT, stop="refusal", stop_details=WHY),
            "",
            "refusal",
            "refusal: cyber: That would be harmful.",
        ),
        (answer(THOUGHT, stop="refusal", stop_details=None), "", "refusal", "refusal"),
        ({**answer(), "content": []}, "", "stop", "end_turn"),
    ],
)
def test_why_a_model_stopped(serve_strange, ask, make_prompts, said, text, finish, detail):
    serve_strange(lambda _: (200, said))
    (done,) = ask(AnthropicProvider("m"), make_prompts()[0])
    assert (done.text, done.finish, done.detail, done.model) == (text, finish, detail, "m-1")


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        "left",
        {"content": "left", "stop_reason": "end_turn"},
        {"content": [TEXT]},
        {**answer(), "stop_reason": None},
        answer("left"),
        answer({"type": "text"}),
        answer({"text": "left"}),
        {"type": "error", "error": {"type": "api_error", "message": "upstream failed"}},
    ],
)
def test_what_is_no_answer_is_a_fault(serve_strange, ask, make_prompts, said):
    serve_strange(lambda _: (200, said))
    with pytest.raises(ModelError, match="not to be understood") as failure:
        ask(AnthropicProvider("m"), make_prompts()[0])
    assert failure.value.fault == "unavailable"


def test_blank_texts_go_with_the_text_that_follows(serve_strange, ask, make_prompts):
    server = serve_strange(lambda _: (200, answer()))
    prompt = make_prompts("rgb")[0]
    image = next(part for part in prompt.tail if not isinstance(part, TextPart))
    prefix = Prefix((TextPart("\n"), image, TextPart(" "), image, TextPart("\t")))
    tail = [TextPart(""), TextPart("\n"), TextPart("seen"), image, TextPart("  ")]
    ask(AnthropicProvider("m"), Prompt(prefix, tail, 5, (TextPart("what now?"),), b""))
    (message,) = server.bodies[0]["messages"]
    texts = [block.get("text") for block in message["content"]]
    assert texts == [None, None, "\t\nseen", None, "  what now?"]
    assert sorted(marks(server.bodies[0])) == [1, 3]
