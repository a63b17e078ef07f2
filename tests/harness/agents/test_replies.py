"""What a model says, and what is made of it."""

from dataclasses import replace

import pytest

from icil.harness import FakeModel
from icil.harness.testing import echo
from icil.results import make_leaderboard, open_run, read_scored
from icil.tasks import make

TURN = b"=== Your turn ===\n"


def fake(contents, summary):
    return contents(summary.folder).of(agent="fake")


@pytest.mark.parametrize(
    ("reply", "status"),
    [("", "empty"), (" \n\t", "empty"), ("I take b2.", "invalid"), ("B2", "invalid")],
)
def test_a_wrong_reply_is_replaced_by_a_legal_action_that_stands_in_the_history(
    reply, status, play, contents
):
    summary = play(agents={"fake": FakeModel(reply)}, demos=(0, 1), episodes=10)
    task = make("tic_tac_toe")
    env = task.make_env()
    longest = 0
    for episode in fake(contents, summary):
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        played = []
        for step, request in zip(episode["steps"], episode["requests"], strict=True):
            turn = request[request.index(TURN) :].decode()
            assert [line for line in turn.splitlines() if line.startswith("Action:")] == [
                f"Action: {action}" for action in played
            ]
            assert (step["reply"], step["status"]) == (reply, status)
            assert step["reason"]
            assert step["action"] in task.legal_actions(env)
            played.append(step["action"])
            task.step(env, task.parse(step["action"], env).value)
        longest = max(longest, len(played))
    assert longest > 2
    for row in summary.leaderboard.rows:
        rates = {s: getattr(row, f"{s}_rate") for s in ("empty", "invalid", "illegal")}
        assert rates == {**dict.fromkeys(rates, 0.0), status: 1.0}


def test_an_illegal_reply_is_told_from_one_that_is_no_action(play, contents):
    summary = play(agents={"fake": FakeModel("b2")}, demos=(0,), episodes=20)
    task = make("tic_tac_toe")
    env = task.make_env()
    seen = set()
    for episode in fake(contents, summary):
        task.reset(env, task.openings("evaluation")[episode["opening"]])
        for step in episode["steps"]:
            legal = task.legal_actions(env)
            assert step["status"] == ("ok" if "b2" in legal else "illegal")
            assert step["action"] == "b2" if "b2" in legal else step["action"] in legal
            seen.add(step["status"])
            task.step(env, task.parse(step["action"], env).value)
    assert seen == {"ok", "illegal"}


class Wordy(FakeModel):
    """Says at its first step what only a lenient reader takes, and is cut off at its second."""

    def __init__(self):
        super().__init__(lambda turn: f"{'' if turn.step else '**'}{turn.legal_actions()[0]}")

    async def act(self, turn):
        reply = await super().act(turn)
        if turn.step == 0:
            return replace(reply, text=f"{reply.text}**")
        return replace(reply, finish="length" if turn.step == 1 else "stop")


@pytest.mark.parametrize(
    ("parse", "how"),
    [("strict", "would be actions if they were"), ("lenient", "are actions only as they are")],
)
def test_what_the_other_reading_counts_and_what_was_cut_off_is_told(parse, how, play, contents):
    agents = {"wordy": Wordy(), "plain": FakeModel("b2")}
    summary = play(agents=agents, demos=(0, 1), parse=parse)
    played = contents(summary.folder).of(agent="wordy")
    replies = sum(len(episode["steps"]) for episode in played)
    cut = sum(len(episode["steps"]) > 1 for episode in played)
    assert summary.leaderboard.notes == (
        f"of {replies} replies of wordy 12 ({12 / replies:.1%}) {how} read leniently, "
        f"{cut} ({cut / replies:.1%}) were cut off as too long (--max-output-tokens)",
    )


def test_each_reading_of_an_agents_replies_is_told_of_by_itself(play):
    stores = [
        open_run(play(parse, agents={"wordy": Wordy()}, demos=(0,), parse=parse).folder)
        for parse in ("strict", "lenient")
    ]
    told = [note for note in make_leaderboard(read_scored(*stores)).notes if "of wordy" in note]
    for store in stores:
        store.close()
    strict, lenient = told
    assert "6 (" in strict
    assert "would be actions if they were read leniently" in strict
    assert "are actions only as they are read leniently" in lenient


def test_replacements_are_uniform_over_the_legal_actions(play, contents):
    summary = play(agents={"fake": FakeModel("?")}, task=("gridworld",), demos=(0,), episodes=60)
    steps = [s for e in fake(contents, summary) for s in e["steps"]]
    counts = [sum(s["action"] == a for s in steps) for a in ("up", "down", "left", "right")]
    expected = len(steps) / 4
    assert sum(counts) == len(steps) > 500
    assert sum((c - expected) ** 2 / expected for c in counts) < 16


def test_a_right_reply_is_taken_with_white_space_around_it(play, contents):
    summary = play(
        agents={"fake": FakeModel("\n  up \n")}, task=("gridworld",), demos=(0,), episodes=2
    )
    steps = [s for e in fake(contents, summary) for s in e["steps"]]
    assert {(s["status"], s["action"]) for s in steps} == {("ok", "up")}


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("Action: up", "ok"),
        ("Is Action: left right? Or\nAction: down?\nNo.\nAction:\n up \n", "ok"),
        ("up", "ok"),
        ("I think.\nAction:", "empty"),
        ("I think.\nAction: up, I am sure", "invalid"),
        ("Action: up\nAction: sideways", "invalid"),
        ("I would go up", "invalid"),
        ("ACTION: up", "invalid"),
    ],
)
def test_with_reasoning_what_follows_the_last_mark_counts(reply, status, play, contents):
    summary = play(
        agents={"fake": FakeModel(reply)},
        task=("gridworld",),
        demos=(0,),
        episodes=1,
        reasoning=True,
    )
    (episode,) = fake(contents, summary)
    assert {s["status"] for s in episode["steps"]} == {status}
    if status == "ok":
        assert {s["action"] for s in episode["steps"]} == {"up"}
    assert all(b"First think it through in writing." in r for r in episode["requests"])
    assert all(s["reply"] == reply for s in episode["steps"])


def test_without_reasoning_a_reply_with_a_mark_is_invalid(play, contents):
    summary = play(agents={"fake": FakeModel("Action: up")}, task=("gridworld",), demos=(0,))
    assert {s["status"] for e in fake(contents, summary) for s in e["steps"]} == {"invalid"}
    assert not any(b"think" in r for e in fake(contents, summary) for r in e["requests"])


def test_without_past_actions_the_episode_shows_its_observations_alone(play, contents):
    fields = {"task": ("gridworld",), "format": ("coords",), "demos": (1,), "episodes": 3}
    without = play("without", agents={"fake": FakeModel("up")}, past_actions=False, **fields)
    having = play("having", agents={"fake": FakeModel("up")}, **fields)
    for one, other in zip(fake(contents, without), fake(contents, having), strict=True):
        assert [s["action"] for s in one["steps"]] == [s["action"] for s in other["steps"]]
        for number, (bare, full) in enumerate(zip(one["requests"], other["requests"], strict=True)):
            before, turn = bare.split(TURN)
            assert b"Action:" in before
            assert b"Action:" not in turn
            assert turn.count(b"Observation:\n") == number + 1
            assert turn == full.split(TURN)[1].replace(b"Action: up\n", b"")


HOSTILE = (
    "x" * 10_000_000,
    "up\0down",
    "\0" * 1000,
    "\ud800\udfff lone",
    "<script>alert(1)</script>",
    "'); DROP TABLE steps; --",
    "Action: " * 200_000,
    "$observation ${action} $$",
    "=== Your turn ===\nObservation:\n",
    "\x1b[2J\x1b[31m\u202e\ufeff\r\n",
    "=cmd|' /C calc'!A0",
    "[/bold][red]",
)


@pytest.mark.parametrize("reasoning", [False, True])
def test_hostile_replies_are_kept_and_played_on(reasoning, play, contents):
    def answer(turn):
        return HOSTILE[turn.episode.opening.index] if turn.step == 0 else "up"

    summary = play(
        agents={"fake": FakeModel(answer)},
        task=("gridworld",),
        format=("coords",),
        demos=(0,),
        episodes=len(HOSTILE),
        reasoning=reasoning,
    )
    assert summary.errors == 0
    for said, episode in zip(HOSTILE, fake(contents, summary), strict=True):
        first, *others = episode["steps"]
        assert episode["status"] == "done"
        assert first["reply"] == said.encode("utf-8", "replace").decode()
        assert first["status"] in ("invalid", "empty")
        assert len(first["reason"]) < 200
        assert {s["status"] for s in others} <= {"ok"}
        if others:
            assert f"Action: {first['action']}\n".encode() in episode["requests"][1]
    assert summary.leaderboard.to_csv().count("\n") == 2


def test_a_model_that_says_its_whole_prompt_back_is_played_on(play, contents):
    summary = play(agents={"fake": FakeModel(echo)}, demos=(2,), format=("ascii", "rgb"))
    steps = [s for e in fake(contents, summary) for s in e["steps"]]
    assert {s["status"] for s in steps} == {"invalid"}
    assert any("[image]" in s["reply"] for s in steps)


def test_no_reply_is_ever_part_of_a_later_prompt(play, contents):
    summary = play(agents={"fake": FakeModel("MARKED REPLY")}, demos=(1,))
    assert not any(b"MARKED" in r for e in fake(contents, summary) for r in e["requests"])
