"""The replay agent: repeats a demonstration, whatever it sees.

In a teacher-forced run, where the demonstrated episode itself is played again, it is right
at every step: the control that LMAct (arXiv 2412.01441) holds models against.
"""

from icil.harness.agents.agent import Agent, Capabilities, Reply, Turn
from icil.tasks.demonstrations import source_of


class ReplayAgent(Agent):
    """Answers step t with the action of step t of the first demonstration it is shown.

    Past the demonstration's end, or with none to repeat, it says nothing.
    """

    capabilities = Capabilities(
        text=True, images=True, state=True, demonstrations="trajectory", each_step=True
    )
    heeds_legal_actions = False

    async def act(self, turn: Turn) -> Reply:
        """Returns the demonstrated action of this step."""
        episode, shown = turn.episode, turn.demonstrations
        if not shown or turn.step >= len(shown[0].steps):
            return Reply(text="")
        source = source_of(episode.task, shown[0], episode.format)
        if source.actions is not None:
            return Reply(text=source.actions[turn.step])
        action = source.demonstration.steps[turn.step].action
        return Reply(text=episode.task.express(action, turn.env))
