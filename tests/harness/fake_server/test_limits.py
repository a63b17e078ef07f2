"""Keys, and what does not fit: too long, too many, too often."""

import pytest

from icil.harness.fake_server import ServerSettings
from icil.tasks import UsageError

KEYED = {
    "openai": {"Authorization": "Bearer {}"},
    "responses": {"Authorization": "Bearer {}"},
    "anthropic": {"x-api-key": "{}", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "{}"},
}
ALL = (*KEYED, "local")


def ask(client, dialects, dialect, *parts, headers=None, **more):
    body = dialects.body(dialect, *(parts or ("Action: up\n",)), **more)
    return client.ask(dialects.PATHS[dialect], body, headers=headers)


@pytest.mark.parametrize(
    ("dialect", "wrong", "missing"),
    [
        ("openai", 401, 401),
        ("responses", 401, 401),
        ("anthropic", 401, 401),
        ("gemini", 400, 403),
    ],
)
def test_a_key_is_asked_for_where_there_are_some(serve, dialects, dialect, wrong, missing):
    client = serve(keys=("first", "second"))

    def status(key):
        headers = {name: value.format(key) for name, value in KEYED[dialect].items()}
        return ask(client, dialects, dialect, headers=headers)

    assert [status(key).status for key in ("first", "second")] == [200, 200]
    answered = status("third")
    assert answered.status == wrong
    assert b"third" not in answered.body
    assert ask(client, dialects, dialect).status == missing
    if dialect == "openai":
        assert answered.error["code"] == "invalid_api_key"
    if dialect == "gemini":
        assert answered.error["details"][0]["reason"] == "API_KEY_INVALID"
        path = dialects.PATHS["gemini"] + "?key=first"
        assert client.ask(path, dialects.body("gemini", "a")).status == 200


def test_a_local_server_asks_for_no_key(serve, dialects):
    assert ask(serve(keys=("first",)), dialects, "local").status == 200


@pytest.mark.parametrize("dialect", ALL)
def test_a_key_is_not_logged(serve, dialects, dialect):
    client = serve(keep_bodies=True)
    headers = dict.fromkeys(KEYED.get(dialect, {"Authorization": ""}), "secret-key")
    ask(client, dialects, dialect, headers=headers)
    assert "secret-key" not in repr(client.server.requests)


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ("openai", "maximum context length is 100 tokens. However, your messages resulted in 101"),
        ("local", "maximum context length is 100 tokens. However, you requested 101 tokens"),
        ("responses", "maximum context length is 100 tokens"),
        ("anthropic", "prompt is too long: 101 tokens > 100 maximum"),
        (
            "gemini",
            "The input token count (101) exceeds the maximum number of tokens allowed (100)",
        ),
    ],
)
def test_a_prompt_that_is_too_long(serve, dialects, dialect, message):
    client = serve(context_tokens=100)
    assert ask(client, dialects, dialect, "x" * 400).status == 200
    answered = ask(client, dialects, dialect, "x" * 401)
    assert answered.status == 400
    assert message in answered.error["message"]
    if dialect in ("openai", "responses"):
        assert answered.error["code"] == "context_length_exceeded"


def test_a_local_server_counts_the_answer_too(serve, dialects):
    client = serve(context_tokens=100)
    assert ask(client, dialects, "local", "x" * 320, max_tokens=20).status == 200
    answered = ask(client, dialects, "local", "x" * 320, max_tokens=21)
    assert "101 tokens (80 in the messages, 21 in the completion)" in answered.error["message"]


@pytest.mark.parametrize("dialect", ALL)
def test_too_many_images(serve, dialects, draw, dialect):
    client, image = serve(max_images=2), draw().encode()
    assert ask(client, dialects, dialect, image, image, "a").status == 200
    answered = ask(client, dialects, dialect, image, image, image, "a")
    assert (answered.status, "2" in answered.error["message"]) == (400, True)
    assert client.server.requests[-1].images == 3


def test_the_providers_own_limits_of_images(serve, dialects, draw):
    image = draw(1, 1).encode()
    client = serve()
    assert ask(client, dialects, "anthropic", *[image] * 600, "a").status == 200
    answered = ask(client, dialects, "anthropic", *[image] * 601, "a")
    assert answered.error["message"] == "Too much media: 0 document pages + 601 images > 600"
    assert ask(client, dialects, "openai", *[image] * 1500, "a").status == 200
    assert ask(client, dialects, "openai", *[image] * 1501, "a").status == 400


@pytest.mark.parametrize(
    ("dialect", "status"),
    [("openai", 413), ("local", 413), ("responses", 413), ("anthropic", 413), ("gemini", 400)],
)
def test_a_request_that_is_too_large(serve, dialects, dialect, status):
    client = serve(max_request_bytes=1000)
    assert ask(client, dialects, dialect, "x" * 100).status == 200
    answered = ask(client, dialects, dialect, "x" * 1000)
    assert answered.status == status
    assert answered.error["message"]


@pytest.mark.parametrize("dialect", ALL)
def test_models_that_there_are_not(serve, dialects, dialect):
    answered = ask(serve(models=("n", "o")), dialects, dialect)
    assert answered.status == 404
    assert "m" in answered.error["message"]
    assert ask(serve(models=("n", "m")), dialects, dialect).status == 200


def test_parameters_that_a_model_refuses(serve, dialects):
    client = serve(refused_parameters={"gpt-5*": ("temperature",), "*": ("top_p", "topP")})
    for dialect in ("openai", "responses", "anthropic", "local"):
        fields = {"model": "gpt-5-mini", "temperature": 0}
        answered = ask(client, dialects, dialect, **fields)
        assert answered.status == 400
        assert "temperature" in answered.error["message"]
        assert ask(client, dialects, dialect, model="other", temperature=0).status == 200
        assert ask(client, dialects, dialect, model="other", top_p=0.5).status == 400
    answered = ask(client, dialects, "openai", model="gpt-5", temperature=0)
    assert (answered.error["param"], answered.error["code"]) == (
        "temperature",
        "unsupported_parameter",
    )


def test_requests_that_come_too_fast(serve, dialects, clock):
    client = serve(requests_per_s=2, clock=clock)
    answers = [ask(client, dialects, "openai") for _ in range(3)]
    assert [answered.status for answered in answers] == [200, 200, 429]
    headers = answers[0].headers
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "1"
    assert headers["x-ratelimit-reset-requests"] == "0.500s"
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].headers["retry-after-ms"] == "500"
    assert answers[2].error["code"] == "rate_limit_exceeded"
    clock.now += 0.49
    assert ask(client, dialects, "openai").status == 429
    clock.now += 0.02
    assert [ask(client, dialects, "openai").status for _ in range(2)] == [200, 429]


def test_what_is_left_of_anthropic_s_limit(serve, dialects, clock):
    client = serve(requests_per_s=0.5, clock=clock)
    answers = [ask(client, dialects, "anthropic") for _ in range(2)]
    assert [answered.status for answered in answers] == [200, 429]
    assert answers[1].headers["Retry-After"] == "2"
    for answered in answers:
        headers = answered.headers
        assert headers["anthropic-ratelimit-requests-limit"] == "1"
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:13:22Z"


def test_gemini_says_in_the_body_how_long_to_wait(serve, dialects, clock):
    client = serve(requests_per_s=1, clock=clock)
    ask(client, dialects, "gemini")
    error = ask(client, dialects, "gemini").error
    assert (error["status"], error["details"][0]["retryDelay"]) == ("RESOURCE_EXHAUSTED", "1s")


def test_requests_that_come_at_once(serve, dialects):
    client = serve(most_at_once=2, latency_s=0.3)
    path = dialects.PATHS["openai"]
    asked = [(path, dialects.body("openai", f"{number}")) for number in range(5)]
    found = sorted(answered.status for answered in client.ask_all(asked))
    assert found == [200, 200, 429, 429, 429]
    assert ask(client, dialects, "openai").status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"port": -1},
        {"port": 65_536},
        {"latency_s": -1},
        {"latency_s": float("nan")},
        {"context_tokens": 0},
        {"max_images": -1},
        {"requests_per_s": 0},
        {"most_at_once": 0},
        {"bytes_per_token": 0},
    ],
)
def test_settings_that_cannot_be(settings):
    (name,) = settings
    with pytest.raises(UsageError, match=f"^{name}: expected"):
        ServerSettings(**settings)


def test_bytes_per_token_is_a_setting(serve, dialects):
    client = serve(bytes_per_token=2, answers="fixed:12345678")
    answer = ask(client, dialects, "openai", "x" * 100, max_tokens=3).json
    assert answer["usage"]["prompt_tokens"] == 50
    assert answer["choices"][0]["message"]["content"] == "123456"
