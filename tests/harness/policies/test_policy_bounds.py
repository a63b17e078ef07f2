"""What a policy answers at the very bounds of its actions, whatever digits those have."""

import json

import gymnasium
import numpy as np
import pytest

from icil.harness.agents import EpisodeContext, Turn, make
from icil.harness.chunks import Chunks
from icil.prompt_builders import PromptOptions
from icil.tasks import make as make_task

PENDULUM = "gym:Pendulum-v1"


class OddBounds(gymnasium.ActionWrapper):
    """A pendulum whose torque goes from 0.1 to 2 pi, which no nine digits hold."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = gymnasium.spaces.Box(0.1, 2 * np.pi, (1,), np.float64)

    def action(self, action):
        return np.asarray(action, np.float32)
