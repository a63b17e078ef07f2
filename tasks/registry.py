"""Registries: names to factories, by decorator and by entry point.

A name that ends in `/`, `:` or `@` is a family: `atari/` makes `atari/phoenix` with the
argument `phoenix`. Built-in names are given as `module:attribute` and imported when used,
so that listing names imports nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar

from icil.tasks.errors import ContractError, UnknownNameError, UsageError

T = TypeVar("T")
Factory = TypeVar("Factory", bound=Callable[..., object])

_FAMILY_ENDINGS = ("/", ":", "@")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A factory and, for a member of a family, what follows the family's name."""

    factory: Callable[..., T]
    argument: str | None

    def make(self, settings: Mapping[str, Any] | None = None) -> T:
        """Calls the factory, with the argument if there is one.

        Raises:
            UnknownNameError: It has no such setting; the message names the nearest.
        """
        given = () if self.argument is None else (self.argument,)
        if settings:
            kinds = {p.kind for p in signature(self.factory).parameters.values()}
            for name in settings:
                # One that takes any name knows better which are right.
                if name not in self.settings and Parameter.VAR_KEYWORD not in kinds:
                    raise UnknownNameError("setting", name, self.settings)
        return self.factory(*given, **(settings or {}))

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings that it takes."""
        parameters = signature(self.factory).parameters.values()
        return tuple(p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY)


class Registry(Generic[T]):
    """The names of one kind of thing.

    Args:
        noun: What it holds, for messages: `task`.
        group: The entry-point group that third parties use: `icil.tasks`.
        builtin: Names to `module:attribute`.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str]) -> None:
        self.noun, self.group = noun, group
        self._paths = dict(builtin)
        self._factories: dict[str, Callable[..., T]] = {}
        self._plugins_listed = False

    def register(self, name: str) -> Callable[[Factory], Factory]:
        """Returns a decorator that registers a class or function under `name`.

        Raises:
            ContractError: The name is taken.
        """

        def decorate(factory: Factory) -> Factory:
            listed = self._all_paths().get(name)
            own = f"{factory.__module__}:{factory.__qualname__}"
            if name in self._factories or listed not in (None, own):
                raise ContractError(f"there is a {self.noun} named {name!r} already")
            self._factories[name] = factory  # type: ignore[assignment]
            return factory

        return decorate

    def names(self) -> tuple[str, ...]:
        """Returns all the names, sorted; those of families keep their ending."""
        return tuple(sorted({*self._factories, *self._all_paths()}))

    def members(self) -> tuple[str, ...]:
        """Returns the names that make a thing as they are: all but those of families."""
        return tuple(name for name in self.names() if not name.endswith(_FAMILY_ENDINGS))

    def find(self, name: str) -> Found[T]:
        """Returns the factory for a name.

        Raises:
            UnknownNameError: Nothing has this name.
            UsageError: It is the name of a family; the message says how its members are named.
        """
        if name in self.names() and not name.endswith(_FAMILY_ENDINGS):
            return Found(self.factory(name), None)
        families = [f for f in self.names() if f.endswith(_FAMILY_ENDINGS) and name.startswith(f)]
        if families:
            family = max(families, key=len)
            if argument := name.removeprefix(family):
                return Found(self.factory(family), argument)
        for family in self.names():
            if family.endswith(_FAMILY_ENDINGS) and name in (family, family[:-1]):
                raise UsageError(
                    f"{family!r} is a family of {self.noun}s and needs a member, such as "
                    f"{self._member(family)!r}"
                )
        raise UnknownNameError(self.noun, name, self.names())

    def make(self, name: str, settings: Mapping[str, Any] | None = None) -> T:
        """Makes the thing that a name stands for.

        Raises:
            UnknownNameError: Nothing has this name, or it has no such setting.
            UsageError: It is the name of a family.
        """
        return self.find(name).make(settings)

    def factory(self, name: str) -> Callable[..., T]:
        """Returns what makes the thing, or the members of the family, of one of `names`.

        Raises:
            ContractError: It cannot be imported.
        """
        if name not in self._factories:
            point = EntryPoint(name, self._all_paths()[name], self.group)
            try:
                self._factories[name] = point.load()
            except (ImportError, AttributeError) as error:
                raise ContractError(
                    f"the {self.noun} {name!r} cannot be imported from {point.value}: {error}"
                ) from error
        return self._factories[name]

    def _member(self, family: str) -> str:
        """Returns how a member of a family is named, by what its factory takes: `atari/GAME`."""
        return family + next(iter(signature(self.factory(family)).parameters), "name").upper()

    def _all_paths(self) -> Mapping[str, str]:
        if not self._plugins_listed:
            self._plugins_listed = True
            for point in sorted(entry_points(group=self.group)):
                self._paths.setdefault(point.name, point.value)
        return self._paths


def load_named(kind: str, name: str) -> Any:
    """Returns what `module:attribute` names.

    Args:
        kind: What it is to be, for messages, such as `expert`.
        name: The module, which is imported, and the attribute.

    Raises:
        UsageError: It cannot be imported.
    """
    try:
        return EntryPoint(kind, name, kind).load()
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"the {kind} {name} cannot be imported: {error}; it is named as MODULE:NAME, and its "
            "module must be installed or its folder be on PYTHONPATH"
        ) from error
