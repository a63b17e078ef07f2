"""Published figures of other people's runs, to be shown beside measured rows.

They were read off the figures of *LMAct* (`SOURCE.md`): other openings, other prompts, models of
their time. They are marked wherever they are shown, and are never ranked nor compared.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import fmean

LMACT = "LMAct (Ruoss et al. 2025)"

_ILLEGAL, _REPLAY = "_illegal_actions", "_replay"
_PLACES = {
    "atari_phoenix_rgb": ("atari/phoenix", "rgb"),
    "chess_fen": ("chess", "fen"),
    "chess_pgn": ("chess", "pgn"),
    "chess_png": ("chess", "rgb"),
    "chess_txt": ("chess", "ascii"),
    "crossword_txt": ("crossword", "ascii"),
    "dm_control_cheetah_run_dict": ("cheetah", "proprio"),
    "grid_world_12x12_coords": ("gridworld", "coords"),
    "grid_world_12x12_rgb": ("gridworld", "rgb"),
    "grid_world_12x12_txt": ("gridworld", "ascii"),
    "tic_tac_toe_png": ("tic_tac_toe", "rgb"),
    "tic_tac_toe_txt": ("tic_tac_toe", "ascii"),
}
"""Task and format of each figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A figure that somebody else has published."""

    task: str
    format: str
    agent: str
    """As it is called there."""
    demonstrations: int | None
    """None for a reference line."""
    score_mean: float
    """The mean return; of the replay control, the mean over its steps of the share reproduced."""
    illegal_rate: float | None
    """Of all steps, those that are no action included; None where it was not published."""
    teacher_forced: bool = False
    """Whether it is of the replay control."""
    source: str = LMACT


@cache
def published() -> tuple[PublishedRow, ...]:
    """Returns all the figures that belong to a task and format, in their source's order."""
    return (*_scores(), *_replays())


def _scores() -> Iterator[PublishedRow]:
    rows = _read("lmact_figures.csv")
    illegal = {
        (row["figure"].removesuffix(_ILLEGAL), row["series"], row["num_demonstrations"]): min(
            max(float(row["value"]), 0.0) / 100, 1.0
        )
        for row in rows
        if row["figure"].endswith(_ILLEGAL)
    }
    for row in rows:
        figure, series, number = row["figure"], row["series"], row["num_demonstrations"]
        if figure in _PLACES:
            task, format = _PLACES[figure]
            yield PublishedRow(
                task=task,
                format=format,
                agent=series,
                demonstrations=int(number) if number else None,
                score_mean=float(row["value"]) + 0.0,  # there are scores of −0
                illegal_rate=illegal.get((figure, series, number)),
            )


def _replays() -> Iterator[PublishedRow]:
    steps: dict[tuple[str, str], list[float]] = {}
    for row in _read("lmact_replay.csv"):
        key = (row["figure"].removesuffix(_REPLAY), row["model"])
        steps.setdefault(key, []).append(float(row["accuracy"]))
    for (figure, model), accuracies in steps.items():
        task, format = _PLACES[figure]
        yield PublishedRow(
            task=task,
            format=format,
            agent=model,
            demonstrations=1,
            score_mean=fmean(accuracies),
            illegal_rate=None,
            teacher_forced=True,
        )


def _read(name: str) -> list[Mapping[str, str]]:
    return list(csv.DictReader(files(__name__).joinpath(name).read_text("utf-8").splitlines()))
