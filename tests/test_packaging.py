"""The wheel holds the four packages, with their data, and nothing else."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tasks", "prompt_builders", "results", "harness")
DATA = (
    "py.typed",
    "pools/**/*",
    "references/**/*",
    "cheetah/*.json",
    "chess/*.tsv",
    "crossword/*.gz",
    "crossword/*.txt",
    "templates/**/*.yaml",
    "**/*.sql",
    "planning/near.json",
    "policies/presets/*.yaml",
    "published/*.csv",
    "published/*.md",
    "report/*.css",
    "report/*.html",
    "report/*.js",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*")


def tree(*patterns: str) -> set[str]:
    """The files of the four folders that match, by the names that they have in the wheel."""
    return {
        f"icil/{path.relative_to(ROOT).as_posix()}"
        for package in PACKAGES
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
        if path.is_file() and not path.name.startswith(".") and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built of a copy of the tree, with what is installed and without a network."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # What a developer has lying about must not be taken along.
    for name in ("tests", "docs", "benchmarks", "examples"):
        (source / name).mkdir()
        (source / name / "stray.py").touch()
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_modules_are_those_of_the_tree(names: set[str]) -> None:
    assert {name for name in names if name.endswith(".py")} == tree("**/*.py")


def test_the_data_are_those_of_the_tree(names: set[str]) -> None:
    inside = {name for name in names if name.startswith("icil/") and not name.endswith(".py")}
    assert inside == tree(*DATA)
    assert {f"icil/{package}/py.typed" for package in PACKAGES} <= inside


def test_one_name_goes_into_site_packages(names: set[str]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert tops == {"icil", f"icil-{version}.dist-info"}
    assert not [name for name in names if name.count("/") == 1 and name.startswith("icil/")]


def test_the_licence_and_the_command_are_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:

        def read(ending: str) -> str:
            (name,) = (name for name in archive.namelist() if name.endswith(ending))
            return archive.read(name).decode()

        assert read(".dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")
        assert "icil = icil.harness.cli:main" in read(".dist-info/entry_points.txt")
        metadata = Parser().parsestr(read(".dist-info/METADATA"))
    assert (metadata["Name"], metadata["License-Expression"]) == ("icil", "Apache-2.0")
