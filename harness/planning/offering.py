"""What is served of an experiment: its one agent, shown what it would be shown in a run."""

from icil.harness.planning.builders import Builders
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.harness.policies.openpi import check_installed
from icil.harness.policies.serving import Served
from icil.tasks.errors import ExperimentError


def offer(experiment: Experiment, key: str | None = None) -> Served:
    """Returns what is served.

    Args:
        experiment: One task, agent, selector and number of demonstrations; the first of the
            task's formats where it has several.
        key: Under which an observation holds what the format shows; None for `state`, or `image`.

    Raises:
        UsageError: It cannot be played, or not be served; or a library is missing.
    """
    check_installed("icil serve")
    plan = make_plan(experiment)
    name = experiment.agent[0]
    cells = [cell for cell in plan.cells if cell.record.agent == name and cell.record.format]
    if not cells:
        raise ExperimentError(f"{name} looks at no observation, and cannot be served")
    cell = cells[0]
    start = next(iter(plan.starts(cell)))
    image = cell.record.format in cell.task.task.image_formats
    return Served(
        agent=cell.agent,
        name=name,
        task=cell.task.task,
        format=cell.record.format,
        key=key or ("image" if image else "state"),
        builder=Builders(plan.template)(cell),
        selection=choose(cell, start, experiment.seed).selection,
        reader=experiment.parse,
        seed=experiment.seed,
    )
