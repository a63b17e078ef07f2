"""Log-probabilities: asked for where they are wanted, in each provider's words, and read."""

import math

import pytest

from icil.harness.models.answers import read_place
from icil.harness.models.chat.dialect import read_logprobs
from icil.harness.models.google.provider import GoogleProvider
from icil.harness.models.litellm.provider import LiteLLMProvider
from icil.harness.models.local.provider import LocalProvider
from icil.harness.models.openai import OpenAIProvider
from icil.tasks import ModelError

CHANCES = {"up": 0.5, "down": 0.3, "uphill!": 0.2}
"""Answers; a token is four bytes."""


def local(model):
    import os

    return LocalProvider(f"{model}@{os.environ['OPENAI_BASE_URL'].removesuffix('/v1')}/local")


PROVIDERS = {
    "openai": (OpenAIProvider, ("logprobs", "top_logprobs")),
    "local": (local, ("logprobs", "top_logprobs")),
    "google": (GoogleProvider, ("response_logprobs", "logprobs")),
    "litellm": (lambda m: LiteLLMProvider(f"openai/{m}"), ("logprobs", "top_logprobs")),
}
EACH = pytest.mark.parametrize("name", PROVIDERS)


@EACH
def test_they_are_read_in_every_dialect(name, serve, ask, make_prompts):
    serve(answers=lambda call: CHANCES)
    make, sent = PROVIDERS[name]
    (done,) = ask(make("gpt-4.1"), make_prompts()[0], top_logprobs=5)
    assert done.text == "up"
    (place,) = done.logprobs
    assert place.token == "up"
    assert {token: pytest.approx(chance) for token, chance in CHANCES.items()} == {
        {"uphi": "uphill!"}.get(token, token): math.exp(logprob)
        for token, logprob in place.likeliest
    }
    assert [done.parameters[name] for name in sent] == [True, 5]
    assert done.dropped == ()


@EACH
def test_they_are_not_asked_for_unless_they_are_wanted(name, serve, ask, make_prompts):
    server = serve(answers=lambda call: CHANCES)
    make, sent = PROVIDERS[name]
    (done,) = ask(make("gpt-4.1"), make_prompts()[0])
    assert done.logprobs is None
    assert not done.parameters.keys() & set(sent)
    assert b"logprobs" not in server.requests[-1].body


@EACH
def test_a_model_that_refuses_them_is_asked_without(name, serve, ask, make_prompts):
    make, sent = PROVIDERS[name]
    server = serve(refused_parameters={"gpt-4.1": sent[:1]}, answers="fixed:up")
    first, second = ask(make("gpt-4.1"), *make_prompts(steps=2), top_logprobs=5)
    for done in (first, second):
        assert (done.text, done.logprobs) == ("up", None)
        assert set(done.dropped) == set(sent)
        assert not done.parameters.keys() & set(sent)
    posted = [one.status for one in server.requests if one.input_tokens]
    assert posted.count(400) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "You are not allowed to request logprobs from this model"),
        (400, "Invalid 'top_logprobs': integer above maximum value. Expected a value <= 5"),
        (422, "5 is greater than the maximum of 1 - 'logprobs'"),
    ],
)
def test_whatever_is_said_against_them_they_are_left_out(
    serve_strange, ask, make_prompts, keys, status, said
):
    def answer(body):
        if "logprobs" in body:
            return status, {"error": {"message": said}}
        choice = {"message": {"content": "up"}, "finish_reason": "stop"}
        return 200, {"model": "m", "choices": [choice]}

    server = serve_strange(answer)
    (done,) = ask(OpenAIProvider("o4-mini"), make_prompts()[0], top_logprobs=20)
    assert done.dropped == ("logprobs", "top_logprobs")
    assert len(server.bodies) == 2
    assert "top_logprobs" not in server.bodies[1]


def test_a_403_that_is_about_the_key_is_fatal(serve_strange, ask, make_prompts, keys):
    serve_strange(lambda _: (403, {"error": {"message": "You are not allowed to use this model"}}))
    with pytest.raises(ModelError) as failure:
        ask(OpenAIProvider("m"), make_prompts()[0], top_logprobs=20)
    assert failure.value.fault == "fatal"


def test_ones_own_number_of_them_comes_first(serve, ask, make_prompts):
    serve(answers=lambda call: CHANCES)
    (done,) = ask(
        OpenAIProvider("m"), make_prompts()[0], top_logprobs=20, parameters={"top_logprobs": 1}
    )
    assert [token for token, _ in done.logprobs[0].likeliest] == ["up"]


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        {},
        {"content": None},
        {"content": []},
        {"content": [7]},
        {"content": [{"token": "a", "logprob": -1.0}]},
        {"content": [{"token": "a", "logprob": -1.0, "top_logprobs": [7]}]},
        {"content": [{"token": "a", "logprob": "low", "top_logprobs": []}]},
        {"content": [{"token": 7, "logprob": -1.0, "top_logprobs": []}]},
        {"content": [{"token": "a", "logprob": float("nan"), "top_logprobs": []}]},
        {"content": [{"token": "a", "logprob": 3.0, "top_logprobs": []}]},
    ],
)
def test_what_cannot_be_read_is_none(told):
    assert read_logprobs(told) is None


def test_the_token_that_was_said_is_among_the_likeliest_once():
    place = read_place(("c", -5.0), [("b", -2.0), ("a", -0.5)])
    assert place.likeliest == (("a", -0.5), ("b", -2.0), ("c", -5.0))
    assert read_place(("a", -0.51), [("a", -0.5)]).likeliest == (("a", -0.5),)
    assert read_place(("a", 1e-9), []).likeliest == (("a", 0.0),)


def test_a_log_probability_that_is_no_float_is_as_good_as_none():
    place = read_place(("1", -0.1), [("1", -0.1), ("2", -(10**400)), ("3", -math.inf)])
    assert [math.exp(logprob) for _, logprob in place.likeliest[1:]] == [0, 0]
