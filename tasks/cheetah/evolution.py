"""An evolution strategy: separable CMA-ES, which adapts a step size to each coordinate.

Ros and Hansen, *A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity*,
2008. With only sums and products of coordinates in it, and no linear algebra, it takes the same
course with any number of threads.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def maximise(
    score: Callable[[Points], Points],
    start: Points,
    *,
    step: float,
    population: int,
    generations: int,
    rng: np.random.Generator,
) -> Points:
    """Returns the best point met, `start` included.

    Args:
        score: Takes points (n, dimension), returns their scores (n,).
        start: The mean of the first generation.
        step: The standard deviation of each coordinate in the first generation.
        population: Points in a generation, 4 or more.
        generations: How many.
        rng: The source of chance.
    """
    size, parents = start.size, population // 2
    weights = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    weights = (weights / weights.sum())[:, None]
    mass = float(1 / (weights**2).sum())
    path_rate = (mass + 2) / (size + mass + 3)
    damping = 1 + 2 * max(0.0, ((mass - 1) / (size + 1)) ** 0.5 - 1) + path_rate
    ridge_rate = 4 / (size + 4)
    rank_one = 2 / (size + 1.4) ** 2
    rank_many = min(1.0, (2 * mass - 1) / ((size + 2) ** 2 + mass))
    learning = (rank_one / mass + (1 - 1 / mass) * rank_many) * (size + 2) / 3
    usual = size**0.5 * (1 - 1 / (4 * size))

    mean, variances = start.copy(), np.ones(size)
    path, ridge = np.zeros(size), np.zeros(size)
    best, best_score = start, float(score(start[None])[0])
    for _ in range(generations):
        drawn = rng.standard_normal((population, size))
        scales = np.sqrt(variances)
        points = mean + step * scales * drawn
        scores = score(points)
        order = np.argsort(-scores, kind="stable")[:parents]
        if scores[order[0]] > best_score:
            best, best_score = points[order[0]].copy(), float(scores[order[0]])
        towards = (weights * drawn[order]).sum(axis=0)
        mean = mean + step * scales * towards
        path = (1 - path_rate) * path + (path_rate * (2 - path_rate) * mass) ** 0.5 * towards
        ridge = (1 - ridge_rate) * ridge + (
            ridge_rate * (2 - ridge_rate) * mass
        ) ** 0.5 * scales * towards
        spread = (weights * (scales * drawn[order]) ** 2).sum(axis=0)
        variances = (1 - learning) * variances + learning * (
            ridge**2 / mass + (1 - 1 / mass) * spread
        )
        length = float((path**2).sum()) ** 0.5
        step *= float(np.exp(path_rate / damping * (length / usual - 1)))
    return best
