"""Registries: names to factories, by decorator, by path and by entry point."""

import subprocess
import sys
from textwrap import dedent

import pytest

from icil.tasks import ContractError, UnknownNameError, UsageError, make, names, register, tasks
from icil.tasks.gridworld import Gridworld
from icil.tasks.registry import Registry


@pytest.fixture
def registry():
    paths = {"gridworld": "icil.tasks.gridworld:Gridworld", "absent": "icil.no_such_module:Thing"}
    return Registry("toy", "icil.toys", paths)


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Returns a function that installs a distribution with entry points, as pip would."""

    def install(name, entry_points, source):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(dedent(entry_points), encoding="utf-8")
        (tmp_path / f"{name}.py").write_text(dedent(source), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    before = set(sys.modules)
    yield install
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[module]


def test_a_decorated_class_is_found_and_is_itself(registry):
    @registry.register("ball")
    class Ball:
        pass

    assert Ball.__name__ == "Ball"
    assert type(registry.make("ball")) is Ball
    assert registry.make("ball") is not registry.make("ball")
    assert registry.names() == ("absent", "ball", "gridworld")


@pytest.mark.parametrize("name", ["gridworld", "absent", "ball"])
def test_a_name_is_given_once(registry, name):
    registry.register("ball")(object)
    with pytest.raises(ContractError, match=f"there is a toy named '{name}' already"):
        registry.register(name)(object)


def test_a_path_is_imported_when_it_is_used(registry):
    assert registry.names() == ("absent", "gridworld")
    assert isinstance(registry.make("gridworld"), Gridworld)
    with pytest.raises(
        ContractError, match=r"'absent' cannot be imported from icil\.no_such_module"
    ):
        registry.make("absent")


def test_listing_tasks_imports_none():
    program = """
import sys
from icil.tasks import names
assert {"gridworld", "tic_tac_toe"} <= set(names())
print([name for name in sys.modules if name.startswith(("icil.tasks.grid", "icil.tasks.tic"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("cup/red", "red"),
        ("cup/red/big", "red/big"),
        ("cup/saucer/gold", "gold"),
        ("tea:earl grey", "earl grey"),
        ("pot@host:80/x", "host:80/x"),
    ],
)
def test_families_make_members_with_what_follows_their_name(registry, name, argument):
    for family in ("cup/", "cup/saucer/", "tea:", "pot@"):
        registry.register(family)(lambda argument, family=family: (family, argument))
    found = registry.find(name)
    assert found.argument == argument
    assert "".join(registry.make(name)) == name


def test_the_full_name_goes_before_the_family(registry):
    registry.register("cup/")(lambda argument: argument)
    registry.register("cup/red")(lambda: "the red one")
    assert registry.make("cup/red") == "the red one"
    assert registry.make("cup/blue") == "blue"


@pytest.mark.parametrize("name", ["cup/", "cup", "tea:", "tea"])
def test_a_family_alone_needs_a_member(registry, name):
    registry.register("cup/")(lambda colour, *, size=1: colour)
    registry.register("tea:")(lambda sort: sort)
    family, member = ("cup/", "cup/COLOUR") if name.startswith("cup") else ("tea:", "tea:SORT")
    with pytest.raises(UsageError) as error:
        registry.make(name)
    assert str(error.value) == (
        f"'{family}' is a family of toys and needs a member, such as '{member}'"
    )


@pytest.mark.parametrize("name", ["cu/red", "cu", "/", ""])
def test_what_is_no_family_is_unknown(registry, name):
    registry.register("cup/")(lambda argument: argument)
    with pytest.raises(UnknownNameError):
        registry.make(name)


def test_the_families_of_tasks_name_what_they_need():
    for family, member in (("atari/", "atari/GAME"), ("gym:", "gym:ID")):
        with pytest.raises(UsageError, match=f"needs a member, such as '{member}'"):
            make(family)


def test_a_setting_of_what_has_none(registry):
    with pytest.raises(UnknownNameError, match=r"^unknown setting 'walls'; there are none$"):
        registry.make("gridworld", {"walls": 3})


def test_families_are_no_members(registry):
    for family in ("cup/", "tea:", "pot@"):
        registry.register(family)(lambda argument: argument)
    assert registry.names() == ("absent", "cup/", "gridworld", "pot@", "tea:")
    assert registry.members() == ("absent", "gridworld")


def test_an_unknown_name_is_answered_with_the_nearest(registry):
    with pytest.raises(UnknownNameError, match=r"^unknown toy 'gridwrold'; did you mean 'gridwor"):
        registry.make("gridwrold")
    with pytest.raises(UnknownNameError, match=r"^unknown toy 'zzz'; known: absent, gridworld$"):
        registry.make("zzz")


def test_entry_points_of_others_are_found(registry, plug_in):
    plug_in(
        "icil_toys_of_others",
        """
        [icil.toys]
        kite = icil_toys_of_others:Kite
        deck/ = icil_toys_of_others:card
        [icil.others]
        boat = icil_toys_of_others:Boat
        """,
        """
        class Kite:
            pass

        def card(name):
            return f"the {name}"
        """,
    )
    assert registry.names() == ("absent", "deck/", "gridworld", "kite")
    assert "icil_toys_of_others" not in sys.modules
    assert type(registry.make("kite")).__module__ == "icil_toys_of_others"
    assert registry.make("deck/queen") == "the queen"
    with pytest.raises(UnknownNameError, match="did you mean 'kite'"):
        registry.make("kites")


def test_entry_points_cannot_replace_what_is_built_in(registry, plug_in):
    points = "[icil.toys]\ngridworld = icil_impostor:Impostor\n"
    plug_in("icil_impostor", points, "class Impostor: pass")
    assert isinstance(registry.make("gridworld"), Gridworld)


def test_entry_points_keep_their_names_from_decorators(registry, plug_in):
    plug_in("icil_first", "[icil.toys]\nkite = icil_first:Kite\n", "class Kite: pass")
    with pytest.raises(ContractError, match="kite"):
        registry.register("kite")(object)


def test_a_decorator_may_register_what_an_entry_point_lists(plug_in, monkeypatch):
    """So that a plug-in is found once, whether it was imported or installed."""
    monkeypatch.setattr(tasks, "_REGISTRY", Registry("task", "icil.tasks", {}))
    plug_in(
        "icil_both",
        "[icil.tasks]\nkite = icil_both:Kite\nball = icil_both:Ball\n",
        """
        from icil.tasks import register

        @register("kite")
        class Kite:
            pass

        class Ball:
            pass
        """,
    )
    assert type(make("kite")).__name__ == "Kite"
    import icil_both

    assert type(make("kite")) is icil_both.Kite
    with pytest.raises(ContractError, match="there is a task named 'ball' already"):
        register("ball")(type("Ball", (), {"__module__": "elsewhere", "__qualname__": "Ball"}))


def test_tasks_are_made_by_name(monkeypatch):
    assert {"gridworld", "tic_tac_toe"} <= set(names())
    assert all(make(name).name == name for name in ("gridworld", "tic_tac_toe"))
    with pytest.raises(UnknownNameError, match="unknown task 'tictactoe'; did you mean 'tic_tac"):
        make("tictactoe")
    monkeypatch.setattr(tasks, "_REGISTRY", Registry("task", "icil.tasks", {}))
    register("mine")(Gridworld)
    assert "mine" in names()
    assert isinstance(make("mine"), Gridworld)


def test_a_format_that_a_task_has_not_is_answered_with_those_it_has():
    task = Gridworld()
    task.check_format("coords")
    with pytest.raises(UnknownNameError, match="format for gridworld: 'coord'; did you mean 'coor"):
        task.check_format("coord")
