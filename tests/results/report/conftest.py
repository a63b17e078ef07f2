"""What the tests of reports share: a store as a run leaves it, of worlds that can be replayed."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from itertools import count

import pytest

from icil.results import Answer, CellRecord, Played, RunStore, Usage
from icil.tasks import make

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=\"document.title='run'\"><!-- </script> --> & '\""
)


class Writer:
    """Writes the store of a run of gridworld and tic-tac-toe, step by step."""

    def __init__(self, path, cells, **experiment):
        fields = {
            "episodes": 2,
            "task": {"gridworld": 1, "tic_tac_toe": 1},
            "pool": {"gridworld": "ab" * 32},
            "settings": {},
            "set": {},
            "seed": 0,
            "template": "cd" * 16,
            **experiment,
        }
        meta = {
            "experiment": fields,
            "experiment_hash": "e" * 16,
            "formats": {"gridworld": ["ascii", "coords", "rgb"], "tic_tac_toe": ["ascii", "rgb"]},
            "icil": "0.1.0",
        }
        self.store = RunStore.create(path, meta, cells)
        self._hashes = count(1)

    def part(self, content, kind="text"):
        number = next(self._hashes).to_bytes(16, "big")
        return (number, kind, content.encode() if isinstance(content, str) else content)

    def episode(
        self,
        cell,
        opening,
        replies,
        *,
        shown=None,
        status="done",
        wrong=(),
        prefix=("You act.",),
        **more,
    ):
        """Plays replies in the world itself, to its end; what is shown is given for each step."""
        task = make(cell.task)
        env = task.make_env()
        task.reset(env, task.openings("evaluation")[opening])
        store, score, previous = self.store, 0.0, None
        episode = store.begin_episode(
            store.cells()[cell.hash], opening, demonstrations=["d1", "d2"], reasons=["near", "far"]
        )
        if shown:
            first = [self.part(*one) for one in map(_as_part, prefix)]
            hashes = tuple(part[0] for part in first)
            store.set_prefix(episode.id, hashes[0], hashes, lambda: first)
        for number, reply in enumerate(replies):
            parts = [self.part(*one) for one in (shown[number] if shown else ())]
            question = [self.part("Which?")] if shown else []
            said = wrong[number] if number < len(wrong) else None
            answer = Answer(
                shown=tuple(part[0] for part in parts),
                question=tuple(part[0] for part in question),
                reply=reply if said is None else said,
                status="ok" if said is None else "invalid",
                reason=None if said is None else f"{said!r} is not an action",
                action=reply,
                usage=Usage(input_tokens=7 if shown else 0, latency_s=0.5 if shown else None),
                model=HOSTILE if shown else None,
                **more,
            )
            store.add_step(episode, number, answer, [*parts, *question], previous)
            done = task.step(env, task.parse(reply, env).value)
            previous = Played(reward=done.reward)
            score += done.reward
            if done.terminated or done.truncated:
                replies = replies[: number + 1]
                break
        if status != "running":
            last = (len(replies) - 1, previous) if replies else None
            message = None if status == "done" else HOSTILE
            store.end_episode(
                episode,
                status,
                score=score if status == "done" else None,
                last=last,
                message=message,
            )
        return episode.id


def _as_part(one):
    return one if isinstance(one, tuple) else (one,)


@pytest.fixture
def cell():
    """Returns a function that makes the record of a cell."""
    numbers = count()

    def cell(agent="model", task="gridworld", format="ascii", **more):
        blind = agent in ("random", "expert")
        fields = {"selector": "" if blind else "random", "demonstrations": 0 if blind else 2}
        fields |= {"format": "" if blind else format, **more}
        return CellRecord(hash=f"{next(numbers):016x}", task=task, agent=agent, **fields)

    return cell


@pytest.fixture
def writer(tmp_path):
    """Returns a function that makes a run's store below `tmp_path`; closes it in the end."""
    made = []

    def writer(*cells, name="run", **experiment):
        folder = tmp_path / name
        folder.mkdir()
        made.append(Writer(folder / "run.sqlite", cells, **experiment))
        return made[-1]

    yield writer
    for one in made:
        one.store.close()


class Page(HTMLParser):
    """A report, taken apart as a browser does."""

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text("utf-8")
        self.scripts, self.tags, self.policy = {}, [], ""
        self.styles = []
        self._inside = None
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag in ("script", "style"):
            self._inside = (tag, attributes.get("id", ""), attributes.get("type", ""))

    def handle_data(self, data):
        if self._inside and self._inside[0] == "script":
            self.scripts[self._inside[1:]] = data
        elif self._inside:
            self.styles.append(data)

    def handle_endtag(self, tag):
        self._inside = None

    @property
    def overview(self):
        return json.loads(self.scripts["overview", "application/json"])

    def packs(self, kind):
        found = {}
        for (id, _), text in self.scripts.items():
            if re.fullmatch(rf"{kind}(-\d+)?", id):
                found |= json.loads(zlib.decompress(base64.b64decode(text)))
        return found

    @property
    def episodes(self):
        return self.packs("pack")

    @property
    def pictures(self):
        ids = [id for id, _ in self.scripts if re.fullmatch(r"i\d+", id)]
        return [base64.b64decode(self.scripts[id, "text/plain"]) for id in ids]


@pytest.fixture
def read_page():
    return Page


@pytest.fixture
def hostile():
    return HOSTILE
