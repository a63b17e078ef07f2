"""What the tests of results share: small stores, written as a run writes them."""

from itertools import count

import pytest

from icil.results import Answer, CellRecord, Played, RunStore, Usage

META = {
    "experiment": {"episodes": 1},
    "experiment_hash": "e" * 16,
    "formats": {"toy": ["ascii", "rgb"], "walk": ["text"]},
}


class Cell(CellRecord):
    """A record that can be a key."""

    __slots__ = ()

    def __hash__(self):
        return hash(self.hash)


@pytest.fixture
def make_cell():
    """Returns a function that makes the record of a cell, each with its own hash."""
    numbers = count()

    def make_cell(agent="model", **changes):
        fields = {"task": "toy", "format": "ascii", "selector": "random", "demonstrations": 1}
        if agent in ("random", "expert"):
            fields |= {"format": "", "selector": "", "demonstrations": 0}
        return Cell(hash=f"{next(numbers):016x}", agent=agent, **{**fields, **changes})

    return make_cell


@pytest.fixture
def make_store(tmp_path):
    """Returns a function that makes a store of cells; closes it in the end."""
    made = []

    def make_store(*cells, path=tmp_path / "run.sqlite", **meta):
        made.append(RunStore.create(path, {**META, **meta}, cells))
        return made[-1]

    yield make_store
    for store in made:
        store.close()


@pytest.fixture
def answer():
    """Returns a function that makes an answer: its status, and what it cost."""

    def answer(status="ok", *, agrees=None, reply="b2", action="b2", **usage):
        return Answer(
            reply=reply, status=status, action=action, agrees=agrees, usage=Usage(**usage)
        )

    return answer


@pytest.fixture
def play(answer):
    """Returns a function that writes an episode into a store."""

    def play(store, cell, opening, score=None, *, status="done", steps=None, shown=()):
        episode = store.begin_episode(store.cells()[cell.hash], opening, demonstrations=shown)
        for number, step in enumerate([answer()] if steps is None else steps):
            store.add_step(episode, number, step, previous=Played(reward=0.0) if number else None)
        message = None if status == "done" else "it went wrong"
        store.end_episode(episode, status, score=score, message=message)
        return episode

    return play
