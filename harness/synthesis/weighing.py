"""What a rating comes to: the scores of the scale, each as probable as the model holds it.

    rating = sum of p(score) * score over the scale / sum of p(score)

as Baek et al. (arXiv 2412.16926) weigh ratings. The probabilities are those of the tokens that
might have stood where the reply has its number; what else might have stood there is no score and
does not count. A model whose provider tells no probabilities is taken at its word.
"""

import json
import math
import re
from collections.abc import Mapping

from icil.harness.models import Completion
from icil.harness.synthesis.rating import RATINGS, read_rating

TOP = 20
"""Of how many tokens the probabilities are asked for: all that providers tell."""
_MARK = "scores "
_NOTE = re.compile(rf"{_MARK}({{\".*}})")
_DIGITS = 6


def note(completion: Completion) -> str | None:
    """Returns how probable each score is, as it is put on record; None where that is not told."""
    chances = read_chances(completion)
    return None if chances is None else _MARK + json.dumps(chances)


def read_chances(completion: Completion) -> dict[str, float] | None:
    """Returns how probable each score is at the place of the one that was said.

    Returns:
        Scores to probabilities, which add up to 1 at most; None where nothing is told of other
        tokens than those said, or the reply is no rating.
    """
    said = read_rating(completion.text).action
    if said is None:
        return None
    text = completion.text.rstrip()
    ending = text[text.rfind(said) :]
    rest = ""
    for place in reversed(completion.logprobs or ()):
        rest = place.token + rest
        # Where a thought comes before the text, its numbers are none of the reply's.
        if place.token.strip() == said and rest.lstrip().startswith(ending):
            break
    else:
        return None
    chances: dict[str, float] = {}
    for token, logprob in place.likeliest:
        if (score := token.strip()) in RATINGS:
            chances[score] = chances.get(score, 0.0) + math.exp(logprob)
    rounded = {score: round(chances[score], _DIGITS) for score in sorted(chances)}
    return rounded if len(place.likeliest) > 1 and any(rounded.values()) else None


def read_note(detail: str | None) -> Mapping[str, float] | None:
    """Reads what `note` wrote; None for any other detail of a reply."""
    found = _NOTE.fullmatch(detail or "")
    return None if found is None else json.loads(found[1])


def expected(chances: Mapping[str, float]) -> float:
    """Returns the mean score, 1 to 5, of scores with their probabilities."""
    return sum(int(score) * chance for score, chance in chances.items()) / sum(chances.values())
