"""What a rating comes to: scores weighted by their probabilities."""

import math

import pytest

from icil.harness.models import Completion, Place, Tokens
from icil.harness.synthesis.weighing import expected, note, read_chances, read_note


def completion(text, *places):
    """An answer; a place is a token, or tokens with their probabilities, the first one said."""

    def place(tokens):
        tokens = {tokens: 1.0} if isinstance(tokens, str) else tokens
        likeliest = tuple((token, math.log(chance)) for token, chance in tokens.items())
        return Place(token=next(iter(tokens)), likeliest=likeliest)

    told = tuple(map(place, places)) if places else None
    return Completion(text=text, tokens=Tokens(), model="m", finish="stop", logprobs=told)


def rating(*answer):
    return expected(read_chances(completion(*answer)))


def test_a_rating_is_the_mean_of_the_scores_by_their_probabilities():
    assert rating("4", {"4": 0.6, "5": 0.3, "3": 0.1}) == pytest.approx(4.2)
    assert rating("1", {"1": 0.5, "2": 0.5}) == pytest.approx(1.5)


def test_it_is_of_the_scale_alone_and_of_all_spellings_of_a_score():
    told = {"4": 0.4, " 4": 0.2, "**": 0.2, "6": 0.1, "2": 0.1}
    chances = read_chances(completion("4", told))
    assert chances == {"2": pytest.approx(0.1), "4": pytest.approx(0.6)}
    assert expected(chances) == pytest.approx((4 * 0.6 + 2 * 0.1) / 0.7)


def test_the_place_is_that_of_the_number_in_the_reply():
    told = {" 4": 0.6, " 2": 0.4}
    assert rating("Rating: 4", "Rating", ":", told) == pytest.approx(3.2)
    assert rating("**4**", "**", {"4": 0.6, "2": 0.4}, "**", "<|im_end|>") == pytest.approx(3.2)
    assert rating("4\n", {"4\n": 0.6, "2": 0.4}) == pytest.approx(3.2)


def test_the_numbers_of_a_thought_are_no_ratings():
    thought = ("I", " count", {" 5": 0.9, " 1": 0.1}, " moves", "</think>")
    assert rating("5", *thought, {"5": 0.5, "3": 0.5}) == pytest.approx(4)
    assert read_chances(completion('"5"', *thought, '"5"')) is None


@pytest.mark.parametrize(
    "answer",
    [
        ("4",),
        ("4", "4"),  # nothing is told of others
        ("", {"4": 0.5, "5": 0.5}),
        ("4 or 5", "4", " or", {" 5": 0.5, " 4": 0.5}),
        ("seven", {"seven": 0.5, "4": 0.5}),
        ("4.", {"4.": 0.5, "4": 0.5}),
        ("4", {"five": 0.5, "5": 0.5}),
    ],
)
def test_where_they_are_not_told_there_are_none(answer):
    assert read_chances(completion(*answer)) is None
    assert note(completion(*answer)) is None


def test_what_is_on_record_is_read_again():
    written = note(completion("4", {"4": 0.6, "5": 0.3, "3": 0.1}))
    assert written == 'scores {"3": 0.1, "4": 0.6, "5": 0.3}'
    assert read_note(written) == {"3": 0.1, "4": 0.6, "5": 0.3}
    for other in (None, "", "stop", "scores are in", "my scores {}"):
        assert read_note(other) is None
