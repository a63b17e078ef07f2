"""What the games look like, compared with golden pictures pixel by pixel.

The emulator draws; these pictures tell whether its states, colours and timing are what they
were. `ICIL_REDRAW=1 pytest tests/tasks` writes them anew; look at them before you keep them,
and raise the task's version.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from icil.tasks.atari import make_atari

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "game", "noops", "actions"),
    [
        ("atari_phoenix_first", "phoenix", 1, ""),
        (
            "atari_phoenix_later",
            "phoenix",
            9,
            "LEFT " * 14 + "FIRE NOOP NOOP NOOP " * 4 + "FIRE NOOP ",
        ),
        ("atari_breakout", "breakout", 5, "FIRE " + "RIGHT LEFT NOOP " * 5),
    ],
)
def test_looks_as_it_did(name, game, noops, actions):
    task = make_atari(game)
    env = task.make_env()
    env.reset(options={"opening": {"noops": noops, "chance_seed": 3}})
    for action in actions.split():
        env.step(task.parse(action, env).value)
    drawn = task.observe(env, "rgb").image
    path = GOLDEN / f"{name}.png"
    if os.environ.get("ICIL_REDRAW"):
        Image.fromarray(drawn).save(path, optimize=True)
    np.testing.assert_array_equal(drawn, np.asarray(Image.open(path)))
