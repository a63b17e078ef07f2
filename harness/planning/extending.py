"""Pools that selectors extend: what some of them choose from is more than a task's own pool."""

from collections.abc import Mapping
from dataclasses import replace

from icil.harness.planning.cells import TaskPlan
from icil.harness.planning.experiment import Experiment
from icil.harness.planning.starts import EVALUATION, OpeningRange, with_openings
from icil.prompt_builders import Selector
from icil.prompt_builders.selectors.selector import Telling, in_silence
from icil.tasks import ExperimentError, Pool, UsageError
from icil.tasks.windows import windowed


def with_extensions(
    experiment: Experiment,
    plan: TaskPlan,
    whole: Pool | None,
    selectors: Mapping[str, Selector],
    openings: OpeningRange = EVALUATION,
    tell: Telling = in_silence,
) -> TaskPlan:
    """Returns a task with what each selector chooses from; may take long.

    Args:
        experiment: The experiment.
        plan: The task, with its openings.
        whole: Its pool, not cut into windows; None where no cell shows demonstrations.
        selectors: The selectors by name.
        openings: Those that are played.
        tell: Is told how far it is.

    Returns:
        The task; what cannot be chosen from is an error, for whoever asks for it.
    """
    extended: dict[str, TaskPlan | UsageError] = {}
    for name, selector in selectors.items() if whole is not None else ():
        if whole is None or type(selector).extend is Selector.extend:
            continue
        if experiment.teacher_forced:
            extended[name] = ExperimentError(
                f"selector {name}: teacher-forced episodes are those of the real demonstrations; "
                "leave out one of it and teacher_forced"
            )
            continue
        try:
            pool = selector.extend(plan.task, whole, tell)
            if experiment.window is not None:
                pool = windowed(plan.task, pool, experiment.window)
            extended[name] = with_openings(experiment, replace(plan, pool=pool), openings, tell)
        except UsageError as error:
            extended[name] = UsageError(f"selector {name}: {error}")
    return replace(plan, extended=extended)
