"""The games of the Atari 2600, played on a real emulator; Phoenix has an expert."""

from icil.tasks.atari.env import AtariEnv
from icil.tasks.atari.task import Atari, Phoenix, make_atari

__all__ = ["Atari", "AtariEnv", "Phoenix", "make_atari"]
