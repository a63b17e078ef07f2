"""What identifies cells: the hashes of plain experiments, which no new option may change."""

import pytest

from icil.harness import Experiment
from icil.harness.planning.plan import make_plan

KNOWN = {
    "controls": ["eae616f0981d359a", "56ebac47f775812c", "739264d97fe08ffd", "7085c22cee13d0ba"],
    "forced": ["1a5f6ba6f37b1bb7", "f1836a8c1610af0e"],
    "model": [
        "18eb20123bfd0064",
        "67862d82e2eb1049",
        "ca1c86ba241e961d",
        "afc2f18d13719824",
        "eb618771e664e8ba",
    ],
    "plain": [
        "18eb20123bfd0064",
        "67862d82e2eb1049",
        "79444015bf7b771e",
        "505fb11f408bd56e",
        "53949aeb737f5a64",
    ],
    "sets": ["eae616f0981d359a", "56ebac47f775812c", "4f8d6238e3565766"],
}


EXPERIMENTS = {
    "plain": {
        "task": ("tic_tac_toe",),
        "format": ("ascii",),
        "agent": ("nearest",),
        "selector": ("random", "diversity"),
        "demos": (0, 2),
        "episodes": 3,
    },
    "model": {
        "task": ("tic_tac_toe",),
        "format": ("ascii",),
        "agent": ("openai/gpt-4o-mini",),
        "demos": (0, 2),
        "context_tokens": (8000,),
        "episodes": 3,
        "legal_actions": True,
        "reasoning": True,
        "past_actions": False,
        "layout": "chat",
    },
    "sets": {
        "task": ("gridworld",),
        "format": ("coords",),
        "agent": ("nearest",),
        "demos": (2,),
        "demo_sets": 2,
        "episodes": 4,
    },
    "forced": {
        "task": ("gridworld",),
        "format": ("coords",),
        "agent": ("nearest", "random"),
        "demos": (1,),
        "episodes": 4,
        "teacher_forced": True,
        "parse": "lenient",
    },
    "controls": {
        "task": ("gridworld",),
        "format": ("coords",),
        "agent": ("nearest",),
        "control": ("shuffle_actions",),
        "demos": (2,),
        "episodes": 3,
    },
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_plain_experiments_have_the_hashes_that_they_always_had(name):
    plan = make_plan(Experiment(**EXPERIMENTS[name]))
    assert [cell.record.hash for cell in plan.cells] == KNOWN[name]
