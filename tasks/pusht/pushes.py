"""Pushes: go around the block to a place on its side, then press on it in a straight line.

The pusher follows a line by being drawn to a point that runs ahead of it along the line: the
farther ahead, the faster, and the more it cuts corners.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np

from icil.tasks.pusht.shape import OUTLINE, RADIUS, SIDE, Point, is_clear, way
from icil.tasks.pusht.simulation import Simulator, State

TARGET_DECIMALS = 1
"""Of the numbers in the planner's actions."""

_GAP = 6.0
"""Between pusher and block before a push."""
_STEEPEST = 0.7
"""Between a push and the side's normal, in radians."""
_LEADS = (60.0, 90.0, 130.0)
_PUSH_LEADS = (25.0, 45.0, 75.0)
_NEAR, _STILL = 2.0, 25.0
"""How near its end a push is over, in pixels, and how slow then, in pixels a second."""
_LONGEST = 45
"""Steps of a push with the way to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push; lengths in pixels."""

    place: float
    """Where on the outline, from its first corner on."""
    turn: float
    """Of its direction from the inward normal there, in radians."""
    length: float
    lead: float
    """How far ahead of the pusher the point is that it is drawn to, on the way."""
    push_lead: float
    """And while it pushes."""

    def line(self, state: State) -> tuple[list[Point], float] | None:
        """Returns the line that the pusher follows, and the length of its way to the push.

        None where the pusher cannot stand at the beginning of the push.
        """
        (x, y), (normal_x, normal_y) = _contact(self.place)
        before = (x + normal_x * (RADIUS + _GAP), y + normal_y * (RADIUS + _GAP))
        if not is_clear(*before):
            return None
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        along_x, along_y = -(cos * normal_x - sin * normal_y), -(sin * normal_x + cos * normal_y)
        end = (
            x + normal_x * RADIUS + along_x * self.length,
            y + normal_y * RADIUS + along_y * self.length,
        )
        pose = state.pose
        points = [state.pusher]
        points += [pose.point(*p) for p in way(pose.local(*state.pusher), before)]
        if not all(0.0 <= c <= SIDE for c in points[-1]):
            return None
        free = sum(math.dist(a, b) for a, b in pairwise(points))
        return [*points, pose.point(*end)], free


def draw(rng: np.random.Generator, off: float) -> Push:
    """Returns a push at random.

    Args:
        rng: The source.
        off: How far the block is off its target, in pixels.
    """
    return Push(
        place=float(rng.uniform(0.0, _ends()[-1])),
        turn=float(rng.uniform(-_STEEPEST, _STEEPEST)),
        length=float(rng.uniform(1.0, 15.0 + 1.5 * off)),
        lead=float(rng.choice(_LEADS)),
        push_lead=float(rng.choice(_PUSH_LEADS)),
    )


def vary(push: Push, rng: np.random.Generator, scale: float) -> Push:
    """Returns a push much like another, the more so the smaller the scale."""
    return replace(
        push,
        place=(push.place + 12.0 * scale * rng.standard_normal()) % _ends()[-1],
        turn=float(np.clip(push.turn + 0.2 * scale * rng.standard_normal(), -0.9, 0.9)),
        length=max(0.5, push.length * float(np.exp(0.3 * scale * rng.standard_normal()))),
        lead=float(rng.choice(_LEADS)),
        push_lead=float(rng.choice(_PUSH_LEADS)),
    )


def carry_out(
    push: Push, state: State, table: Simulator, most: int
) -> Iterator[tuple[Point, State]]:
    """Yields the targets of a push's steps and the states they lead to; nothing if it cannot be.

    Args:
        push: The push.
        state: The state that it starts in.
        table: Where it is tried out.
        most: The most steps.
    """
    found = push.line(state)
    if found is None:
        return
    points, free = found
    line = _Line(points)
    table.put(state)
    at = 0.0
    for _ in range(min(most, _LONGEST)):
        at = line.nearest(state.pusher, at)
        lead = push.lead if at < free - 0.5 * push.lead else push.push_lead
        x, y = line.at(at + lead)
        target = (_rounded(x), _rounded(y))
        state = table.step(state, target)
        yield target, state
        slow = math.hypot(state.speed_x, state.speed_y) < _STILL
        if slow and math.dist(state.pusher, points[-1]) < _NEAR:
            return


def _rounded(number: float) -> float:
    return round(min(max(number, 0.0), SIDE), TARGET_DECIMALS)


class _Line:
    """A line with corners."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._ends = [0.0]
        for a, b in pairwise(points):
            self._ends.append(self._ends[-1] + math.dist(a, b))

    def at(self, length: float) -> Point:
        """Returns the point so far along it, or its end."""
        for number, end in enumerate(self._ends[1:]):
            if length < end:
                (x, y), (to_x, to_y) = self._points[number : number + 2]
                share = (length - self._ends[number]) / (end - self._ends[number])
                return x + share * (to_x - x), y + share * (to_y - y)
        return self._points[-1]

    def nearest(self, point: Point, since: float) -> float:
        """Returns how far along it the first nearest point is, from `since` on."""
        best, where = math.inf, since
        for number, end in enumerate(self._ends[1:]):
            start = self._ends[number]
            if end < since or end == start or start > since + 100.0:
                continue
            (x, y), (to_x, to_y) = self._points[number : number + 2]
            size = end - start
            along = ((point[0] - x) * (to_x - x) + (point[1] - y) * (to_y - y)) / size
            along = min(max(along, since - start, 0.0), size)
            off = math.dist(point, (x + along / size * (to_x - x), y + along / size * (to_y - y)))
            if off < best - 1e-9:
                best, where = off, start + along
        return where


@cache
def _ends() -> tuple[float, ...]:
    """Returns where the sides of the outline end, along it."""
    ends, so_far = list[float](), 0.0
    for a, b in zip(OUTLINE, (*OUTLINE[1:], OUTLINE[0]), strict=True):
        so_far += math.dist(a, b)
        ends.append(so_far)
    return tuple(ends)


def _contact(place: float) -> tuple[Point, Point]:
    """Returns a point of the outline and the normal outward there."""
    start = 0.0
    for number, end in enumerate(_ends()):
        if place < end or number == len(OUTLINE) - 1:
            (x, y), (to_x, to_y) = OUTLINE[number], OUTLINE[(number + 1) % len(OUTLINE)]
            size = end - start
            along_x, along_y = (to_x - x) / size, (to_y - y) / size
            return (
                (x + along_x * (place - start), y + along_y * (place - start)),
                (along_y, -along_x),
            )
        start = end
    raise AssertionError(place)
