"""The nearest agent: in-context nearest-neighbour imitation.

It does what was done in the most similar state that it was shown (`memory.py` says how similar
two are), and so is a real imitator that knows nothing else: the bar that a language model should
clear. Ties go to the demonstration shown first, then to the earlier step. With no demonstrations
it draws from the legal actions. Where the run lists the legal actions, it looks only at states
whose action is legal now.
"""

import asyncio
from collections.abc import Sequence

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.harness.agents.memory import Memories, Memory
from icil.tasks import sample_action


class NearestAgent(Agent):
    """Acts as the most similar demonstrated state did; see the module."""

    capabilities = Capabilities(text=True, images=True, demonstrations="trajectory")

    def __init__(self) -> None:
        self._known = Memories()
        self._memories: dict[EpisodeContext, Memory] = {}

    async def begin(self, episode: EpisodeContext) -> None:
        """Renders and indexes the demonstrations."""
        if shown := episode.demonstrations:
            self._memories[episode] = await asyncio.to_thread(
                self._known.of, episode.task, episode.format, shown
            )

    async def act(self, turn: Turn) -> Reply:
        """Returns the action of the nearest state."""
        memory = self._memories.get(turn.episode)
        assert turn.observation is not None
        if memory is None:
            return Reply(text=sample_action(turn.legal_actions(), turn.rng()))
        legal = turn.legal_actions() if turn.episode.options.legal_actions else None
        allowed = legal if isinstance(legal, Sequence) else None
        if found := memory.nearest(turn.observation, allowed):
            return Reply(text=found[0])
        return Reply(text=sample_action(turn.legal_actions(), turn.rng()))

    async def end(self, episode: EpisodeContext) -> None:
        """Forgets the episode."""
        self._memories.pop(episode, None)
