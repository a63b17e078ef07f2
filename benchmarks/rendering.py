"""Prints what observations cost, in every format of every task, and what demonstrations do.

    python benchmarks/rendering.py [--observations 300] [--demonstrations 10] [--tasks chess,…]

The first table has, for each format, the first observation (which may draw sprites or start a
renderer), the mean of many along the expert's episodes, and for pictures the encoding
as PNG, which is what goes to a model. The second has, for the worlds whose pictures the cache
keeps, what a demonstration costs in a prompt, and in the memory of the agent `nearest`: without
the cache, while it is filled, and from it, each time with new objects, so that nothing is
remembered but what is on disk. Milliseconds of CPU, all threads included.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from time import process_time
from typing import Any

from icil.harness.agents.memory import Memories
from icil.prompt_builders import (
    PromptBuilder,
    Selection,
    encode_image,
    load_template,
)
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.rendered import keeps_pictures
from icil.tasks import Demonstration, Task, load_pool_for, make, members, replay


def main() -> None:
    parser = argparse.ArgumentParser(description="What observations and demonstrations cost.")
    parser.add_argument("--observations", type=int, default=300)
    parser.add_argument("--demonstrations", type=int, default=10)
    parser.add_argument("--tasks", default=",".join(members()))
    options = parser.parse_args()
    names = options.tasks.split(",")
    print("| task | format | size | bytes | first | drawing | PNG | both |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in names:
        for format in make(name).formats:
            print(observation_row(name, format, options.observations), flush=True)
    print()
    print("| task | steps | for | without | filling | from the cache | KiB |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for name in names:
        for format in make(name).image_formats:
            if keeps_pictures(make(name), format):
                for use, work in USES.items():
                    row = demonstration_row(name, format, use, work, options.demonstrations)
                    print(row, flush=True)


def observation_row(name: str, format: str, observations: int) -> str:
    task = make(name)
    drawn: list[float] = []
    encoded: list[float] = []
    size, total = "", 0
    for env in moments(task, observations + 1):
        start = process_time()
        seen = task.observe(env, format)
        drawn.append(process_time() - start)
        if seen.image is None:
            total += len((seen.text or "").encode())
            continue
        size = f"{seen.image.shape[1]} × {seen.image.shape[0]}"
        start = process_time()
        part = encode_image(seen.image)
        encoded.append(process_time() - start)
        total += len(part.png)
    first, drawing = drawn[0] * 1000, mean(drawn[1:])
    row = (
        f"| {name} | {format} | {size} | {total / len(drawn):,.0f} | {first:.3f} | {drawing:.3f} |"
    )
    if not encoded:
        return f"{row} | {drawing:.3f} |"
    return f"{row} {mean(encoded[1:]):.3f} | {drawing + mean(encoded[1:]):.3f} |"


def moments(task: Task[Any], count: int) -> Iterable[Any]:
    """Yields environments in the states of the expert's episodes."""
    left = count
    for demonstration in load_pool_for(task).demonstrations:
        for env, _ in replay(task, demonstration):
            yield env
            left -= 1
            if left == 0:
                return


def mean(seconds: Sequence[float]) -> float:
    """Returns a mean in milliseconds."""
    return sum(seconds) / max(1, len(seconds)) * 1000


def in_prompt(task: Task[Any], format: str, shown: tuple[Demonstration, ...]) -> None:
    selection = Selection(demonstrations=shown, reasons=("",) * len(shown))
    PromptBuilder(task, format, load_template()).prefix(selection)


def in_memory(task: Task[Any], format: str, shown: tuple[Demonstration, ...]) -> None:
    Memories().of(task, format, shown)


USES: dict[str, Callable[[Task[Any], str, tuple[Demonstration, ...]], None]] = {
    "a prompt": in_prompt,
    "`nearest`": in_memory,
}


def demonstration_row(
    name: str, format: str, use: str, work: Callable[..., None], count: int
) -> str:
    shown = load_pool_for(make(name)).demonstrations[: count + 1]
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("off", folder, folder):
            os.environ[VARIABLE] = cache
            task = make(name)
            work(task, format, shown[:1])  # starts renderers, and draws the cache's specimen
            start = process_time()
            work(task, format, shown[1:])
            times.append((process_time() - start) / count * 1000)
        size = sum(e.stat().st_size for g in os.scandir(folder) for e in os.scandir(g)) / len(shown)
    steps = sum(len(d.steps) for d in shown[1:]) / count
    cells = " | ".join(f"{time:.1f}" for time in times)
    return f"| {name} {format} | {steps:.0f} | {use} | {cells} | {size / 1024:,.0f} |"


if __name__ == "__main__":
    main()
