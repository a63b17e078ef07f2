"""A task of your own: an environment, a language, an expert, and a run over it.

Run it with `python examples/own_task.py FOLDER`. It checks the task, lets its expert build a
pool of demonstrations, and plays the embedded agents.
"""

import sys
from pathlib import Path

import gymnasium

from icil.harness import Experiment, run
from icil.tasks import (
    EnumeratedOpenings,
    Expert,
    Observation,
    Task,
    build_pool,
    make,
    parse_choice,
    register,
    save_pool,
)
from icil.tasks.conformance import check_task

ACTIONS = {"up": 1, "down": 0}


class CounterEnv(gymnasium.Env):
    """A number goes up and down until it is ten, which pays 1, or 25 steps are over."""

    observation_space = gymnasium.spaces.Discrete(101, start=-40)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        """Starts from the opening's number, or from any."""
        super().reset(seed=seed)
        opening = (options or {}).get("opening") or {"number": int(self.np_random.integers(10))}
        self.number, self.steps = opening["number"], 0
        return self.number, {}

    def step(self, action):
        """Counts up (1) or down (0)."""
        self.number, self.steps = self.number + (1 if action else -1), self.steps + 1
        done = self.number == 10
        return self.number, float(done), done, not done and self.steps == 25, {}


class Counter(Expert):
    """Takes the straight way."""

    name = "counter"

    def act(self, env, rng):
        """Returns the action that leads towards ten."""
        return "up" if env.number < 10 else "down"


@register("count_to_ten")
class CountToTen(Task):
    """Counting to ten, from below or from above."""

    name, version, summary = "count_to_ten", 1, "count up or down to ten"
    formats, horizon = ("text",), 25

    def make_env(self):
        """Returns a new environment."""
        return CounterEnv()

    def openings(self, split):
        """Returns half of the numbers from -10 to 30."""
        states = [{"number": number} for number in range(-10, 31) if number != 10]
        return EnumeratedOpenings(self.name, self.version, split, states)

    def state_key(self, env):
        """Returns the number."""
        return str(env.number)

    def observe(self, env, format):
        """Says the number."""
        self.check_format(format)
        return Observation(text=f"The number is {env.number}.")

    def legal_actions(self, env):
        """Returns both, whatever the number."""
        return tuple(ACTIONS)

    def parse(self, text, env):
        """Reads `up` or `down`."""
        return parse_choice(text, ACTIONS, ACTIONS)

    def expert(self):
        """Returns the expert."""
        return Counter()


def main(folder: Path) -> None:
    """Checks the task and plays it."""
    task = make("count_to_ten")
    for finding in check_task(task, "count_to_ten"):
        sys.exit(f"the task is not right yet: {finding}")
    if not (folder / "pool").exists():
        save_pool(build_pool(task, 50), folder / "pool")
    experiment = Experiment(
        task=("count_to_ten",), demos=(0, 1, 4, 16), episodes=20, pool=(folder / "pool",)
    )
    summary = run(experiment, folder / "run")
    for row in summary.leaderboard.rows:
        print(f"{row.agent:10}{row.demonstrations:4}{row.score_mean:8.2f}")
    print(summary.folder / "leaderboard.csv")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/own_task.py FOLDER")
    main(Path(sys.argv[1]))
