"""Prints how many demonstrations show an evaluation opening, and how near the others come.

    python benchmarks/leaks.py [--openings 1000] [--tasks tic_tac_toe,gridworld] [--write]

For each task, over its first evaluation openings and the pool that ships: the typical distance
between neighbouring openings; how many demonstrations an opening loses exactly and nearly, on
average and at most; how near the nearest state of the others comes, as a share of that distance
(the smallest and the median); and how many demonstrations would count as near at other shares.
With --write, what is near goes into the file that ships: to be done when a pool is built anew.
"""

import argparse
import json
from collections.abc import Mapping
from contextlib import closing
from statistics import mean, median
from typing import Any

import numpy as np

from icil.harness.planning.leaks import SHIPPED
from icil.prompt_builders.embeddings.vicinity import LAYOUT, NEAR, Vicinity, find_vicinity, see
from icil.tasks import Opening, Pool, Task, load_pool_for, make, members
from icil.tasks.demonstrations import state_digest

ARMS = ("metaworld/push-v3", "metaworld/reach-v3")
"""Members of a family whose pools ship."""
SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description="What near duplicates there are.")
    parser.add_argument("--openings", type=int, default=1000)
    parser.add_argument("--tasks", default=",".join(sorted({*members(), *ARMS})))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    shares = " | ".join(f"{share:g}" for share in SHARES)
    print(f"| task | format | openings | typical | exact | near | nearest | {shares} |")
    print("|---" * (7 + len(SHARES)) + "|")
    content: dict[str, Any] = {"layout": LAYOUT, "pools": {}}
    for name in options.tasks.split(","):
        task = make(name)
        pool = load_pool_for(task)
        count = min(options.openings, task.openings("evaluation").distinct or options.openings)
        content["pools"][see(pool).hash] = {
            "task": name,
            "version": task.version,
            "settings": dict(task.settings),
            "openings": count,
            "near": look(task, pool, count),
        }
    if options.write:
        SHIPPED.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def look(task: Task[Any], pool: Pool, count: int) -> Mapping[str, list[str]]:
    """Prints a row and returns which states are near to each opening that has any."""
    vicinity, source = find_vicinity(task, pool), task.openings("evaluation")
    near: dict[str, list[str]] = {}
    lost: list[tuple[int, ...]] = []
    nearest: list[float] = []
    with closing(task.make_env()) as env:
        for number in range(count):
            state, shares = _shares(task, vicinity, source[number], env)
            exact = pool.passing.get(state, frozenset())
            states = [[s for s, d in shares.items() if d <= share] for share in (NEAR, *SHARES)]
            if states[0]:
                near[state] = sorted(states[0])
            ids = [frozenset[str]().union(*map(pool.passing.get, s)) - exact for s in states]
            lost.append((len(exact), *map(len, ids)))
            nearest.append(min(shares.values()))
    for demonstration in pool.demonstrations:
        state = demonstration.steps[0].state
        if found := vicinity.near_to(state) - {state}:
            near[state] = sorted(found)
    columns = list(zip(*lost, strict=True))
    cells = [f"{mean(column):.3f}, at most {max(column)}" for column in columns]
    distances = f"{min(nearest):.3f}, {median(nearest):.3f}"
    row = [task.name, vicinity.space.format, str(count), f"{vicinity.typical:.4g}"]
    print(f"| {' | '.join([*row, *cells[:2], distances, *cells[2:]])} |", flush=True)
    return near


def _shares(
    task: Task[Any], vicinity: Vicinity, opening: Opening, env: Any
) -> tuple[str, Mapping[str, float]]:
    """Returns an opening's digest, and how far the pool's nearest other states are from it."""
    task.reset(env, opening)
    state = state_digest(task, env)
    points = vicinity.points
    place = vicinity.place(task.observe(env, vicinity.space.format))
    distances = np.sqrt(((points - place) ** 2).sum(axis=1)) / vicinity.typical
    order = np.argsort(distances)[:200]
    found = {vicinity.states[row]: float(distances[row]) for row in order}
    return state, {s: d for s, d in found.items() if s != state}


if __name__ == "__main__":
    main()
