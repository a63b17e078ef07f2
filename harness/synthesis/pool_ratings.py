"""A pool's demonstrations rated by a model: a file of scores, for the selectors by difficulty.

The ratings are a run in `FILE.run` and go on there; the file is written once all are there. It
holds the pool's hash, so that it is not taken for the scores of another one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Literal

from icil.harness.planning.experiment import Experiment
from icil.harness.synthesis.rater import Judge, Rated, Rater, count_ratings
from icil.harness.synthesis.runs import Manner, Runs
from icil.prompt_builders.template import DEFAULT
from icil.tasks import PoolError, StoreError, load_pool, make

DIFFICULTY = DEFAULT.with_name("difficulty.yaml")
"""The wording that asks how hard an episode is."""
Average = Literal["mean", "median"]
_AVERAGES = {"mean": mean, "median": median}


@dataclass(frozen=True, kw_only=True)
class PoolRatings:
    """What a model said of a pool."""

    scores: Mapping[str, float]
    """By the demonstration's id, 1 to 5."""
    unrated: tuple[str, ...]
    """The ids of those that were never rated with a number."""
    how: str
    """How many ratings are of which kind, in words."""


def rate_pool(
    pool: Path,
    judge: Judge,
    out: Path,
    *,
    experiment: Experiment,
    average: Average = "mean",
    template: Path = DIFFICULTY,
    manner: Manner | None = None,
) -> PoolRatings:
    """Has a model rate each demonstration of a pool, and writes their scores.

    Args:
        pool: The pool's folder.
        judge: Who rates, and how often.
        out: The file, which does not exist yet.
        experiment: Its seed, the settings of models and prices count.
        average: Of a demonstration's ratings.
        template: The wording, a file.
        manner: How it goes about it.

    Raises:
        IncompleteError: Ratings are missing; those that there are are kept.
        PoolError: The file exists, or demonstrations were never rated with a number and
            `manner.partial` is not set.
        UsageError: It cannot be done.
        StoreError: A file cannot be written, or is damaged.
    """
    if out.exists():
        raise PoolError(f"{out} exists already; ratings are not overwritten")
    runs, folder = Runs(manner or Manner()), out.with_name(f"{out.name}.run")
    rater = Rater(judge, experiment, template, folder, runs)
    rater.check()
    real = load_pool(pool)
    card, episodes = real.card, real.demonstrations
    rated = rater.rate(make(card.task, card.task_settings), real, episodes)
    found = dict(zip((one.id for one in episodes), rated, strict=True))
    centre = _AVERAGES[average]
    made = PoolRatings(
        scores={id: round(centre(one.ratings), 6) for id, one in found.items() if one.ratings},
        unrated=tuple(id for id, one in found.items() if not one.ratings),
        how=count_ratings(rated),
    )
    if made.unrated and not (runs.manner.partial and made.scores):
        raise PoolError(_explain(judge.agent, made.unrated, found, folder))
    _write(
        out,
        {
            "task": card.task,
            "pool": real.hash,
            "agent": judge.agent,
            "settings": rater.settings,
            "prompts": judge.prompts,
            "shown": judge.shown,
            "average": average,
            "ratings": {
                "weighted": sum(len(one.weighted) for one in rated),
                "said": sum(len(one.said) for one in rated),
                "none": sum(len(one.other) for one in rated),
            },
            "scores": made.scores,
        },
    )
    return made


def _explain(agent: str, unrated: Sequence[str], found: Mapping[str, Rated], folder: Path) -> str:
    said = next((reply for id in unrated for reply in found[id].other), None)
    example = f" ({agent} said {said.strip()!r:.60})" if said else ""
    return (
        f"{len(unrated)} of {len(found)} demonstrations were never rated with a number, such as "
        f"{unrated[0]}{example}; the replies are kept in {folder}, and with --partial those "
        "that were rated are written"
    )


def _write(path: Path, content: Mapping[str, object]) -> None:
    making = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        making.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        making.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
