"""Demonstrations chosen anew at each step: what is shown, kept, judged and refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from icil.harness import Experiment, FakeModel, run
from icil.harness.agents.nearest import NearestAgent
from icil.harness.estimates import ModelProfile, make_estimate
from icil.harness.estimates.caching import CacheRule
from icil.harness.estimates.usage_history import ModelName
from icil.harness.imitation import measure_imitation
from icil.harness.models import Sampling
from icil.harness.models.tables.tokens import count_tokens
from icil.harness.planning.plan import make_plan
from icil.prompt_builders import PromptBuilder, PromptOptions, Query, load_template, selectors
from icil.prompt_builders.selectors.relevance import RelevanceSelector
from icil.tasks import StoreError, UsageError, load_pool_for, make

STEP = "relevance:query=step"
FIELDS = {
    "task": ("gridworld",),
    "format": ("coords",),
    "selector": (STEP,),
    "demos": (3,),
    "episodes": 5,
}
PROFILE = ModelProfile(
    name=ModelName("", "fake"),
    price=None,
    caching=CacheRule(kind="breakpoints", minimum=1024),
    sampling=Sampling(max_output_tokens=10),
)
MOVES = ("up", "left", "down", "right", "nowhere", "right", "up")


@pytest.fixture(autouse=True)
def _no_past(tmp_path, monkeypatch):
    monkeypatch.setenv("ICIL_CACHE", str(tmp_path / "cache"))


def by_prompt(turn):
    return MOVES[turn.prompt.hash[0] % len(MOVES)]


def fake(answers=by_prompt, **more):
    return {"fake": FakeModel(answers, **more)}


def own(episode):
    """What each step of an episode was shown."""
    return [json.loads(step["demonstrations"]) for step in episode["steps"]]


def essence(held):
    return held.essence(), [
        [(s["prefix"], s["demonstrations"]) for s in e["steps"]] for e in held.episodes
    ]


# --- what is shown


@pytest.mark.parametrize("layout", ["single", "chat"])
def test_each_prompt_shows_what_is_nearest_to_its_state_and_the_whole_episode(
    play, contents, layout
):
    folder = play(agents=fake(), layout=layout, **FIELDS).folder
    plan = make_plan(Experiment(agent=("nearest",), **FIELDS))
    task, hidden = plan.tasks["gridworld"].task, plan.tasks["gridworld"].hidden
    pool, selector = plan.tasks["gridworld"].pool, selectors.make(STEP)
    shown, passed = set(), 0
    for episode, out in zip(contents(folder).of(agent="fake"), hidden, strict=True):
        builder = PromptBuilder(task, "coords", load_template(), PromptOptions(layout=layout))
        opening = task.openings("evaluation")[episode["opening"]]
        with closing(task.make_env()) as env:
            task.reset(env, opening)
            tail = None
            for step, request in zip(episode["steps"], episode["requests"], strict=True):
                seen = task.observe(env, "coords")
                query = Query(task=task, format="coords", opening=opening, observation=seen)
                chosen = selector.select(pool.without(out), query, 3, np.random.default_rng(0))
                assert tuple(json.loads(step["demonstrations"])) == chosen.ids
                assert not out & set(chosen.ids)
                prefix = builder.prefix(chosen)
                assert step["prefix"] == prefix.hash
                tail = tail or builder.tail(prefix)
                tail.observe(seen)
                rest = (*tail.question().tail, *tail.question().question)
                expected = "".join(part.text for part in (*prefix.parts, *rest))
                assert request.decode() == expected
                task.step(env, task.parse(step["action"], env).value)
                tail.act(step["action"])
                shown.add(chosen.ids)
                passed += 1
        assert episode["demonstrations"] == own(episode)[0]
    assert len(shown) > passed / 4
    assert any(hidden)


def test_what_a_model_was_asked_is_what_is_stored(play, contents):
    asked = {}

    def answer(turn):
        asked[turn.episode.opening.index, turn.step] = turn.prompt.text().encode()
        assert turn.episode.demonstrations == ()
        assert len(turn.demonstrations) == 3
        return by_prompt(turn)

    folder = play(agents=fake(answer), **FIELDS).folder
    stored = {
        (e["opening"], number): request
        for e in contents(folder).of(agent="fake")
        for number, request in enumerate(e["requests"])
    }
    assert stored == asked


def test_where_they_are_chosen_once_no_step_has_its_own(play, contents):
    folder = play(agents=fake(), **{**FIELDS, "selector": ("relevance",)}).folder
    for episode in contents(folder).of(agent="fake"):
        assert {(s["prefix"], s["demonstrations"]) for s in episode["steps"]} == {(None, None)}


def test_nearest_does_far_better_with_what_is_near_to_each_state(play):
    fields = {**FIELDS, "selector": ("relevance", STEP), "demos": (1,), "episodes": 60}
    rows = play(agent=("nearest",), **fields).leaderboard.rows
    scores = {row.selector: row.score_mean for row in rows if row.agent == "nearest"}
    # Measured on 100 episodes: 0.51 and 0.98.
    assert scores[STEP] > 0.9 > 0.7 > scores["relevance"]


def test_replay_repeats_what_each_step_shows_first(play, contents):
    folder = play(agent=("replay",), **FIELDS).folder
    known = load_pool_for(make("gridworld")).by_id
    said = 0
    for episode in contents(folder).of(agent="replay"):
        for step, ids in zip(episode["steps"], own(episode), strict=True):
            steps = known[ids[0]].steps
            expected = steps[step["step"]].action if step["step"] < len(steps) else ""
            assert step["reply"] == expected
            said += bool(expected)
    assert said > 5


# --- with what else there is


@pytest.mark.parametrize(
    ("control", "mark"),
    [
        ("noise=0.34", "~noise:"),
        ("shuffle_actions", "~shuffle_actions"),
        ("wrong_expert", "~wrong_expert"),
        ("permute_labels", "~permute_labels"),
        ("irrelevant", ""),
        ("shuffle_order", ""),
    ],
)
def test_controls_alter_what_each_step_shows_and_are_judged_so(play, contents, control, mark):
    fields = {**FIELDS, "selector": (f"{STEP}+{control}", STEP)}
    folder = play(agents={**fake(), "mine": NearestAgent()}, **fields).folder
    held = contents(folder)
    for episode in held.of(selector=f"{STEP}+{control}"):
        marked = [sum(mark in id for id in ids) for ids in own(episode)]
        assert set(marked) == ({1} if "noise" in control else {3})
    measure_imitation(folder)
    copying = {s["copies"] for e in contents(folder).of(agent="mine") for s in e["steps"]}
    assert copying == {1}


def test_noise_is_drawn_anew_at_each_step(play, contents):
    fields = {**FIELDS, "selector": (f"{STEP}+noise=0.34",)}
    places = {
        next(place for place, id in enumerate(ids) if "~" in id)
        for episode in contents(play(agents=fake(), **fields).folder).of(agent="fake")
        for ids in own(episode)
    }
    assert places == {0, 1, 2}


def test_windows_are_chosen_by_their_own_states(play, contents):
    fields = {**FIELDS, "window": 2, "selector": (STEP, "random"), "demos": (1,), "episodes": 40}
    summary = play(agent=("nearest",), **fields)
    for episode in contents(summary.folder).of(selector=STEP):
        assert all(re.fullmatch(r"\d+\[\d+:\d+\]", id) for ids in own(episode) for id in ids)
    scores = {row.selector: row.score_mean for row in summary.leaderboard.rows}
    assert scores[STEP] > 0.8 > scores["random"]


def test_a_budget_is_filled_and_kept_at_each_step(play, contents):
    fields = {**FIELDS, "demos": (0,), "context_tokens": (3000,), "episodes": 3}
    model = FakeModel(by_prompt, context_tokens=10**6)
    folder = play(agents={"fake": model, "mine": NearestAgent()}, **fields).folder
    for agent in ("fake", "mine"):
        for episode in contents(folder).of(agent=agent, selector=STEP):
            assert episode["status"] == "done"
            assert all(len(ids) > 3 for ids in own(episode))
            longest = max(step["input_tokens"] for step in episode["steps"])
            assert longest <= 3000
            assert agent == "mine" or longest > 2000


def test_the_demonstration_that_is_played_again_comes_first_at_each_step(play, contents):
    fields = {**FIELDS, "teacher_forced": True, "demos": (3,)}
    folder = play(agent=("replay",), **fields).folder
    for episode in contents(folder).of(agent="replay"):
        again = f"{episode['opening']:05}"
        assert all(ids[0] == again and again not in ids[1:] for ids in own(episode))
        assert len({tuple(ids) for ids in own(episode)}) > 1 or len(episode["steps"]) < 3
        assert episode["score"] == 1.0


def test_a_prompt_that_is_too_long_at_a_later_step_is_found_before_it_is_sent(play, contents):
    asked = []

    def answer(turn):
        asked.append((turn.step, sum(map(FakeModel("").tokens, turn.prompt))))
        return "left"

    free = play("free", agents=fake(answer), **{**FIELDS, "episodes": 1}).folder
    sizes = dict(asked)
    most = next(sizes[s] for s in sizes if s and sizes[s] < max(sizes.values()))
    asked.clear()
    play("run", agents=fake(answer, context_tokens=most), **{**FIELDS, "episodes": 1})
    (episode,) = contents(free.parent / "run").of(agent="fake")
    assert episode["status"] == "overlong"
    first = min(step for step, size in sizes.items() if size > most)
    assert [step for step, _ in asked] == list(range(first))
    assert f"{sizes[first]} tokens, the model takes {most}" in episode["message"]


class Unaware(NearestAgent):
    """Takes the demonstrations of an episode."""

    capabilities = replace(NearestAgent.capabilities, each_step=False)


@pytest.mark.parametrize(
    ("agents", "fields", "message"),
    [
        (fake(), {"demo_sets": 2}, "episodes cannot share a set of them: leave out one of it and"),
        ({"mine": Unaware()}, {}, "and mine takes those of an episode"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_made(
    tmp_path, agents, fields, message
):
    experiment = Experiment(agent=tuple(agents), **{**FIELDS, **fields})
    with pytest.raises(UsageError, match=message) as error:
        run(experiment, tmp_path / "run", agents=agents)
    assert str(error.value).startswith(f"selector {STEP} chooses demonstrations anew at each step")
    assert not (tmp_path / "run").exists()


def test_where_nothing_is_chosen_nothing_is_refused(play):
    fields = {**FIELDS, "demos": (0,), "demo_sets": 2}
    assert play(agents={"mine": Unaware()}, **fields).errors == 0


# --- interrupted


class StopError(Exception):
    """The end of a run, staged."""


@pytest.mark.parametrize("after", [1, 17, 40])
def test_an_interrupted_run_ends_as_if_it_had_not_been(play, contents, after):
    def stop(turn):
        if model.calls > after:
            raise StopError
        return by_prompt(turn)

    model = FakeModel(stop)
    fields = {**FIELDS, "agent": ("fake", "nearest")}
    with pytest.raises(StopError):
        play("stopped", agents={"fake": model}, concurrency=3, **fields)
    summary = play("stopped", agents=fake(), concurrency=16, **fields)
    whole = play("whole", agents=fake(), concurrency=1, **fields)
    assert essence(contents(summary.folder)) == essence(contents(whole.folder))
    one, other = (f.folder / "leaderboard.csv" for f in (summary, whole))
    assert one.read_bytes() == other.read_bytes()


MODEL = """
import os, sys
from pathlib import Path
from icil.harness import Experiment, FakeModel, run

MOVES = ("up", "left", "down", "right", "nowhere", "right", "up")
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def answer(turn):
    os.write(log, f"{turn.episode.opening.index} {turn.step}\\n".encode())
    return MOVES[turn.prompt.hash[0] % len(MOVES)]

run(
    Experiment(task=("gridworld",), format=("coords",), agent=("fake",), demos=(2,), episodes=30,
               selector=("relevance:query=step",)),
    Path(sys.argv[1]), agents={"fake": FakeModel(answer, latency_s=0.005)}, concurrency=4,
)
"""


def test_killed_it_is_never_asked_again_what_it_answered(tmp_path, contents):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    script = [sys.executable, "-c", MODEL]
    subprocess.run([*script, str(whole), str(tmp_path / "log")], check=True, timeout=120)
    kept = set()
    for number, wanted in enumerate((60, 200, None)):
        log = tmp_path / f"log{number}"
        process = subprocess.Popen([*script, str(killed), str(log)])
        while wanted and process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= wanted:
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.003)
        assert process.wait(120) == (-signal.SIGKILL if wanted else 0)
        asked = {tuple(map(int, line.split())) for line in log.read_text().splitlines()}
        assert asked
        assert not kept & asked
        held = contents(killed).of(agent="fake")
        kept = {(e["opening"], s["step"]) for e in held for s in e["steps"]}
    assert essence(contents(killed)) == essence(contents(whole))


def test_what_is_chosen_otherwise_at_a_later_step_is_noticed(play, monkeypatch):
    seen = []

    def stop(turn):
        seen.append(turn.observation.text)
        if turn.step == 4:
            raise StopError
        return by_prompt(turn)

    fields = {**FIELDS, "episodes": 1}
    with pytest.raises(StopError):
        play(agents=fake(stop), concurrency=1, **fields)
    select = RelevanceSelector.select

    def otherwise(self, pool, query, k, rng):
        chosen = select(self, pool, query, k, rng)
        if query.observation.text == seen[2]:
            return replace(chosen, demonstrations=chosen.demonstrations[::-1])
        return chosen

    monkeypatch.setattr(RelevanceSelector, "select", otherwise)
    with pytest.raises(StoreError, match="step 2: the prompt is another now than it was then"):
        play(agents=fake(), **fields)


# --- estimated, judged


def test_an_estimate_counts_on_no_cache(play):
    agents = fake("left")
    fields = {**FIELDS, "selector": (STEP, "relevance"), "demos": (8,), "agent": ("fake",)}
    plan = make_plan(Experiment(**fields), agents)
    found = make_estimate(plan, concurrency=1, profiles={"fake": PROFILE})
    cells = {cell.cell.selector: cell for cell in found.cells}
    assert cells[STEP].range.expected.cached_tokens == 0
    assert cells[STEP].range.expected.written_tokens == 0
    assert cells["relevance"].range.expected.cached_tokens > 0
    assert cells["relevance"].range.expected.written_tokens > 0
    shown = {name: cell.prefix_tokens for name, cell in cells.items()}
    assert 0.7 < shown[STEP] / shown["relevance"] < 1.6


def test_prefixes_are_estimated_from_all_parts_of_an_episode(play):
    fields = {**FIELDS, "demos": (16,), "episodes": 12}
    plan = make_plan(Experiment(agent=("fake",), **fields), fake(context_tokens=10**6))
    sizes = []

    def at_random(turn):
        sizes.append(sum(count_tokens(part, "", "") for part in turn.prompt.prefix.parts))
        return ("up", "down", "left", "right")[turn.prompt.hash[0] % 4]

    (cell,) = make_estimate(plan, concurrency=1, profiles={"fake": PROFILE}).cells
    play(agents=fake(at_random), **fields)
    assert cell.prefix_tokens == pytest.approx(np.mean(sizes), rel=0.1)


def test_what_the_expert_might_do_is_kept(play, contents):
    folder = play(agents=fake(), **FIELDS).folder
    assert {s["expected"] for e in contents(folder).of(agent="fake") for s in e["steps"]} == {None}
    measure_imitation(folder)
    task = make("gridworld")
    counts = set()
    for episode in contents(folder).of(agent="fake"):
        with closing(task.make_env()) as env, closing(task.expert()) as expert:
            task.reset(env, task.openings("evaluation")[episode["opening"]])
            for step in episode["steps"]:
                good = sorted(expert.equally_good(env))
                assert json.loads(step["expected"]) == good
                assert step["agrees"] == (step["reply"] in good)
                counts.add(len(good))
                task.step(env, task.parse(step["action"], env).value)
    assert counts == {1, 2}
