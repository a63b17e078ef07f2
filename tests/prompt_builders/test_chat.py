"""The chat layout: who says what, and that it holds the same as the single message."""

import pytest

from icil.prompt_builders import ImagePart, PromptBuilder, PromptOptions, Selection, load_template
from icil.tasks import load_pool_for, make, render

TASK = make("gridworld")
POOL = load_pool_for(TASK)
SELECTION = Selection(demonstrations=POOL.demonstrations[:3], reasons=("",) * 3)


def play(format, layout, steps=3, **options):
    """Returns the prompts of the first steps of an episode: those of another demonstration."""
    builder = PromptBuilder(TASK, format, load_template(), PromptOptions(layout=layout, **options))
    tail = builder.tail(builder.prefix(SELECTION))
    prompts = []
    for seen, action in list(render(TASK, POOL.demonstrations[5], format))[:steps]:
        tail.observe(seen)
        prompts.append(tail.question(["up", "down"] if options.get("legal_actions") else None))
        tail.act(action)
    return prompts


def roles(conversation):
    messages = [*conversation.prefix, *conversation.rest]
    if conversation.joined:
        del messages[len(conversation.prefix)]
    return [message.role for message in messages]


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_a_single_message_is_the_users(format):
    for prompt in play(format, "single"):
        assert roles(prompt.conversation) == ["user"]
        assert prompt.conversation.joined


@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_a_chat_alternates_and_ends_with_the_user(format):
    actions = sum(len(d.steps) for d in SELECTION.demonstrations)
    for step, prompt in enumerate(play(format, "chat")):
        assert roles(prompt.conversation) == ["user", "assistant"] * (actions + step) + ["user"]


def test_an_action_is_said_as_it_would_be_answered():
    (prompt,) = play("coords", "chat", steps=1)
    said = [p.text for m in prompt.conversation.prefix if m.role == "assistant" for p in m.parts]
    assert said == [step.action for d in SELECTION.demonstrations for step in d.steps]
    (prompt,) = play("coords", "chat", steps=1, reasoning=True)
    said = [p.text for m in prompt.conversation.prefix if m.role == "assistant" for p in m.parts]
    assert said[0] == f"Action: {SELECTION.demonstrations[0].steps[0].action}"


@pytest.mark.parametrize("format", ["coords", "rgb"])
def test_the_messages_hold_the_whole_prompt_in_its_order(format):
    for layout in ("single", "chat"):
        for prompt in play(format, layout, legal_actions=True):
            conversation = prompt.conversation
            parts = [p for m in (*conversation.prefix, *conversation.rest) for p in m.parts]
            said = "".join("[image]" if isinstance(p, ImagePart) else p.text for p in parts)
            assert said == prompt.text()


def test_users_see_the_same_in_both_layouts():
    single = play("rgb", "single", steps=1)[0].conversation.prefix
    chat = play("rgb", "chat", steps=1)[0].conversation.prefix
    images = [[p for m in c for p in m.parts if isinstance(p, ImagePart)] for c in (single, chat)]
    assert images[0] == images[1]


def test_texts_are_joined_in_the_prefix_and_never_empty():
    for format in TASK.formats:
        for message in play(format, "chat", steps=1)[0].conversation.prefix:
            for one, other in zip(message.parts, message.parts[1:], strict=False):
                assert isinstance(one, ImagePart) or isinstance(other, ImagePart)
            assert all(isinstance(p, ImagePart) or p.text for p in message.parts)


def test_the_prefix_is_made_once_for_all_prompts():
    first, second, third = play("rgb", "chat")
    assert first.conversation.prefix is third.conversation.prefix is second.conversation.prefix


def test_layouts_have_hashes_of_their_own():
    assert len({play("coords", layout)[0].hash for layout in ("single", "chat")}) == 2
