"""Prints what the harness itself costs: CPU a step, CPU to begin an episode, and memory.

Run it with `python benchmarks/overhead.py`; `--help` lists the options. A fake model answers
with a random legal action, so that every prompt is built, hashed and stored as for a real one;
its own time is taken out. CPU time of the whole process, all threads, is counted, never wall
time. What each column means stands in `docs/performance.md`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from operator import truediv
from pathlib import Path
from statistics import median
from time import process_time, thread_time
from typing import Any

from icil.harness import Agent, EpisodeContext, Experiment, FakeModel, Reply, Turn, run
from icil.harness.agents.random import RandomAgent
from icil.prompt_builders import Part
from icil.results import EpisodeStatus, Usage
from icil.tasks import Task, make, sample_action
from icil.tasks.openings import take
from icil.tasks.seeding import generator

TASKS = ("tic_tac_toe", "gridworld")
DEMOS = (0, 1, 16, 128, 256, 512)
AT_ONCE = 16
"""Episodes played at once in the runs that give the cost with everything in it."""
EPISODES = 64
MEMORY = (50, 500)
"""Between these numbers of episodes, memory should not grow."""
MEMORY_DEMOS = 128

Key = tuple[str, int]
"""Agent and number of demonstrations."""


@dataclass
class Tally:
    """What the episodes of one cell cost; lists hold an entry an episode, in seconds of CPU."""

    startup: list[float] = field(default_factory=list)
    playing: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    marks: list[tuple[float, int]] = field(default_factory=list)
    """At each end of an episode: CPU without the model's, and steps of this cell so far."""


class Meter:
    """Looks at the clock at the beginning, the steps and the end of every clocked episode."""

    def __init__(self) -> None:
        self.tallies: defaultdict[Key, Tally] = defaultdict(Tally)
        self.model = 0.0
        """CPU that models took, to be taken out."""
        self._last_end = self._began = process_time()
        self._finished: list[Key] = []
        self._steps: defaultdict[Key, int] = defaultdict(int)
        self._steps_before: dict[Key, int] = {}

    def now(self) -> float:
        """Returns the CPU used so far without the models'."""
        return process_time() - self.model

    def began(self, key: Key) -> None:
        """Notes that an agent was told of an episode, whose prefix is ready."""
        self._began = self.now()
        self.tallies[key].startup.append(self._began - self._last_end)
        self._steps_before[key] = self._steps[key]

    def asked(self, key: Key, model: float) -> None:
        """Notes a reply, and the CPU that it took."""
        self.model += model
        self._steps[key] += 1

    def finished(self, key: Key) -> None:
        """Notes that an agent was told that an episode is over."""
        tally = self.tallies[key]
        tally.playing.append(self.now() - self._began)
        tally.steps.append(self._steps[key] - self._steps_before[key])
        self._finished.append(key)

    def resumed(self, ended: int, cost_usd: float) -> None:
        """Is told by the runner that a run begins."""

    def stepped(self, usage: Usage) -> None:
        """Is told by the runner that a step was answered."""

    def ended(self, status: EpisodeStatus) -> None:
        """Is told by the runner that an episode is over and stored."""
        assert status == "done", status
        self._last_end = self.now()
        if self._finished:
            key = self._finished.pop(0)
            self.tallies[key].marks.append((self._last_end, self._steps[key]))


class Clocked(Agent):
    """An agent whose episodes are clocked."""

    def __init__(self, name: str, agent: Agent, meter: Meter) -> None:
        self.capabilities = agent.capabilities
        self._name, self._agent, self._meter = name, agent, meter

    async def begin(self, episode: EpisodeContext) -> None:
        """Looks at the clock."""
        self._meter.began(self._key(episode))
        await self._agent.begin(episode)

    async def act(self, turn: Turn) -> Reply:
        """Looks at the clock before and after."""
        began = thread_time()
        reply = await self._agent.act(turn)
        self._meter.asked(self._key(turn.episode), thread_time() - began)
        return reply

    async def end(self, episode: EpisodeContext) -> None:
        """Looks at the clock."""
        await self._agent.end(episode)
        self._meter.finished(self._key(episode))

    def tokens(self, part: Part) -> int:
        """Asks the agent."""
        return self._agent.tokens(part)

    def _key(self, episode: EpisodeContext) -> Key:
        return self._name, len(episode.demonstrations)


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one cell, in milliseconds of CPU."""

    agent: str
    demos: int
    step: float
    """A step of an episode that plays alone."""
    startup: float
    """Beginning an episode: selection, prefix, and its first entries in the store."""
    all_in: float
    """A step with everything in it, where many episodes play at once."""


def main() -> None:
    arguments = parsed()
    if arguments.memory_of:
        task, format, demos = arguments.memory_of
        print(json.dumps(memory(task, format, int(demos))))
        return
    print("CPU milliseconds; at once: all of a run's warm CPU a step, 16 episodes at once")
    head = f"{'task':<13}{'format':<8}{'agent':<8}{'demos':>5}"
    print(f"{head}{'step':>8}{'×':>6}{'start-up':>10}{'at once':>9}{'×':>6}{'world':>8}")
    for name in arguments.tasks:
        task = make(name)
        for format in arguments.formats or task.formats:
            if format in task.formats:
                measure(task, format, arguments)
    if not arguments.no_memory:
        print_memory(arguments)
    print(f"\nicil --help, cold: {cold_help() * 1000:.0f} ms of CPU")


def parsed() -> argparse.Namespace:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(number) for number in text.split(","))

    parser = argparse.ArgumentParser(description="What the harness itself costs.")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=TASKS)
    parser.add_argument("--formats", type=lambda text: text.split(","), default=())
    parser.add_argument("--demos", type=numbers, default=DEMOS)
    parser.add_argument("--episodes", type=int, default=EPISODES, help="of each cell")
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(task: Task[Any], format: str, arguments: argparse.Namespace) -> None:
    world = world_step(task, format) * 1000
    rows = [*cells(task, format, arguments)]
    fewest = {row.agent: row for row in reversed(rows)}
    for row in rows:
        least = fewest[row.agent]
        print(
            f"{task.name:<13}{format:<8}{row.agent:<8}{row.demos:>5}"
            f"{row.step:>8.3f}{row.step / least.step:>6.2f}{row.startup:>10.2f}"
            f"{row.all_in:>9.3f}{row.all_in / least.all_in:>6.2f}{world:>8.3f}",
            flush=True,
        )


def cells(task: Task[Any], format: str, arguments: argparse.Namespace) -> list[Row]:
    alone, crowd = (play(task.name, format, arguments, n) for n in (1, AT_ONCE))
    return [
        Row(
            agent=agent,
            demos=demos,
            step=1000 * median(map(truediv, warm(tally.playing), warm(tally.steps))),
            startup=1000 * median(warm(tally.startup)),
            all_in=1000 * all_in(crowd[agent, demos]),
        )
        for (agent, demos), tally in sorted(
            alone.items(), key=lambda item: (item[0][0] == "fake", item[0][1])
        )
    ]


def play(task: str, format: str, arguments: argparse.Namespace, at_once: int) -> dict[Key, Tally]:
    meter = Meter()
    agents = {
        "uniform": Clocked("random", RandomAgent(), meter),
        "fake": Clocked("fake", FakeModel(at_random), meter),
    }
    experiment = Experiment(
        task=(task,),
        format=(format,),
        agent=tuple(agents),
        # The most first, so that the others find all demonstrations rendered.
        demos=tuple(sorted(arguments.demos, reverse=True)),
        episodes=arguments.episodes,
    )
    with tempfile.TemporaryDirectory() as folder:
        run(experiment, Path(folder), agents=agents, concurrency=at_once, progress=meter)
    return dict(meter.tallies)


def at_random(turn: Turn) -> str:
    return sample_action(turn.legal_actions(), turn.rng())


def warm(values: list[Any]) -> list[Any]:
    """Returns the later half: at first, demonstrations are rendered for the first time."""
    return values[len(values) // 2 :]


def all_in(tally: Tally) -> float:
    """Returns the CPU a step between two ends of episodes, while only this cell is played."""
    first, last = len(tally.marks) // 3, max(len(tally.marks) - AT_ONCE, len(tally.marks) * 2 // 3)
    (began, before), (ended, after) = tally.marks[first], tally.marks[last]
    return (ended - began) / (after - before)


def world_step(task: Task[Any], format: str, steps: int = 500) -> float:
    """Returns the CPU a step of the world alone: looking, choosing, reading and stepping."""
    env = task.make_env()
    played, spent = 0, 0.0
    for opening in take(task.openings("evaluation"), steps):
        began = process_time()
        task.reset(env, opening)
        over = False
        while not over:
            task.observe(env, format)
            action = sample_action(task.legal_actions(env), generator("world", played))
            done = task.step(env, task.parse(action, env).value)
            over = done.terminated or done.truncated
            played += 1
        spent += process_time() - began
        if played >= steps:
            break
    env.close()
    return spent / played


def print_memory(arguments: argparse.Namespace) -> None:
    few, many = MEMORY
    print(f"\npeak memory in MiB, fake model, {MEMORY_DEMOS} demonstrations")
    print(f"{'task':<13}{'format':<8}{f'{few} episodes':>14}{f'{many} episodes':>14}{'growth':>9}")
    for name in arguments.tasks:
        task = make(name)
        format = next(f for f in task.formats if f in (arguments.formats or task.formats))
        command = [sys.executable, __file__, "--memory-of", name, format, str(MEMORY_DEMOS)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        first, last = json.loads(done.stdout)
        print(f"{name:<13}{format:<8}{first:>14.1f}{last:>14.1f}{last - first:>9.1f}")


class MemoryMeter:
    """Notes the peak memory after given numbers of model episodes."""

    def __init__(self, before: int) -> None:
        self.peaks: list[float] = []
        self._episodes = -before

    def resumed(self, ended: int, cost_usd: float) -> None:
        """Is told by the runner that a run begins."""

    def stepped(self, usage: Usage) -> None:
        """Is told by the runner that a step was answered."""

    def ended(self, status: EpisodeStatus) -> None:
        """Is told by the runner that an episode is over and stored."""
        self._episodes += 1
        if self._episodes in MEMORY:
            self.peaks.append(peak_memory())


def peak_memory() -> float:
    """Returns this process's peak in MiB; `getrusage` would count its parent's too."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def memory(task: str, format: str, demos: int) -> list[float]:
    """Plays in this process and returns the peaks, in MiB."""
    episodes = MEMORY[-1]
    meter = MemoryMeter(before=2 * episodes)  # the reference players come first
    experiment = Experiment(
        task=(task,), format=(format,), agent=("fake",), demos=(demos,), episodes=episodes
    )
    agents = {"fake": FakeModel(at_random)}
    with tempfile.TemporaryDirectory() as folder:
        run(experiment, Path(folder), agents=agents, concurrency=AT_ONCE, progress=meter)
    return meter.peaks


def cold_help(times: int = 5) -> float:
    """Returns the CPU seconds of the quickest of a few calls."""
    command = Path(sys.executable).with_name("icil")
    spent = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([command, "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


if __name__ == "__main__":
    main()
