"""Push-T for planners: gym-pusht's table, put into a state and stepped without its extras.

From an opening on, it comes out bit for bit as gym-pusht does. From the middle of a push it does
nearly: the engine starts its solver from the forces of the step before, which a state does not
hold.
"""

from typing import Any, NamedTuple

from icil.tasks.pusht.library import library
from icil.tasks.pusht.shape import RADIUS, Point, Pose

_WALLS = (
    ((5, 506), (5, 5)),
    ((5, 5), (506, 5)),
    ((506, 5), (506, 506)),
    ((5, 506), (506, 506)),
)
_PULL, _BRAKE, _SECONDS, _PARTS = 100.0, 20.0, 0.01, 10
"""How the pusher is drawn to its target and braked; the parts of a step, and how long one is."""


class State(NamedTuple):
    """Where things are, in pixels and radians, and how fast the pusher is, in pixels a second."""

    x: float
    y: float
    speed_x: float
    speed_y: float
    pose: Pose
    """Of the block, which stands still between steps."""

    @property
    def pusher(self) -> Point:
        """Where the pusher is."""
        return self.x, self.y


_APART = State(-100.0, -100.0, 0.0, 0.0, Pose(256.0, 256.0, 0.0))
"""A state in which nothing touches anything."""
_MEMORY = 5
"""Parts of a step, after which no contact is remembered."""


class Simulator:
    """A table of its own; one thread at a time."""

    def __init__(self) -> None:
        import pymunk

        made = library()
        self._space: Any = pymunk.Space()
        self._space.damping = 0.0
        for start, end in _WALLS:
            self._space.add(made.add_segment(self._space, start, end, 2))
        self._pusher: Any = made.add_circle(self._space, (256, 400), RADIUS)
        self._block: Any = made.add_tee(self._space, (256, 300), 0)[0]

    def put(self, state: State) -> None:
        """Puts the table into a state."""
        # The engine remembers contacts for three parts of a step, wherever things are put.
        self._place(_APART)
        for _ in range(_MEMORY):
            self._space.step(_SECONDS)
        self._place(state)

    def _place(self, state: State) -> None:
        block, pusher = self._block, self._pusher
        pusher.position, pusher.velocity = state.pusher, (state.speed_x, state.speed_y)
        block.angle = state.pose.angle  # first, for it turns about the centre of gravity
        block.position = state.pose[:2]
        block.velocity, block.angular_velocity = (0.0, 0.0), 0.0
        self._space.reindex_shapes_for_body(block)
        self._space.reindex_shapes_for_body(pusher)

    def step(self, state: State, target: Point) -> State:
        """Takes a step from the state that the table is in, and returns the next."""
        x, y, speed_x, speed_y, _ = state
        pusher, advance = self._pusher, self._space.step
        for _ in range(_PARTS):
            speed_x += (_PULL * (target[0] - x) - _BRAKE * speed_x) * _SECONDS
            speed_y += (_PULL * (target[1] - y) - _BRAKE * speed_y) * _SECONDS
            pusher.velocity = (speed_x, speed_y)
            advance(_SECONDS)
            x += speed_x * _SECONDS
            y += speed_y * _SECONDS
        (left, top), angle = self._block.position, self._block.angle
        return State(x, y, speed_x, speed_y, Pose(left, top, angle))
