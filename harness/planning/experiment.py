"""Experiments: everything that decides what a run plays, in one frozen value.

The same words are the command line's options, the keys of an experiment file and the
fields of this class.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from icil.harness.agents.reading import Reader
from icil.harness.planning.leaks import Leaks
from icil.prompt_builders.selectors.score_files import file_of, with_file
from icil.tasks.errors import ExperimentError, suggestion


def listed(value: Any) -> Any:
    """Takes one value for a list of one, a text with commas for a list; drops repeats."""
    given = value if isinstance(value, list | tuple) else [value]
    value = []
    for item in given:
        pieces = item.split(",") if isinstance(item, str) else [item]
        value.extend(p.strip() if isinstance(p, str) else p for p in pieces if p != "")
    try:
        return tuple(dict.fromkeys(value))
    except TypeError:  # not hashable, so not a name or number: let validation say so
        return tuple(value)


def _numbers(value: Any) -> Any:
    return tuple(
        int(item) if isinstance(item, str) and item.isascii() and item.isdigit() else item
        for item in listed(value)
    )


def _token_counts(value: Any) -> Any:
    """Takes 8k for 8,000 and 1m for a million."""
    return tuple(_token_count(item) for item in listed(value))


def _token_count(item: Any) -> Any:
    found = re.fullmatch(r"(\d+)([km]?)", item.lower()) if isinstance(item, str) else None
    return item if found is None else int(found[1]) * _UNITS[found[2]]


_UNITS = {"": 1, "k": 1000, "m": 1_000_000}


def _path(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("no path holds a null character")
    return Path(value) if isinstance(value, str) and value else value


def _paths(value: Any) -> Any:
    return tuple(_path(item) for item in listed(value))


def _choice(*known: Any) -> Callable[[Any], Any]:
    """Makes a validator that takes one of some values, or several, in whatever order."""

    def read(value: Any) -> Any:
        given = [(type(item), item) for item in listed(value)]
        found = tuple(one for one in known if (type(one), one) in given)
        if not found or len(found) != len(given):
            raise ValueError
        return found[0] if len(found) == 1 else found

    return read


def _sets(value: Any) -> Any:
    """Takes numbers of demonstration sets; None, or `own`, where each episode has its own."""
    given = [None if item == OWN else item for item in _numbers(value)]
    counts = sorted({n for n in given if type(n) is int and n > 0})
    if not given or not all(n is None or n in counts for n in given):
        raise ValueError
    found = (*([None] if None in given else []), *counts)
    return found[0] if len(found) == 1 else found


OWN = "own"
"""Stands on the command line for a set of demonstrations of each episode's own."""
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
Layout = Literal["single", "chat"]
SWEPT = ("legal_actions", "reasoning", "past_actions", "layout", "demo_sets")
"""Fields that take one value, or several to sweep over; these are kept with the default first."""


class Experiment(BaseModel):
    """What to play. Lists take one value, or a text with commas, as well."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: Annotated[Names, Field(min_length=1)] = ("gridworld", "tic_tac_toe")
    """Names of tasks; `all` is every task. The default is two that take seconds to play."""
    format: Names = ()
    """Observation formats; none, or `all`, for all that each task has."""
    agent: Annotated[Names, Field(min_length=1)] = ("random", "expert", "nearest")
    selector: Annotated[Names, Field(min_length=1)] = ("random",)
    """Names of selectors, with controls behind them: `random+noise=0.25`."""
    control: Names = ()
    """Controls: each selector is played without and with each of them."""
    window: Annotated[int | None, Field(ge=1)] = None
    """Whether demonstrations are windows of so many steps; None for whole episodes."""
    demos: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_numbers), Field(min_length=1)
    ] = (0, 1, 4, 16, 64)
    """Numbers of demonstrations; 0 alone where `context_tokens` is given and this is not."""
    context_tokens: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_token_counts)
    ] = ()
    """Budgets: the context is filled with as many demonstrations as fit. In tokens."""
    episodes: Annotated[int, Field(ge=1)] = 100
    """How many evaluation openings each cell plays: the first so many of each task."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides which demonstrations are drawn and what replaces an illegal action; never the
    openings, which are the same in every run."""
    demo_sets: Annotated[int | tuple[int | None, ...] | None, BeforeValidator(_sets)] = None
    """How many sets of demonstrations are drawn, for the episodes to share; None, as in LMAct, for
    a set of its own for each episode. Sharing one costs far less where a provider caches. This and
    the next three, and `layout`, may be several: each makes cells of its own."""
    leaks: Leaks = "exclude"
    """Whether demonstrations that pass through an episode's opening, or nearly, are offered."""
    legal_actions: Annotated[bool | tuple[bool, ...], BeforeValidator(_choice(False, True))] = False
    """Whether the legal actions are listed at each step."""
    reasoning: Annotated[bool | tuple[bool, ...], BeforeValidator(_choice(False, True))] = False
    """Whether a model is asked to think in writing before it answers."""
    past_actions: Annotated[bool | tuple[bool, ...], BeforeValidator(_choice(True, False))] = True
    """Whether the current episode shows the actions taken so far."""
    teacher_forced: bool = False
    """Whether to play demonstrated episodes again, the agent's answers compared with the
    demonstrated actions but not played: LMAct's replay control. Needs `demos` of 1 or more."""
    held_out: bool = False
    """Whether an episode that is played again, in a teacher-forced run, is kept from its own
    prompt, with all that show its opening."""
    layout: Annotated[Layout | tuple[Layout, ...], BeforeValidator(_choice("single", "chat"))] = (
        "single"
    )
    """Whether a prompt is one message, as in LMAct, or a conversation whose other side said the
    demonstrated actions."""
    parse: Reader = "strict"
    """How replies are read: to the letter, as in LMAct, or leniently."""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = 0.0
    """Of the models, where they take one; None to send none."""
    max_output_tokens: Annotated[int | None, Field(ge=1)] = None
    """The longest reply; None for LMAct's: 2048, and 8192 of a model that reasons."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Settings of tasks and models: `NAME.SETTING` to a value."""
    template: Annotated[Path | None, BeforeValidator(_path)] = None
    """A template file; None for the wording that ships with icil."""
    prices: Annotated[Path | None, BeforeValidator(_path)] = None
    """A file with prices of models, which come before those that are known."""
    pool: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()
    """Folders with pools to use instead of those that ship, for the tasks they are of."""
    scores: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()
    """Files of scores that selectors name (`hard:by=scores.json`) by their own names; those that
    are named with where they are come to stand here."""

    @model_validator(mode="before")
    @classmethod
    def _with_scores(cls, given: Any) -> Any:
        """Takes the files in selectors' names apart from where they are."""
        return _apart(given, Path()) if isinstance(given, dict) else given

    @model_validator(mode="before")
    @classmethod
    def _without_numbers(cls, given: Any) -> Any:
        """Plays no numbers of demonstrations where budgets alone are asked for."""
        if isinstance(given, dict) and given.get("context_tokens") and "demos" not in given:
            return {**given, "demos": (0,)}
        return given

    def each(self, name: str) -> tuple[Any, ...]:
        """Returns the values of one of `SWEPT`, as a tuple also where there is one."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,)

    def settings_of(self, name: str) -> dict[str, Any]:
        """Returns the settings of a task or a model."""
        places = {key: key.rpartition(".") for key in self.set}
        return {place[2]: self.set[key] for key, place in places.items() if place[0] == name}


_EXPECTED = {
    "task": "names of tasks",
    "format": "names of observation formats",
    "agent": "names of agents",
    "selector": "names of selectors",
    "control": "names of controls, such as noise=0.25",
    "window": "a whole number of steps, 1 or more",
    "demos": "whole numbers, 0 or more, such as 0,1,4",
    "context_tokens": "numbers of tokens, such as 8k,32k,1m",
    "episodes": "a whole number, 1 or more",
    "demo_sets": "a whole number, 1 or more, or own",
    "leaks": "exclude or allow",
    "seed": "a whole number, 0 or more",
    "legal_actions": "true or false",
    "reasoning": "true or false",
    "past_actions": "true or false",
    "teacher_forced": "true or false",
    "held_out": "true or false",
    "layout": "single or chat",
    "parse": "strict or lenient",
    "temperature": "a number from 0 to 2, or null for the model's own",
    "max_output_tokens": "a whole number, 1 or more",
    "set": "settings such as chess.language: uci",
    "template": "the path of a template file",
    "prices": "the path of a file with prices",
    "pool": "folders of pools",
    "scores": "files of scores",
}


_MAY_BE_NULL = ("demo_sets", "max_output_tokens", "prices", "temperature", "template", "window")


def load_experiment(path: Path | None, options: Mapping[str, Any]) -> Experiment:
    """Makes an experiment of a YAML file and of options, which come before the file's keys.

    Args:
        path: The file; None for no file.
        options: Fields of `Experiment`; values of None count as not given.

    Raises:
        ExperimentError: The file cannot be read; a key is unknown or has a wrong value. The
            message names the file and the key, or the option, and says what was expected.
    """
    given = {key: value for key, value in options.items() if value is not None}
    for name in given:
        if name not in Experiment.model_fields:
            hint = suggestion(name, Experiment.model_fields)
            raise ExperimentError(f"unknown option {name!r}{hint}")
    content = _read(path) if path else {}
    if "selector" in given:
        content.pop("scores", None)  # they are those of the file's selectors
    try:
        return Experiment.model_validate({**content, **given})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        option = f"option --{key.replace('_', '-')}"
        where = option if key in given or path is None else f"{path}: {key}"
        place = "".join(f"[{index}]" for index in first["loc"][1:])
        got = first["input"] if place else {**content, **given}.get(key)
        where = f"{where}{place}"
        if isinstance(got, tuple) and len(got) == 1:
            (got,) = got  # an option that may be given more than once
        raise ExperimentError(f"{where}: expected {_EXPECTED[key]}, got {got!r}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ExperimentError(f"experiment {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML lets out the last two for dates that do not exist and for deep nesting.
        raise ExperimentError(
            f"experiment {path} is not YAML: {' '.join(str(error).split())}"
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ExperimentError(f"experiment {path}: expected keys and values, got {content!r:.60}")
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in Experiment.model_fields:
            hint = suggestion(name, Experiment.model_fields)
            raise ExperimentError(f"{path}: unknown key {key!r}{hint}")
        if value is None and name not in _MAY_BE_NULL:
            raise ExperimentError(f"{path}: {key}: expected {_EXPECTED[name]}, got nothing")
        found[name] = value
    for name in ("template", "prices", "pool", "scores"):
        if name in found:
            found[name] = _beside(path, found[name])
    return _apart(found, path.parent)


def _apart(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Takes selectors' files of scores apart from where they are, which is relative to a folder.

    Raises:
        ExperimentError: Two of them have the same name.
    """
    if "selector" not in given:
        return given
    files = [Path(item) for item in _paths(given.get("scores", ())) if isinstance(item, str | Path)]
    places, names = {file.name: file for file in files}, list[Any]()
    for name in listed(given["selector"]):
        path = file_of(name) if isinstance(name, str) else None
        if path is not None and (len(path.parts) > 1 or path.name not in places):
            if places.setdefault(path.name, folder / path) != folder / path:
                raise ExperimentError(
                    f"selector: {places[path.name]} and {folder / path} have the same name; "
                    "name one otherwise"
                )
            name = with_file(name, Path(path.name))
        names.append(name)
    return {**given, "selector": names, **({"scores": tuple(places.values())} if places else {})}


def _beside(file: Path, value: Any) -> Any:
    """Takes the paths in a file as relative to it."""
    if isinstance(value, list):
        return [_beside(file, item) for item in value]
    if isinstance(value, str) and value and "\0" not in value:
        return str(file.parent / value)
    return value
