"""The prompt builder: from selected demonstrations to the prompt of every step.

One builder serves one task in one format. It renders and encodes each demonstration of the
pool at most once, or finds it in the cache; a prefix is a list of those parts. An altered
demonstration is the one that was played, with other actions between what is seen.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Literal

from icil.prompt_builders.parts import (
    ImagePart,
    Part,
    TextPart,
    encode_image,
    merge_text,
    read_image,
)
from icil.prompt_builders.prompt import History, Prefix, Prompt
from icil.prompt_builders.rendered import keeps_pictures, render_pngs
from icil.prompt_builders.selectors.selector import Selection
from icil.prompt_builders.template import Template
from icil.tasks import ContractError, Demonstration, LegalActions, Observation, Task, render
from icil.tasks.actions import describe_actions
from icil.tasks.demonstrations import Altered, Source, source_of

_EMPTY = TextPart("")
_KEPT = 256
"""How many of the last prefixes are kept: other agents are shown the same demonstrations."""
_KEPT_ALTERED = 8
"""How many of altered demonstrations, whose texts are in no other prefix and so take more memory;
sets of episodes that share one follow each other."""

_Steps = tuple[tuple[tuple[Part, ...], str], ...]
"""What a demonstration shows at each step, as it stands in a prompt, and what was done."""
_Prefixes = OrderedDict[tuple[str, ...], tuple[tuple[Demonstration, ...], Prefix]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOptions:
    """What a prompt holds besides demonstrations and observations."""

    legal_actions: bool = False
    """Whether the question lists the legal actions."""
    reasoning: bool = False
    """Whether the model is asked to think in writing before it answers."""
    past_actions: bool = True
    """Whether the current episode shows the actions taken, or its observations alone."""
    layout: Literal["single", "chat"] = "single"
    """Whether the prompt is one message, or a conversation in which the other side said the
    actions."""


@dataclass(frozen=True, eq=False)
class PromptBuilder:
    """Makes the prompts of one task in one format."""

    task: Task[Any]
    format: str
    template: Template
    options: PromptOptions = PromptOptions()
    _bodies: dict[str, tuple[Demonstration, tuple[Part, ...]]] = field(
        default_factory=dict, repr=False
    )
    _frames: dict[int, tuple[Part, Part]] = field(default_factory=dict, repr=False)
    _steps: dict[tuple[str, str], tuple[Demonstration, _Steps]] = field(
        default_factory=dict, repr=False
    )
    """Of demonstrations with pictures, or that are shown altered, by task and id."""
    _prefixes: _Prefixes = field(default_factory=OrderedDict, repr=False)
    _altered: _Prefixes = field(default_factory=OrderedDict, repr=False)
    """Prefixes with altered demonstrations."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def prefix(self, selection: Selection) -> Prefix:
        """Returns the preamble and the selected demonstrations, in their order.

        Two equal selections give equal bytes. May render and encode images: call it in a
        thread.

        Raises:
            PoolError: A demonstration does not replay.
        """
        chosen = selection.demonstrations
        altered = any(isinstance(one, Altered) for one in chosen)
        kept, most = (self._altered, _KEPT_ALTERED) if altered else (self._prefixes, _KEPT)
        known = kept.get(selection.ids)
        if known is not None and known[0] == chosen:
            return known[1]
        prefix = self._make(selection)
        with self._lock:
            kept[selection.ids] = (chosen, prefix)
            if len(kept) > most:
                kept.popitem(last=False)
        return prefix

    def _make(self, selection: Selection) -> Prefix:
        chosen = selection.demonstrations
        name = "preamble" if chosen else "preamble_without_demonstrations"
        parts: list[Part] = [TextPart(self.template.fill(name))]
        for number, demonstration in enumerate(chosen, start=1):
            parts.extend(self._demonstration(demonstration, number))
        parts.append(TextPart(self.template.fill("episode_start")))
        return Prefix(tuple(parts))

    def tail(self, prefix: Prefix) -> "Tail":
        """Returns an empty tail."""
        return Tail(self, prefix)

    def observation(self, observation: Observation) -> tuple[Part, ...]:
        """Returns an observation as it stands in a prompt."""
        if observation.image is not None:
            return self._image(encode_image(observation.image))
        before, after = self._around
        return (TextPart(f"{before}{observation.text}{after}"),)

    def _image(self, image: ImagePart) -> tuple[Part, ...]:
        before, after = self._around
        return tuple(part for part in (TextPart(before), image, TextPart(after)) if part != _EMPTY)

    def action(self, action: str) -> TextPart:
        """Returns an action as it stands in a prompt: in a chat, as it would be answered."""
        if self.options.layout == "single":
            return TextPart(self.template.fill("action", action=action))
        return TextPart(f"Action: {action}" if self.options.reasoning else action, "assistant")

    @cached_property
    def _around(self) -> tuple[str, str]:
        return self.template.around("observation", "observation")

    def _demonstration(self, demonstration: Demonstration, number: int) -> tuple[Part, ...]:
        if number not in self._frames:
            start = self.template.fill("demonstration_start", number=str(number))
            end = self.template.fill("demonstration_end", number=str(number))
            self._frames[number] = (TextPart(start), TextPart(end))
        before, after = self._frames[number]
        return (before, *self._body(demonstration), after)

    def _body(self, demonstration: Demonstration) -> tuple[Part, ...]:
        source = source_of(self.task.plain, demonstration, self.format)
        # An id is unique in one pool only, and a selector may bring demonstrations of its own.
        known = self._bodies.get(demonstration.id)
        if known is not None and known[0] is demonstration:
            return known[1]
        with self._lock:
            if source.actions is not None:  # there are too many ways to alter one to keep all
                seen = (seen for seen, _ in self._played(source))
                return self._merged(zip(seen, source.actions, strict=True))
            known = self._bodies.get(demonstration.id)
            if known is None or known[0] is not demonstration:
                body = self._merged(self._played(source))
                known = self._bodies[demonstration.id] = (demonstration, body)
            return known[1]

    def _merged(self, steps: Iterable[tuple[tuple[Part, ...], str]]) -> tuple[Part, ...]:
        return merge_text(part for seen, action in steps for part in (*seen, self.action(action)))

    def _played(self, source: Source) -> _Steps:
        """Returns what a demonstration shows as it was played."""
        key = (source.task.name, source.demonstration.id)
        known = self._steps.get(key)
        if known is not None and known[0] is source.demonstration:
            return known[1]
        steps = tuple(self._shown(source))
        # Pictures are the same objects in every body, and so take no more memory.
        if self.format in self.task.image_formats or source.actions is not None:
            self._steps[key] = (source.demonstration, steps)
        return steps

    def _shown(self, source: Source) -> Iterator[tuple[tuple[Part, ...], str]]:
        task, demonstration, format, _ = source
        if keeps_pictures(task, format):
            for png, action in render_pngs(task, demonstration, format):
                yield self._image(read_image(png)), action
        else:
            for observation, action in render(task, demonstration, format):
                yield self.observation(observation), action


class Tail:
    """The current episode as the model sees it; see `prompt.py`."""

    def __init__(self, builder: PromptBuilder, prefix: Prefix) -> None:
        self._builder = builder
        self._history = History(prefix)

    def __len__(self) -> int:
        return len(self._history)

    def observe(self, observation: Observation) -> None:
        """Adds what is seen now."""
        self._history.append(*self._builder.observation(observation))

    def act(self, action: str) -> None:
        """Adds the action that was played."""
        if self._builder.options.past_actions:
            self._history.append(self._builder.action(action))

    def since(self, length: int) -> tuple[Part, ...]:
        """Returns the parts that came after the first `length`."""
        return self._history.since(length)

    def question(self, legal: LegalActions | None = None) -> Prompt:
        """Returns the prompt that asks for the next action.

        Args:
            legal: The legal actions; needed only where the options ask for them.
        """
        template, options = self._builder.template, self._builder.options
        text = ""
        if options.legal_actions:
            if legal is None:
                raise ContractError("a question that lists the legal actions needs them")
            text = template.fill("legal_actions", legal_actions=describe_actions(legal))
        name = "question_with_reasoning" if options.reasoning else "question"
        return self._history.ask((TextPart(text + template.fill(name)),))
