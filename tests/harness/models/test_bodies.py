"""Bodies: JSON whose pieces are made once and shared by all requests that show them."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from icil.harness.models.anthropic import AnthropicProvider
from icil.harness.models.chat.bodies import BodyMaker
from icil.harness.models.openai import OpenAIProvider
from icil.prompt_builders import Prefix, Prompt, TextPart, encode_image

FIELDS = {"model": "m"}


@pytest.fixture(params=[OpenAIProvider, AnthropicProvider])
def maker(request):
    return BodyMaker(request.param.dialect)


def picture(seed):
    return encode_image(np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8))


def prompt_of(*prefix, question="now?"):
    return Prompt(Prefix(prefix), [], 0, (TextPart(question),), b"")


def large(body):
    """The large pieces of a body, by what they are, not what they hold."""
    return [id(piece) for piece in body._pieces if len(piece) > 1000]


def joined(body):
    return b"".join(body.chunks())


@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_the_length_is_told_and_the_pieces_are_of_a_size(maker, make_prompts, format):
    body = maker.make(make_prompts(format)[0], FIELDS)
    content = joined(body)
    assert body.headers["Content-Length"] == str(len(content))
    json.loads(content)
    long = maker.make(prompt_of(*[picture(n) for n in range(200)]), FIELDS)
    sizes = [len(chunk) for chunk in long.chunks()]
    assert len(sizes) > 3
    assert max(sizes) < 300_000
    assert min(sizes[:-1]) > 200_000


def test_a_body_can_be_sent_twice(maker, make_prompts):
    """A client does so that is redirected."""
    body = maker.make(make_prompts("rgb")[0], FIELDS)

    async def read():
        return b"".join([chunk async for chunk in body])

    assert asyncio.run(read()) == asyncio.run(read()) == joined(body)


def test_what_is_shown_again_is_not_encoded_again(maker, make_prompts):
    one, two, three = (maker.make(p, FIELDS) for p in make_prompts("rgb"))
    other = maker.make(make_prompts("rgb", opening=1)[0], FIELDS)
    assert large(one) == large(two)[: len(large(one))]
    assert large(two) == large(three)[: len(large(two))]
    assert large(other)[:-1] == large(one)[:-1]  # another builder, another opening


def test_other_prefixes_share_the_images(maker):
    a, b, c = picture(1), picture(2), picture(3)
    one = maker.make(prompt_of(TextPart("x"), a, b), FIELDS)
    other = maker.make(prompt_of(TextPart("y"), b, picture(1), c), FIELDS)
    first, second = large(one)
    assert large(other)[:2] == [second, first]


def test_threads_share_them_too(make_prompts):
    maker, prompts = BodyMaker(OpenAIProvider.dialect), make_prompts("rgb", steps=8)
    with ThreadPoolExecutor(8) as threads:
        bodies = list(threads.map(lambda prompt: maker.make(prompt, FIELDS), prompts))
    longest = large(bodies[-1])
    assert all(large(body) == longest[: len(large(body))] for body in bodies)


def test_a_forgotten_prefix_is_made_again_and_the_same(maker, make_prompts):
    prompt = make_prompts("rgb")[0]
    before = joined(maker.make(prompt, FIELDS))
    maker.forget(prompt.prefix)
    maker.forget(prompt.prefix)
    assert joined(maker.make(prompt, FIELDS)) == before


@pytest.mark.parametrize(
    "text", ['"quoted" \\ back\tslash\0', "♔ ♚ 🂡 \u2028", "long " * 200_000, "é" * 262_145]
)
def test_texts_are_what_they_were(maker, text):
    body = json.loads(joined(maker.make(prompt_of(TextPart(text), question=text), FIELDS)))
    assert [b["text"] for b in body["messages"][0]["content"]] == [text, text]


def test_marks_stand_where_they_are_wanted(maker, make_prompts):
    mark = {"cache": {"ttl": "1h", "mode": "x"}}
    prompt = make_prompts(steps=3)[-1]
    body = json.loads(joined(maker.make(prompt, FIELDS, mark, {2, 5})))
    (message,) = body["messages"]
    found = [block.get("cache") for block in message["content"]]
    weaker = {"mode": "x"}
    assert found == [mark["cache"], None, weaker, None, None, weaker, None]


def test_without_a_tail_the_prefix_is_marked_once(maker):
    content = joined(maker.make(prompt_of(TextPart("x")), FIELDS, {"cache": {}}, {1}))
    assert content.count(b"cache") == 2  # the question was asked for, as part 1
    content = joined(maker.make(prompt_of(TextPart("x")), FIELDS, {"cache": {}}))
    assert content.count(b"cache") == 1


def test_there_may_be_nothing_but_a_question(maker):
    body = json.loads(joined(maker.make(prompt_of(TextPart("")), FIELDS, {"cache": {}})))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "now?"}]}]
    assert body["model"] == "m"
