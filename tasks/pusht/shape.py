"""The T: its outline, how far it lies from its target, and the way around it.

All in pixels, y downwards. The block's own axes have the bar of the T at y from 0 to 30 and the
stem below it, to y = 120; a pose is where their origin lies, and their angle in radians.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

Point = tuple[float, float]

SIDE = 512.0
"""Of the table."""
RADIUS = 15.0
"""Of the pusher."""
OUTLINE: tuple[Point, ...] = (
    (-60.0, 0.0),
    (60.0, 0.0),
    (60.0, 30.0),
    (15.0, 30.0),
    (15.0, 120.0),
    (-15.0, 120.0),
    (-15.0, 30.0),
    (-60.0, 30.0),
)
CENTRE: Point = (0.0, 45.0)
"""Of gravity, in the block's axes."""
_BARS = ((-60.0, 0.0, 60.0, 30.0), (-15.0, 30.0, 15.0, 120.0))
"""The two rectangles of the T: least x and y, most x and y."""
_MARGIN = 2.0
"""Beside the pusher, where it passes the block without touching it."""
_AROUND = 15.0
"""Beside the pusher, where it goes around a corner: it cuts corners."""


class Pose(NamedTuple):
    """Where a T lies."""

    x: float
    y: float
    angle: float

    def point(self, x: float, y: float) -> Point:
        """Returns where a point of the block is on the table."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.x + cos * x - sin * y, self.y + sin * x + cos * y

    def local(self, x: float, y: float) -> Point:
        """Returns where a point of the table is on the block."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = x - self.x, y - self.y
        return cos * x + sin * y, cos * y - sin * x


GOAL = Pose(256.0, 256.0, math.pi / 4)


def distance(pose: Pose) -> float:
    """Returns how far the corners of the T are from those of its target, as a root mean square."""
    (middle_x, middle_y), spread = _corner_moments()
    x, y = pose.point(middle_x, middle_y)
    goal_x, goal_y = GOAL.point(middle_x, middle_y)
    turned = 2.0 * (1.0 - math.cos(pose.angle - GOAL.angle)) * spread
    return math.sqrt((x - goal_x) ** 2 + (y - goal_y) ** 2 + turned)


def coverage(pose: Pose) -> float:
    """Returns the share of the target that the block covers."""
    goal = _goal()
    covered: float = goal.intersection(_polygon(pose)).area
    return covered / float(goal.area)


@cache
def _corner_moments() -> tuple[Point, float]:
    """Returns the middle of the corners, and their mean squared distance from it."""
    count = len(OUTLINE)
    x, y = sum(x for x, _ in OUTLINE) / count, sum(y for _, y in OUTLINE) / count
    return (x, y), sum(math.dist((x, y), corner) ** 2 for corner in OUTLINE) / count


@cache
def _goal() -> Any:
    return _polygon(GOAL)


def _polygon(pose: Pose) -> Any:
    from shapely.geometry import Polygon

    return Polygon([pose.point(*corner) for corner in OUTLINE])


def is_clear(x: float, y: float, margin: float = RADIUS + _MARGIN) -> bool:
    """Whether a pusher there, in the block's axes, does not touch it."""
    return not any(
        low_x - margin < x < high_x + margin and low_y - margin < y < high_y + margin
        for low_x, low_y, high_x, high_y in _BARS
    )


def way(start: Point, end: Point) -> list[Point]:
    """Returns a short way around the block, in its axes, `end` included and `start` not.

    Args:
        start: Where the pusher is; it may touch the block.
        end: Where it is to go; clear of the block.
    """
    found: list[Point] = []
    if not is_clear(*start):
        start = _exit(start)
        found.append(start)
    if _sees(start, end):
        return [*found, end]
    corners = _corners()
    lengths, nexts = _ways()
    _, first, last = min(
        (math.dist(start, corners[i]) + lengths[i][j] + math.dist(corners[j], end), i, j)
        for i in range(len(corners))
        for j in range(len(corners))
        if _sees(start, corners[i]) and _sees(corners[j], end)
    )
    found.append(corners[first])
    while first != last:
        first = nexts[first][last]
        found.append(corners[first])
    return [*found, end]


def _exit(point: Point) -> Point:
    """Returns the nearest place that is clear of the block."""
    x, y = point
    margin = RADIUS + _MARGIN + 0.1
    exits = [
        place
        for low_x, low_y, high_x, high_y in _BARS
        for place in (
            (low_x - margin, y),
            (high_x + margin, y),
            (x, low_y - margin),
            (x, high_y + margin),
        )
        if is_clear(*place)
    ]
    return min(exits, key=lambda place: math.dist(place, point))


@cache
def _corners() -> tuple[Point, ...]:
    """Returns where the pusher goes around the six corners that stand out."""
    out = RADIUS + _AROUND
    return (
        (-60 - out, -out),
        (60 + out, -out),
        (60 + out, 30 + out),
        (15 + out, 120 + out),
        (-15 - out, 120 + out),
        (-60 - out, 30 + out),
    )


@cache
def _ways() -> tuple[list[list[float]], list[list[int]]]:
    """Returns the lengths of the shortest ways between corners, and where each goes first."""
    corners = _corners()
    every = range(len(corners))
    lengths = [[math.dist(a, b) if _sees(a, b) else math.inf for b in corners] for a in corners]
    nexts = [list(every) for _ in every]
    for middle in every:
        for a in every:
            for b in every:
                through = lengths[a][middle] + lengths[middle][b]
                if through < lengths[a][b]:
                    lengths[a][b], nexts[a][b] = through, nexts[a][middle]
    return lengths, nexts


def _sees(start: Point, end: Point) -> bool:
    """Whether a pusher goes straight from one place to another without touching the block."""
    margin = RADIUS + _MARGIN
    return not any(
        _crosses(start, end, (low_x - margin, low_y - margin, high_x + margin, high_y + margin))
        for low_x, low_y, high_x, high_y in _BARS
    )


def _crosses(start: Point, end: Point, box: Sequence[float]) -> bool:
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        low, high = box[axis], box[axis + 2]
        there, step = start[axis], end[axis] - start[axis]
        if step == 0:
            if not low < there < high:
                return False
            continue
        one, other = sorted(((low - there) / step, (high - there) / step))
        enter, leave = max(enter, one), min(leave, other)
    return enter < leave
