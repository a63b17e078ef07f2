"""Fetch of gymnasium-robotics: an arm reaches, pushes, slides, and picks up and places."""

from icil.tasks.fetch.env import FetchEnv
from icil.tasks.fetch.task import Fetch

__all__ = ["Fetch", "FetchEnv"]
