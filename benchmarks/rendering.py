"""Prints what an observation costs, in every format of every task.

Run it with `python benchmarks/rendering.py [OBSERVATIONS]`. For each format: the first
observation, which may draw sprites; the mean of the following ones; and for pictures the mean
with the encoding as PNG, which is what goes to a model.
"""

import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from time import perf_counter
from typing import Any

from PIL import Image

from icil.tasks import Observation, Task, make, members

FAMILY_ENDINGS = ("/", ":", "@")
OPENINGS = 20


def main() -> None:
    observations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"milliseconds an observation, mean of {observations}")
    print(f"{'task':<16}{'format':<10}{'size':<14}{'first':>9}{'mean':>9}{'with PNG':>10}")
    for name in members():
        if name.endswith(FAMILY_ENDINGS):
            continue
        task = make(name)
        for format in task.formats:
            print(f"{name:<16}{format:<10}{measure(task, format, observations)}")


def measure(task: Task[Any], format: str, observations: int) -> str:
    environments = list(opened(task))

    def observe(index: int) -> Observation:
        return task.observe(environments[index % len(environments)], format)

    first = milliseconds(observe, 1)
    mean = milliseconds(observe, observations)
    image = observe(0).image
    if image is None:
        size = f"{len(observe(0).text or '')} chars"
        return f"{size:<14}{first:>9.4f}{mean:>9.4f}{'-':>10}"
    encoded = milliseconds(lambda index: png(observe(index)), max(1, observations // 10))
    size = f"{image.shape[1]}x{image.shape[0]}"
    return f"{size:<14}{first:>9.4f}{mean:>9.4f}{encoded:>10.4f}"


def opened(task: Task[Any]) -> Iterator[Any]:
    source = task.openings("evaluation")
    for index in range(OPENINGS):
        env = task.make_env()
        task.reset(env, source[index])
        yield env


def milliseconds(work: Callable[[int], object], times: int) -> float:
    start = perf_counter()
    for index in range(times):
        work(index)
    return (perf_counter() - start) / times * 1000


def png(observation: Observation) -> bytes:
    assert observation.image is not None
    stream = BytesIO()
    Image.fromarray(observation.image).save(stream, format="PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
