"""Names of agents that tell rows apart which differ in their options, or their run, alone."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icil.results.scored import ScoredCell

_SHORT = 8
"""Characters of a value that is shown, where it is a hash."""


def label_agents(cells: Sequence["ScoredCell"]) -> list[str]:
    """Returns for each cell its agent's name, with the options that differ in brackets.

    An agent's options differ where two of its cells agree in all else that a row shows; they
    stand behind its name in all its cells then: `model [legal_actions]`, `model [layout=chat]`.
    Where cells of several runs still have the same name, the run stands there as well.
    """
    swept: dict[str, set[str]] = {}
    for group in _groups(cells, [cell.player for cell in cells]):
        keys = {key for i in group for key in cells[i].options}
        for key in keys:
            if len({repr(cells[i].options.get(key)) for i in group}) > 1:
                swept.setdefault(cells[group[0]].player, set()).add(key)
    told = [
        [_told(key, cell.options.get(key)) for key in sorted(swept.get(cell.player, ()))]
        for cell in cells
    ]
    names = [_name(cell.player, words) for cell, words in zip(cells, told, strict=True)]
    again = {names[group[0]] for group in _groups(cells, names) if len(group) > 1}
    return [
        _name(cell.player, [*words, f"run={cell.source.run}"]) if name in again else name
        for cell, name, words in zip(cells, names, told, strict=True)
    ]


def _groups(cells: Sequence["ScoredCell"], names: Sequence[str]) -> Iterable[list[int]]:
    """Returns the places of the cells that agree in task, format, name and what is shown."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, (cell, name) in enumerate(zip(cells, names, strict=True)):
        found.setdefault((cell.task, cell.formats, name, cell.shown), []).append(i)
    return found.values()


def _name(player: str, words: Iterable[str]) -> str:
    inside = ", ".join(word for word in words if word)
    return f"{player} [{inside}]" if inside else player


def _told(key: str, value: Any) -> str:
    """Returns an option in a word; empty where a cell has none of that name."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return key if value else f"no {key}"
    if isinstance(value, list):  # `demo_sets`: how many, then of how many episodes
        value = value[0]
    return f"{key}={str(value)[:_SHORT] if key == 'template' else value}"
