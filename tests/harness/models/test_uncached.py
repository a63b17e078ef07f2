"""Where each step has demonstrations of its own, nothing is written into a provider's cache."""

from contextlib import closing

import pytest

from icil.harness import Experiment, run
from icil.results import open_run

FIELDS = {
    "task": ("gridworld",),
    "format": ("coords",),
    "demos": (16,),
    "episodes": 2,
    "selector": ("relevance", "relevance:query=step"),
}
_TAKEN = """
SELECT c.selector, SUM(s.input_tokens), SUM(s.cached_input_tokens), SUM(s.cache_write_tokens)
FROM steps s JOIN episodes e ON e.id = s.episode JOIN cells c ON c.id = e.cell
WHERE c.agent = ? GROUP BY 1
"""


AGENT = "anthropic/claude-sonnet-4-5"
AGENTS = (AGENT, "openai/gpt-5.6", f"litellm/{AGENT}")


@pytest.mark.parametrize("agent", AGENTS)
def test_what_no_later_request_begins_with_is_not_written(agent, serve, tmp_path):
    serve(keep_bodies=False)
    folder = run(Experiment(agent=(agent,), **FIELDS), tmp_path / "run").folder
    with closing(open_run(folder)) as store:
        found = {name: taken for name, *taken in store.rows(_TAKEN, (agent,))[1]}
    shared, own = found["relevance"], found["relevance:query=step"]
    assert shared[1] > shared[0] / 2
    assert shared[2] > 1000
    assert own[0] > 1000
    assert own[1:] == [0, 0]


def test_what_is_asked_for_overrules(serve, tmp_path):
    serve(keep_bodies=False)
    mark = {"cache_control": {"type": "ephemeral"}}
    settings = {f"{AGENT}.parameters": mark}
    experiment = Experiment(
        agent=(AGENT,), set=settings, **{**FIELDS, "selector": FIELDS["selector"][1:]}
    )
    with closing(open_run(run(experiment, tmp_path / "run").folder)) as store:
        ((_, _, _, written),) = store.rows(_TAKEN, (AGENT,))[1]
    assert written > 1000
