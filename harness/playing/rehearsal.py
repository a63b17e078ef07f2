"""The rehearsal: each task is tried out before anything is written or sent.

What a machine lacks (a chess engine, a rendering back end, a library) is found here, where
it costs nothing, and not in the middle of a run.
"""

from collections.abc import Sequence
from contextlib import closing

from icil.harness.planning.cells import Cell
from icil.harness.planning.plan import Plan
from icil.harness.playing.recorded import is_recorded
from icil.tasks import ContractError, sample_action
from icil.tasks.seeding import generator


def rehearse(plan: Plan) -> None:
    """Puts each task into its first opening, shows it in each format played, takes a step.

    May take long: call it in a thread.

    Raises:
        UsageError: Something is missing; the message says what, and how to get it.
    """
    for name in plan.tasks:
        cells = [cell for cell in plan.cells if cell.record.task == name]
        played = [cell for cell in cells if not is_recorded(cell, plan.experiment)]
        if played:
            _try_out(plan, played)


def _try_out(plan: Plan, cells: Sequence[Cell]) -> None:
    task = cells[0].task.task
    start = next(plan.starts(cells[0]))
    with closing(task.make_env()) as env:
        task.reset(env, start.opening)
        for format in sorted({cell.record.format for cell in cells} - {""}):
            task.observe(env, format)
        rng = generator("rehearsal", task.name, task.version)
        action = sample_action(task.legal_actions(env), rng)
        parsed = task.parse(action, env)
        if parsed.status != "ok":
            raise ContractError(
                f"{task.name} does not take its own action {action!r}: {parsed.reason}"
            )
        task.step(env, parsed.value)
    if any(cell.record.agent == "expert" for cell in cells):
        task.plain.expert().close()
