"""Teacher-forced episodes that are kept from their own prompts: foretelling, not repeating."""

import pytest

from icil.tasks import ExperimentError

FORCED = {
    "task": ("gridworld",),
    "format": ("coords",),
    "agent": ("nearest",),
    "teacher_forced": True,
    "episodes": 6,
}


def test_an_episode_that_is_held_out_is_not_among_those_shown(play, contents):
    repeated = play("repeated", demos=(16,), **FORCED)
    foretold = play("foretold", demos=(0, 16), held_out=True, **FORCED)
    (row,) = repeated.leaderboard.rows
    assert row.score_mean == 1.0
    scores = {row.demonstrations: row.score_mean for row in foretold.leaderboard.rows}
    assert set(scores) == {0, 16}
    assert scores[0] < 1.0
    assert scores[16] < 1.0
    shown = {e["opening"]: e["demonstrations"] for e in contents(repeated.folder).episodes}
    for episode in contents(foretold.folder).of(count=16):
        own, *others = shown[episode["opening"]]
        assert own not in episode["demonstrations"]
        assert len(episode["demonstrations"]) == 16
        assert len(others) == 15


def test_only_what_is_forced_can_be_held_out(play):
    with pytest.raises(ExperimentError, match="held_out: only teacher-forced"):
        play(demos=(2,), held_out=True)


def test_without_it_no_demonstrations_are_no_teacher_forced_run(play):
    with pytest.raises(ExperimentError, match="expected demos of 1 or more"):
        play(demos=(0,), **FORCED)
