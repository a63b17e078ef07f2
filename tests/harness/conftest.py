"""What the tests of the harness share: short runs, a look into their stores, the command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import pytest

from icil.harness import Experiment, run
from icil.harness.cli import main
from icil.results import RunStore
from icil.results.store import FILE_NAME
from icil.tasks import (
    Demonstration,
    Expert,
    Observation,
    Opening,
    Step,
    Task,
    parse_choice,
)
from icil.tasks.demonstrations import state_digest

COMMAND = (sys.executable, "-c", "from icil.harness.cli import main; main()")

_EPISODES = """
SELECT e.id, c.task, c.format, c.agent, c.selector, c.demonstrations AS count, c.asked,
       e.attempt, e.opening, e.status, e.score, e.message, e.demonstrations, e.left_out
FROM episodes e JOIN cells c ON c.id = e.cell
ORDER BY c.task, c.format, c.agent, c.selector, c.demonstrations, e.opening
"""


class Said(NamedTuple):
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


class Contents:
    """Everything that a run's store holds, in an order that does not depend on the run's."""

    def __init__(self, folder: Path) -> None:
        store = RunStore(folder / FILE_NAME, readonly=True)
        try:
            columns, rows = store.rows(_EPISODES)
            self.episodes = [dict(zip(columns, row, strict=True)) for row in rows]
            for episode in self.episodes:
                episode["demonstrations"] = json.loads(episode["demonstrations"])
                columns, rows = store.rows(
                    "SELECT s.* FROM steps s JOIN episodes e "
                    "ON e.id = s.episode AND e.attempt = s.attempt "
                    f"WHERE e.id = {episode['id']} ORDER BY step"
                )
                episode["steps"] = [dict(zip(columns, row, strict=True)) for row in rows]
                episode["requests"] = [
                    b"".join(store.part(hash)[1] for hash in store.request(episode["id"], number))
                    for number in range(len(episode["steps"]))
                ]
        finally:
            store.close()

    def of(self, **wanted: Any) -> list[dict[str, Any]]:
        """The episodes whose columns have these values."""
        return [e for e in self.episodes if all(e[k] == v for k, v in wanted.items())]

    def essence(self) -> list[tuple[Any, ...]]:
        """What must not depend on how a run came about."""
        return [
            (
                *(e[k] for k in ("task", "format", "agent", "selector", "count", "opening")),
                *(e[k] for k in ("status", "score", "message", "left_out")),
                tuple(e["demonstrations"]),
                tuple(
                    (s["step"], s["reply"], s["status"], s["action"], s["reward"], s["prompt"])
                    for s in e["steps"]
                ),
                tuple(e["requests"]),
            )
            for e in self.episodes
        ]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Any]:
    """Plays an experiment into a folder below `tmp_path`, tic-tac-toe unless told otherwise."""

    def play(name: str = "run", *, agents: Any = None, concurrency: int = 8, **fields: Any) -> Any:
        fields = {"task": ("tic_tac_toe",), "format": ("ascii",), "episodes": 6, **fields}
        fields.setdefault("agent", tuple(agents or ("nearest",)))
        fields.setdefault("demos", (0, 2))
        return run(Experiment(**fields), tmp_path / name, agents=agents, concurrency=concurrency)

    return play


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take seconds, and few tests are about them: `--report` asks for one."""
    monkeypatch.setenv("ICIL_REPORT", "off")


@pytest.fixture
def contents() -> Callable[[Path], Contents]:
    return Contents


@pytest.fixture
def icil(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line within this process, as the installed command calls it."""

    def icil(*args: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["icil", *map(str, args)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        return Said(exit.value.code or 0, *capfd.readouterr())

    return icil


@pytest.fixture
def command() -> tuple[str, ...]:
    """How to start the command line as a process of its own."""
    return COMMAND


@pytest.fixture
def icil_process(tmp_path: Path) -> Callable[..., Said]:
    """The command line as a process of its own, in `tmp_path`."""

    def icil(*args: object, env: dict[str, str] | None = None, **options: Any) -> Said:
        done = subprocess.run(
            [*COMMAND, *map(str, args)],
            capture_output=True,
            text=True,
            errors="replace",
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            timeout=120,
            check=False,
            **options,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return icil


class ScriptEnv(gymnasium.Env[Any, Any]):
    """Shows one thing after the other, whatever is done."""

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.state = dict(options["opening"])
        self.position = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.position += 1
        return 0, 0.0, self.position == len(self.state["shown"]), False, {}


class Script(Task[ScriptEnv]):
    """A task whose openings say what is seen and what is allowed at each step."""

    name, version, summary, horizon = "script", 1, "a script", 1000
    formats = ("text", "pixels")
    image_formats = ("pixels",)
    actions = tuple("abcdefgh")
    images: dict[str, Any] = {}  # noqa: RUF012
    """By what stands for them in an opening."""

    def make_env(self) -> ScriptEnv:
        return ScriptEnv()

    def openings(self, split: Any) -> Any:
        raise NotImplementedError

    def state_key(self, env: ScriptEnv) -> str:
        return env.state["shown"][env.position]

    def observe(self, env: ScriptEnv, format: str) -> Observation:
        shown = env.state["shown"][env.position]
        return (
            Observation(image=self.images[shown]) if format == "pixels" else Observation(text=shown)
        )

    def legal_actions(self, env: ScriptEnv) -> tuple[str, ...]:
        return tuple(env.state.get("legal", self.actions))

    def parse(self, text: str, env: ScriptEnv) -> Any:
        return parse_choice(text, dict.fromkeys(self.actions, 0), self.legal_actions(env))

    def expert(self) -> Expert[ScriptEnv]:
        raise NotImplementedError

    def recorded(self, id: str, shown: list[str], actions: list[str]) -> Demonstration:
        """A demonstration in which these actions answered what was shown."""
        opening = Opening(split="demonstration", index=0, state={"shown": shown})
        env = self.make_env()
        self.reset(env, opening)
        steps = []
        for action in actions:
            steps.append(Step(state=state_digest(self, env), action=action, reward=0.0))
            env.step(0)
        return Demonstration(id=id, opening=opening, steps=tuple(steps), terminated=True)


@pytest.fixture
def script() -> Script:
    task = Script()
    task.images = {}
    return task
