"""Log-probabilities: what a model might have said instead, token by token.

A model that might answer A or B, each with its probability, says at each place the token with
which the answers go on that begin as what it said so far: P(token) is their share.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from icil.harness.fake_server.tokens import text_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One token of an answer."""

    token: bytes
    logprob: float
    likeliest: tuple[tuple[bytes, float], ...]
    """The likeliest tokens there with their log-probabilities, the likeliest first."""


def make_places(
    text: str, chances: Mapping[str, float], top: int, bytes_per_token: int
) -> tuple[Place, ...]:
    """Returns the places of what was said.

    Args:
        text: What was said: one of the answers, or its beginning.
        chances: All answers, with weights above 0.
        top: How many tokens each place tells at most.
        bytes_per_token: How many bytes of text make a token.
    """
    said = text.encode()
    answers = {answer.encode(): chance for answer, chance in chances.items()}
    places = []
    for number in range(text_tokens(said, bytes_per_token)):
        start = number * bytes_per_token
        end = start + bytes_per_token
        masses: dict[bytes, float] = {}
        for answer, chance in answers.items():
            if answer[:start] == said[:start] and len(answer) > start:
                masses[answer[start:end]] = masses.get(answer[start:end], 0.0) + chance
        token = said[start:end]
        masses.setdefault(token, max(masses.values()))  # where it breaks off within a token
        whole = sum(masses.values())
        told = {one: math.log(mass / whole) for one, mass in masses.items()}
        likeliest = sorted(told.items(), key=lambda one: (-one[1], one[0]))[:top]
        places.append(Place(token=token, logprob=told[token], likeliest=tuple(likeliest)))
    return tuple(places)
