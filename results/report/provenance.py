"""Where the figures of a run come from: what was played, by which versions, and how it went."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from icil.results.display import short
from icil.results.report.runs import EpisodeLine, ReportedRun

_TOTALS = """
SELECT COUNT(*), COUNT(latency_s), TOTAL(input_tokens), TOTAL(cached_input_tokens),
       TOTAL(output_tokens), TOTAL(cost_usd), COUNT(*) - COUNT(cost_usd), TOTAL(images)
FROM steps
"""
_MODELS = "SELECT model, COUNT(*) FROM steps WHERE model IS NOT NULL GROUP BY model ORDER BY model"
_LEAKS = "SELECT TOTAL(leaked > 0), TOTAL(near > 0), TOTAL(left_out > 0) FROM episodes"
_SOFTWARE = "SELECT description FROM software ORDER BY id"
_HASH_SHOWN = 16


def describe_run(run: ReportedRun, episodes: Iterable[EpisodeLine]) -> dict[str, Any]:
    """Returns what is told of a run.

    Args:
        run: The run.
        episodes: Its episodes.

    Returns:
        `facts` and `provenance`, pairs of a name and a text, and the `experiment` as JSON.
    """
    experiment, rows = run.experiment, run.store.rows
    steps, calls, tokens, cached, output, cost, unpriced, images = rows(_TOTALS)[1][0]
    facts = [
        ("episodes", _counted(Counter(line.status for line in episodes))),
        ("steps", f"{steps:,}"),
        ("cells", str(sum(cell.asked for cell in run.cells.values()))),
    ]
    if calls:
        price = f"${cost:,.2f}" + (f" and {unpriced:,} steps without a price" if unpriced else "")
        facts += [
            ("calls of models", f"{calls:,}"),
            ("input tokens", f"{short(int(tokens))}, {cached / (tokens or 1):.0%} cached"),
            ("output tokens", short(int(output))),
            ("pictures sent", f"{int(images):,}"),
            ("cost", price),
        ]
    leaked, near, left_out = map(int, rows(_LEAKS)[1][0])
    held = f"held back in {left_out:,} episodes, shown in {leaked:,}; near duplicates in {near:,}"
    provenance = [
        ("experiment hash", str(run.meta["experiment_hash"])),
        ("icil", str(run.meta.get("icil", ""))),
        ("tasks", ", ".join(f"{name} version {n}" for name, n in experiment["task"].items())),
        *((f"pool of {name}", _hash(hash)) for name, hash in experiment.get("pool", {}).items()),
        ("template", _hash(experiment.get("template"))),
        ("seed", str(experiment.get("seed", ""))),
        ("models that answered", _times(rows(_MODELS)[1])),
        ("played with", "; ".join(map(_software, rows(_SOFTWARE)[1]))),
        ("openings in demonstrations", held),
        ("commonest errors", _times(run.store.faults().items())),
    ]
    return {
        "name": run.name,
        "facts": [[name, text] for name, text in facts],
        "provenance": [[name, text] for name, text in provenance if text],
        "experiment": json.dumps(experiment, ensure_ascii=False, indent=2, sort_keys=True),
    }


def _counted(states: Counter[str]) -> str:
    others = [f"{states[name]} {name}" for name in ("running", "error", "overlong") if states[name]]
    return ", ".join([f"{states['done']:,} done", *others])


def _software(row: tuple[str]) -> str:
    """Returns what the store says of a version of the software, in a line."""
    found: dict[str, Any] = json.loads(row[0])
    return ", ".join(f"{name} {one}" for name, one in sorted(found.items()) if _is_plain(one))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _hash(value: Any) -> str:
    return str(value or "")[:_HASH_SHOWN]


def _times(counts: Iterable[tuple[Any, ...]]) -> str:
    return "; ".join(f"{name} ({count:,} times)" for name, count in counts)
