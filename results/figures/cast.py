"""The cast of a run: how each agent and selector is called and drawn, alike in all its pictures.

A colour stands for an agent, its shade and a line's kind for a selector. Marks differ with both,
so that agents are told apart without colour, and also when there are more of them than colours.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from icil.results.figures.colors import AGENTS, EXPERT, INK, RANDOM, SELECTORS, shade

PLAYERS = ("expert", "random")
"""The reference players: level lines where others have points."""
LONGEST = 36
"""How many characters of a name are shown."""
_MARKERS = "osD^vPX"
_LINES = ("-", "--", "-.", ":")
_SHADES = (0.0, -0.45, 0.4)
"""Of the selectors of an agent, as in `shade`."""
_PLAYERS = {"expert": (EXPERT, "--"), "random": (RANDOM, ":")}


class Series(NamedTuple):
    """What is one line of a picture."""

    agent: str
    selector: str
    """Empty where no demonstrations are chosen."""

    def shows(self, agent: str, selector: str) -> bool:
        """Whether a cell is on this line; one that chooses nothing is on all the agent's."""
        return agent == self.agent and selector in ("", self.selector)


class Look(NamedTuple):
    """How a series is drawn."""

    color: str
    marker: str
    line: str


class Cast:
    """The agents and selectors of a run.

    Args:
        cells: The agent and the selector of each cell.
    """

    def __init__(self, cells: Iterable[tuple[str, str]]) -> None:
        found = set(cells)
        agents = sorted({agent for agent, _ in found} - set(PLAYERS))
        selectors = sorted({selector for _, selector in found} - {""}, key=_random_first)
        self._agents = {agent: number for number, agent in enumerate(agents)}
        self._selectors = {selector: number for number, selector in enumerate(selectors)}
        self._names = short_names({name for cell in found for name in cell})
        self.series = tuple(
            Series(agent, selector)
            for agent in agents
            for selector in [s for s in selectors if (agent, s) in found] or [""]
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """Returns the agents, less the reference players, in the order in which they are shown."""
        return tuple(self._agents)

    def name(self, name: str) -> str:
        """Returns how an agent or a selector is called."""
        return self._names[name]

    def label(self, agent: str, selector: str) -> str:
        """Returns how a series is called; that of the usual selector by its agent alone."""
        if agent in PLAYERS or selector in ("", "random"):
            return self.name(agent)
        return f"{self.name(agent)}, {self.name(selector)}"

    def color(self, agent: str) -> str:
        """Returns the colour of an agent."""
        if agent in _PLAYERS:
            return _PLAYERS[agent][0]
        return AGENTS[self._agents[agent] % len(AGENTS)]

    def look(self, agent: str, selector: str) -> Look:
        """Returns how a series is drawn."""
        if agent in _PLAYERS:
            return Look(_PLAYERS[agent][0], "", _PLAYERS[agent][1])
        number, chosen = self._agents[agent], self._selectors.get(selector, 0)
        marker = _MARKERS[(number + number // len(AGENTS) + chosen) % len(_MARKERS)]
        color = shade(self.color(agent), _SHADES[chosen % len(_SHADES)])
        return Look(color, marker, _LINES[chosen % len(_LINES)])

    def selector_look(self, selector: str) -> Look:
        """Returns how a selector is drawn beside others of the same agent."""
        number = self._selectors[selector]
        color = INK if selector == "random" else SELECTORS[number % len(SELECTORS)]
        rounds = number // len(SELECTORS)
        return Look(color, _MARKERS[(number + rounds) % len(_MARKERS)], "-")


def short_names(names: Iterable[str], longest: int = LONGEST) -> Mapping[str, str]:
    """Returns names with those cut in the middle that are too long, all still different."""
    found = {name: cut(name, longest) for name in names}
    while len(set(found.values())) < len(found):
        longest += 8
        found = {name: cut(name, longest) for name in found}
    return found


def cut(name: str, longest: int) -> str:
    """Returns a name, cut in the middle if it has more characters than `longest`."""
    # What begins with an underscore is left out of a legend by matplotlib.
    name = f" {name}" if name.startswith("_") else name
    if len(name) <= longest:
        return name
    head = longest * 3 // 5
    return f"{name[:head]}…{name[-(longest - head - 1) :]}"


def _random_first(selector: str) -> tuple[bool, str]:
    return selector != "random", selector
