"""Breakpoints: up to where a server is told to cache a prompt, and where to look for it.

The end of the prefix is one. The end of the tail is another, so that the next step finds all
of this one but the question. Some servers find what is cached only at a breakpoint of the new
request: so the place where the tail of an earlier prompt ended is a third.
"""

from collections import OrderedDict

from icil.prompt_builders import Prompt

_KEPT = 65_536
"""How many ends are remembered; the last of each episode under way would do."""


class Breakpoints:
    """Knows where the tails of the prompts that were answered ended."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def of(self, prompt: Prompt) -> frozenset[int]:
        """Returns the breakpoints in a prompt's tail: how many of its parts stand before each."""
        ends = _ends(prompt)
        shorter = range(len(ends) - 1, 0, -1)
        earlier = next((length for length in shorter if ends[length - 1] in self._known), 0)
        return frozenset({earlier, len(ends)} - {0})

    def add(self, prompt: Prompt) -> None:
        """Is told that a prompt was answered, and so is cached."""
        for end in _ends(prompt)[-1:]:
            self._known[end] = None
            self._known.move_to_end(end)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)


def _ends(prompt: Prompt) -> list[bytes]:
    """Returns the hash of the prompt up to each part of its tail."""
    running = prompt.prefix.hasher.copy()
    ends = []
    for part in prompt.tail:
        running.update(part.hash)
        ends.append(running.digest())
    return ends
