"""Prints how long `icil report` takes, how large the page is, and what did not fit.

    python benchmarks/report.py                  # 1000 episodes of each of a few runs
    python benchmarks/report.py --runs texts     # one of them
    python benchmarks/report.py --million        # and a run of a million steps

A fake model plays: it says an action, now and then nonsense, with a few lines of reasoning. The
CPU time counts, of the process and its threads; the machine may be busy with other things.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from icil.harness import Experiment, FakeModel, Turn, run
from icil.results import Answer, CellRecord, Played, RunStore, Usage, open_run
from icil.results.report import write_report
from icil.tasks import sample_action

RUNS: Mapping[str, Mapping[str, Any]] = {
    "texts": {"task": ("gridworld", "tic_tac_toe"), "format": ("ascii", "coords")},
    "pictures": {"task": ("gridworld", "tic_tac_toe"), "format": ("rgb",)},
    "crossword": {"task": ("crossword",)},
    "phoenix": {"task": ("atari/phoenix",), "demos": (0,)},
    "cheetah": {"task": ("cheetah",), "format": ("proprio",), "demos": (0,)},
}
"""Each with about a thousand episodes, those of the reference players included."""
EPISODES = 1000
RECORDED = 200
"""Openings of which the reference players' episodes ship: no expert has to plan."""
STEPS = 25
"""Of an episode of the run of a million steps."""


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a report takes, and how large it is.")
    parser.add_argument("--runs", type=lambda text: text.split(","), default=tuple(RUNS))
    parser.add_argument("--million", action="store_true", help="also a run of a million steps")
    arguments = parser.parse_args()
    print(
        f"{'run':<12}{'steps':>9}{'stored':>9}{'CPU s':>8}{'wall s':>8}{'MB':>7}{'episodes':>10}",
        end="",
    )
    print(f"{'pictures':>10}{'peak GB':>9}")
    for name in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            play(Path(folder), RUNS[name])
            measure(name, Path(folder))
    if arguments.million:
        with tempfile.TemporaryDirectory() as folder:
            million(Path(folder))
            measure("million", Path(folder))


def play(folder: Path, fields: Mapping[str, Any]) -> None:
    """Plays a run of about a thousand episodes."""
    fields = {"agent": ("model", "nearest", "random"), "demos": (0, 4), **fields}
    names = fields["agent"]
    cells = 2 * len(fields["task"])  # the reference players'
    formats = len(fields.get("format", "1"))
    cells += len(fields["task"]) * formats * len(fields["demos"]) * (len(names) - 1)
    episodes = min(RECORDED, -(-EPISODES // cells))
    experiment = Experiment(**fields, episodes=episodes, legal_actions=True)
    run(experiment, folder, agents={"model": FakeModel(answer, cost_usd=0.001)})


def answer(turn: Turn) -> str:
    """Says a legal action after some thought, and nonsense one time in ten."""
    rng = turn.rng()
    if rng.random() < 0.1:
        return f"I look at step {turn.step} and am at a loss. " * int(rng.integers(1, 30))
    return sample_action(turn.legal_actions(), rng)


def measure(name: str, folder: Path) -> None:
    """Writes the report of a run, and prints what it took."""
    with closing(open_run(folder)) as store:
        steps = store.rows("SELECT COUNT(*) FROM steps")[1][0][0]
        began, cpu = perf_counter(), process_time()
        found = write_report([store], folder / "report.html")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    stored = (folder / "run.sqlite").stat().st_size / 1e6
    print(
        f"{name:<12}{steps:>9,}{stored:>6.0f} MB{process_time() - cpu:>8.1f}"
        f"{perf_counter() - began:>8.1f}{found.size / 1e6:>7.2f}{found.episodes:>10,}"
        f"{found.pictures:>10,}{peak:>9.2f}",
        flush=True,
    )
    for text in found.left_out:
        print(f"    {text}")


def million(folder: Path) -> None:
    """Makes the store of a run of a million steps, as a run would write it."""
    experiment = {"episodes": 2000, "task": {"gridworld": 1}, "settings": {}, "seed": 0}
    meta = {
        "experiment": experiment,
        "experiment_hash": "e" * 16,
        "formats": {"gridworld": ["ascii"]},
    }
    cells = [
        CellRecord(
            hash=f"{number:016x}",
            task="gridworld",
            format="ascii",
            agent=f"model-{number}",
            selector="random",
            demonstrations=4,
        )
        for number in range(20)
    ]
    with closing(RunStore.create(folder / "run.sqlite", meta, cells)) as store:
        for number in store.cells().values():
            for opening in range(2000):
                _episode(
                    store, number, opening, lambda step: ("up", "left", "down", "right")[step % 4]
                )


def _episode(store: RunStore, cell: int, opening: int, move: Callable[[int], str]) -> None:
    with store.transaction():
        episode = store.begin_episode(cell, opening, demonstrations=["d1", "d2", "d3", "d4"])
        for step in range(STEPS):
            text = f"Step {step} of opening {opening}: I go {move(step)}.\n" * 3
            hash, question = f"{cell:04}{opening:06}{step:06}".encode(), b"q" * 16
            answered = Answer(
                shown=(hash,),
                question=(question,),
                reply=move(step),
                status="ok",
                action=move(step),
                usage=Usage(input_tokens=900, output_tokens=3, latency_s=0.5),
            )
            parts = [(hash, "text", text.encode()), (question, "text", b"Which action?")]
            before = Played(reward=0.0) if step else None
            store.add_step(episode, step, answered, parts, before)  # type: ignore[arg-type]
        store.end_episode(
            episode, "done", score=float(opening % 2), last=(STEPS - 1, Played(reward=0.0))
        )


if __name__ == "__main__":
    main()
