"""Options in words, where cells differ in them alone."""

from collections.abc import Iterator, Sequence

from icil.results import CellRecord


def swept_options(cells: Sequence[CellRecord]) -> list[str]:
    """Returns for each cell the options that tell it from others of its agent; mostly nothing.

    An option is told of all the cells of an agent of which two differ in nothing else.
    """
    alike: dict[tuple[object, ...], list[CellRecord]] = {}
    for cell in cells:
        size = cell.demonstrations, cell.context_tokens
        place = (cell.task, cell.format, cell.agent, cell.selector, *size)
        alike.setdefault(place, []).append(cell)
    swept: dict[str, set[str]] = {}
    for group in alike.values():
        for name in {name for cell in group for name in cell.options}:
            if any(cell.options.get(name) != group[0].options.get(name) for cell in group):
                swept.setdefault(group[0].agent, set()).add(name)
    return [", ".join(_words(cell, sorted(swept.get(cell.agent, ())))) for cell in cells]


def _words(cell: CellRecord, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        value = cell.options.get(name)
        if isinstance(value, bool):
            yield name if value else f"no {name}"
        elif isinstance(value, list):  # sets of demonstrations, and the episodes that share them
            yield f"{name}={value[0]}"
        elif value is not None:
            yield f"{name}={value}"
