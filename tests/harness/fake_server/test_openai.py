"""Chat completions and responses, as OpenAI's own client sees them."""

import json

import openai
import pytest

from icil.harness.fake_server import Oddities


@pytest.fixture
def client(serve):
    opened = []

    def client(**settings):
        raw = serve(**settings)
        made = openai.OpenAI(base_url=raw.server.urls.openai, api_key="any", max_retries=0)
        opened.append(made)
        return made

    yield client
    for made in opened:
        made.close()


def ask(client, content="Action: up\n", **more):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, **more)


def test_an_answer_with_its_usage(client):
    answer = ask(client(), "Action: up\nWhat now?")
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("up", "stop")
    assert (choice.message.refusal, answer.model) == (None, "gpt-4o")
    # 20 bytes of prompt at 4 a token, 2 bytes of answer.
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 1)
    assert answer.usage.total_tokens == 6
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer.usage.completion_tokens_details.reasoning_tokens == 0


def test_images_count_by_patches_of_32_pixels(client, draw):
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{draw(100, 33)}"}}
    jpeg = {
        "type": "image_url",
        "image_url": {"url": f"data:image/jpeg;base64,{draw(32, 32, kind='JPEG')}"},
    }
    answer = ask(client(), [{"type": "text", "text": "12345678"}, part, jpeg])
    assert answer.usage.prompt_tokens == 2 + 4 * 2 + 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.org/a.png", "data URLs only"),
        ("data:image/png;base64,@@@@", "not valid base64"),
        ("data:image/png;base64,AAAA", "no PNG, JPEG, WebP or GIF"),
        ("data:image/jpeg;base64,PNG", "it is image/png, not image/jpeg"),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(client, draw, url, reason):
    url = url.replace("base64,PNG", f"base64,{draw()}")
    with pytest.raises(openai.BadRequestError) as error:
        ask(client(), [{"type": "image_url", "image_url": {"url": url}}])
    assert reason in error.value.body["message"]
    assert error.value.body["param"] == "messages[0].content[0].image_url.url"


def test_a_damaged_image_is_refused(client, draw):
    whole = draw(200, 200)
    url = f"data:image/png;base64,{whole[: len(whole) // 8 * 4]}"
    with pytest.raises(openai.BadRequestError, match="damaged"):
        ask(client(), [{"type": "image_url", "image_url": {"url": url}}])


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"top_k": 3}, "top_k", "unknown_parameter"),
        ({"n": 2}, "n", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": 5}, "messages", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", None),
        ({"messages": [{"role": "me", "content": ""}]}, "messages[0].role", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
    ],
)
def test_a_request_that_is_not_well_formed(serve, dialects, change, param, code):
    body = dialects.body("openai", "hello") | change
    answered = serve().ask("/v1/chat/completions", body)
    assert answered.status == 400
    assert answered.error["type"] == "invalid_request_error"
    assert (answered.error["param"], answered.error["code"]) == (param, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"model": "\\ud800"}'])
@pytest.mark.parametrize("dialect", ["openai", "local", "responses", "anthropic", "gemini"])
def test_a_body_that_is_none_is_refused_and_nothing_breaks(serve, dialects, dialect, body):
    client = serve()
    assert client.ask(dialects.PATHS[dialect], body).status == 400
    assert client.ask(dialects.PATHS[dialect], dialects.body(dialect, "hi")).status == 200


def test_a_local_server_ignores_what_it_does_not_know(serve, dialects):
    body = dialects.body("local", "Action: up", top_k=3, min_p=0.1)
    answered = serve().ask("/local/v1/chat/completions", body)
    assert dialects.said("local", answered.json) == "up"


def test_max_tokens_and_stop_cut_the_answer(client):
    model = client(answers="fixed:0123456789 and so on")
    for name in ("max_tokens", "max_completion_tokens"):
        (choice,) = ask(model, **{name: 2}).choices
        assert (choice.message.content, choice.finish_reason) == ("01234567", "length")
    (choice,) = ask(model, stop=["and", "5"]).choices
    assert (choice.message.content, choice.finish_reason) == ("01234", "stop")


def test_refusals_empty_and_broken_off_answers(client):
    refused = client(oddities=Oddities(refused=1.0))
    seen = set()
    for number in range(20):
        (choice,) = ask(refused, f"{number}").choices
        assert choice.message.content is None
        seen.add((choice.finish_reason, choice.message.refusal is not None))
    assert seen == {("stop", True), ("content_filter", False)}

    (choice,) = ask(client(oddities=Oddities(empty=1.0))).choices
    assert (choice.message.content, choice.finish_reason) == ("", "stop")
    (choice,) = ask(client(oddities=Oddities(truncated=1.0), answers="fixed:abcdef")).choices
    assert (choice.message.content, choice.finish_reason) == ("abc", "length")


def test_reasoning_is_paid_for_and_may_leave_no_room_for_an_answer(client):
    thinker = client(oddities=Oddities(reasoning=1.0, reasoning_tokens=50))
    usage = ask(thinker).usage
    assert usage.completion_tokens_details.reasoning_tokens == 50
    assert usage.completion_tokens == 51
    answer = ask(thinker, max_completion_tokens=20)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")
    assert answer.usage.completion_tokens == 20


def test_a_local_server_shows_its_reasoning(serve, dialects):
    client = serve(oddities=Oddities(reasoning=1.0, reasoning_tokens=4))
    for dialect in ("local", "openai"):
        answer = client.ask(dialects.PATHS[dialect], dialects.body(dialect, "Action: up")).json
        (choice,) = answer["choices"]
        assert len(choice["message"].get("reasoning_content", "")) == (16 * (dialect == "local"))


def test_a_stream_is_the_answer_in_pieces(client):
    model = client(answers="fixed:go up")
    chunks = list(ask(model, stream=True, stream_options={"include_usage": True}))
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == "go up"
    assert sum(map(bool, pieces)) == 2
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage == ask(model).usage


def test_models_are_listed_and_found(client):
    models = client(models=("gpt-4o", "org/other")).models
    assert [model.id for model in models.list()] == ["gpt-4o", "org/other"]
    assert models.retrieve("org/other").id == "org/other"
    with pytest.raises(openai.NotFoundError) as error:
        models.retrieve("gpt-5")
    assert error.value.code == "model_not_found"


def test_a_response(client, draw):
    model = client(answers="fixed:go up", oddities=Oddities(reasoning=1.0, reasoning_tokens=9))
    content = [
        {"type": "input_text", "text": "12345678"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{draw(32, 64)}"},
    ]
    answer = model.responses.create(
        model="gpt-5", instructions="1234", input=[{"role": "user", "content": content}]
    )
    assert (answer.output_text, answer.status) == ("go up", "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1 + 2 + 2, 2 + 9)
    assert answer.usage.output_tokens_details.reasoning_tokens == 9
    answer = model.responses.create(model="gpt-5", input="hello", max_output_tokens=10)
    assert (answer.output_text, answer.status) == ("go u", "incomplete")
    assert answer.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(openai.BadRequestError, match="does not stream"):
        model.responses.create(model="gpt-5", input="hello", stream=True)


def test_what_the_client_sends_is_what_is_read(serve):
    raw = serve(keep_bodies=True)
    with openai.OpenAI(base_url=raw.server.urls.openai, api_key="any") as client:
        ask(client, "hello", temperature=0, seed=1)
    (record,) = raw.server.requests
    assert json.loads(record.body)["temperature"] == 0
    assert (record.dialect, record.model, record.status) == ("openai", "gpt-4o", 200)
