"""The conformance checker of tasks: is a task what the harness takes it for?

`check_task(task)` plays a few random and expert episodes and returns what breaks the contract
of `icil.tasks.Task`; on the command line, `icil check task NAME`.
"""

import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from gymnasium.utils.env_checker import check_env

from icil.tasks.conformance.experts import equally_good
from icil.tasks.conformance.findings import (
    Finding,
    Note,
    Problem,
    Rules,
    Verdict,
    findings,
    judge,
    raised,
)
from icil.tasks.conformance.games import Game, Sample, as_in, difference, first, play, replay
from icil.tasks.conformance.states import formats, legal_actions, looking, replies
from icil.tasks.demonstrations import Demonstration, demonstrate, render, windows
from icil.tasks.demonstrations import replay as retrace
from icil.tasks.errors import OpeningsError, UsageError
from icil.tasks.openings import Opening, Split
from icil.tasks.task import Task

EPISODES = 10
"""How many episodes the expert and the random player play."""

_COMPARED = 100
"""How many openings of each split are compared."""
_DRAWN = 10
"""How many states of a demonstration are drawn where the world is slow."""
_SPLITS: tuple[Split, ...] = ("demonstration", "evaluation")
_NAME, _LINE = re.compile(r"[a-z][a-z0-9_]*(/[a-z0-9_-]+)*|[a-z]+:[\w./:-]+"), re.compile(r".*\S.*")


def check_task(
    task: Task[Any], name: str | None = None, *, episodes: int = EPISODES
) -> tuple[Finding, ...]:
    """Returns what breaks the contract of a task; nothing, if all is well.

    Args:
        task: The task.
        name: What it is registered under; None if it is not.
        episodes: How many episodes the expert and the random player play, 2 or more.
    """
    return findings(judge_task(task, name, episodes=episodes))


def judge_task(
    task: Task[Any], name: str | None = None, *, episodes: int = EPISODES
) -> Iterator[Verdict]:
    """Yields what became of each rule; otherwise as `check_task`."""
    return judge(RULES, Sample(task, name, episodes))


def _declarations(subject: Sample) -> Iterator[Problem]:
    task = subject.task
    name, version, summary = task.name, task.version, task.summary
    formats, images, horizon = task.formats, task.image_formats, task.horizon
    if not _is_text(name, _NAME):
        yield Problem(f"name {name!r}", "a name like 'my_task' or 'family/my_task'")
    if subject.registered not in (None, name):
        yield Problem(f"name {name!r}", f"{subject.registered!r}, as it is registered")
    if type(version) is not int or version < 1:
        yield Problem(f"version {version!r}", "a whole number, 1 or more")
    if not _is_text(summary, _LINE):
        yield Problem(f"summary {summary!r}", "one line of text")
    if type(horizon) is not int or horizon < 1:
        yield Problem(f"horizon {horizon!r}", "a whole number of steps, 1 or more")
    if not _are_names(formats) or not formats:
        yield Problem(f"formats {formats!r}", "a tuple of different names, one or more")
    elif not _are_names(images) or not set(images) <= set(formats):
        yield Problem(f"image_formats {images!r}", f"a tuple of some of {formats!r}")
    known = task.references
    if known and not (known.source and math.isfinite(known.expert + known.random)):
        yield Problem(f"references {known!r}", "two finite scores and where they are from")


def _environment(subject: Sample) -> Iterator[Problem | Note]:
    env = subject.task.make_env()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env, skip_render_check=True)
        except Exception as error:  # noqa: BLE001 - gymnasium's checker says no in many ways
            yield Problem(raised(error), "an environment that passes gymnasium's check_env")
    yield from (Note(f"gymnasium warns: {' '.join(str(one.message).split())}") for one in caught)
    env.close()


def _openings(subject: Sample) -> Iterator[Problem]:
    for split in _SPLITS:
        source, again = subject.task.openings(split), subject.task.openings(split)
        for index, opening in enumerate(first(source, subject.episodes)):
            where = f"{split} opening {index}"
            if (opening.split, opening.index) != (split, index):
                yield Problem(
                    f"{where} says that it is {opening.split} opening {opening.index}", where
                )
            if not _is_json(dict(opening.state)):
                yield Problem(f"{where} has the state {opening.state!r}", "a state that is JSON")
            elif again[index] != opening:
                seen = f"{where} is {opening.state}, then {again[index].state}"
                yield Problem(seen, "the same each time")


def _splits(subject: Sample) -> Iterator[Problem]:
    task, seen = subject.task, dict[str, Opening]()
    env = task.make_env()
    for split in _SPLITS:
        for opening in first(task.openings(split), _COMPARED):
            task.reset(env, opening)
            other = seen.setdefault(task.state_key(env), opening)
            if other.split != split:
                yield Problem(
                    f"{split} opening {opening.index} starts as {other.split} opening "
                    f"{other.index} does",
                    "splits that share no starting state",
                )
    env.close()


def _bounds(subject: Sample) -> Iterator[Problem]:
    for split in _SPLITS:
        source = subject.task.openings(split)
        beyond = 10 * _COMPARED if source.distinct is None else source.distinct
        for index, may_be in ((-1, False), (beyond, True)):
            where = f"{split} opening {index}"
            try:
                found = source[index]
            except OpeningsError:
                continue
            except Exception as error:  # noqa: BLE001 - any other error is the finding
                yield Problem(f"{where}: {raised(error)}", "OpeningsError")
                continue
            if not may_be or found.index != index:
                yield Problem(f"{where} is {found}", "OpeningsError")


def _endings(subject: Sample) -> Iterator[Problem]:
    horizon = subject.task.horizon
    for game in subject.games:
        last = game.transitions[-1]
        if not (last.terminated or last.truncated):
            yield Problem(f"no end after {len(game.actions)} steps", f"an end by step {horizon}")
        for transition in game.transitions:
            if not math.isfinite(transition.reward) or not _is_json(transition.outcome):
                yield Problem(f"{transition}", "a finite reward, and an outcome that is JSON")


def _repeats(subject: Sample) -> Iterator[Problem]:
    for game in subject.games:
        yield from _same(game, play(subject.task, game.opening, as_in(game)))
    # The runner plays one episode after the other in the same environment.
    env = subject.task.make_env()
    for game in subject.games:
        yield from _same(game, play(subject.task, game.opening, as_in(game), env=env))
    env.close()


def _apart(subject: Sample) -> Iterator[Problem]:
    games = subject.games[:4]
    replays = [replay(subject.task, game) for game in games]
    for step, envs in enumerate(zip_longest(*replays)):
        for game, env in zip(games, envs, strict=True):
            if env is not None and subject.task.state_key(env) != game.states[step]:
                yield Problem(
                    f"step {step} of an episode came out differently beside another episode",
                    "environments of one task that do not touch each other",
                )


def _expert(subject: Sample) -> Iterator[Problem | Note]:
    if not subject.task.has_expert:
        yield from _absent(subject.task)
        return
    for shown in subject.demonstrations:
        if shown == demonstrate(subject.task, shown.opening, shown.id):
            continue
        seen = f"two demonstrations of opening {shown.opening.index} differ"
        if any(step.outcome is not None for step in shown.steps):
            # Where the world itself cannot be simulated again, the expert answers another one.
            yield Note(f"{seen}; so may the world, whose steps have outcomes")
        else:
            yield Problem(seen, "the same actions and rewards each time")


def _absent(task: Task[Any]) -> Iterator[Problem | Note]:
    try:
        found = task.expert()
    except UsageError as error:
        yield Note(str(error))
    else:
        found.close()
        seen = f"has_expert is False, and there is the expert {found.name}"
        yield Problem(seen, "has_expert True, or an expert() that raises UsageError")


def _rendering(subject: Sample) -> Iterator[Problem | Note]:
    if not subject.task.has_expert:
        yield Note("looked at demonstrations of random play, for there is no expert")
    task = subject.task
    for demonstration in subject.demonstrations[:2]:
        for format in task.formats:
            shown = demonstration
            if task.slow and format in task.image_formats:  # to its end, but drawn only there
                shown = windows(demonstration, _DRAWN)[-1]
                yield from _counted(format, retrace(task, demonstration), demonstration)
            yield from _counted(format, render(task, shown, format), shown)


def _counted(format: str, seen: Iterable[Any], demonstration: Demonstration) -> Iterator[Problem]:
    count, steps = sum(1 for _ in seen), len(demonstration.steps)
    if count != steps:
        yield Problem(f"{format}: {count} observations", f"{steps}, one a step")


def _ranking(subject: Sample) -> Iterator[Problem | Note]:
    if not subject.task.has_expert:
        yield Note("there is no expert to compare with")
        return
    count = len(subject.openings)
    expert = sum(d.total for d in subject.demonstrations) / count
    random = sum(game.total for game in subject.games) / count
    scores = f"over {count} openings the expert scores {expert:g} and random play {random:g}"
    yield Note(scores) if expert >= random else Problem(scores, "an expert not worse than random")


RULES: Rules[Sample] = {
    "name, version, summary, formats, horizon and references are well-formed": _declarations,
    "the environment passes gymnasium's check_env": _environment,
    "openings are JSON, and the same each time": _openings,
    "the two splits share no starting state": _splits,
    "an opening that does not exist is an OpeningsError": _bounds,
    "every format renders what it declares": formats,
    "looking changes nothing": looking,
    "there are legal actions, and each parses to itself": legal_actions,
    "wrong replies are classified with a reason, and none raises": replies,
    "random play ends by the horizon": _endings,
    "the same actions give the same episode again": _repeats,
    "environments are independent of each other": _apart,
    "the expert acts legally, and the same each time": _expert,
    "what the expert holds to be equally good holds what it does": equally_good,
    "demonstrations render in every format": _rendering,
    "the expert is not worse than random play": _ranking,
}
"""What `check_task` demands, in the order in which it looks."""


def _same(game: Game, again: Game) -> Iterator[Problem]:
    if seen := difference(game, again):
        yield Problem(seen, "the same states, rewards and end each time")


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _are_names(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and all(isinstance(one, str) and one.strip() == one != "" for one in value)
        and len(set(value)) == len(value)
    )


def _is_json(value: object) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False
