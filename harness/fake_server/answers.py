"""Answers: what the model says, as a function of the prompt alone.

`imitate` does what `icil run` asks of a model, badly: it repeats an action that the prompt
shows, or takes one of those that the question allows, chosen by the prompt's hash. It knows
the wording of `prompt_builders/templates/default.yaml`, in one message or as a chat.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from icil.harness.fake_server.call import Call, Part
from icil.harness.fake_server.likelihoods import Place, make_places
from icil.harness.fake_server.tokens import cut, text_tokens
from icil.tasks.errors import UnknownNameError, UsageError

Answers = str | Callable[[Call], str | Mapping[str, float]]
"""`imitate`, `echo`, `fixed:TEXT`, or a function of the call, which runs in threads: it returns
what is said, or what might be said, each with its probability, the likeliest of which is."""

Finish = Literal["stop", "length", "refusal", "blocked"]
"""Why an answer ends; `blocked` is a refusal by a filter, `refusal` one by the model."""

NOTHING_SEEN = "I do not know"
"""What `imitate` says where there is nothing to imitate."""

_SHOWN = re.compile(rb"^Action:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)
_ALLOWED = b"The actions allowed now are: "
_ASKED_TO_THINK = b'"Action:"'
_THOUGHT = "In a place like this one, the recordings do the same.\nAction: "
_REASONING = "I look for the recording that is most like what I see, and do as it does. "
_REFUSAL = "I cannot help with that."


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddities:
    """How often an answer is other than a plain text; drawn from the prompt and the seed."""

    empty: float = 0.0
    """The share of empty answers, from 0 to 1."""
    refused: float = 0.0
    """The share of refusals, from 0 to 1."""
    truncated: float = 0.0
    """The share of answers that break off half-way, from 0 to 1."""
    reasoning: float = 0.0
    """The share of answers that reason first, from 0 to 1, whatever else they are."""
    reasoning_tokens: int = 64
    """How long that reasoning is, in tokens."""

    def __post_init__(self) -> None:
        for name in ("empty", "refused", "truncated", "reasoning"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name}: expected a share from 0 to 1, got {getattr(self, name)}")
        if self.empty + self.refused + self.truncated > 1:
            raise UsageError(
                "empty, refused and truncated: expected shares that add up to 1 at most"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says."""

    text: str
    tokens: int
    """Of the text."""
    finish: Finish
    stop: str | None = None
    """Which of the call's stop texts ended it."""
    reasoning: str = ""
    reasoning_tokens: int = 0
    places: tuple[Place, ...] = ()
    """Its tokens with their log-probabilities, if the call asks for them."""


def check_answers(answers: Answers) -> None:
    """Raises `UsageError` unless there are such answers."""
    if isinstance(answers, str) and not (answers in _STYLES or answers.startswith("fixed:")):
        raise UnknownNameError("answers", answers, (*_STYLES, "fixed:TEXT"))


def make_answer(call: Call, answers: Answers, oddities: Oddities, seed: int) -> Answer:
    """Returns the answer to a call; the seed draws its oddities, and nothing else."""

    def answer(text: str, finish: Finish, **more: Any) -> Answer:
        tokens = text_tokens(text.encode(), call.bytes_per_token)
        return Answer(text=text, tokens=tokens, finish=finish, **more)

    oddity = _draw_oddity(call, oddities, seed)
    if oddity == "refused":
        return answer(_REFUSAL, "refusal" if call.draw("refusal", seed) < 0.5 else "blocked")
    chances = {"": 1.0} if oddity == "empty" else _say(call, answers)
    text = max(chances, key=lambda said: chances[said])
    finish: Finish = "stop"
    stop = min((end for end in call.stop if end in text), key=text.index, default=None)
    if stop is not None:
        text = text[: text.index(stop)]
    elif oddity == "truncated":
        text, finish = text[: len(text) // 2], "length"
    thinks = call.draw("reasoning", seed) < oddities.reasoning
    reasoning = oddities.reasoning_tokens if thinks else 0
    if call.max_tokens is not None:
        reasoning = min(reasoning, call.max_tokens)
        fitting = cut(text, call.max_tokens - reasoning, call.bytes_per_token)
        if fitting != text or call.max_tokens == 0:
            text, finish, stop = fitting, "length", None
    return answer(
        text,
        finish,
        stop=stop,
        reasoning=_reason(reasoning * call.bytes_per_token),
        reasoning_tokens=reasoning,
        places=()
        if call.top_logprobs is None
        else make_places(text, chances, call.top_logprobs, call.bytes_per_token),
    )


def imitate(call: Call) -> str:
    """Answers with an action that is allowed, if the question lists them, or was shown."""
    shown = list(dict.fromkeys(_shown_actions(call.parts)))
    question = [p.content for p in call.parts if p.kind == "text" and p.role != "assistant"][-1:]
    choices = _allowed_actions(question[0], shown) if question else []
    choices = choices or shown
    if not choices:
        return NOTHING_SEEN
    action = choices[int(call.draw("action") * len(choices))]
    thinks = any(_ASKED_TO_THINK in text for text in question)
    return f"{_THOUGHT if thinks else ''}{action}"


def echo(call: Call) -> str:
    """Answers with what came: how many parts, images and tokens, and the hash."""
    return (
        f"parts: {len(call.parts)}, images: {call.images}, tokens: {call.tokens}, "
        f"hash: {call.hash.hex()}"
    )


_STYLES: dict[str, Callable[[Call], str]] = {"imitate": imitate, "echo": echo}


def _say(call: Call, answers: Answers) -> Mapping[str, float]:
    """Returns what might be said, with its probabilities."""
    if isinstance(answers, str):
        style = _STYLES.get(answers)
        said: str | Mapping[str, float] = (
            answers.removeprefix("fixed:") if style is None else style(call)
        )
    else:
        said = answers(call)
    return {said: 1.0} if isinstance(said, str) else said


def _draw_oddity(call: Call, oddities: Oddities, seed: int) -> str | None:
    drawn = call.draw("oddity", seed)
    for name in ("empty", "refused", "truncated"):
        drawn -= getattr(oddities, name)
        if drawn < 0:
            return name
    return None


def _reason(length: int) -> str:
    return (_REASONING * (length // len(_REASONING) + 1))[:length]


def _shown_actions(parts: Sequence[Part]) -> Iterator[str]:
    """Yields the actions in a prompt: marked in a text, or what the assistant said."""
    for part in parts:
        if part.kind == "image":
            continue
        marked = _SHOWN.findall(part.content)
        if not marked and part.role == "assistant":
            marked = part.content.strip().splitlines()[-1:]
        yield from (action.decode() for action in marked)


def _allowed_actions(question: bytes, shown: Sequence[str]) -> list[str]:
    """Returns the actions that a question lists; none where it describes a space of them."""
    start = question.rfind(_ALLOWED)
    if start < 0:
        return []
    line = question[start + len(_ALLOWED) :].partition(b"\n")[0].decode().strip()
    listed = line.split(", ")
    # What describes a space has words in it that nobody ever did.
    is_list = not shown or " " not in line.replace(", ", "") or not set(shown).isdisjoint(listed)
    return listed if is_list else []
