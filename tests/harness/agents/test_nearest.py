"""The nearest agent, held against distances worked out the slow way."""

import asyncio
import re
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from icil.harness.agents import EpisodeContext, Turn
from icil.harness.agents.nearest import NearestAgent
from icil.prompt_builders import PromptBuilder, PromptOptions, Selection, load_template
from icil.prompt_builders.cache import VARIABLE
from icil.tasks import Opening, load_pool_for, make, render
from icil.tasks.seeding import generator

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def answer(task, format, demonstrations, env, *, legal_actions=False):
    """What the agent does in an environment's present state."""
    episode = EpisodeContext(
        task=task,
        format=format,
        opening=Opening(split="evaluation", index=0, state={}),
        demonstrations=tuple(demonstrations),
        options=PromptOptions(legal_actions=legal_actions),
        generator=lambda step: generator("nearest", step),
    )
    turn = Turn(
        episode=episode, step=0, env=env, observation=task.observe(env, format), prompt=None
    )

    async def ask():
        agent = NearestAgent()
        await agent.begin(episode)
        reply = await agent.act(turn)
        await agent.end(episode)
        return reply.text

    return asyncio.run(ask())


def text_distance(here, there):
    """Nearer is smaller: other wordings come after all equal ones."""
    if NUMBER.sub("#", here) == NUMBER.sub("#", there):
        pairs = zip(NUMBER.findall(here), NUMBER.findall(there), strict=True)
        return (0, sum((float(a) - float(b)) ** 2 for a, b in pairs))
    longest = max(len(here), len(there))
    here, there = here.ljust(longest, "\0"), there.ljust(longest, "\0")
    return (1, sum(a != b for a, b in zip(here, there, strict=True)))


def image_distance(here, there):
    small = [
        np.asarray(Image.fromarray(i).resize((16, 16), Image.Resampling.BOX)).astype(int) // 4
        for i in (here, there)
    ]
    return int(((small[0] - small[1]) ** 2).sum())


def expected(task, format, demonstrations, env, allowed=None):
    """The action of the nearest state; the first of those equally near."""
    now = task.observe(env, format)
    shown = []
    for demonstration in demonstrations:
        for seen, action in render(task, demonstration, format):
            if allowed is None or action in allowed:
                if now.image is not None:
                    shown.append((image_distance(now.image, seen.image), action))
                else:
                    shown.append((text_distance(now.text, seen.text), action))
    return min(shown, key=lambda item: item[0])[1]


def at(task, shown, legal=None):
    env = task.make_env()
    state = {"shown": [shown], **({"legal": legal} if legal else {})}
    task.reset(env, Opening(split="evaluation", index=0, state=state))
    return env


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("gridworld", "coords"),
        ("gridworld", "ascii"),
        ("gridworld", "rgb"),
        ("tic_tac_toe", "ascii"),
        ("tic_tac_toe", "rgb"),
    ],
)
def test_does_as_the_nearest_state_of_a_slow_search(name, format):
    task = make(name)
    pool = load_pool_for(task).demonstrations
    env = task.make_env()
    for index in range(12):
        shown = pool[index * 7 : index * 7 + 6]
        task.reset(env, task.openings("evaluation")[index])
        assert answer(task, format, shown, env) == expected(task, format, shown, env)
        legal = task.legal_actions(env)
        if any(step.action in legal for d in shown for step in d.steps):
            chosen = answer(task, format, shown, env, legal_actions=True)
            assert chosen == expected(task, format, shown, env, legal)


@pytest.mark.parametrize(("name", "shown"), [("chess", 4), ("atari/phoenix", 1)])
def test_it_acts_the_same_from_the_cache_as_without_it(name, shown, tmp_path, monkeypatch):
    pool = load_pool_for(make(name)).demonstrations[:shown]
    drawn, prompted = tmp_path / "drawn", tmp_path / "prompted"
    monkeypatch.setenv(VARIABLE, str(prompted))
    selection = Selection(demonstrations=pool, reasons=("",) * shown)
    PromptBuilder(make(name), "rgb", load_template()).prefix(selection)
    answers = []
    for cache in ("off", drawn, drawn, prompted, prompted):
        monkeypatch.setenv(VARIABLE, str(cache))
        task = make(name)
        with closing(task.make_env()) as env:
            for index in range(3):
                task.reset(env, task.openings("evaluation")[index])
                answers.append(answer(task, "rgb", pool, env))
    assert answers[:3] * 5 == answers
    assert len(list(drawn.rglob("*.cached"))) == shown
    # A PNG and a thumbnail of each; the thumbnail was made of the PNG.
    assert len(list(prompted.rglob("*.cached"))) == 2 * shown


TEXTS = st.one_of(
    st.text(alphabet="ab1-. é😀", max_size=8),
    st.builds("at {}, {}".format, st.integers(-5, 5), st.integers(0, 3)),
    st.builds("x={} y={}".format, st.integers(-5, 5), st.floats(-2, 2).map(lambda f: round(f, 2))),
)
STATES = st.lists(st.tuples(TEXTS, st.sampled_from("abcd")), min_size=1, max_size=8)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=STATES, second=STATES, now=TEXTS, legal=st.sets(st.sampled_from("abcd"), min_size=1))
def test_any_texts_are_compared_as_the_module_says(script, first, second, now, legal):
    shown = [
        script.recorded(str(i), [t for t, _ in states], [a for _, a in states])
        for i, states in enumerate((first, second))
    ]
    env = at(script, now, sorted(legal))
    assert answer(script, "text", shown, env) == expected(script, "text", shown, env)
    chosen = answer(script, "text", shown, env, legal_actions=True)
    assert chosen in legal
    if any(action in legal for _, action in (*first, *second)):
        assert chosen == expected(script, "text", shown, env, legal)


def test_numbers_count_by_their_size_and_not_by_their_characters(script):
    shown = [script.recorded("0", ["at 10, 0", "at 199, 0"], ["a", "b"])]
    assert answer(script, "text", shown, at(script, "at 99, 0")) == "a"


def test_the_same_wording_is_nearer_than_any_other(script):
    shown = [script.recorded("0", ["at 1, 1!", "at 900, 900"], ["a", "b"])]
    assert answer(script, "text", shown, at(script, "at 1, 1")) == "b"


def test_a_longer_text_is_as_far_as_the_characters_that_the_shorter_lacks(script):
    shown = [script.recorded("0", ["xxxxyyyy", "zzzz"], ["a", "b"])]
    assert answer(script, "text", shown, at(script, "xxxx")) == "a"
    shown = [script.recorded("0", ["xxxxyyyyy", "zzzz"], ["a", "b"])]
    assert answer(script, "text", shown, at(script, "xxxx")) == "b"
    shown = [script.recorded("0", ["xx", "xxxx....."], ["a", "b"])]
    assert answer(script, "text", shown, at(script, "xxxxzzzz")) == "b"


@pytest.mark.parametrize("texts", [("same", "same"), ("at 1", "at 3"), ("px", "qx")])
def test_ties_go_to_the_first_shown_and_then_to_the_earlier_step(script, texts):
    now = {"same": "same", "at 1": "at 2", "px": "rx"}[texts[0]]
    one = script.recorded("9", list(texts), ["a", "b"])
    other = script.recorded("0", list(texts), ["c", "d"])
    assert answer(script, "text", [one, other], at(script, now)) == "a"
    assert answer(script, "text", [other, one], at(script, now)) == "c"


def test_a_listed_legal_action_is_taken_even_where_all_states_alike_did_what_is_not(script):
    shown = [script.recorded("0", ["at 1", "elsewhere", "el"], ["a", "b", "c"])]
    chosen = answer(script, "text", shown, at(script, "at 2", ["b", "c"]), legal_actions=True)
    assert chosen == "c"


def test_where_no_demonstrated_action_is_legal_it_draws_from_those_that_are(script):
    shown = [script.recorded("0", ["one", "two"], ["a", "b"])]
    env = at(script, "one", ["g", "h"])
    assert answer(script, "text", shown, env, legal_actions=True) in ("g", "h")
    assert answer(script, "text", shown, env) == "a"


def test_images_are_compared_exactly_whatever_the_order_of_the_sums(script):
    """Near ties among noise, which sums that were rounded would decide by chance."""
    rng = np.random.default_rng(0)
    script.images = {
        str(i): rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) // 4 * 4 for i in range(60)
    }
    script.images["dark"] = np.zeros((32, 32, 3), np.uint8)
    script.images["light"] = np.full((32, 32, 3), 255, np.uint8)
    names = list(script.images)
    actions = [script.actions[i % 8] for i in range(len(names))]
    shown = [script.recorded("0", names, actions)]
    for number in range(40):
        # One step of one channel away from one of them, on top of noise that all share.
        near = script.images[str(number)].astype(int)
        near[:2, :2, 0] += 4 * (number % 3 - 1)
        script.images["now"] = near.clip(0, 255).astype(np.uint8)
        env = at(script, "now")
        assert answer(script, "pixels", shown, env) == expected(script, "pixels", shown, env)
    assert answer(script, "pixels", shown, at(script, "dark")) == actions[names.index("dark")]


def test_sums_over_a_thumbnail_fit_the_integers_that_a_float32_holds():
    assert 16 * 16 * 3 * (255 >> 2) ** 2 * 4 < 2**24


@pytest.mark.parametrize("format", ["ascii", "rgb"])
def test_a_state_that_was_shown_is_imitated(format):
    task = make("tic_tac_toe")
    pool = load_pool_for(task).demonstrations[:40]
    env = task.make_env()
    for demonstration in pool[:10]:
        task.reset(env, demonstration.opening)
        assert answer(task, format, pool, env) == demonstration.steps[0].action


def test_without_demonstrations_it_draws_from_the_legal_actions(play, contents):
    summary = play(agent=("nearest",), demos=(0,), episodes=60)
    steps = [s for e in contents(summary.folder).of(agent="nearest") for s in e["steps"]]
    assert {s["status"] for s in steps} == {"ok"}
    assert len({s["action"] for s in steps}) == 9


def test_with_the_legal_actions_listed_it_is_never_illegal(play):
    fields = {"agent": ("nearest",), "format": (), "demos": (1, 3), "episodes": 30}
    free = play("free", **fields).leaderboard.rows
    bound = play("bound", legal_actions=True, **fields).leaderboard.rows
    assert len(bound) == 4
    assert {row.illegal_rate for row in bound} == {0.0}
    assert all(row.illegal_rate > 0 for row in free)


def test_more_demonstrations_of_the_grid_world_help(play):
    summary = play(
        agent=("nearest",), task=("gridworld",), format=("coords",), demos=(1, 64), episodes=60
    )
    score = {row.demonstrations: row.score_mean for row in summary.leaderboard.rows}
    assert score[64] > score[1] + 0.2
