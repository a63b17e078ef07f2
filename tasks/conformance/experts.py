"""The rule of what an expert holds to be equally good: it holds what the expert does."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from icil.tasks.conformance.findings import Note, Problem
from icil.tasks.conformance.games import Sample
from icil.tasks.expert import Expert
from icil.tasks.openings import Opening
from icil.tasks.players import expert_generator
from icil.tasks.task import Task

_OPENINGS, _STEPS = 3, 20
"""How many openings are looked at, and how many steps from each at most."""


def equally_good(subject: Sample) -> Iterator[Problem | Note]:
    """Looks at what the expert holds to be equally good along its own episodes."""
    task = subject.task
    if not task.has_expert:
        yield Note("there is no expert to ask")
        return
    for opening in subject.openings[:_OPENINGS]:
        with closing(task.make_env()) as env, closing(task.expert()) as expert:
            task.reset(env, opening)
            expert.begin(env)
            if expert.equally_good(env) is None:
                yield Note("the expert does not say what is equally good; what it does counts")
                return
            yield from _along(task, expert, env, opening)


def _along(task: Task[Any], expert: Expert[Any], env: Any, opening: Opening) -> Iterator[Problem]:
    """Plays the expert's episode and looks at each of its states."""
    for step in range(min(_STEPS, task.horizon)):
        where = f"opening {opening.index}, step {step}"
        state, good = task.state_key(env), expert.equally_good(env)
        if task.state_key(env) != state:
            yield Problem(f"{where}: equally_good changes the state", "a look that changes nothing")
        if isinstance(good, str) or not isinstance(good, Sequence | None):
            yield Problem(f"{where}: {good!r}", "a sequence of actions, or None")
            return
        said = expert.act(env, expert_generator(task, opening, step))
        parsed = task.parse(said, env)
        if good is not None:
            yield from _among(task, env, parsed.action, good, where)
        if parsed.status != "ok":
            return  # the rule before this one says so
        done = task.step(env, parsed.value)
        if done.terminated or done.truncated:
            return


def _among(
    task: Task[Any], env: Any, played: str | None, good: Sequence[str], where: str
) -> Iterator[Problem]:
    read = [task.parse(action, env) for action in good]
    for action, parsed in zip(good, read, strict=True):
        if parsed.status != "ok":
            seen = f"{where}: {action!r} is held to be good, and is {parsed.status}"
            yield Problem(seen, "actions that are legal there")
            return
    if played not in [parsed.action for parsed in read]:
        some = ", ".join(map(repr, islice(good, 5))) or "nothing"
        yield Problem(
            f"{where}: the expert does {played!r} and holds {some} to be good",
            "what it does among what it holds to be good",
        )
