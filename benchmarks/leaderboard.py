"""Prints what a leaderboard takes of a large run: seconds of wall time and CPU, and peak memory.

Run it with `python benchmarks/leaderboard.py`; `--help` lists the options. It writes a store of
100 cells with 400 episodes of 25 steps each, a million steps, as a run writes it, and then has
each part of the work done by a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from icil.results import (
    Answer,
    CellRecord,
    Played,
    RunStore,
    Usage,
    make_comparisons,
    make_leaderboard,
    make_overall,
    open_run,
    profiles,
    read_scored,
)
from icil.results.scored import Scored
from icil.results.store import FILE_NAME

PARTS: dict[str, Callable[[Scored], object]] = {
    "leaderboard": make_leaderboard,
    "overall": make_overall,
    "comparisons": make_comparisons,
    "profiles": profiles,
}
AGENTS = ("model/a", "model/b", "model/c", "model/d", "model/e")
FORMATS = ("ascii", "coords")
SELECTORS = ("random", "relevance")
DEMOS = (1, 4, 16, 64, 256)
POOL = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=400, help="of each of the 100 cells")
    parser.add_argument("--steps", type=int, default=25, help="of each episode")
    parser.add_argument("--store", type=Path, help="keep the store in this folder, or use it again")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options.store, options.part)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.store or Path(scratch)
        path = folder / FILE_NAME
        if not path.exists():
            began = perf_counter()
            make_store(path, options.episodes, options.steps)
            print(f"store made in {perf_counter() - began:.0f} s")
        print(f"store: {path.stat().st_size / 1e6:,.0f} MB")
        print("| | open, s | read, s | make, s | CPU in all, s | peak, MB |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for part in PARTS:
            command = [sys.executable, __file__, "--store", str(folder), "--part", part]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            print(f"| {part} | " + " | ".join(f"{value:.2f}" for value in found.values()) + " |")


def measure(folder: Path, part: str) -> dict[str, float]:
    """Returns what one part takes in this process; memory in MB."""
    began = perf_counter()
    with closing(open_run(folder)) as store:
        opened = perf_counter()
        scored = read_scored(store)
    read = perf_counter()
    PARTS[part](scored)
    made = perf_counter()
    return {
        "open": opened - began,
        "read": read - opened,
        "make": made - read,
        "cpu": process_time(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def make_store(path: Path, episodes: int, steps: int) -> None:
    """Writes the store of a finished run of random scores."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    players = [
        CellRecord(
            hash=name, task="toy", format="", agent=name, selector="", demonstrations=0, asked=True
        )
        for name in ("random", "expert")
    ]
    cells = [*players, *swept_cells()]
    meta: dict[str, Any] = {
        "experiment": {"episodes": episodes, "seed": 0},
        "experiment_hash": "0" * 16,
        "formats": {"toy": list(FORMATS)},
        "icil": "benchmark",
    }
    with closing(RunStore.create(path, meta, cells)) as store:
        for cell, number in store.cells().items():
            with store.transaction():
                record = next(one for one in cells if one.hash == cell)
                chance = {"random": 0.1, "expert": 0.9}.get(cell, rng.uniform(0.2, 0.8))
                for opening in range(episodes):
                    play(store, number, record, opening, steps, float(rng.random() < chance), rng)


def swept_cells() -> Iterator[CellRecord]:
    for agent in AGENTS:
        for format in FORMATS:
            for selector in SELECTORS:
                for demos in DEMOS:
                    yield CellRecord(
                        hash=f"{agent} {format} {selector} {demos}",
                        task="toy",
                        format=format,
                        agent=agent,
                        selector=selector,
                        demonstrations=demos,
                    )


def play(
    store: RunStore,
    number: int,
    cell: CellRecord,
    opening: int,
    steps: int,
    score: float,
    rng: np.random.Generator,
) -> None:
    """Writes an episode."""
    same = np.random.default_rng([len(cell.selector), cell.demonstrations, opening])
    shown = same.choice(POOL, size=cell.demonstrations, replace=False)  # to every agent
    episode = store.begin_episode(
        number, opening, demonstrations=[f"gridworld-{one:05d}" for one in shown]
    )
    usage = Usage(
        input_tokens=4000,
        cached_input_tokens=3900,
        output_tokens=5,
        cost_usd=0.001,
        latency_s=float(rng.exponential()),
    )
    paid = cell.format != ""
    last = Played(reward=0.0)
    for step in range(steps):
        answer = Answer(
            shown=(rng.bytes(16), rng.bytes(16)),
            question=(rng.bytes(16),),
            prompt=rng.bytes(16),
            reply="up",
            status="ok" if rng.random() < 0.95 else "illegal",
            action="up",
            usage=usage if paid else Usage(),
            model=cell.agent,
            finish="stop",
        )
        store.add_step(episode, step, answer, previous=last if step else None)
    store.end_episode(episode, "done", score=score, last=(steps - 1, last))


if __name__ == "__main__":
    main()
