"""The nearest agent: in-context nearest-neighbour imitation.

It does what was done in the most similar state that it was shown (`memory.py` says how similar
two are), and so is a real imitator that knows nothing else: the bar that a language model should
clear. Ties go to the demonstration shown first, then to the earlier step. With no demonstrations
it draws from the legal actions. Where the run lists the legal actions, it looks only at states
whose action is legal now. What it was shown at an earlier step, where each has its own, it forgets.
"""

import asyncio
from collections.abc import Sequence

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.harness.agents.memory import Memories, Memory
from icil.tasks import Demonstration, sample_action


class NearestAgent(Agent):
    """Acts as the most similar demonstrated state did; see the module."""

    capabilities = Capabilities(text=True, images=True, demonstrations="trajectory", each_step=True)

    def __init__(self) -> None:
        self._known = Memories()
        self._memories: dict[EpisodeContext, tuple[tuple[Demonstration, ...], Memory]] = {}
        """What each episode was shown last."""

    async def act(self, turn: Turn) -> Reply:
        """Returns the action of the nearest state."""
        assert turn.observation is not None
        if not turn.demonstrations:
            return Reply(text=sample_action(turn.legal_actions(), turn.rng()))
        memory = await self._memory(turn)
        legal = turn.legal_actions() if turn.episode.options.legal_actions else None
        allowed = legal if isinstance(legal, Sequence) else None
        if found := memory.nearest(turn.observation, allowed):
            return Reply(text=found[0])
        return Reply(text=sample_action(turn.legal_actions(), turn.rng()))

    async def _memory(self, turn: Turn) -> Memory:
        """Renders and indexes what is shown, if it was not shown at the step before."""
        episode, shown = turn.episode, turn.demonstrations
        known = self._memories.get(episode)
        if known is None or known[0] != shown:
            memory = await asyncio.to_thread(self._known.of, episode.task, episode.format, shown)
            known = self._memories[episode] = (shown, memory)
        return known[1]

    async def end(self, episode: EpisodeContext) -> None:
        """Forgets the episode."""
        self._memories.pop(episode, None)
