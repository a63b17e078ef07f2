"""The conformance checker of tasks: good tasks pass, and every rule catches who breaks it."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from icil.tasks import Observation, ParsedAction, ReferenceScores, UsageError, make, names
from icil.tasks.conformance import RULES, check_task, judge_task
from icil.tasks.conformance.findings import Finding
from icil.tasks.expert import Expert
from icil.tasks.gridworld import Gridworld
from icil.tasks.gridworld.env import GridworldEnv
from icil.tasks.gridworld.expert import ShortestPath
from icil.tasks.openings import EnumeratedOpenings

BUILT_IN = [name for name in names() if not name.endswith(("/", ":", "@"))]
QUICK = {"gridworld", "tic_tac_toe"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_tasks_keep_all_rules(name):
    episodes = 10 if name in QUICK else 2
    assert check_task(make(name), name, episodes=episodes) == ()


def test_reports_every_rule_in_order():
    verdicts = list(judge_task(Gridworld(), "gridworld"))
    assert [v.rule for v in verdicts] == list(RULES)
    assert all(v.ok for v in verdicts)
    assert "the expert scores 1 and random play" in verdicts[-1].notes[0]


def caught(task, name=None):
    """The rules that a task breaks, with what was seen first."""
    seen = {}
    for finding in check_task(task, name, episodes=3):
        assert finding.seen
        assert finding.expected
        seen.setdefault(finding.rule, finding.seen)
    return seen


# what it declares


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("name", "Grid World"),
        ("name", None),
        ("version", 0),
        ("version", "1"),
        ("version", True),
        ("summary", ""),
        ("summary", "two\nlines"),
        ("horizon", 0),
        ("horizon", 25.0),
        ("formats", ()),
        ("formats", ["ascii"]),
        ("formats", ("ascii", "ascii")),
        ("formats", "ascii"),
        ("image_formats", ("jpeg",)),
        ("references", ReferenceScores(expert=float("nan"), random=0.0, source="here")),
        ("references", ReferenceScores(expert=1.0, random=0.0, source="")),
    ],
)
def test_declarations(attribute, value):
    broken = type("Broken", (Gridworld,), {attribute: value})()
    first = next(iter(judge_task(broken)))
    assert attribute in first.findings[0].seen


def test_the_name_is_that_of_the_registry():
    (finding,) = check_task(Gridworld(), "grid")
    assert finding == Finding(
        rule=next(iter(RULES)), seen="name 'gridworld'", expected="'grid', as it is registered"
    )
    assert str(finding).endswith("name 'gridworld'; expected 'grid', as it is registered")


# the environment and the openings


class FreeEnv(GridworldEnv):
    """Returns observations outside their space."""

    def _observation(self):
        return super()._observation() + 100


class Misfit(Gridworld):
    def make_env(self):
        return FreeEnv()


def test_the_environment():
    assert list(caught(Misfit())) == ["the environment passes gymnasium's check_env"]


def test_gymnasium_s_warnings_are_notes():
    class Wrapped(Gridworld):
        def make_env(self):
            return gymnasium.wrappers.TransformReward(GridworldEnv(), lambda reward: reward)

        def state_key(self, env):
            return super().state_key(env.unwrapped)

        def observe(self, env, format):
            return super().observe(env.unwrapped, format)

    verdicts = {v.rule: v for v in judge_task(Wrapped(), episodes=2)}
    notes = verdicts["the environment passes gymnasium's check_env"].notes
    assert any("unwrapped" in note for note in notes)


class Source:
    """The openings of a task, changed on the way out."""

    def __init__(self, source, change):
        self.split, self.distinct = source.split, source.distinct
        self._source, self._change = source, change

    def __getitem__(self, index):
        return self._change(self._source[index])


def with_openings(change):
    class Broken(Gridworld):
        def openings(self, split):
            return Source(super().openings(split), change)

    return Broken()


def test_openings_are_json():
    broken = with_openings(lambda o: replace(o, state={**o.state, "tuple": (1, 2)}))
    assert "JSON" in str(check_task(broken)[0])
    assert list(caught(broken)) == ["openings are JSON, and the same each time"]


def test_openings_know_who_they_are():
    broken = with_openings(lambda o: replace(o, index=o.index + 1))
    seen = caught(broken)["openings are JSON, and the same each time"]
    assert seen == "demonstration opening 0 says that it is demonstration opening 1"


def test_openings_are_the_same_each_time():
    count = iter(range(100_000))
    broken = with_openings(lambda o: replace(o, state={**o.state, "note": next(count)}))
    assert list(caught(broken)) == ["openings are JSON, and the same each time"]


def test_splits_share_nothing():
    class Broken(Gridworld):
        def openings(self, split):
            same = EnumeratedOpenings(self.name, 1, "evaluation", states)
            return Source(same, lambda o: replace(o, split=split))

    states = [{"player": [1, 1], "target": [3, n]} for n in range(1, 10)]
    seen = caught(Broken())
    assert seen == {
        "the two splits share no starting state": (
            "evaluation opening 0 starts as demonstration opening 0 does"
        )
    }


def test_an_opening_that_does_not_exist():
    class Careless:
        distinct = 5

        def __init__(self, source):
            self.split, self._source = source.split, source

        def __getitem__(self, index):
            return [self._source[i] for i in range(5)][index]

    class Broken(Gridworld):
        def openings(self, split):
            return Careless(super().openings(split))

    rule = "an opening that does not exist is an OpeningsError"
    findings = [f for f in check_task(Broken(), episodes=3) if f.rule == rule]
    assert any("IndexError" in f.seen for f in findings)
    assert any(f.seen.startswith("demonstration opening -1 is") for f in findings)


# what is seen


def shows(change):
    class Broken(Gridworld):
        def observe(self, env, format):
            return change(super().observe(env, format), env)

    return caught(Broken()).get("every format renders what it declares")


def test_formats_render_what_they_declare():
    assert shows(lambda o, env: o) is None
    both = Observation(text="x", image=np.zeros((4, 4, 3), np.uint8))
    assert shows(lambda o, env: both) == "ascii: text and image"
    assert shows(lambda o, env: Observation()) == "ascii: neither text nor image"
    line = Observation(text="x\n")
    assert shows(lambda o, env: o if o.text is None else line) == r"ascii: the text 'x\n'"
    grey = Observation(image=np.zeros((4, 4), np.uint8))
    assert "uint8 (4, 4)" in shows(lambda o, env: o if o.image is None else grey)
    real = Observation(image=np.zeros((4, 4, 3), np.float32))
    assert "float32 (4, 4, 3)" in shows(lambda o, env: o if o.image is None else real)
    whole = Observation(text="x", state=np.zeros(3, np.int64))
    assert "int64 (3,)" in shows(lambda o, env: o if o.state is None else whole)


def test_formats_keep_their_shape():
    def growing(observation, env):
        if observation.image is None:
            return observation
        return Observation(image=observation.image[: 10 * env.player[0]])

    assert "before" in shows(growing)


def test_looking_twice_shows_the_same():
    class Restless(Gridworld):
        looks = 0

        def observe(self, env, format):
            self.looks += 1
            seen = super().observe(env, format)
            return seen if seen.text is None else Observation(text=f"look {self.looks}")

    assert "looks different the second time" in caught(Restless())["looking changes nothing"]


def test_looking_leaves_the_state():
    class Broken(Gridworld):
        def observe(self, env, format):
            shown = super().observe(env, format)
            if env.player != (1, 1):
                env.player = (1, 1)
            return shown

    assert "looking changes nothing" in caught(Broken())


def test_looking_leaves_the_future():
    class Broken(Gridworld):
        def observe(self, env, format):
            env.looked = True
            return super().observe(env, format)

        def step(self, env, value, outcome=None):
            done = super().step(env, value, outcome)
            return done._replace(reward=done.reward - 0.1 * getattr(env, "looked", False))

    seen = caught(Broken())
    assert list(seen) == ["looking changes nothing", "demonstrations render in every format"]


# what may be done


def test_there_are_legal_actions():
    class Broken(Gridworld):
        def legal_actions(self, env):
            return ()

    assert "there are legal actions, and each parses to itself" in caught(Broken())


def test_legal_actions_parse_to_themselves():
    class Broken(Gridworld):
        def legal_actions(self, env):
            return ("up", "down", "left", "Right")

        def parse(self, text, env):
            return super().parse(text.lower(), env)

    seen = caught(Broken())
    assert seen["there are legal actions, and each parses to itself"].startswith("'Right' is legal")


def test_spaces_of_actions_are_drawn_from():
    class Space:
        def describe(self):
            return "two\nlines"

        def sample(self, rng):
            return ("up", "sideways")[rng.integers(2)]

    class Broken(Gridworld):
        def legal_actions(self, env):
            return Space()

        def parse(self, text, env):
            return super().parse("up" if text == "sideways" else text, env)

    seen = [str(f) for f in check_task(Broken(), episodes=2)]
    assert any("one line" in one for one in seen)
    assert any("'sideways' is legal" in one for one in seen)


def reads(change):
    class Broken(Gridworld):
        def parse(self, text, env):
            return change(text, super().parse(text, env))

    return caught(Broken()).get("wrong replies are classified with a reason, and none raises")


def test_wrong_replies_are_classified():
    lost = ParsedAction(status="invalid", reason="what?")
    assert reads(lambda text, parsed: parsed) is None
    assert reads(lambda text, p: p if p.status == "ok" else lost) == "'' is invalid"
    unsaid = ParsedAction(status="invalid")
    assert "the reason None" in reads(lambda text, p: unsaid if p.status == "invalid" else p)
    half = ParsedAction(status="ok")
    assert "status='ok', action=None" in reads(lambda text, p: half if text == "-1" else p)
    up = ParsedAction(status="ok", action="up", value=0)
    assert reads(lambda text, p: up if text == "?!" else p) == "'?!' is ok"


def test_parsing_never_raises():
    assert "ValueError" in reads(lambda text, p: [int(text), p][1] if text.isdigit() else p)
    assert "UnicodeEncodeError" in reads(lambda text, p: [text.encode(), p][1])


# episodes


class EndlessEnv(GridworldEnv):
    def step(self, action):
        self._steps_left = 25
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


def test_episodes_end():
    class Endless(Gridworld):
        def make_env(self):
            return EndlessEnv()

        def expert(self):
            raise NotImplementedError

    assert caught(Endless())["random play ends by the horizon"] == "no end after 25 steps"


def steps(change):
    class Broken(Gridworld):
        def step(self, env, value, outcome=None):
            return change(super().step(env, value, outcome))

    return caught(Broken())


def test_rewards_are_finite_and_outcomes_json():
    rule = "random play ends by the horizon"
    assert "inf" in steps(lambda t: t._replace(reward=float("inf")))[rule]
    assert "outcome=(1, 2)" in steps(lambda t: t._replace(outcome=(1, 2)))[rule]


def test_the_same_actions_give_the_same_episode():
    count = iter(range(1_000_000))
    seen = steps(lambda t: t._replace(reward=t.reward + next(count)))
    assert "the same actions give the same episode again" in seen


def test_an_environment_can_be_used_again():
    class Sticky(GridworldEnv):
        resets = 0

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed, options=options)
            self.resets += 1
            if options and self.resets > 1:
                self.player = (1, 1) if self.target != (1, 1) else (1, 2)
            return self._observation(), {}

    class Broken(Gridworld):
        def make_env(self):
            return Sticky()

    assert "the same actions give the same episode again" in caught(Broken())


def test_environments_do_not_touch_each_other():
    class Broken(Gridworld):
        """Holds the episode itself."""

        def make_env(self):
            self.env = GridworldEnv()
            return self.env

        def state_key(self, env):
            return super().state_key(self.env)

    assert "environments are independent of each other" in caught(Broken())


# the expert


def with_expert(cls):
    class Broken(Gridworld):
        def expert(self):
            return cls()

    return Broken()


def test_the_expert_acts_legally():
    class Lost(Expert):
        name = "lost"

        def act(self, env, rng):
            return "sideways"

    rule = "the expert acts legally, and the same each time"
    assert "the expert of gridworld answered 'sideways'" in caught(with_expert(Lost))[rule]


def test_the_expert_does_the_same_each_time():
    shared = np.random.default_rng(0)

    class Moody(ShortestPath):
        def act(self, env, rng):
            return super().act(env, shared)

    rule = "the expert acts legally, and the same each time"
    assert list(caught(with_expert(Moody))) == [rule]


def test_where_the_world_is_not_simulated_again_the_expert_may_differ():
    shared = np.random.default_rng(0)

    class Moody(ShortestPath):
        def act(self, env, rng):
            return super().act(env, shared)

    class Open(Gridworld):
        def expert(self):
            return Moody()

        def step(self, env, value, outcome=None):
            return super().step(env, value, outcome)._replace(outcome="moved")

    verdicts = {v.rule: v for v in judge_task(Open(), episodes=3)}
    one = verdicts["the expert acts legally, and the same each time"]
    assert one.ok
    assert "so may the world" in one.notes[0]


GOOD = "what the expert holds to be equally good holds what it does"


def holds(good):
    """What is seen of an expert that walks as it should, and holds this to be equally good."""

    class Opinionated(ShortestPath):
        def equally_good(self, env):
            return good(self, env)

    return caught(with_expert(Opinionated))


def test_what_the_expert_does_is_among_what_it_holds_to_be_good():
    assert holds(ShortestPath.equally_good) == {}
    first = holds(lambda expert, env: ShortestPath.equally_good(expert, env)[:1])
    assert list(first) == [GOOD]
    assert first[GOOD].endswith("the expert does 'right' and holds 'down' to be good")
    assert holds(lambda expert, env: ())[GOOD].endswith("and holds nothing to be good")
    assert "'north' is held to be good, and is invalid" in holds(lambda e, env: ("north",))[GOOD]
    assert holds(lambda expert, env: "up")[GOOD] == "opening 0, step 0: 'up'"
    assert holds(lambda expert, env: {"up"})[GOOD] == "opening 0, step 0: {'up'}"


def test_an_expert_that_cannot_tell_what_is_equally_good_is_noted():
    class Silent(ShortestPath):
        def equally_good(self, env):
            return None

    verdicts = {v.rule: v for v in judge_task(with_expert(Silent), episodes=2)}
    assert verdicts[GOOD].ok
    assert verdicts[GOOD].notes[0].startswith("the expert does not say what is equally good")


def test_asking_what_is_equally_good_changes_nothing():
    def wander(expert, env):
        env.player = (1, 1) if env.player != (1, 1) else (1, 2)
        return ("up", "down", "left", "right")

    assert holds(wander)[GOOD].endswith("equally_good changes the state")


def test_demonstrations_render():
    class Vague(Gridworld):
        """Pays for having been looked at."""

        def observe(self, env, format):
            env.seen = True
            return super().observe(env, format)

        def step(self, env, value, outcome=None):
            done = super().step(env, value, outcome)
            return done._replace(reward=done.reward + getattr(env, "seen", False))

    assert "does not replay" in caught(Vague())["demonstrations render in every format"]


def test_the_expert_is_not_worse_than_random():
    class Shy(Expert):
        name = "shy"

        def act(self, env, rng):
            return "up"

    class Paid(Gridworld):
        """Pays for walking sideways."""

        def expert(self):
            return Shy()

        def step(self, env, value, outcome=None):
            done = super().step(env, value, outcome)
            return done._replace(reward=float(value >= 2))

    seen = caught(Paid())
    assert list(seen) == ["the expert is not worse than random play"]
    assert seen["the expert is not worse than random play"].startswith("over 3 openings")


def test_a_task_may_have_no_expert():
    verdicts = {v.rule: v for v in judge_task(make("atari/pong"), "atari/pong", episodes=2)}
    assert [v.findings for v in verdicts.values() if not v.ok] == []
    *_, acts, good, renders, ranks = verdicts.values()
    assert acts.notes[0].startswith("atari/pong has no expert; its demonstrations come from")
    assert good.notes == ("there is no expert to ask",)
    assert renders.notes == ("looked at demonstrations of random play, for there is no expert",)
    assert ranks.notes == ("there is no expert to compare with",)


def test_a_task_without_an_expert_says_so_both_ways():
    class Torn(Gridworld):
        has_expert = False

    class Crashing(Torn):
        def expert(self):
            raise RuntimeError("no file")

    rule = "the expert acts legally, and the same each time"
    assert caught(Torn()) == {rule: "has_expert is False, and there is the expert shortest_path"}
    assert caught(Crashing()) == {rule: "RuntimeError: no file"}


def test_without_an_expert_rendering_is_looked_at_all_the_same():
    class Vague(Gridworld):
        has_expert = False

        def expert(self):
            raise UsageError("none")

        def observe(self, env, format):
            env.seen = True
            return super().observe(env, format)

        def step(self, env, value, outcome=None):
            done = super().step(env, value, outcome)
            return done._replace(reward=done.reward + getattr(env, "seen", False))

    assert "does not replay" in caught(Vague())["demonstrations render in every format"]


# the checker itself


def test_a_rule_that_a_task_crashes_is_broken():
    class Broken(Gridworld):
        def state_key(self, env):
            raise RuntimeError("not\ntoday")

    seen = caught(Broken())
    assert seen["looking changes nothing"] == "RuntimeError: not today"


def test_reports_a_mistake_a_few_times_and_in_few_words():
    class Broken(Gridworld):
        def parse(self, text, env):
            parsed = super().parse(text, env)
            return replace(parsed, reason="why " * 1000) if parsed.reason else parsed

    findings = check_task(Broken(), episodes=3)
    assert len(findings) == 3
    assert max(len(f.seen) for f in findings) <= 300


def test_slow_worlds_are_drawn_in_some_states_and_told_in_all():
    class Counted(Gridworld):
        slow = False
        looked = 0
        drawn = 0

        def observe(self, env, format):
            self.looked += format not in self.image_formats
            self.drawn += format in self.image_formats
            return super().observe(env, format)

    class Slow(Counted):
        slow = True

    quick, slow = Counted(), Slow()
    assert check_task(quick, episodes=2) == check_task(slow, episodes=2) == ()
    assert slow.looked == quick.looked
    assert 0 < slow.drawn < quick.drawn / 2


def test_what_is_drawn_wrongly_at_the_end_of_a_slow_world_is_seen():
    class Torn(Gridworld):
        slow = True

        def observe(self, env, format):
            shown = super().observe(env, format)
            if format == "rgb" and env._steps_left == 1:
                return replace(shown, image=shown.image[:-1])
            return shown

    seen = caught(Torn())["every format renders what it declares"]
    assert "of shapes" in seen
