"""Content generation, as Google's own client sees it over REST."""

import base64
import datetime
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the client is in its last release, and says so
    import google.generativeai as genai
    from google.api_core import exceptions
    from google.generativeai import caching, protos

from icil.harness.fake_server import Oddities

# The client calls its own library in a way that the library has given up.
pytestmark = pytest.mark.filterwarnings("ignore:The argument `including_default:DeprecationWarning")

MODEL = "models/gemini-2.5-flash"
LONG = "Action: left\n" + "x" * (4096 - 13)
"""1024 tokens."""


@pytest.fixture
def connect(serve, clock):
    """Starts a server and points the client to it."""

    def connect(**settings):
        raw = serve(clock=clock, **settings)
        endpoint = {"api_endpoint": raw.server.urls.google}
        genai.configure(api_key="any", transport="rest", client_options=endpoint)
        return raw

    return connect


def ask(content, model=None, **config):
    model = model or genai.GenerativeModel(MODEL)
    return model.generate_content(
        content, generation_config=config, request_options={"retry": None, "timeout": 30}
    )


def blob(data):
    return protos.Part(inline_data=protos.Blob(mime_type="image/png", data=base64.b64decode(data)))


def test_an_answer_with_its_usage(connect, draw):
    connect()
    answer = ask(
        ["Action: up\n", blob(draw(384, 384)), blob(draw(385, 769)), blob(draw(9, 769)), "now?"]
    )
    assert answer.text == "up"
    assert answer.candidates[0].finish_reason.name == "STOP"
    usage = answer.usage_metadata
    assert usage.prompt_token_count == 3 + (1 + 2 + 2) * 258 + 1
    assert (usage.candidates_token_count, usage.cached_content_token_count) == (1, 0)
    assert usage.total_token_count == usage.prompt_token_count + 1


def test_a_conversation_with_a_system_instruction(connect):
    raw = connect(keep_bodies=True)
    model = genai.GenerativeModel(MODEL, system_instruction="be quick")
    turns = [
        {"role": "user", "parts": ["you see a wall"]},
        {"role": "model", "parts": ["left"]},
        {"role": "user", "parts": ["you see a door"]},
    ]
    assert ask(turns, model).text == "left"
    (record,) = raw.server.requests
    assert record.input_tokens == 2 + 4 + 1 + 4
    assert (record.dialect, record.model) == ("gemini", "gemini-2.5-flash")


def test_tokens_are_counted_and_models_described(connect):
    connect(context_tokens=5000)
    assert genai.GenerativeModel(MODEL).count_tokens("123456789").total_tokens == 3
    assert genai.get_model(MODEL).input_token_limit == 5000
    assert [model.name for model in genai.list_models()] == ["models/fake-model"]


def test_a_cached_content_is_made_used_prolonged_listed_and_deleted(connect, clock):
    connect()
    made = caching.CachedContent.create(
        model=MODEL,
        system_instruction="be quick",
        contents=[LONG],
        display_name="prefix",
        ttl=datetime.timedelta(minutes=5),
    )
    assert made.usage_metadata.total_token_count == 1026
    assert (made.display_name, made.model) == ("prefix", MODEL)
    assert made.expire_time.timestamp() == clock.now + 300

    model = genai.GenerativeModel.from_cached_content(made)
    for _ in range(2):
        answer = ask("what now?", model)
        # What it does is shown in nothing but the cached content.
        assert answer.text == "left"
        assert answer.usage_metadata.cached_content_token_count == 1026
        assert answer.usage_metadata.prompt_token_count == 1026 + 3

    made.update(ttl=datetime.timedelta(hours=2))
    assert made.expire_time.timestamp() == clock.now + 7200
    until = datetime.datetime.fromtimestamp(clock.now + 9000, datetime.UTC)
    made.update(expire_time=until)
    assert caching.CachedContent.get(made.name).expire_time.timestamp() == clock.now + 9000

    other = caching.CachedContent.create(model=MODEL, contents=[LONG])
    assert other.expire_time.timestamp() == clock.now + 3600
    assert [one.name for one in caching.CachedContent.list()] == [made.name, other.name]
    other.delete()
    assert [one.name for one in caching.CachedContent.list()] == [made.name]
    with pytest.raises(exceptions.Forbidden):
        caching.CachedContent.get(other.name)


def test_a_cached_content_expires(connect, clock):
    connect()
    made = caching.CachedContent.create(
        model=MODEL, contents=[LONG], ttl=datetime.timedelta(seconds=60)
    )
    model = genai.GenerativeModel.from_cached_content(made)
    clock.now += 59
    assert ask("now?", model).text == "left"
    clock.now += 1
    with pytest.raises(exceptions.Forbidden, match="CachedContent not found"):
        ask("now?", model)
    assert list(caching.CachedContent.list()) == []


def test_a_cached_content_is_of_one_model_and_long_enough(connect):
    raw = connect()
    with pytest.raises(exceptions.BadRequest, match="total_token_count=2, min_total"):
        caching.CachedContent.create(model=MODEL, contents=["12345678"])
    made = caching.CachedContent.create(model=MODEL, contents=[LONG])
    body = {"contents": [{"parts": [{"text": "now?"}]}], "cachedContent": made.name}
    answered = raw.ask("/v1beta/models/other:generateContent", body)
    assert "has to be the same" in answered.error["message"]
    body["systemInstruction"] = {"parts": [{"text": "be quick"}]}
    answered = raw.ask(f"/v1beta/{MODEL}:generateContent", body)
    assert (answered.status, answered.error["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "contents is not specified"),
        ({"contents": [{"role": "me", "parts": [{"text": "a"}]}]}, "valid role: user, model"),
        ({"contents": [{"parts": []}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{}]}]}, "oneof field 'data'"),
        ({"contents": [], "generationConfig": {"topZ": 1}}, 'Unknown name "topZ" at'),
        ({"contents": [], "prompt": "a"}, 'Unknown name "prompt": Cannot find field'),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]},
            "Unable to process input image",
        ),
    ],
)
def test_a_request_that_is_not_well_formed(serve, body, message):
    answered = serve().ask("/v1beta/models/m:generateContent", body)
    assert (answered.status, answered.error["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answered.error["message"]


def test_names_in_snake_case_are_the_same(serve, draw):
    image = {"inline_data": {"mime_type": "image/png", "data": draw()}}
    body = {
        "contents": [{"parts": [image]}],
        "system_instruction": {"parts": [{"text": "Action: up"}]},
        "generation_config": {"max_output_tokens": 5},
    }
    answer = serve().ask("/v1beta/models/m:generateContent", body).json
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "up"}]


def test_what_cannot_be_done_is_said(serve):
    client = serve()
    body = {"contents": [{"parts": [{"text": "a"}]}]}
    answered = client.ask("/v1beta/models/m:streamGenerateContent", body)
    assert "does not stream" in answered.error["message"]
    assert client.ask("/v1beta/models/m:embedContent", body).status == 404
    for method in ("POST", "PUT"):
        assert client.ask("/v1beta/cachedContents/x", body, method=method).status == 404
    for method in ("GET", "PATCH", "DELETE"):
        assert client.ask("/v1beta/cachedContents/x", {}, method=method).status == 403
    body = {"model": "models/m", "contents": [{"parts": [{"text": LONG}]}], "expireTime": "soon"}
    answered = client.ask("/v1beta/cachedContents", body)
    assert (answered.status, "soon" in answered.error["message"]) == (400, True)


def test_refusals_come_with_a_candidate_or_without(connect):
    connect(oddities=Oddities(refused=1.0))
    seen = set()
    for number in range(20):
        answer = ask(f"{number}")
        reasons = [candidate.finish_reason.name for candidate in answer.candidates]
        seen.add((tuple(reasons), answer.prompt_feedback.block_reason.name))
        with pytest.raises(ValueError, match="quick accessor"):
            _ = answer.text
    assert seen == {
        (("SAFETY",), "BLOCK_REASON_UNSPECIFIED"),
        ((), "PROHIBITED_CONTENT"),
    }


def test_empty_broken_off_and_thought_through_answers(serve, dialects):
    path, body = dialects.PATHS["gemini"], dialects.body("gemini", "Action: downwards")
    answer = serve(oddities=Oddities(empty=1.0)).ask(path, body).json
    assert answer["candidates"] == [
        {"index": 0, "finishReason": "STOP", "content": {"role": "model"}}
    ]
    answer = serve(oddities=Oddities(truncated=1.0)).ask(path, body).json
    assert dialects.said("gemini", answer) == "down"
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    client = serve(oddities=Oddities(reasoning=1.0, reasoning_tokens=30))
    usage = client.ask(path, body).json["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["candidatesTokenCount"]) == (30, 3)
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + 33
    body["generationConfig"] = {"maxOutputTokens": 10}
    answer = client.ask(path, body).json
    assert dialects.said("gemini", answer) is None
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
