"""Templates: the wording of a prompt, in a file that a user can replace."""

import hashlib
from functools import cached_property
from pathlib import Path
from string import Template as Placeholders
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from icil.tasks.errors import TemplateError, suggestion

DEFAULT = Path(__file__).parent / "templates" / "default.yaml"

_PLACEHOLDERS: dict[str, frozenset[str]] = {
    "demonstration_start": frozenset({"number"}),
    "demonstration_end": frozenset({"number"}),
    "observation": frozenset({"observation"}),
    "action": frozenset({"action"}),
    "legal_actions": frozenset({"legal_actions"}),
}
_REQUIRED = {"observation": "observation", "action": "action", "legal_actions": "legal_actions"}


class Template(BaseModel):
    """The pieces of a prompt; what each is for stands in `templates/default.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    preamble: str
    preamble_without_demonstrations: str
    demonstration_start: str
    demonstration_end: str
    episode_start: str
    observation: str
    action: str
    legal_actions: str
    question: str
    question_with_reasoning: str

    @cached_property
    def hash(self) -> str:
        """BLAKE2b of all the pieces, as 32 hexadecimal digits."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=16).hexdigest()

    def fill(self, piece: str, **values: str) -> str:
        """Returns a piece with its placeholders filled in."""
        return Placeholders(getattr(self, piece)).substitute(values)

    def around(self, piece: str, placeholder: str) -> tuple[str, str]:
        """Returns what stands before and after a piece's placeholder."""
        mark = "\0icil\0"
        before, _, after = self.fill(piece, **{placeholder: mark}).partition(mark)
        return before, after


def load_template(path: Path = DEFAULT) -> Template:
    """Reads a template file and checks it.

    Raises:
        TemplateError: It cannot be read; a piece is missing, unknown or no text; a
            placeholder is unknown, or one that its piece needs is missing or doubled.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemplateError(f"template {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise TemplateError(f"template {path} is not YAML: {_one_line(error)}") from error
    if not isinstance(content, dict):
        raise TemplateError(f"template {path}: expected pieces by name, as in {DEFAULT.name}")
    try:
        template = Template.model_validate(content)
    except ValidationError as error:
        raise TemplateError(f"template {path}: {_first(error)}") from error
    for piece in Template.model_fields:
        _check_piece(template, piece, path)
    return template


def _check_piece(template: Template, piece: str, path: Path) -> None:
    where = f"template {path}: {piece}"
    text = getattr(template, piece)
    known = _PLACEHOLDERS.get(piece, frozenset())
    found: list[str] = []
    for match in Placeholders.pattern.finditer(text):
        if match.group("invalid") is not None:
            raise TemplateError(f"{where}: a lone '$'; write '$$' for a dollar sign")
        if name := match.group("named") or match.group("braced"):
            found.append(name)
    for name in found:
        if name not in known:
            hint = suggestion(f"${name}", [f"${one}" for one in known])
            raise TemplateError(f"{where}: unknown placeholder '${name}'{hint}")
    needed = _REQUIRED.get(piece)
    if needed and found.count(needed) != 1:
        raise TemplateError(
            f"{where}: expected '${needed}' exactly once, found it {found.count(needed)} times"
        )


def _first(error: ValidationError) -> str:
    # A misspelt piece is an unknown and a missing one: the unknown one tells more.
    problem = min(error.errors(), key=lambda found: found["type"] == "missing")
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"the piece {name!r} is missing"
    if problem["type"] == "extra_forbidden":
        return f"unknown piece {name!r}{suggestion(name, Template.model_fields)}"
    return f"{name}: expected a text, got {problem['input']!r}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
