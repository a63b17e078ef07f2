"""The purse: nothing is sent that might pass a limit; what is on its way is waited for."""

import asyncio

import pytest

from icil.harness import Experiment, run
from icil.harness.playing.budget import Budget, OverBudgetError, Purse
from icil.harness.testing import FakeModel
from icil.results import Usage, open_run
from icil.tasks import ExperimentError

DIME = Usage(cost_usd=0.1, input_tokens=90, output_tokens=10)


def played(budget, scene, **spent):
    async def main():
        return await scene(Purse(budget, **spent))

    return asyncio.run(main())


def test_what_fits_is_let_through():
    async def scene(purse):
        for _ in range(10):
            await purse.hold(DIME)
            purse.settle(DIME, DIME)
        with pytest.raises(OverBudgetError, match=r"\$1.0000 of \$1 are spent.* \$0.1000"):
            await purse.hold(DIME)
        return purse.stopped

    assert "are spent" in played(Budget(cost_usd=1.0), scene)


def test_what_was_spent_before_counts():
    async def scene(purse):
        with pytest.raises(OverBudgetError, match="950 of 1000 tokens are used"):
            await purse.hold(DIME)

    played(Budget(tokens=1000), scene, tokens=950)


def test_a_request_waits_for_those_on_their_way():
    async def scene(purse):
        await purse.hold(DIME)
        second = asyncio.create_task(purse.hold(DIME))
        await asyncio.sleep(0)
        assert not second.done()
        purse.settle(DIME, Usage(cost_usd=0.01))  # it cost less than it might have
        await second
        third = asyncio.create_task(purse.hold(DIME))
        await asyncio.sleep(0)
        assert not third.done()
        purse.settle(DIME, DIME)
        with pytest.raises(OverBudgetError):
            await third

    played(Budget(cost_usd=0.15), scene)


def test_a_request_that_failed_gives_back_what_was_held():
    async def scene(purse):
        for _ in range(5):
            await purse.hold(DIME)
            purse.settle(DIME, None)

    played(Budget(cost_usd=0.1), scene)


def test_once_stopped_nothing_goes_out():
    async def scene(purse):
        await purse.hold(DIME)
        waiting = asyncio.create_task(purse.hold(DIME))
        await asyncio.sleep(0)
        with pytest.raises(OverBudgetError):
            await purse.hold(Usage(cost_usd=9.0))
        with pytest.raises(OverBudgetError):
            await waiting
        with pytest.raises(OverBudgetError):
            await purse.hold(Usage())

    played(Budget(cost_usd=0.1), scene)


def test_free_players_are_not_stopped_by_what_others_cost():
    async def scene(purse):
        await purse.hold(Usage())

    played(Budget(cost_usd=0.1, tokens=5), scene, cost_usd=7.0, tokens=100)


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0])
def test_a_limit_on_dollars_is_a_number_of_them(limit):
    with pytest.raises(ExperimentError, match="max_cost: expected US dollars"):
        Budget(cost_usd=limit)


def test_a_limit_on_tokens_is_a_number_of_them():
    with pytest.raises(ExperimentError, match="max_tokens: expected 0 or more, got -1"):
        Budget(tokens=-1)


@pytest.mark.parametrize("holds", [False, True])
def test_who_is_cancelled_holds_nothing(holds):
    """Whether it waits for others, or others for it."""

    async def ask(purse, forever):
        await purse.hold(DIME)
        try:
            await forever.wait()
        finally:
            purse.settle(DIME, None)

    async def scene(purse):
        forever = asyncio.Event()
        first, second = (asyncio.create_task(ask(purse, forever)) for _ in range(2))
        await asyncio.sleep(0)
        gone, left = (first, second) if holds else (second, first)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await asyncio.sleep(0)
        forever.set()
        await left
        await asyncio.wait_for(purse.hold(DIME), 5)

    played(Budget(cost_usd=0.1), scene)


class Dear(FakeModel):
    """A fake model that says what a reply may cost."""

    def most(self, prompt):
        return Usage(cost_usd=0.25, input_tokens=1)


def test_a_run_stops_below_its_limit_and_goes_on_with_a_higher_one(tmp_path):
    experiment = Experiment(task=("gridworld",), format=("coords",), agent=("dear",), demos=(0,))
    experiment = experiment.model_copy(update={"episodes": 4})

    def go(budget):
        model = Dear("up", cost_usd=0.2)
        summary = run(
            experiment, tmp_path / "run", agents={"dear": model}, budget=budget, concurrency=3
        )
        return model.calls, summary

    first, summary = go(Budget(cost_usd=2.0))
    assert first == 9  # 1.8 dollars; a tenth might have cost 0.25
    assert "might" in summary.stopped[""]
    store = open_run(tmp_path / "run")
    assert store.cost() == pytest.approx(1.8)
    store.close()
    second, summary = go(Budget())
    assert summary.stopped == {}
    assert {row.episodes for row in summary.leaderboard.rows} == {4}
    whole = run(experiment, tmp_path / "whole", agents={"dear": Dear("up", cost_usd=0.2)})
    assert whole.leaderboard.to_csv() == summary.leaderboard.to_csv()
    assert first + second == sum(
        1 for _ in open_run(tmp_path / "whole").rows("SELECT 1 FROM steps WHERE cost_usd > 0")[1]
    )


def test_a_limit_on_dollars_needs_prices(tmp_path):
    class Unpriced(FakeModel):
        priced = False

    experiment = Experiment(task=("gridworld",), format=("coords",), agent=("odd",), demos=(0,))
    with pytest.raises(ExperimentError, match=r"price of odd is not known.*--prices"):
        run(
            experiment,
            tmp_path / "run",
            agents={"odd": Unpriced("up")},
            budget=Budget(cost_usd=1.0),
        )
    assert not (tmp_path / "run").exists()
