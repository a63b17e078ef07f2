"""Ways to choose and show demonstrations: the selectors of an experiment with their controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from icil.harness.planning.experiment import Experiment
from icil.prompt_builders import Selector, selectors
from icil.prompt_builders.controls import Alteration, Control, Controlled, Stage, read_controlled
from icil.prompt_builders.selectors.score_files import file_of, with_file
from icil.tasks import Pool, Task


@dataclass(frozen=True, eq=False)
class Way:
    """A selector with controls, at work on one task in one format."""

    controlled: Controlled
    selector: Selector | None
    """None where there is nothing to choose."""
    alterations: tuple[Alteration, ...] = ()
    """Those of its controls, in the order in which they are applied."""

    @property
    def name(self) -> str:
        """Its name in the leaderboard, such as `random+noise=0.25`."""
        return self.controlled.name

    @property
    def task(self) -> Task[Any] | None:
        """The task that is played in place of the cell's; None for that one."""
        return next((one.task for one in self.alterations if one.task is not None), None)

    @property
    def unchosen(self) -> "Way":
        """The same controls, where there is nothing to choose."""
        return Way(Controlled("", self.controlled.controls), None, self.alterations)


NOTHING_SHOWN = Way(Controlled("", ()), None)
"""That of a cell without demonstrations."""


def control_settings(alterations: Iterable[Alteration]) -> dict[str, Any]:
    """Returns what the names of controls do not tell, as JSON."""
    return {key: value for one in alterations for key, value in one.settings.items()}


class Ways:
    """Those of an experiment: each selector, and each again with each of `control`.

    Args:
        experiment: The experiment.

    Raises:
        UnknownNameError: There is no such selector or control.
        UsageError: A control takes no such value, or two cannot go together.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        names = [
            name + control
            for name in experiment.selector
            for control in ("", *(f"+{one}" for one in experiment.control))
        ]
        read = [read_controlled(name) for name in names]
        self.names = tuple(dict.fromkeys(one.name for one in read))
        made = dict.fromkeys(one.selector for one in read)
        self.selectors = {name: selectors.make(_placed(name, experiment)) for name in made}
        self._bound: dict[tuple[str, str, str, str], Alteration] = {}
        """By control, task, format and pool: what they have made, other selectors need as well."""

    def selector_of(self, name: str) -> str:
        """Returns the selector of a way, as it is named."""
        return read_controlled(name).selector

    def bind(self, name: str, task: Task[Any], format: str, pool: Pool | None) -> Way:
        """Returns a way of the experiment at work.

        Args:
            name: Its name, or that of its controls alone (`+noise=0.25`).
            task: The task.
            format: One of its formats.
            pool: What is chosen from; None where no cell shows demonstrations.

        Raises:
            UsageError: One of its controls makes no sense there.
        """
        controlled, experiment = read_controlled(name), self._experiment
        selector = self.selectors[controlled.selector] if controlled.selector else None
        if pool is None:
            return Way(controlled, selector)
        if selector is not None:
            selector.check(task, format, pool)
        stage = Stage(
            task=task,
            format=format,
            pool=pool,
            seed=experiment.seed,
            most=max(experiment.demos),
            window=experiment.window,
        )
        return Way(controlled, selector, tuple(self._bind(c, stage) for c in controlled.controls))

    def _bind(self, control: Control, stage: Stage) -> Alteration:
        key = (control.name, stage.task.name, stage.format, stage.pool.hash)
        if key not in self._bound:
            self._bound[key] = control.bind(stage)
        return self._bound[key]


def _placed(name: str, experiment: Experiment) -> str:
    """Returns a selector's name with where its file of scores is, if it has one."""
    path = file_of(name)
    if path is None:
        return name
    return with_file(name, next((one for one in experiment.scores if one.name == path.name), path))


def unchosen(ways: Sequence[Way]) -> Sequence[Way]:
    """Returns the ways that are left where there is nothing to choose: one for each control."""
    return list({way.controlled.suffix: way.unchosen for way in ways}.values())
