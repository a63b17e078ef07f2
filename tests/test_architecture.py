"""The shape of the code: who imports whom, what is public, what a cold start costs."""

import ast
import importlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tasks", "prompt_builders", "results", "harness")
MAY_IMPORT = {
    "tasks": {"tasks"},
    "prompt_builders": {"prompt_builders", "tasks"},
    "results": {"results", "tasks"},
    "harness": set(PACKAGES),
}
HEAVY = {
    "aiohttp",
    "ale_py",
    "anthropic",
    "chess",
    "dm_control",
    "google.generativeai",
    "gymnasium",
    "litellm",
    "matplotlib",
    "mujoco",
    "numpy",
    "openai",
    "pandas",
    "PIL",
    "pydantic",
    "rich.progress",
    "scipy",
    "sklearn",
    "tenacity",
    "tiktoken",
    "torch",
    "transformers",
}
ROOMS = (
    {"models"},
    {"agents", "policies"},
    {"planning"},
    {"folders"},
    {"estimates"},
    {"playing"},
    {"fake_server", "imitation", "synthesis"},
    {"verifying"},
    {"cli"},
)
"""Of the harness: each may import from its own level and from those before it."""
LONGEST = 500


class Import(NamedTuple):
    """One name that a module imports: `target` may be a module, or a name in one."""

    target: str
    line: int
    at_module_level: bool


def modules() -> dict[str, Path]:
    """The four packages' modules, by their dotted names."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(("icil", *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str) -> list[Import]:
    """Every import of a module: in functions and under TYPE_CHECKING too."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[Import] = []

    def visit(node: ast.AST, at_module_level: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, at_module_level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            found.extend(
                Import(f"{base}.{alias.name}", node.lineno, at_module_level) for alias in node.names
            )
        inner = at_module_level and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, False)
            for child in node.orelse:
                visit(child, inner)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def module_of(target: str, known: Mapping[str, object]) -> str | None:
    """The module that an import runs: the longest known beginning of its target."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target or None


def calls(name: str, function: str) -> Iterator[int]:
    """The lines on which a module calls a function by its plain name."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == function
        ):
            yield node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_of_import_point_one_way(package: str) -> None:
    wrong = []
    for name in MODULES:
        if name.split(".")[1] != package:
            continue
        for target, line, _ in imports(name):
            parts = [*target.split("."), ""]
            if parts[0] == "icil" and parts[1] not in MAY_IMPORT[package]:
                wrong.append(f"{name}:{line} imports {target}")
    assert wrong == []


def test_the_rooms_of_the_harness_build_on_those_below() -> None:
    level = {room: place for place, rooms in enumerate(ROOMS) for room in rooms}
    wrong = []
    for name in MODULES:
        _, package, *rest = name.split(".")
        if package != "harness" or not rest or rest[0] not in level:
            continue
        for target, line, _ in imports(name):
            parts = [*target.split("."), "", ""]
            if parts[:2] == ["icil", "harness"] and level.get(parts[2], 0) > level[rest[0]]:
                wrong.append(f"{name}:{line} imports {target}")
    assert wrong == []


def test_no_module_is_in_a_cycle_of_module_level_imports() -> None:
    # The packages above a module run first, but only their own imports can close a circle:
    # a package that imports its modules to show their names is no cycle unless one asks for it.
    arrows = {
        name: {
            target
            for target, _, at_module_level in imports(name)
            if at_module_level
            for target in [module_of(target, MODULES)]
            if target is not None and target != name
        }
        for name in MODULES
    }
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail("a cycle of imports: " + " → ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_public_is_sorted_and_there(package: str) -> None:
    module = importlib.import_module(f"icil.{package}")
    names = module.__all__
    assert list(names) == sorted(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_only_the_command_line_prints() -> None:
    inside = "icil.harness.cli"
    printing = [
        f"{name}:{line}"
        for name in MODULES
        if name != inside and not name.startswith(inside + ".")
        for line in calls(name, "print")
    ]
    assert printing == []


def test_the_command_is_the_one_that_is_installed() -> None:
    (command,) = importlib.metadata.distribution("icil").entry_points.select(
        group="console_scripts"
    )
    assert (command.name, command.value) == ("icil", "icil.harness.cli:main")


def test_help_imports_nothing_heavy() -> None:
    # What the interpreter itself has loaded at its start, by .pth files of others, is not ours.
    program = """
import sys
before = set(sys.modules)
from icil.harness.cli import main
sys.argv = ["icil", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
import json
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    *shown, listed = done.stdout.splitlines()
    assert "Usage: icil" in "\n".join(shown)
    assert HEAVY.intersection(json.loads(listed)) == set()
