"""Messages, as Anthropic's own client sees them."""

import anthropic
import pytest

from icil.harness.fake_server import Oddities


@pytest.fixture
def client(serve):
    opened = []

    def client(**settings):
        raw = serve(**settings)
        made = anthropic.Anthropic(base_url=raw.server.urls.anthropic, api_key="any", max_retries=0)
        opened.append(made)
        return made

    yield client
    for made in opened:
        made.close()


def ask(client, content="Action: up\n", **more):
    fields = {"max_tokens": 1000, "messages": [{"role": "user", "content": content}], **more}
    return client.messages.create(model="claude", **fields)


def text(content, **more):
    return {"type": "text", "text": content, **more}


def image(data, media_type="image/png"):
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "image", "source": source}


def test_an_answer_with_its_usage(client, draw):
    answer = ask(
        client(), [text("Action: up\n"), image(draw(56, 57)), text("now?")], system="be quick"
    )
    assert [(b.type, b.text) for b in answer.content] == [("text", "up")]
    assert (answer.stop_reason, answer.model) == ("end_turn", "claude")
    usage = answer.usage
    assert usage.input_tokens == 2 + 3 + 2 * 3 + 1
    assert (usage.output_tokens, usage.cache_read_input_tokens) == (1, 0)
    assert usage.cache_creation_input_tokens == 0


def test_tokens_are_counted_without_an_answer(client, draw):
    counted = client().messages.count_tokens(
        model="claude",
        system="be quick",
        messages=[{"role": "user", "content": [text("12345"), image(draw(28, 28))]}],
    )
    assert counted.input_tokens == 2 + 2 + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"topk": 1}, "topk: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
        (
            {"messages": [{"role": "assistant", "content": "up"}]},
            'messages: first message must use the "user" role',
        ),
        (
            {"messages": [{"role": "user", "content": ""}]},
            "messages.0.content: text content blocks must be non-empty",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "\n"}]}]},
            "messages.0.content.0: text content blocks must contain non-whitespace text",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": "up "},
                ]
            },
            "messages: final assistant content cannot end with trailing whitespace",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "txt": "a"}]}]},
            "messages.0.content.0.text.text: Field required",
        ),
        (
            {"messages": [{"role": "user", "content": [image("AAAA")]}]},
            "messages.0.content.0.image.source.base64.data: it is no PNG, JPEG, WebP or GIF",
        ),
        ({"stream": True}, "This server does not stream answers in this dialect."),
    ],
)
def test_a_request_that_is_not_well_formed(serve, dialects, change, message):
    answered = serve().ask("/v1/messages", dialects.body("anthropic", "hello") | change)
    assert answered.status == 400
    assert answered.json["type"] == "error"
    assert answered.error["type"] == "invalid_request_error"
    assert answered.error["message"].startswith(message)


def test_max_tokens_and_the_version_are_demanded(serve, dialects):
    client, body = serve(), dialects.body("anthropic", "hello")
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        answered = client.ask(path, body, headers={"x-api-key": "any"})
        assert answered.error["message"] == "anthropic-version: header is required"
    del body["max_tokens"]
    assert client.ask("/v1/messages", body).error["message"] == "max_tokens: Field required"


def test_an_image_of_another_type_than_it_claims(client, draw):
    with pytest.raises(anthropic.BadRequestError, match="it is image/png, not image/jpeg"):
        ask(client(), [image(draw(), "image/jpeg")])


def test_many_images_must_be_smaller(client, draw):
    model = client()
    wide = image(draw(2001, 10))
    small = [image(draw(10, 10))] * 19
    assert ask(model, [*small, wide, text("go")]).usage.input_tokens == 19 + 72 + 1
    with pytest.raises(anthropic.BadRequestError) as error:
        ask(model, [*small, *small, wide, text("go")])
    assert "messages.0.content.38.image" in error.value.message
    assert "many-image requests: 2000 pixels" in error.value.message
    with pytest.raises(anthropic.BadRequestError, match="max allowed size: 8000 pixels"):
        ask(model, [image(draw(8001, 1))])


def test_breakpoints_are_four_at_most_and_the_longer_lives_come_first(client):
    model = client()

    def marked(*ttls):
        return [text("x", cache_control={"type": "ephemeral", "ttl": ttl}) for ttl in ttls]

    ask(model, marked("1h", "1h", "5m", "5m"))
    with pytest.raises(anthropic.BadRequestError, match=r"4 blocks .* Found 5\."):
        ask(model, marked("5m", "5m", "5m", "5m", "5m"))
    with pytest.raises(anthropic.BadRequestError, match="must not come after"):
        ask(model, marked("5m", "1h"))
    with pytest.raises(anthropic.BadRequestError, match="ttl"):
        ask(model, marked("2h"))


def test_stop_sequences_and_length(client):
    model = client(answers="fixed:go up, then left")
    answer = ask(model, stop_sequences=[" then", ","])
    assert (answer.content[0].text, answer.stop_reason) == ("go up", "stop_sequence")
    assert answer.stop_sequence == ","
    answer = ask(model, max_tokens=1)
    assert (answer.content[0].text, answer.stop_reason) == ("go u", "max_tokens")


def test_no_tokens_at_all_only_fill_the_cache(client):
    model = client()
    content = [text("a" * 4096, cache_control={"type": "ephemeral"})]
    answer = ask(model, content, max_tokens=0)
    assert (answer.content, answer.stop_reason) == ([], "max_tokens")
    assert answer.usage.cache_creation_input_tokens == 1024
    assert ask(model, content).usage.cache_read_input_tokens == 1024


def test_refusals_empty_answers_and_thinking(client):
    answer = ask(client(oddities=Oddities(refused=1.0)))
    assert (answer.content, answer.stop_reason) == ([], "refusal")
    assert answer.stop_details.type == "refusal"
    answer = ask(client(oddities=Oddities(empty=1.0)))
    assert (answer.content, answer.stop_reason) == ([], "end_turn")
    answer = ask(client(oddities=Oddities(reasoning=1.0, reasoning_tokens=30)))
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert len(answer.content[0].thinking) == 120
    assert answer.usage.output_tokens == 31
    assert answer.usage.output_tokens_details.thinking_tokens == 30


def test_models_are_listed(client):
    models = client(models=("claude-a", "claude-b"), context_tokens=200_000).models
    assert [model.id for model in models.list()] == ["claude-a", "claude-b"]
    assert models.retrieve("claude-b").max_input_tokens == 200_000
