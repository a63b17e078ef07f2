"""Log-probabilities, as the clients of providers see them."""

import math

import openai
import pytest

from icil.harness.fake_server.likelihoods import make_places

MIGHT_SAY = {"the cat": 0.5, "the dog": 0.3, "theatre": 0.2}


def chances(likeliest):
    return {token: pytest.approx(math.exp(logprob)) for token, logprob in likeliest}


def test_each_token_is_as_likely_as_the_answers_that_go_on_so():
    first, second = make_places("the cat", MIGHT_SAY, 20, 4)
    assert chances(first.likeliest) == {b"the ": 0.8, b"thea": 0.2}
    # Of those that began "the ".
    assert chances(second.likeliest) == {b"cat": 0.625, b"dog": 0.375}
    assert (first.token, first.logprob) == (b"the ", first.likeliest[0][1])
    (only,) = make_places("the cat", MIGHT_SAY, 1, 4)[0].likeliest
    assert only == (b"the ", pytest.approx(math.log(0.8)))
    assert make_places("", {"": 1.0}, 5, 4) == ()


def test_where_an_answer_breaks_off_within_a_token_it_is_told_all_the_same():
    (place,) = make_places("th", MIGHT_SAY, 20, 4)
    assert place.token == b"th"
    assert b"th" in dict(place.likeliest)


@pytest.fixture
def ask(serve):
    def ask(might_say=MIGHT_SAY, **more):
        raw = serve(answers=lambda call: might_say)
        with openai.OpenAI(base_url=raw.server.urls.openai, api_key="any", max_retries=0) as made:
            messages = [{"role": "user", "content": "What is it?"}]
            return made.chat.completions.create(model="gpt-4o", messages=messages, **more)

    return ask


def test_openais_client_reads_them(ask):
    (choice,) = ask(logprobs=True, top_logprobs=2).choices
    assert choice.message.content == "the cat"
    first, second = choice.logprobs.content
    assert (first.token, bytes(second.bytes)) == ("the ", b"cat")
    assert chances((one.token, one.logprob) for one in first.top_logprobs) == {
        "the ": 0.8,
        "thea": 0.2,
    }
    assert ask().choices[0].logprobs is None
    (alone,) = ask({"cat": 1.0}, logprobs=True).choices[0].logprobs.content
    assert (alone.token, alone.logprob, alone.top_logprobs) == ("cat", 0, [])


def test_what_openai_refuses_is_refused(ask):
    for wrong in ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 21}):
        with pytest.raises(openai.BadRequestError, match="top_logprobs"):
            ask(**wrong)


def test_gemini_tells_them_in_its_own_words(serve):
    raw = serve(answers=lambda call: MIGHT_SAY)

    def generate(**config):
        body = {"contents": [{"parts": [{"text": "What is it?"}]}], "generationConfig": config}
        return raw.ask("/v1beta/models/gemini-2.5-flash:generateContent", body)

    (candidate,) = generate(responseLogprobs=True, logprobs=2).json["candidates"]
    told = candidate["logprobsResult"]
    assert [one["token"] for one in told["chosenCandidates"]] == ["the ", "cat"]
    last = told["topCandidates"][1]["candidates"]
    assert chances((one["token"], one["logProbability"]) for one in last) == {
        "cat": 0.625,
        "dog": 0.375,
    }
    assert "logprobsResult" not in generate().json["candidates"][0]
    assert generate(logprobs=2).status == 400
