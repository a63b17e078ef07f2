"""The counts of what gives openings away, cell by cell."""

from icil.results.leaks import count_leaks


def test_counts_are_those_of_the_episodes_of_each_cell(make_store, make_cell):
    several, budget = make_cell(demonstrations=4), make_cell(demonstrations=0, context_tokens=8000)
    bare, unasked = make_cell(demonstrations=0, selector=""), make_cell(asked=False)
    unbegun, earlier = make_cell(), make_cell(task="maze")
    store = make_store(several, budget, bare, unasked, unbegun, earlier)
    numbers = store.cells()

    def begin(cell, opening, ids, **counts):
        store.begin_episode(numbers[cell.hash], opening, demonstrations=ids, **counts)

    begin(several, 0, ["a", "b", "c", "d"], left_out=3)
    begin(several, 1, ["a", "b", "c", "d"], leaked=2, near=1)
    begin(several, 2, ["a", "b", "c", "d"], left_out=1, near=1)
    begin(budget, 0, [], left_out=5)
    begin(bare, 0, [])
    begin(unasked, 0, ["a"], leaked=1)
    begin(earlier, 0, ["a"])
    first, second, third = count_leaks(store)
    assert [one.cell.hash for one in (first, second, third)] == [
        cell.hash for cell in (earlier, several, budget)
    ]
    assert (second.episodes, second.shown, second.affected) == (3, 12, 2)
    assert (second.left_out, second.most_left_out) == (4, 3)
    assert (second.leaked, second.near) == (2, 2)
    assert (third.shown, third.left_out, third.affected) == (0, 5, 0)
    assert (first.shown, first.leaked, first.near, first.left_out) == (1, 0, 0, 0)
