"""A fake model, for tests and for trying things out: no network, no key, no cost.

It reads prompts as a hosted model does and answers from a script, by echo or by a function,
with latency, usage and faults to order. Hand it to `icil.harness.run(agents={"fake": …})`.
"""

import asyncio
from collections.abc import Callable, Sequence

from icil.harness.agents import Agent, Capabilities, Reply, Turn
from icil.prompt_builders import ImagePart, Part
from icil.results import Usage
from icil.tasks import ModelError

Answers = str | Sequence[str] | Callable[[Turn], str]
"""One reply for every step, a reply a step (starting over at the end), or a function."""

Fault = Callable[[Turn], ModelError | None]
"""Returns the error to raise at a turn, or None to answer."""


class FakeModel(Agent):
    """A model that answers what it is told to.

    Args:
        answers: What it says.
        latency_s: How long it takes, in seconds; also what it reports.
        faults: When it fails instead.
        cost_usd: What it reports for each reply; None for an unknown price.
        context_tokens: The longest prompt it takes; None for no limit.
        max_images: The most images it takes; None for no limit.
        images: Whether it takes images at all.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        latency_s: float = 0.0,
        faults: Fault | None = None,
        cost_usd: float | None = 0.0,
        context_tokens: int | None = None,
        max_images: int | None = None,
        images: bool = True,
    ) -> None:
        self.capabilities = Capabilities(
            text=True,
            images=images,
            demonstrations="prompt",
            context_tokens=context_tokens,
            max_images=max_images,
        )
        self.calls = 0
        """How many replies were asked for, faults included."""
        self._answers, self._latency_s, self._faults = answers, latency_s, faults
        self._cost_usd = cost_usd
        self._prefix: tuple[bytes, int] = (b"", 0)

    async def act(self, turn: Turn) -> Reply:
        """Answers, or fails, as ordered."""
        assert turn.prompt is not None
        self.calls += 1
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        if self._faults and (error := self._faults(turn)):
            raise error
        text = self._answer(turn)
        prefix = turn.prompt.prefix
        if self._prefix[0] != prefix.hash:
            self._prefix = (prefix.hash, sum(map(self.tokens, prefix.parts)))
        cached = self._prefix[1] if turn.step else 0
        rest = (*turn.prompt.tail, *turn.prompt.question)
        usage = Usage(
            input_tokens=self._prefix[1] + sum(map(self.tokens, rest)),
            cached_input_tokens=cached,
            output_tokens=_text_tokens(text),
            cost_usd=self._cost_usd,
            latency_s=self._latency_s,
        )
        return Reply(text=text, usage=usage, model="fake", finish="stop")

    def tokens(self, part: Part) -> int:
        """Counts a token for four characters, and for each 28 × 28 pixels of an image."""
        if isinstance(part, ImagePart):
            return -(-part.width // 28) * -(-part.height // 28)
        return _text_tokens(part.text)

    def _answer(self, turn: Turn) -> str:
        if isinstance(self._answers, str):
            return self._answers
        if isinstance(self._answers, Sequence):
            return self._answers[turn.step % len(self._answers)]
        return self._answers(turn)


def echo(turn: Turn) -> str:
    """Answers with the whole prompt as text; for `FakeModel(echo)`."""
    assert turn.prompt is not None
    return turn.prompt.text()


def fail_first(times: int, message: str = "the server answered 500") -> Fault:
    """Returns a fault for `FakeModel`: the first `times` calls fail, whoever makes them."""
    left = times

    def fault(turn: Turn) -> ModelError | None:
        nonlocal left
        left -= 1
        return ModelError(message) if left >= 0 else None

    return fault


def _text_tokens(text: str) -> int:
    return -(-len(text) // 4)
