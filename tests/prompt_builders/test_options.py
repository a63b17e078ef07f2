"""The options of a prompt: each changes what it should, and nothing else."""

from pathlib import Path

import pytest

from icil.prompt_builders import Selection, load_template

GOLDEN = Path(__file__).parent / "golden" / "tic_tac_toe_ascii.txt"
LONG = 3


def last(play, builder, selection):
    """Returns the last prompt of an episode of two steps or more."""
    prompts = [prompt for _, prompt in play(builder, builder.prefix(selection), LONG)]
    assert len(prompts) >= 2
    return prompts[-1]


def test_a_whole_prompt_reads_as_it_should(make_builder, select, play):
    builder = make_builder(legal_actions=True)
    prompts = [prompt for _, prompt in play(builder, builder.prefix(select(0, 1)), LONG)]
    assert prompts[1].text() == GOLDEN.read_text(encoding="utf-8")


def test_the_prefix_is_the_same_with_every_option(make_builder, select):
    prefixes = [
        make_builder(**options).prefix(select(0, 1))
        for options in ({}, {"legal_actions": True}, {"reasoning": True}, {"past_actions": False})
    ]
    assert len({prefix.hash for prefix in prefixes}) == 1


def test_legal_actions_go_into_the_question_alone(make_builder, select, play):
    template = load_template()
    plain = last(play, make_builder(), select(0))
    listed = last(play, make_builder(legal_actions=True), select(0))
    assert (listed.prefix, listed.tail) == (plain.prefix, plain.tail)
    (question,) = plain.question
    (with_list,) = listed.question
    assert with_list.text.endswith(question.text)
    line = with_list.text.removesuffix(question.text)
    shown = line.split(": ")[1].strip().split(", ")
    assert line == template.fill("legal_actions", legal_actions=", ".join(shown))
    assert set(shown) < {row + column for row in "abc" for column in "123"}


def test_legal_actions_are_those_of_the_step(make_builder, select, task):
    builder = make_builder(legal_actions=True)
    tail = builder.tail(builder.prefix(select(0)))
    assert "now are: b1, c3\n" in tail.question(("b1", "c3")).question[0].text
    assert "now are: a1\n" in tail.question(("a1",)).question[0].text


def test_legal_actions_are_left_out_when_nobody_asked(make_builder, select):
    builder = make_builder()
    tail = builder.tail(builder.prefix(select(0)))
    assert tail.question(("b1",)) == tail.question()


def test_reasoning_changes_the_question_alone(make_builder, select, play):
    template = load_template()
    plain = last(play, make_builder(), select(0))
    thinking = last(play, make_builder(reasoning=True), select(0))
    assert (thinking.prefix, thinking.tail) == (plain.prefix, plain.tail)
    assert [part.text for part in plain.question] == [template.question]
    assert [part.text for part in thinking.question] == [template.question_with_reasoning]
    assert template.question != template.question_with_reasoning


def test_past_actions_are_left_out_of_the_tail_alone(make_builder, select, play):
    shown = last(play, make_builder(), select(0))
    hidden = last(play, make_builder(past_actions=False), select(0))
    assert (hidden.prefix, hidden.question) == (shown.prefix, shown.question)
    # The tail is: observation, action, observation, …, observation.
    assert hidden.tail == shown.tail[::2]
    assert all(part.text.startswith("Action: ") for part in shown.tail[1::2])
    assert len(shown.tail) > len(hidden.tail)


@pytest.mark.parametrize("reasoning", [True, False])
def test_options_go_together(make_builder, select, play, reasoning):
    builder = make_builder(legal_actions=True, reasoning=reasoning, past_actions=False)
    prompt = last(play, builder, select(0))
    name = "question_with_reasoning" if reasoning else "question"
    assert prompt.question[0].text.startswith("The actions allowed now are: ")
    assert prompt.question[0].text.endswith(getattr(load_template(), name))
    assert "Action: " not in "".join(part.text for part in prompt.tail)


def test_without_demonstrations_none_are_spoken_of(make_builder):
    template = load_template()
    nothing = Selection(demonstrations=(), reasons=())
    parts = make_builder().prefix(nothing).parts
    assert [part.text for part in parts] == [
        template.preamble_without_demonstrations,
        template.episode_start,
    ]
    assert "expert" not in parts[0].text


def test_demonstrations_are_numbered_as_they_are_shown(make_builder, select):
    text = "".join(part.text for part in make_builder().prefix(select(7, 3, 5)).parts)
    places = [text.index(f"=== Expert recording {number} ===") for number in (1, 2, 3)]
    ends = [text.index(f"=== End of recording {number} ===") for number in (1, 2, 3)]
    assert sorted(places + ends) == [p for pair in zip(places, ends, strict=True) for p in pair]
    assert "recording 4" not in text
