"""The tail: the episode so far, which only ever grows at its end."""

from dataclasses import FrozenInstanceError
from itertools import pairwise

import pytest

from icil.prompt_builders import ImagePart, Prompt, TextPart
from icil.prompt_builders.parts import combined_hash

LONG = 3
"""An opening of the evaluation split whose episode takes some steps."""


@pytest.fixture
def prefix(make_builder, select):
    return make_builder().prefix(select(0, 1))


def asked(prompt):
    """Returns the parts without the question."""
    return [*prompt.prefix.parts, *prompt.tail]


def longest(play, builder, prefix):
    episodes = [list(play(builder, prefix, opening)) for opening in range(6)]
    return max(episodes, key=len)


@pytest.mark.parametrize("format", ["ascii", "rgb"])
@pytest.mark.parametrize("past_actions", [True, False])
def test_each_prompt_begins_with_the_one_before(make_builder, select, play, format, past_actions):
    builder = make_builder(format, past_actions=past_actions)
    prompts = [p for _, p in longest(play, builder, builder.prefix(select(0, 1)))]
    assert len(prompts) >= 3
    for prompt, following in pairwise(prompts):
        before, after = asked(prompt), asked(following)
        assert len(after) > len(before)
        assert all(one is other for one, other in zip(before, after, strict=False))


def test_a_prompt_that_is_kept_stays_as_it_was(make_builder, prefix, play):
    kept, texts = [], []
    for _, prompt in longest(play, make_builder(), prefix):
        kept.append(prompt)
        texts.append((tuple(prompt), prompt.text(), prompt.tail, prompt.hash))
    assert [(tuple(p), p.text(), p.tail, p.hash) for p in kept] == texts
    assert len({p.hash for p in kept}) == len({p.text() for p in kept}) == len(kept)


def test_equal_prompts_are_equal_whatever_came_after(make_builder, prefix, play):
    one, other = (play(make_builder(), prefix, LONG) for _ in range(2))
    first, same = next(one)[1], next(other)[1]
    second = next(one)[1]
    assert first == same
    assert hash(first) == hash(same)
    assert first != second


def test_a_prompt_cannot_be_changed(make_builder, prefix, play):
    _, prompt = next(play(make_builder(), prefix))
    with pytest.raises(FrozenInstanceError):
        prompt.length = 0


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_the_hash_is_that_of_all_the_parts_in_their_order(make_builder, select, play, format):
    builder = make_builder(format)
    for _, prompt in play(builder, builder.prefix(select(0, 1)), LONG):
        parts = list(prompt)
        assert parts == [*prompt.prefix.parts, *prompt.tail, *prompt.question]
        assert prompt.hash == combined_hash(part.hash for part in parts)


def test_asking_changes_nothing(make_builder, prefix, play):
    for tail, prompt in play(make_builder(), prefix, LONG):
        length = len(tail)
        assert tail.question() == tail.question() == prompt
        assert len(tail) == length == prompt.length


def test_what_came_since_is_told(make_builder, prefix, play):
    seen, parts = 0, []
    for tail, prompt in play(make_builder(), prefix, LONG):
        new = tail.since(seen)
        assert new
        parts.extend(new)
        seen = len(tail)
        assert tuple(parts) == prompt.tail
        assert tail.since(seen) == ()


def test_tails_of_one_prefix_do_not_mix(make_builder, prefix, play):
    builder = make_builder()
    alone = [prompt.text() for _, prompt in play(builder, prefix, 0)]
    one, other = play(builder, prefix, 0), play(builder, prefix, LONG)
    mixed = []
    for _, prompt in one:
        mixed.append(prompt.text())
        next(other, None)
    assert mixed == alone


def test_the_same_moves_read_the_same_here_as_in_a_demonstration(make_builder, task, select):
    """What a model sees of its own steps has the wording of the expert's."""
    builder, chosen = make_builder(), select(2)
    demonstration = chosen.demonstrations[0]
    env = task.make_env()
    task.reset(env, demonstration.opening)
    tail = builder.tail(builder.prefix(chosen))
    for step in demonstration.steps:
        tail.observe(task.observe(env, "ascii"))
        tail.act(step.action)
        task.step(env, task.parse(step.action, env).value)
    assert "".join(part.text for part in tail.since(0)) == tail.question().prefix.parts[2].text


def test_a_text_shows_images_by_a_placeholder(make_builder, select, play):
    builder = make_builder("rgb")
    _, prompt = next(play(builder, builder.prefix(select(0)), 0))
    images = sum(isinstance(part, ImagePart) for part in prompt)
    assert prompt.text().count("[image]") == images == prompt.prefix.images + 1
    assert prompt.text("") == "".join(p.text for p in prompt if isinstance(p, TextPart))


def test_a_text_tail_draws_nothing(make_builder, prefix, play, monkeypatch):
    def draw(*_):
        raise AssertionError

    monkeypatch.setattr("icil.tasks.tic_tac_toe.task.as_picture", draw)
    monkeypatch.setattr("icil.prompt_builders.builder.encode_image", draw)
    prompts = [prompt for _, prompt in play(make_builder(), prefix, LONG)]
    assert all(isinstance(prompt, Prompt) for prompt in prompts)
