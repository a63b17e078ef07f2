"""The random player: the lower reference line."""

from icil.harness.agents.agent import Agent, Capabilities, Reply, Turn
from icil.tasks import sample_action
from icil.tasks.players import random_generator


class RandomAgent(Agent):
    """Draws uniformly from the legal actions.

    Its draws are a function of task, opening and step alone, so that the line is the same in
    every run.
    """

    capabilities = Capabilities()

    async def act(self, turn: Turn) -> Reply:
        """Returns a uniformly random legal action."""
        rng = random_generator(turn.episode.task, turn.episode.opening, turn.step)
        return Reply(text=sample_action(turn.legal_actions(), rng))
