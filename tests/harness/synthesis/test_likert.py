"""The filter that asks a model: what it is shown, what counts, and that it is asked once."""

from statistics import mean, median

import pytest

from icil.harness import FakeModel
from icil.harness.agents import Agent
from icil.harness.playing.budget import Budget
from icil.harness.synthesis import IncompleteError
from icil.harness.synthesis.likert import Judge, read_judge
from icil.harness.synthesis.rating import Rating
from icil.tasks import ModelError, PoolError, UsageError


class Rater:
    """Says a rating that depends on the episode alone, or on the prompt too; remembers prompts."""

    def __init__(self, rate):
        self.prompts = []
        self.model = FakeModel(self.say)
        self._rate = rate

    def say(self, turn):
        self.prompts.append(turn.prompt.text())
        return self._rate(turn)


def moves(turn):
    return turn.observation.text.count("Action: ")


def by_length(turn):
    return str(min(5, moves(turn)))


PERTURBED = "perturbed:noise=0.9"


def test_it_keeps_those_at_or_above_the_median(propose):
    everything = propose(PERTURBED, out="all", episodes=30)
    rater = Rater(by_length)
    made = propose(
        PERTURBED,
        "likert:fake:prompts=2",
        episodes=30,
        manner={"agents": {"fake": rater.model}},
    )
    ratings = [min(5, len(one.steps)) for one in everything.demonstrations]
    bar = median(ratings)
    expected = [d for d, r in zip(everything.demonstrations, ratings, strict=True) if r >= bar]
    assert 0 < len(expected) < 30
    assert list(made.demonstrations) == expected
    (only,) = made.card.synthesis.filters
    assert (only.filter, only.threshold) == ("likert:fake:prompts=2, 60 as said", bar)


def test_a_rating_is_the_mean_over_the_prompts(propose):
    def moody(turn):
        return str(1 + (turn.prompt.prefix.hash[0] + moves(turn)) % 5)

    said = {}

    def say(turn):
        rating = moody(turn)
        said.setdefault(turn.observation.text, []).append(int(rating))
        return rating

    rater = FakeModel(say)
    made = propose(
        PERTURBED, "likert:fake:prompts=3:demos=2", "distinct", manner={"agents": {"fake": rater}}
    )
    assert {len(ratings) for ratings in said.values()} == {3}
    values = [mean(ratings) for ratings in said.values()]
    first = made.card.synthesis.filters[0]
    assert first.threshold == pytest.approx(median(values))
    assert len({tuple(sorted(r)) for r in said.values()}) > 1


def test_prompts_differ_in_the_real_ones_shown(propose):
    rater = Rater(by_length)
    propose(PERTURBED, "likert:fake:prompts=4:demos=3", manner={"agents": {"fake": rater.model}})
    prefixes = {text.partition("=== Recording to be rated ===")[0] for text in rater.prompts}
    assert len(prefixes) == 4
    for text in rater.prompts:
        assert text.count("=== Expert recording") == 3
        assert text.rstrip().endswith("Reply with nothing but the number.")
        before, rated = text.split("=== Recording to be rated ===")
        assert rated.count("Observation:\n") == rated.count("Action: ") >= 1
        assert before.count("Observation:\n") == before.count("Action: ") >= 3


def test_what_was_rated_is_not_rated_again(propose):
    rater = Rater(by_length)
    agents = {"agents": {"fake": rater.model}}
    text = "likert:fake:prompts=2"
    propose(PERTURBED, "return>=0", text, manner=agents)
    few = len(rater.prompts)
    propose(PERTURBED, text, out="more", proposals="made", manner=agents)
    assert few < len(rater.prompts) == len(set(rater.prompts))
    every = len(rater.prompts)
    propose(PERTURBED, "distinct", text, out="again", proposals="made", manner=agents)
    assert len(rater.prompts) == every


def test_faults_are_no_ratings(propose, tmp_path):
    whole = propose(
        PERTURBED, "likert:fake", out="whole", manner={"agents": {"fake": FakeModel(by_length)}}
    )
    left = [4]

    def fault(turn):
        left[0] -= 1
        return ModelError("the server answered 500") if left[0] < 0 else None

    broken = FakeModel(by_length, faults=fault)
    with pytest.raises(IncompleteError, match="episodes of fake are missing: the server answered"):
        propose(PERTURBED, "likert:fake", manner={"agents": {"fake": broken}})
    assert not (tmp_path / "made").exists()
    mended = FakeModel(by_length)
    made = propose(PERTURBED, "likert:fake", manner={"agents": {"fake": mended}})
    assert made == whole
    assert mended.calls == 12 * 5 - 4


def test_replies_that_are_no_ratings_do_not_count(propose):
    """One that is never rated with a number is dropped; one that is rated sometimes is kept."""

    def say(turn):
        if moves(turn) == 1:
            return "I had rather not."
        return "" if turn.prompt.prefix.hash[0] % 2 else "My rating is: 3."

    made = propose(
        PERTURBED, "likert:fake:prompts=8", manner={"agents": {"fake": FakeModel(say)}}, episodes=30
    )
    everything = propose(PERTURBED, out="all", proposals="made", episodes=30)
    assert [d for d in everything.demonstrations if len(d.steps) > 1] == list(made.demonstrations)
    with pytest.raises(PoolError, match="none of them has a rating"):
        propose(
            PERTURBED,
            "likert:mute",
            out="none",
            proposals="made",
            manner={"agents": {"mute": FakeModel("no")}},
        )


@pytest.mark.parametrize(
    ("said", "rating"),
    [
        ("4", "4"),
        (" 4\n", "4"),
        ("Rating: 4/4", "4"),
        ("**5**", "5"),
        ("", None),
        ("four", None),
        ("6", None),
        ("45", None),
        ("4.5", None),
        ("4 or 5", None),
        ("0", None),
    ],
)
def test_a_rating_is_the_one_number_named(said, rating):
    assert Rating({}).parse(said, None).action == rating


def test_the_budget_is_for_proposing_and_rating_together(propose):
    class Paid(FakeModel):
        def most(self, prompt):
            from icil.results import Usage

            return Usage(cost_usd=1.0)

    proposer, rater = Paid("b2", cost_usd=1.0), Paid("3", cost_usd=1.0)
    agents = {"fake": proposer, "rater": rater}
    with pytest.raises(IncompleteError, match=r"episodes of rater are missing: .*are spent"):
        propose(
            "fake",
            "likert:rater",
            manner={"agents": agents, "budget": Budget(cost_usd=60.0), "concurrency": 2},
        )
    assert proposer.calls < 60 == proposer.calls + rater.calls


def test_filters_that_ask_are_read():
    assert read_judge("return>=1") is None
    assert read_judge("likert:openai/gpt-5") == Judge(agent="openai/gpt-5")
    assert read_judge("likert:local/m@http://host:8000:prompts=7:demos=2") == Judge(
        agent="local/m@http://host:8000", prompts=7, shown=2
    )
    for text in ("likert:", "likert:fake:prompts=0", "likert:fake:demos=x"):
        with pytest.raises(UsageError, match="expected"):
            read_judge(text)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ("likert:nearest", "nearest reads no prompts, and so rates nothing"),
        ("likert:openia/gpt-5", "unknown agent 'openia/gpt-5'"),
        ("likert:fake:demos=41", "41 demonstrations were asked for; the pool .* has 40"),
    ],
)
def test_who_cannot_rate_is_refused(propose, filter, said):
    agent: Agent = FakeModel("3")
    with pytest.raises(UsageError, match=said):
        propose(PERTURBED, filter, manner={"agents": {"fake": agent}})
