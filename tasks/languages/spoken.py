"""A continuous task in an action language: a step is a chunk of actions, said in its words.

The world is the task's; the harness meets it every `chunk` steps, so that a model answers that many
actions at once. What is played is what the words say, to the digit: an encoder's error is the
model's to live with. The reference players play the task itself (`plain`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from icil.tasks.actions import ActionBox, ParsedAction, excerpt
from icil.tasks.demonstrations import Chunked, Demonstration
from icil.tasks.errors import UsageError
from icil.tasks.expert import EnvT, Expert
from icil.tasks.languages.chunks import actions_of, all_actions, bounded, chunked, cut, from_units
from icil.tasks.languages.language import ActionLanguage, Chunk, LanguageError
from icil.tasks.languages.names import make_language
from icil.tasks.pools import Origin, Pool, load_pool_for, make_pool
from icil.tasks.task import Task, Transition
from icil.tasks.wrapper import TaskWrapper

_LONGEST = 1000
"""Steps of a chunk, at most."""


class Spoken(TaskWrapper[EnvT]):
    """See the module.

    Args:
        task: The task; its actions are vectors with bounds.
        language: The name of the action language.
        chunk: Steps of a chunk; 1, the default, for one action at a time.

    Raises:
        UsageError: The task has no such actions, or there is no such language.
    """

    def __init__(self, task: Task[EnvT], *, language: str, chunk: int = 1) -> None:
        if type(chunk) is not int or not 1 <= chunk <= _LONGEST:
            raise UsageError(f"chunk is a whole number from 1 to {_LONGEST}, not {chunk!r}")
        super().__init__(task)
        self._box, self.chunk = bounded(task), chunk
        self.horizon = -(-task.horizon // chunk)
        self.has_expert = False
        self.language: ActionLanguage = make_language(
            str(language), chunk, self._box.dimension, self._chunks
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """The task's, the language and what it was fitted to, and the length of a chunk."""
        fitted = dict(self.language.settings)
        return {
            **self._task.settings,
            "action_language": self.language.name,
            "chunk": self.chunk,
            **({"fitted": fitted} if fitted else {}),
        }

    @property
    def action_box(self) -> ActionBox | None:
        """None: a step is more than one vector."""
        return None

    def legal_actions(self, env: EnvT) -> "SpokenSpace":
        """Returns all chunks of the language."""
        return SpokenSpace(self.language)

    def parse(self, text: str, env: EnvT) -> ParsedAction:
        """Reads a chunk; its value is what is played, shape (chunk, dimension)."""
        if not text.strip():
            return ParsedAction(status="empty", reason="the reply is empty")
        try:
            said = self.language.canonical(text)
            value = from_units(self.language.decode(said), self._box)
        except LanguageError as error:
            reason = f"{excerpt(text.strip())}: {error}"
            return ParsedAction(status="invalid", reason=reason)
        return ParsedAction(status="ok", action=said, value=value)

    def word(self, vector: NDArray[np.float64]) -> str:
        """Raises an error: one vector is no chunk.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"the actions of {self.name} are words, not vectors")

    def express(self, action: str, env: EnvT) -> str:
        """Returns a chunk as it is: it is in this language already."""
        return action

    def expert(self) -> Expert[EnvT]:
        """Raises an error: the expert plays the task itself.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"the expert of {self.name} does not speak {self.language.name}")

    def step(self, env: EnvT, value: Any, outcome: Any = None) -> Transition:
        """Plays a chunk, or what of it there is time for."""
        reward, outcomes, done = 0.0, list(outcome or ()), Transition(0.0, False, False)
        happened: list[Any] = []
        met: bool | None = None
        for place, vector in enumerate(value):
            parsed = self._task.parse(self._task.word(vector), env)
            known = outcomes[place] if place < len(outcomes) else None
            done = self._task.step(env, parsed.value, known)
            reward += done.reward
            happened.append(done.outcome)
            met = done.success if met is None else met or bool(done.success)
            if done.terminated or done.truncated:
                break
        kept = happened if any(one is not None for one in happened) else None
        return Transition(reward, done.terminated, done.truncated, kept, met)

    def pool(self, pool: Pool) -> Pool:
        """Returns a pool of the task as one of this language, under a hash of its own."""
        card = pool.card
        origin = Origin(
            expert=card.expert,
            expert_settings=card.expert_settings,
            licence=card.licence,
            source=card.source,
        )
        done = all_actions(self._task, pool.demonstrations)
        spoken = map(self._speak, pool.demonstrations, done)
        return make_pool(self, spoken, split=card.split, origin=origin)

    def tell(self, demonstration: Demonstration) -> Chunked:
        """Returns a demonstration of the task in chunks of this language."""
        return self._speak(demonstration, actions_of(self._task, demonstration))

    def _speak(self, demonstration: Demonstration, actions: Chunk) -> Chunked:
        words = tuple(map(self.language.encode, cut(actions, self.chunk)))
        return chunked(demonstration, words, self.chunk)

    def _chunks(self) -> Iterator[Chunk]:
        """Yields the chunks of the pool that ships with the task."""
        for actions in all_actions(self._task, load_pool_for(self._task).demonstrations):
            yield from cut(actions, self.chunk)


class SpokenSpace:
    """All chunks of a language, in every state."""

    def __init__(self, language: ActionLanguage) -> None:
        self._language = language

    def describe(self) -> str:
        """Returns one line that tells a model what is allowed."""
        return self._language.describe()

    def sample(self, rng: np.random.Generator) -> str:
        """Returns a chunk of uniformly random actions."""
        shape = (self._language.steps, self._language.dimension)
        return self._language.encode(rng.uniform(-1.0, 1.0, shape))
