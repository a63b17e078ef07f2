"""What the conformance checker of tasks demands of states: how they look, what may be done."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from icil.tasks.actions import LegalActions, sample_action
from icil.tasks.conformance.findings import Problem, raised
from icil.tasks.conformance.games import Sample, as_in, difference, looks, play, replay
from icil.tasks.observation import Observation
from icil.tasks.seeding import generator

_RUBBISH = ("?!", "lorem ipsum dolor sit amet", "🙂🙂", "\x00", "x" * 10_000)
_AWKWARD = ("-1", "nan", "1e999", "9" * 5_000, "\ud800", "[", "a\nb", "{}", "%s")
_LONGEST_REASON = 200
"""Characters."""


def formats(subject: Sample) -> Iterator[Problem]:
    """Every format renders what it declares."""
    task = subject.task
    shapes: dict[str, Any] = {}
    for game in subject.games[:2]:
        for step, env in enumerate(replay(task, game)):
            for format in looks(task, step, len(game.actions)):
                shown = task.observe(env, format)
                for seen, expected in _wrong(shown, image=format in task.image_formats):
                    yield Problem(f"{format}: {seen}", expected)
                shape = (_array(shown.image).shape, _array(shown.state).shape)
                if shapes.setdefault(format, shape) != shape:
                    yield Problem(
                        f"{format}: image and vector of shapes {shape}, before {shapes[format]}",
                        "the same shapes in all states",
                    )


def looking(subject: Sample) -> Iterator[Problem]:
    """Looking changes nothing."""
    task = subject.task
    for game in subject.games[:2]:
        for step, env in enumerate(replay(task, game)):
            for format in looks(task, step, len(game.actions)):
                if not _alike(task.observe(env, format), task.observe(env, format)):
                    yield Problem(
                        f"{format}: step {step} looks different the second time", "no change"
                    )
                if task.state_key(env) != game.states[step]:
                    yield Problem(
                        f"{format}: state {game.states[step]!r} became {task.state_key(env)!r}",
                        "a state that looking at it, and what came before, leaves as it was",
                    )
        again = play(task, game.opening, as_in(game), look=len(game.actions))
        if seen := difference(game, again):
            yield Problem(seen, "the same episode with and without looking")


def legal_actions(subject: Sample) -> Iterator[Problem]:
    """There are legal actions, and each parses to itself."""
    task = subject.task
    for number, env in enumerate(subject.states()):
        legal = task.legal_actions(env)
        if isinstance(legal, Sequence) and not legal:
            yield Problem("a state with no legal action before the end", "one or more")
        if not isinstance(legal, Sequence) and (len(legal.describe().splitlines()) != 1):
            yield Problem(f"a space described as {legal.describe()!r}", "one line")
        for action in _some(legal, number):
            parsed = task.parse(action, env)
            if (parsed.status, parsed.action) != ("ok", action):
                yield Problem(f"{action!r} is legal and parses to {parsed}", "itself, ok")


def replies(subject: Sample) -> Iterator[Problem]:
    """Wrong replies are classified with a reason, and none raises."""
    task = subject.task
    cases = [("", "empty"), (" \n\t", "empty"), *((text, "invalid") for text in _RUBBISH)]
    cases += [(text, "") for text in _AWKWARD]
    for env in subject.states():
        for text, status in cases:
            what = f"{text[:40]!r}"
            try:
                parsed = task.parse(text, env)
            except Exception as error:  # noqa: BLE001 - any error at all is the finding
                yield Problem(f"{what}: {raised(error)}", "a parse that never raises")
                continue
            if status and parsed.status != status:
                yield Problem(f"{what} is {parsed.status}", status)
            elif (parsed.status == "ok") != (parsed.action is not None):
                yield Problem(f"{what} parses to {parsed}", "an action exactly when it is ok")
            elif parsed.status != "ok" and not 0 < len(parsed.reason or "") <= _LONGEST_REASON:
                yield Problem(
                    f"{what} is {parsed.status} for the reason {parsed.reason!r}",
                    f"a reason of 1 to {_LONGEST_REASON} characters",
                )


def _some(legal: LegalActions, number: int) -> Sequence[str]:
    if isinstance(legal, Sequence):
        return legal
    rng = generator("conformance", "actions", number)
    return [sample_action(legal, rng) for _ in range(10)]


def _wrong(shown: Observation, *, image: bool) -> Iterator[Problem]:
    text, pixels, state = shown.text, shown.image, shown.state
    if (text is None, pixels is None) != (image, not image):
        held = [name for name in ("text", "image") if getattr(shown, name) is not None]
        right = "an image alone" if image else "a text and no image"
        yield Problem(" and ".join(held) or "neither text nor image", f"{right}, as declared")
    if text is not None and (not text or text.endswith("\n")):
        yield Problem(f"the text {text[-40:]!r}", "a text that ends without a line break")
    if pixels is not None and not (
        pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    ):
        yield Problem(f"an image {pixels.dtype} {pixels.shape}", "uint8 (height, width, 3)")
    if state is not None and not (state.dtype == np.float64 and state.ndim == 1):
        yield Problem(f"a vector {state.dtype} {state.shape}", "float64 (dimension,)")


def _alike(one: Observation, other: Observation) -> bool:
    return (
        one.text == other.text
        and np.array_equal(_array(one.image), _array(other.image))
        and np.array_equal(_array(one.state), _array(other.state))
    )


def _array(value: Any) -> Any:
    return np.empty(0) if value is None else value
