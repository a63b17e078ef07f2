"""Whether a prompt fits the model that it is for, known before it is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from icil.harness.agents import Agent
from icil.harness.models.recent import Recent
from icil.harness.planning.cells import Cell
from icil.harness.planning.selecting import choose
from icil.harness.planning.starts import Start
from icil.harness.threads import call
from icil.prompt_builders import ImagePart, Part, Prefix, PromptBuilder, TextPart
from icil.tasks import ModelError

_BASE64 = 4 / 3
"""Bytes of an image in a request for each of its own."""
_WRAPPING = 64
"""Bytes that the request spends around each part, and a little more."""
_KEPT = 4096
"""How many prefixes' sizes are remembered."""
_LOOKED_AT = 256
"""Of a cell, how many prefixes are made before its first request: as many as a builder keeps."""


@dataclass(slots=True)
class Size:
    """How much of a context something takes."""

    tokens: int = 0
    images: int = 0
    bytes: float = 0.0

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.tokens + other.tokens, self.images + other.images, self.bytes + other.bytes
        )


class Sizes:
    """The sizes of the prefixes of a run, each measured once while it is in use."""

    def __init__(self) -> None:
        self._known: Recent[Size] = Recent(_KEPT)

    async def of(self, agent: Agent, prefix: Prefix) -> Size:
        """Returns the size of a prefix in the context of an agent."""
        key = b"%d %b" % (id(agent), prefix.hash)
        known = self._known.get(key)
        if known is None:
            known = self._known.put(key, await call(True, measure, agent, prefix.parts), 1)
        return known


def measure(agent: Agent, parts: Iterable[Part]) -> Size:
    """Returns the size of parts in the context of an agent; tokens only if it has a limit."""
    counts = agent.capabilities.context_tokens is not None
    size = Size()
    for part in parts:
        if counts:
            size.tokens += agent.tokens(part)
        if isinstance(part, ImagePart):
            size.images += 1
            size.bytes += _BASE64 * len(part.png)
        elif isinstance(part, TextPart):
            size.bytes += len(part.text.encode())
        size.bytes += _WRAPPING
    return size


def check_fits(agent: Agent, size: Size) -> None:
    """Checks that a prompt fits.

    Raises:
        ModelError: It does not; the message has the figures.
    """
    limits = agent.capabilities
    if limits.context_tokens is not None and size.tokens > limits.context_tokens:
        what = f"{size.tokens} tokens, the model takes {limits.context_tokens}"
    elif limits.max_images is not None and size.images > limits.max_images:
        what = f"{size.images} images, the model takes {limits.max_images}"
    elif limits.request_bytes is not None and size.bytes > limits.request_bytes:
        mebibytes = (size.bytes / 2**20, limits.request_bytes / 2**20)
        what = f"{mebibytes[0]:.1f} MiB, the provider takes {mebibytes[1]:g}"
    else:
        return
    raise ModelError(f"the prompt has {what}", fault="overlong")


async def find_misfit(
    cell: Cell, starts: Sequence[Start], seed: int, builder: PromptBuilder, sizes: Sizes
) -> Start | None:
    """Returns an episode whose first prompt will not fit, before anything is sent for its cell.

    Counted are the prefix and the question, without what is seen and which actions are legal: for
    that every world would have to be reset. Looked at are prefixes that are made and counted once,
    here or when they are played: not those of a single step, nor altered ones; a filled budget
    fits by itself. Of a cell with very many episodes the first are looked at.

    Args:
        cell: The cell.
        starts: Of its episodes that are still to be played.
        seed: The experiment's.
        builder: Makes the cell's prompts.
        sizes: Keeps what was measured.

    Returns:
        The first such episode; None if there is none, or it is not known yet.
    """
    limits = cell.agent.capabilities
    limited = (limits.context_tokens, limits.max_images, limits.request_bytes) != (None,) * 3
    made_once = not (cell.each_step or cell.alterations or cell.record.context_tokens)
    if limits.demonstrations != "prompt" or not (limited and made_once and cell.shows):
        return None
    sets: dict[int, Start] = {}
    for start in starts:
        own = start.number if start.set is None else start.set
        if sets.setdefault(own, start) is not start:
            continue
        if len(sets) > _LOOKED_AT:
            break
        prefix = await call(True, _prefix, cell, start, seed, builder)
        question = builder.tail(prefix).question(()).question
        try:
            check_fits(
                cell.agent, await sizes.of(cell.agent, prefix) + measure(cell.agent, question)
            )
        except ModelError:
            return start
    return None


def _prefix(cell: Cell, start: Start, seed: int, builder: PromptBuilder) -> Prefix:
    return builder.prefix(choose(cell, start, seed).selection)
