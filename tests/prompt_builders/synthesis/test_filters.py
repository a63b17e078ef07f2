"""Filters: what each keeps, exactly, and how it is written."""

from dataclasses import replace

import pytest

from icil.prompt_builders.synthesis import (
    Ground,
    NothingKeptError,
    Proposal,
    propose_perturbed,
    read_filter,
)
from icil.prompt_builders.synthesis.filters import sift
from icil.tasks import PoolError, UnknownNameError, UsageError, build_pool, demonstrate, make
from icil.tasks.pools import make_pool


@pytest.fixture(scope="module")
def gridworld():
    return make("gridworld")


@pytest.fixture(scope="module")
def real(gridworld):
    return build_pool(gridworld, 12)


@pytest.fixture(scope="module")
def ground(gridworld, real):
    return Ground(task=gridworld, pool=real)


@pytest.fixture(scope="module")
def perturbed(gridworld):
    return propose_perturbed(gridworld, 0.5, 60, 12).episodes


def paying(perturbed, *rewards):
    """Proposals with these returns."""
    return [
        Proposal(
            demonstration=replace(
                one.demonstration, steps=(replace(one.demonstration.steps[0], reward=reward),)
            )
        )
        for one, reward in zip(perturbed, rewards, strict=False)
    ]


def places(found, proposals):
    return [proposals.index(one) for one in found]


def test_returns_are_compared_with_a_number(perturbed, ground):
    proposals = paying(perturbed, 0.5, 0.2, 0.7, 0.5)
    kept, sifted = sift(proposals, [read_filter("return>=0.5")], ground)
    assert places(kept, proposals) == [0, 2, 3]
    assert [(s.filter, s.threshold, s.dropped) for s in sifted] == [("return>=0.5", 0.5, 1)]
    assert str(sifted[0]) == "return>=0.5 (0.5): 1 dropped"


def test_returns_are_compared_with_the_median_of_the_real_ones(perturbed, gridworld):
    real = make_pool(gridworld, [one.demonstration for one in paying(perturbed, -1, 0.25, 0.75, 3)])
    proposals = paying(perturbed[10:], 0.49, 0.5, 9)
    kept, (only,) = sift(
        proposals, [read_filter("return >= median")], Ground(task=gridworld, pool=real)
    )
    assert places(kept, proposals) == [1, 2]
    assert only.threshold == 0.5


def test_legal_keeps_those_without_a_wrong_reply(perturbed, ground):
    proposals = [replace(one, wrong=n % 3) for n, one in enumerate(perturbed[:7])]
    kept, (only,) = sift(proposals, [read_filter("legal")], ground)
    assert places(kept, proposals) == [0, 3, 6]
    assert (only.threshold, only.dropped) == (None, 4)


def test_agreement_is_the_share_of_steps_that_lead_nearer(perturbed, ground, gridworld):
    def nearer(demonstration):
        env, count = gridworld.make_env(), 0
        gridworld.reset(env, demonstration.opening)

        def distance():
            return sum(abs(a - b) for a, b in zip(env.player, env.target, strict=True))

        for step in demonstration.steps:
            before = distance()
            gridworld.step(env, gridworld.parse(step.action, env).value)
            count += distance() < before
        return count / len(demonstration.steps)

    shares = [nearer(one.demonstration) for one in perturbed]
    assert 0 < min(shares) < 0.7 < max(shares) == 1
    for least in (0.7, 1):
        kept, _ = sift(perturbed, [read_filter(f"agreement>={least}")], ground)
        assert places(kept, list(perturbed)) == [n for n, s in enumerate(shares) if s >= least]


def test_agreement_needs_an_expert(perturbed, real):
    from icil.tasks.gridworld import Gridworld

    class Alone(Gridworld):
        has_expert = False

        def expert(self):
            raise UsageError("there is none")

    with pytest.raises(UsageError, match="there is none"):
        sift(perturbed, [read_filter("agreement>=0.5")], Ground(task=Alone(), pool=real))


def test_distinct_drops_exact_duplicates_of_real_ones_and_of_each_other(
    perturbed, ground, real, gridworld
):
    one, other = perturbed[0].demonstration, perturbed[1].demonstration
    same = replace(one, id="again", opening=replace(one.opening, index=999))
    elsewhere = replace(
        one, steps=(replace(one.steps[0], state="0" * 16), *one.steps[1:])
    )  # the same actions from another state
    copied = replace(real.demonstrations[5], id="copied")
    proposals = [Proposal(demonstration=d) for d in (one, same, other, copied, elsewhere)]
    kept, (only,) = sift(proposals, [read_filter("distinct")], ground)
    assert places(kept, proposals) == [0, 2, 4]
    assert (only.threshold, only.dropped) == (None, 2)


@pytest.fixture(scope="module")
def walks(gridworld):
    """The same walk, begun a step later, and another one with the same actions elsewhere."""

    def walk(player, target, id):
        from icil.tasks import Opening

        opening = Opening(
            split="demonstration", index=0, state={"player": player, "target": target}
        )
        return demonstrate(gridworld, opening, id)

    return (
        walk([5, 1], [5, 9], "whole"),
        walk([5, 2], [5, 9], "later"),
        walk([9, 2], [9, 10], "elsewhere"),
    )


def test_distinct_with_a_number_drops_what_is_nearly_the_same(walks, gridworld):
    whole, later, elsewhere = walks
    ground = Ground(task=gridworld, pool=make_pool(gridworld, [whole]))
    proposals = [Proposal(demonstration=later), Proposal(demonstration=elsewhere)]
    for text, expected in (
        ("distinct", [0, 1]),
        ("distinct>=0.02", [0, 1]),
        ("distinct>=0.2", [1]),
    ):
        kept, _ = sift(proposals, [read_filter(text)], ground)
        assert places(kept, proposals) == expected
    copies = [Proposal(demonstration=replace(whole, id=id)) for id in "ab"]
    with pytest.raises(NothingKeptError, match=r"'distinct>=0.2' keeps none of the 2 episodes"):
        sift(copies, [read_filter("distinct>=0.2")], ground)


def test_near_ones_are_looked_for_among_those_kept_before(walks, gridworld, real):
    whole, later, elsewhere = (Proposal(demonstration=one) for one in walks)
    ground = Ground(task=gridworld, pool=real)
    kept, _ = sift([later, elsewhere, whole], [read_filter("distinct>=0.2")], ground)
    assert kept == (later, elsewhere)


def test_filters_are_applied_one_after_the_other(perturbed, ground):
    proposals = [
        replace(one, wrong=n % 2) for n, one in enumerate(paying(perturbed, 3, 2, 1, 3, 0))
    ]
    texts = ["legal", "return>=1", "return>=2"]
    kept, sifted = sift(proposals, list(map(read_filter, texts)), ground)
    assert places(kept, proposals) == [0]
    assert [s.dropped for s in sifted] == [2, 1, 1]


def test_a_filter_that_keeps_nothing_says_what_there_was(perturbed, ground):
    with pytest.raises(
        NothingKeptError,
        match=r"^the filter 'return>=9' keeps none of the 2 episodes of gridworld that came to it "
        r"at a threshold of 9: the highest return is 0.5$",
    ):
        sift(paying(perturbed, 0.5, 0.25), [read_filter("return>=9")], ground)
    wrong = [replace(one, wrong=1) for one in perturbed]
    with pytest.raises(NothingKeptError, match="'legal' keeps none of the 60 episodes"):
        sift(wrong, [read_filter("legal")], ground)
    with pytest.raises(PoolError, match="no episode of gridworld was proposed"):
        sift([], [], ground)


@pytest.mark.parametrize(
    "text",
    [
        "return",
        "return>=",
        "return>=mean",
        "return>=nan",
        "return>=inf",
        "agreement",
        "agreement>=1.5",
        "agreement>=median",
        "legal>=1",
        "distinct>=",
        "distinct>=-0.1",
        "likert",
        "likert>=3",
    ],
)
def test_what_cannot_be_a_filter_is_refused_with_what_can(text):
    with pytest.raises(UsageError, match=r"expected return>=X, return>=median, legal, agreement"):
        read_filter(text)


def test_an_unknown_filter_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown filter 'retrun'; did you mean 'return'"):
        read_filter("retrun>=1")
