"""What the tests of figures share: rows of a leaderboard, and curves."""

from dataclasses import fields

import pytest

from icil.results import Curve, Estimate, Point, Row


@pytest.fixture
def make_row():
    """Returns a function that makes a row of a leaderboard."""

    def make_row(agent="model", demonstrations=1, score=0.5, **changes):
        values = dict.fromkeys((field.name for field in fields(Row)), None)
        values |= {
            "task": "toy",
            "format": "ascii",
            "agent": agent,
            "selector": "random" if demonstrations else "",
            "demonstrations": demonstrations,
            "episodes": 0 if score is None else 10,
            "errors": 0,
            "score_mean": score,
            "score_ci_low": None if score is None else score - 0.1,
            "score_ci_high": None if score is None else score + 0.2,
            "random_mean": 0.1,
            "expert_mean": 0.9,
            "steps_mean": None if score is None else 5.0,
            "illegal_rate": None if score is None else 0.0,
            "invalid_rate": None if score is None else 0.0,
            "empty_rate": None if score is None else 0.0,
            "cost_usd": 0.0,
            "note": "",
            "ground": "",
        }
        return Row(**{**values, **changes})

    return make_row


@pytest.fixture
def make_curve():
    """Returns a function that makes the curve of a cell of ten episodes."""

    def share(mean):
        return None if mean is None else Estimate(mean=mean, low=mean - 0.1, high=mean + 0.1)

    def make_curve(agent="model", demonstrations=1, agreement=(0.9, 0.5), copies=None, **changes):
        copies = copies or [None] * len(agreement)
        points = tuple(
            Point(step=step, n=10, agreement=share(a), copies=share(c), on_course=share(a))
            for step, (a, c) in enumerate(zip(agreement, copies, strict=True))
        )
        fields = {
            "task": "toy",
            "format": "ascii",
            "selector": "random" if demonstrations else "",
            "context_tokens": None,
            "episodes": 10,
            "agreement": share(agreement[0]),
            "copies": share(copies[0]),
            "on_course": share(agreement[0]),
            "points": points,
            "agent": agent,
            "demonstrations": demonstrations,
        }
        return Curve(**{**fields, **changes})

    return make_curve
