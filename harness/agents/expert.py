"""The expert: the upper reference line."""

from typing import Any

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.harness.threads import call
from icil.tasks import Expert
from icil.tasks.players import expert_generator


class ExpertAgent(Agent):
    """Plays each task as the task's own expert does."""

    # An expert may hold a plan, which a resumed episode would not have.
    capabilities = Capabilities(stateful=True)

    def __init__(self) -> None:
        self._experts: dict[EpisodeContext, Expert[Any]] = {}

    async def act(self, turn: Turn) -> Reply:
        """Returns the expert's action."""
        episode = turn.episode
        expert = self._experts.get(episode)
        if expert is None:
            expert = self._experts[episode] = episode.task.expert()
            await call(expert.slow, expert.begin, turn.env)
        rng = expert_generator(episode.task, episode.opening, turn.step)
        return Reply(text=await call(expert.slow, expert.act, turn.env, rng))

    async def end(self, episode: EpisodeContext) -> None:
        """Lets go of the episode's expert."""
        if (expert := self._experts.pop(episode, None)) is not None:
            expert.close()
