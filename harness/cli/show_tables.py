"""What `icil show` shows: each thing as a table for people, and as fields for scripts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from icil.harness.cli.option_words import swept_options
from icil.harness.cli.plain import harmless, one_line, plain
from icil.harness.cli.tables import filled
from icil.prompt_builders.png import png_size
from icil.results import CellRecord
from icil.results.display import Headings, short
from icil.results.run import PromptPart, Run
from icil.tasks import RunFolderError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

_CELL = ("cell", "task", "format", "agent", "selector", "demonstrations", "context_tokens")
_STATES = ("done", "running", "error", "overlong")
_SEEN, _SAID = 60, 40
"""The most characters of what was new in a prompt, and of a reply, in a table."""
_TOLD = 1000
"""The most characters of a message."""
_FEW = 8
"""Episodes that are named before their message."""
_COUNTS = (
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "ambiguous",
    "cut",
)
_USAGE = """
SELECT e.cell, COUNT(*), SUM(s.input_tokens), SUM(s.cached_input_tokens),
       SUM(s.cache_write_tokens), SUM(s.output_tokens), SUM(s.reasoning_tokens), SUM(s.images),
       COUNT(CASE WHEN 'ok' IN (s.status, s.otherwise) THEN s.otherwise END),
       TOTAL(s.finish = 'length'),
       CASE WHEN COUNT(*) = COUNT(s.cost_usd) THEN TOTAL(s.cost_usd) END
FROM steps s JOIN episodes e ON e.id = s.episode
WHERE s.prompt IS NOT NULL OR s.latency_s IS NOT NULL
GROUP BY e.cell
"""
_STEPS = """
SELECT s.*, c.task, c.format, c.agent
FROM steps s
JOIN episodes e ON e.id = s.episode AND e.attempt = s.attempt
JOIN cells c ON c.id = e.cell
WHERE e.id = ?
ORDER BY s.step
"""
_HASH_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A run's cells and episodes."""

    cells: Sequence[Mapping[str, Any]]
    episodes: Sequence[Mapping[str, Any]]
    total: int
    """Episodes that were asked for, listed or not."""

    @property
    def usage(self) -> dict[str, Any]:
        """What the cells took together."""
        costs = [cell["cost_usd"] for cell in self.cells]
        return {
            **{name: sum(cell[name] for cell in self.cells) for name in _COUNTS},
            "cost_usd": None if None in costs else sum(costs),
        }

    def fields(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {
            "cells": list(self.cells),
            "usage": self.usage,
            "episodes": list(self.episodes),
            "total": self.total,
        }

    def print(self, console: Console) -> None:
        """Prints two tables, and why episodes did not end well."""
        _print([_cell_fields(cell) for cell in self.cells], console)
        if self.usage["calls"]:
            console.print(_told(self.usage), markup=False)
        _print([_episode_fields(one) for one in self.episodes], console)
        messages: dict[str, list[str]] = {}
        for one in self.episodes:
            if one["message"]:
                messages.setdefault(one["message"], []).append(str(one["episode"]))
        for message, numbers in messages.items():
            more = f" and {len(numbers) - _FEW} more" if len(numbers) > _FEW else ""
            told = f"{', '.join(numbers[:_FEW])}{more}: {one_line(message, _TOLD)}"
            console.print(plain(told), overflow="fold")
        if len(self.episodes) < self.total:
            console.print(
                f"{len(self.episodes)} of {self.total} episodes; --limit lists more of them"
            )


@dataclass(frozen=True, kw_only=True)
class EpisodeSteps:
    """An episode with its steps."""

    episode: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]

    def fields(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {"episode": dict(self.episode), "steps": list(self.steps)}

    def print(self, console: Console) -> None:
        """Prints a line and a table."""
        one = self.episode
        score = "" if one["score"] is None else f", score {one['score']:g}"
        message = f": {one_line(one['message'], 200)}" if one["message"] else ""
        name = " ".join(filter(None, _named(one)))
        told = f"episode {one['episode']}: {name}, opening {one['opening']}"
        console.print(plain(f"{told}: {one['status']}{score}{message}"))
        table = _table("step", "new in the prompt", "reply", "action", "status", "reward", "tokens")
        for step in self.steps:
            tokens = f"{step['input_tokens']} + {step['output_tokens']}"
            table.add_row(
                str(step["step"]),
                plain(one_line(step["new"], _SEEN)),
                plain(one_line(step["reply"], _SAID)),
                plain(one_line(step["action"], _SAID)),
                plain(step["status"]),
                "" if step["reward"] is None else f"{step['reward']:g}",
                tokens if step["input_tokens"] or step["output_tokens"] else "",
            )
        console.print(table)


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """All that is stored of a step."""

    step: Mapping[str, Any]

    def fields(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return dict(self.step)

    def print(self, console: Console) -> None:
        """Prints a line for each thing that is known, the reply last and whole."""
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in self.step.items():
            if value is not None and name != "reply":
                table.add_row(name, plain(str(value)))
        console.print(table)
        console.print("reply:")
        click.echo(harmless(self.step["reply"]))


@dataclass(frozen=True, kw_only=True)
class OnePrompt:
    """What was sent at a step."""

    episode: int
    step: int
    parts: Sequence[PromptPart]
    files: Mapping[str, Path]
    """Those that images were written to, by their hashes."""

    def fields(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {
            "episode": self.episode,
            "step": self.step,
            "parts": [self._fields(part) for part in self.parts],
        }

    def print(self, console: Console) -> None:
        """Prints the text as it was sent, with the name of each image in its place."""
        chat = any(part.kind == "said" for part in self.parts)
        role = ""
        for part in self.parts:
            speaks = "assistant" if part.kind == "said" else "user"
            if chat and speaks != role:
                role = speaks
                click.echo(f"\n--- {role} ---")
            text = self._image(part) if part.kind == "png" else part.content.decode()
            click.echo(harmless(text), nl=False)
        click.echo()

    def _image(self, part: PromptPart) -> str:
        width, height = png_size(part.content)
        name = self.files.get(part.hash, part.hash)
        return f"[image {name}, {width} × {height} pixels, {len(part.content)} bytes]"

    def _fields(self, part: PromptPart) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": part.kind, "hash": part.hash}
        if part.kind != "png":
            return {**found, "text": part.content.decode()}
        width, height = png_size(part.content)
        file = self.files.get(part.hash)
        size = {"width": width, "height": height, "bytes": len(part.content)}
        return {**found, **size, "file": None if file is None else str(file)}


def list_run(run: Run, filters: Mapping[str, str | None], limit: int | None) -> Listing:
    """Returns the cells and episodes of a run that are asked for.

    Args:
        run: The run.
        filters: Values of `task`, `agent`, `selector` and `status`; None for all.
        limit: The most episodes; None for all.

    Raises:
        UnknownNameError: The run has no such task, agent or selector.
    """
    cells, episodes = _labelled(run)
    for name in ("task", "agent", "selector"):
        value = filters[name]
        if value is None:
            continue
        known = set(cells[name])
        if value not in known:
            raise UnknownNameError(f"{name} in this run:", value, filter(None, known))
        cells, episodes = cells[cells[name] == value], episodes[episodes[name] == value]
    states = episodes.groupby(["cell", "status"]).size().to_dict()
    done = episodes[episodes["status"] == "done"]
    means = done.groupby("cell")["score"].mean().to_dict()
    usage = {cell: taken for cell, *taken in run.store.rows(_USAGE)[1]}
    listed = []
    for cell in _records(cells):
        number = cell["cell"]
        counts = {state: int(states.get((number, state), 0)) for state in _STATES}
        mean = means.get(number)
        *taken, cost = usage.get(number, [0] * (len(_COUNTS) + 1))
        listed.append(
            {
                **cell,
                **counts,
                "score_mean": None if mean is None else float(mean),
                **dict(zip(_COUNTS, map(int, taken), strict=True)),
                "cost_usd": cost,
            }
        )
    if filters["status"] is not None:
        episodes = episodes[episodes["status"] == filters["status"]]
    shown = episodes if limit is None else episodes[:limit]
    return Listing(cells=listed, episodes=_records(shown), total=len(episodes))


def list_episode(run: Run, episode: int) -> EpisodeSteps:
    """Returns an episode with its steps.

    Raises:
        RunFolderError: The run has no such episode.
    """
    _, found = _labelled(run)
    found = found[found["episode"] == episode]
    if not len(found):
        raise _no_episode(run, episode)
    columns, rows = run.store.rows(_STEPS, (episode,))
    steps = [_step(run, dict(zip(columns, row, strict=True))) for row in rows]
    return EpisodeSteps(episode=_records(found)[0], steps=steps)


def read_step(run: Run, episode: int, step: int) -> OneStep:
    """Returns all that is stored of a step.

    Raises:
        RunFolderError: The run has no such step.
    """
    steps = list_episode(run, episode).steps
    for one in steps:
        if one["step"] == step:
            return OneStep(step=one)
    raise _no_step(run, episode, step, len(steps))


def read_prompt(run: Run, episode: int, step: int, images: Path | None) -> OnePrompt:
    """Returns what was sent at a step, and writes its images into a folder if one is given.

    Raises:
        RunFolderError: The run has no such step, the agent reads no prompts, or a file is there
            that is another one.
    """
    one = read_step(run, episode, step).step
    if one["prompt"] is None:
        raise RunFolderError(
            f"step {step} of episode {episode} sent no prompt: {one['agent']} reads none"
        )
    found = run.prompt(episode, step)
    files = {} if images is None else {p.hash: _write(p, images) for p in found.images}
    return OnePrompt(episode=episode, step=step, parts=found.parts, files=files)


def _write(part: PromptPart, folder: Path) -> Path:
    path = folder / f"{part.hash}.png"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(part.content)
    except FileExistsError:
        if not path.is_file() or path.read_bytes() != part.content:
            raise RunFolderError(
                f"{path} is there already and is another file; it was left as it is"
            ) from None
    return path


def _step(run: Run, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns a step's columns with what was new in its prompt in place of hashes."""
    shown = fields.pop("shown")
    new = []
    for i in range(0, len(shown), _HASH_BYTES):
        kind, content = run.store.part(shown[i : i + _HASH_BYTES])
        new.append("[image]" if kind == "png" else content.decode())
    for name in ("question", "prefix", "attempt"):
        del fields[name]
    prompt = fields.pop("prompt")
    return {**fields, "new": "".join(new), "prompt": None if prompt is None else prompt.hex()}


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Returns the rows of a frame, what is not known as None."""
    known = frame.astype(object).where(frame.notna(), None)
    return [dict(zip(known.columns, row, strict=True)) for row in known.itertuples(index=False)]


def _labelled(run: Run) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Returns a run's cells and episodes; `label` is the agent's name with what tells it apart."""
    cells, episodes = run.cells(), run.episodes()
    listed = _records(cells)
    records = [
        CellRecord(
            hash=one["cell_hash"],
            **{name: one[name] for name in _CELL[1:]},
            options=json.loads(one["options"]),
        )
        for one in listed
    ]
    labels = {
        one["cell"]: f"{one['agent']} [{told}]" if told else one["agent"]
        for one, told in zip(listed, swept_options(records), strict=True)
    }
    return (
        cells.assign(label=cells["cell"].map(labels)),
        episodes.assign(label=episodes["cell"].map(labels)),
    )


def _cell_fields(cell: Mapping[str, Any]) -> dict[str, str]:
    """Returns a cell's fields in the table of cells, by their headings."""
    score = "" if cell["score_mean"] is None else f"{cell['score_mean']:.3f}"
    states = {state: str(cell[state] or "") for state in _STATES}
    return {**_name_fields(cell), **states, "mean score": score}


def _episode_fields(one: Mapping[str, Any]) -> dict[str, str]:
    """Returns an episode's fields in the table of episodes, by their headings."""
    return {
        "episode": str(one["episode"]),
        **_name_fields(one),
        "opening": str(one["opening"]),
        "status": one["status"],
        "score": "" if one["score"] is None else f"{one['score']:g}",
        "steps": str(one["steps"]),
        "wrong": str(one["invalid"] + one["illegal"] + one["empty"] or ""),
        "tokens": str(one["input_tokens"] + one["output_tokens"] or ""),
    }


def _name_fields(fields: Mapping[str, Any]) -> dict[str, str]:
    return dict(zip((*_CELL[1:5], "demos"), _named(fields), strict=True))


def _print(rows: Sequence[Mapping[str, str]], console: Console) -> None:
    """Prints a table without the columns in which nothing stands."""
    names = [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]
    words = (*_CELL[1:5], "status")
    headings: Headings = {name: "left" if name in words else "right" for name in names}
    if rows:
        console.print(filled(headings, ([row[name] for name in names] for row in rows), console))


def _told(usage: Mapping[str, Any]) -> str:
    """Returns in a line what models took."""
    inside = [f"{short(usage['cached_input_tokens'])} cached"]
    if usage["cache_write_tokens"]:
        inside.append(f"{short(usage['cache_write_tokens'])} written to the cache")
    reasoning = usage["reasoning_tokens"]
    cost = "cost not known" if usage["cost_usd"] is None else f"${usage['cost_usd']:.2f}"
    told = [
        f"{short(usage['calls'])} calls",
        f"{short(usage['input_tokens'])} tokens in ({', '.join(inside)})",
        f"{short(usage['output_tokens'])} out"
        + (f" ({short(reasoning)} reasoning)" * (reasoning > 0)),
        *([f"{short(usage['images'])} images"] if usage["images"] else []),
        cost,
    ]
    return ", ".join(told)


def _table(*columns: str) -> Table:
    return Table(*columns, box=SIMPLE, pad_edge=False)


def _named(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the columns of a table that name a cell."""
    count = str(fields["demonstrations"])
    budget = fields["context_tokens"]
    size = count if budget is None else f"as fit in {budget}"
    names = (fields["task"], fields["format"], fields["label"], fields["selector"])
    return (*map(str, names), size)


def _no_episode(run: Run, episode: int) -> RunFolderError:
    ids = [id for (id,) in run.store.rows("SELECT MAX(id) FROM episodes")[1]]
    has = "it has none yet" if ids[0] is None else f"it has 1 to {ids[0]}"
    return RunFolderError(f"{run.folder} holds no episode {episode}; {has}")


def _no_step(run: Run, episode: int, step: int, count: int) -> RunFolderError:
    has = f"it has 0 to {count - 1}" if count else "it has none"
    return RunFolderError(f"{run.folder}: episode {episode} has no step {step}; {has}")
