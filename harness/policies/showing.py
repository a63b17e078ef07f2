"""Demonstrations as a policy is shown them: what it would have been sent, and what was done."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from icil.harness.policies.mapping import Mapped
from icil.harness.policies.wire import Shown
from icil.tasks import ContractError, Demonstration, Task
from icil.tasks.demonstrations import source_of


def show(mapped: Mapped, demonstration: Demonstration) -> Shown:
    """Plays a demonstration again and returns it as arrays; may take long.

    Raises:
        ContractError: It does not replay.
    """
    task: Task[Any] = mapped.task
    source = source_of(task, demonstration, "")
    first = getattr(source.demonstration, "first", 0)
    whole = getattr(source.demonstration, "whole", source.demonstration)
    count = len(source.demonstration.steps)
    observations, values = [], []
    with closing(task.make_env()) as env:
        task.reset(env, whole.opening)
        for place, step in enumerate(whole.steps):
            if place >= first + count:
                break
            played = _value(task, step.action, env)
            if place >= first:
                observations.append(mapped.observe(env))
                said = source.actions[place - first] if source.actions else None
                values.append(played if said is None else _value(task, said, env))
            task.step(env, played, step.outcome)
    actions = mapped.unread(np.stack([np.asarray(v, np.float64).reshape(-1) for v in values]))
    return Shown(observations=observations, actions=actions.astype(np.float32))


def _value(task: Task[Any], action: str, env: Any) -> Any:
    parsed = task.parse(action, env)
    if parsed.status != "ok":
        raise ContractError(f"{task.name} does not take its own action {action!r}: {parsed.reason}")
    return parsed.value


def numbers(sent: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yields the arrays of what is sent, wherever they stand in it."""
    if isinstance(sent, np.ndarray):
        yield sent
    elif isinstance(sent, dict):
        for one in sent.values():
            yield from numbers(one)
