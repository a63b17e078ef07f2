"""Prints what choosing demonstrations costs.

    python benchmarks/selection.py [--demonstrations 100000] [--dimension 384] [--select 64]
                                   [--rounds 15] [--tasks gridworld:coords,chess:ascii]

The first table is of a large pool: to find the demonstrations nearest to an opening, as the
selector `relevance` does, once their vectors are there; all of them, and where some may not be
shown; beside it a product by BLAS and a full sort of all, in the same run. The second is of the
pools that ship: what each selector takes to choose 64 for an episode, and for the first one, when
the pool is embedded and libraries are imported. The third is what it takes to embed a pool,
without the cache, while it is filled, and from it. Milliseconds of CPU, all threads included;
medians, but for what happens once.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import process_time

import numpy as np

from icil.prompt_builders import Query
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.embeddings import FunctionEmbedding
from icil.prompt_builders.embeddings.index import (
    Index,
    Scale,
    cosines,
    learn_scale,
    locate,
    make_index,
)
from icil.prompt_builders.embeddings.space import Space, space_for
from icil.prompt_builders.selectors import make as make_selector
from icil.prompt_builders.selectors.ranking import largest
from icil.tasks import build_pool, load_pool_for, make

PICTURES = (("gridworld", "rgb"), ("chess", "rgb"))
SELECTORS = (
    *("random", "relevance", "diversity", "diversity:kcenter", "diversity:mmr"),
    *("diversity:facility_location", "curriculum", "hard", "hard:by=surprise"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="What choosing demonstrations costs.")
    parser.add_argument("--demonstrations", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--select", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", default="gridworld:coords,tic_tac_toe:ascii,chess:ascii")
    options = parser.parse_args()
    large(options.demonstrations, options.dimension, options.select, options.rounds)
    print()
    os.environ[VARIABLE] = "off"
    formats = [name.split(":") for name in options.tasks.split(",")]
    print("| task | selector | an episode | the first |")
    print("| --- | --- | ---: | ---: |")
    for task, format in formats:
        for selector in SELECTORS:
            print(selector_row(task, format, selector, options.select), flush=True)
    print()
    print("| task | embedding | demonstrations | without | filling | from the cache |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for task, format in [*formats, *PICTURES]:
        print(embedding_row(task, format), flush=True)


def large(count: int, dimension: int, k: int, rounds: int) -> None:
    """Prints the table of a large pool."""
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((count + 1, dimension)).astype(np.float32)
    vectors = learn_scale(raw, "plain").apply(raw)
    query, rows = locate(vectors[:1]), locate(vectors[1:])
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    space = Space(task=make("gridworld"), format="coords", embedding=FunctionEmbedding("", len))
    index = Index(
        space=space,
        ids=tuple(f"{i:06}" for i in range(count)),
        places=np.arange(count),
        scale=Scale(np.zeros(dimension), np.ones(dimension)),
        rows=rows,
    )
    (one,) = build_pool(make("gridworld"), 1).demonstrations
    pool = replace(
        build_pool(make("gridworld"), 1),
        demonstrations=tuple(replace(one, id=id) for id in index.ids),
    )
    part = pool.without(frozenset(index.ids[::1000]))

    def nearest(offered: object) -> list[int]:
        found = index.find(offered)  # type: ignore[arg-type]
        return largest(cosines(query, index.rows)[found.rows], k)

    print(f"| {k} of {count:,} × {dimension} | ms | × |")
    print("| --- | ---: | ---: |")
    ways: dict[str, Callable[[], object]] = {
        "the nearest of all": lambda: nearest(pool),
        "the nearest of a part": lambda: nearest(part),
        "the same by BLAS": lambda: largest((unit[1:] @ unit[0]).astype(np.float64), k),
        "a full sort by BLAS": lambda: np.argsort(-(unit[1:] @ unit[0]), kind="stable")[:k],
    }
    times = {way: median(timed(work) for _ in range(rounds)) for way, work in ways.items()}
    for way, time in times.items():
        print(f"| {way} | {time:.1f} | {time / times['the nearest of all']:.1f} |")


def selector_row(name: str, format: str, selector: str, k: int) -> str:
    """Returns a row of the second table."""
    task, chosen = make(name), make_selector(selector)
    pool = load_pool_for(task)

    def choose(opening: int) -> Callable[[], object]:
        query = Query(task=task, format=format, opening=task.openings("evaluation")[opening])
        return lambda: chosen.select(pool, query, k, np.random.default_rng(opening))

    first = timed(choose(0))
    usual = median(timed(choose(opening)) for opening in range(1, 8))
    return f"| {name} {format} | {selector} | {usual:.1f} | {first:.0f} |"


def embedding_row(name: str, format: str) -> str:
    """Returns a row of the third table."""
    task = make(name)
    pool = load_pool_for(task)
    space = space_for(task, format, pool.demonstrations[0].opening, None, "opening")
    space.embed_opening(pool.demonstrations[0].opening)  # imports, and starts renderers
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("off", folder, folder):
            os.environ[VARIABLE] = cache
            times.append(timed(lambda: make_index(pool, space)))
    os.environ[VARIABLE] = "off"
    cells = " | ".join(f"{time:.0f}" for time in times)
    return f"| {name} {format} | {space.embedding.name} | {len(pool.demonstrations)} | {cells} |"


def timed(work: Callable[[], object]) -> float:
    """Returns the CPU that something takes, in milliseconds."""
    start = process_time()
    work()
    return (process_time() - start) * 1000


if __name__ == "__main__":
    main()
