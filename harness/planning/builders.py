"""The prompt builders of a plan."""

from collections.abc import Hashable

from icil.harness.planning.cells import Cell
from icil.prompt_builders import PromptBuilder, Template


class Builders:
    """Makes prompt builders, one for each task, format and set of options.

    Args:
        template: The wording of the prompts.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self._made: dict[Hashable, PromptBuilder] = {}

    def __call__(self, cell: Cell) -> PromptBuilder:
        """Returns that of a cell."""
        key = (cell.record.task, cell.record.format, cell.options)
        if key not in self._made:
            self._made[key] = PromptBuilder(
                cell.task.task, cell.record.format, self._template, cell.options
            )
        return self._made[key]
