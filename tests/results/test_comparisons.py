"""Which of two is better, known by hand."""

import csv
import io

import pytest

from icil.results import make_comparisons, make_leaderboard, read_scored

HEADER = (
    "compared,family,task,format,agent,selector,demonstrations,context_tokens,first,second,"
    "openings,drawn,first_mean,second_mean,difference,difference_ci_low,difference_ci_high,"
    "p_value,p_holm,better,more_openings"
)
WINS_HEADER = (
    "compared,first,second,settings,wins,losses,undecided,wins_uncorrected,losses_uncorrected"
)


@pytest.fixture
def compare(make_store, play):
    """Returns a function that compares cells with their scores by opening."""

    def compare(scores, *kinds):
        store = make_store(*scores)
        for cell, of_cell in scores.items():
            for opening, score in enumerate(of_cell):
                if score is not None:
                    play(store, cell, opening, score)
        return make_comparisons(store, *([kinds] if kinds else []))

    return compare


def pairs(found):
    return [(row.first, row.second) for row in found.rows]


def test_a_row_is_known_by_hand(compare, make_cell):
    ones, zeros = [1.0] * 6 + [None, 5.0], [0.0] * 6 + [9.0]
    found = compare(
        {make_cell("b", demonstrations=4): zeros, make_cell("a", demonstrations=4): ones}
    )
    assert found.to_csv().splitlines() == [
        HEADER,
        "agents,agents · toy · ascii,toy,ascii,,random,4,,a,b,6,openings,1,0,1,1,1,0.03125,"
        "0.03125,a,",
    ]
    assert found.wins_to_csv().splitlines() == [WINS_HEADER, "agents,a,b,1,1,0,0,1,0"]


def test_a_pair_that_is_not_told_apart_says_what_it_would_take(compare, make_cell):
    found = compare({make_cell("a"): [1.0, 1.0, 1.0], make_cell("b"): [0.0, 0.0, 0.0]})
    (row,) = found.rows
    assert (row.p_value, row.better, row.more_openings) == (0.25, "", 3)


def test_equal_players_have_no_answer_to_how_many_more(compare, make_cell):
    (row,) = compare({make_cell("a"): [1.0, 0.0], make_cell("b"): [0.0, 1.0]}).rows
    assert (row.difference, row.p_value, row.better, row.more_openings) == (0.0, 1.0, "", None)


def test_one_shared_opening_has_no_interval_and_none_has_no_row(compare, make_cell):
    found = compare(
        {
            make_cell("a"): [1.0, None],
            make_cell("b"): [0.5, None],
            make_cell("c"): [None, 1.0],
        }
    )
    (row,) = found.rows
    assert (row.openings, row.difference, row.p_value) == (1, 0.5, 1.0)
    assert (row.difference_ci_low, row.difference_ci_high) == (None, None)


def test_agents_are_held_against_each_other_where_all_else_is_the_same(compare, make_cell):
    one = [1.0, 0.0]
    found = compare(
        {
            make_cell("a"): one,
            make_cell("b"): one,
            make_cell("c", demonstrations=4): one,
            make_cell("c", selector="relevance"): one,
            make_cell("c", format="rgb"): one,
            make_cell("c", task="walk", format="text"): one,
            make_cell("c", context_tokens=8000, demonstrations=0): one,
            make_cell("d", options={"legal_actions": True}): one,
            make_cell("e", options={"legal_actions": False, "layout": "chat"}): one,
        },
        "agents",
    )
    assert pairs(found) == [("a", "b"), ("a", "d"), ("a", "e"), ("b", "d"), ("b", "e")]


def test_players_that_look_at_nothing_stand_in_every_setting(compare, make_cell):
    one = [1.0, 0.0]
    found = compare(
        {
            make_cell("a"): one,
            make_cell("a", demonstrations=4): one,
            make_cell("random"): one,
            make_cell("expert", asked=False): one,
        },
        "agents",
    )
    assert [(row.first, row.second, row.demonstrations) for row in found.rows] == [
        ("a", "random", 1),
        ("a", "random", 4),
    ]


def test_players_that_depend_on_no_format_are_compared_once(compare, make_cell):
    """Their episodes stand beside every format; each is evidence once."""
    one, other = [1.0] * 6, [0.0] * 6
    found = compare(
        {
            make_cell("vla/a", format="", selector="", demonstrations=0): one,
            make_cell("vla/b", format="", selector="", demonstrations=0): other,
            make_cell("model", format="rgb"): one,
        },
        "agents",
    )
    assert [(row.first, row.second, row.format, row.family) for row in found.rows] == [
        ("vla/a", "vla/b", "", "agents · toy"),
        ("model", "vla/a", "rgb", "agents · toy · rgb"),
        ("model", "vla/b", "rgb", "agents · toy · rgb"),
    ]
    assert [(row.settings, row.wins) for row in found.wins] == [(1, 1), (1, 0), (1, 0)]


def test_policies_that_are_shown_demonstrations_are_held_against_who_is_shown_as_many(
    compare, make_cell
):
    one = [1.0, 0.0]

    def vla(demonstrations, selector="random"):
        return make_cell("vla/a", format="", selector=selector, demonstrations=demonstrations)

    cells = {vla(0, ""): one, vla(4): one, vla(4, "hard"): one, make_cell("random"): one}
    cells |= {make_cell("model", demonstrations=4): one, make_cell("model", demonstrations=8): one}
    found = compare(cells, "agents", "selectors", "formats")
    assert [(r.first, r.second, r.format, r.selector, r.demonstrations) for r in found.rows] == [
        ("vla/a", "random", "", "", 0),
        ("vla/a", "random", "", "hard", 4),
        ("vla/a", "random", "", "random", 4),
        ("model", "random", "ascii", "random", 4),
        ("model", "vla/a", "ascii", "random", 4),
        ("model", "random", "ascii", "random", 8),
        ("hard", "random", "", "", 4),
    ]


def test_demonstrations_of_other_pools_are_not_compared(make_store, make_cell, play, tmp_path):
    stores = []
    for name, pool in {"a": "1" * 32, "b": "2" * 32, "c": "2" * 32}.items():
        (tmp_path / name).mkdir()
        shown, bare = make_cell(name), make_cell(name, selector="", demonstrations=0)
        experiment = {"episodes": 1, "pool": {"toy": pool}}
        path = tmp_path / name / "run.sqlite"
        stores.append(make_store(shown, bare, path=path, experiment=experiment))
        for cell in (shown, bare):
            play(stores[-1], cell, 0, 1.0)
    scored = read_scored(*stores)
    found = make_comparisons(scored, ["agents"])
    assert [(row.first, row.second, row.demonstrations) for row in found.rows] == [
        ("a", "b", 0),
        ("a", "c", 0),
        ("b", "c", 0),
        ("b", "c", 1),
    ]
    (note,) = make_leaderboard(scored).notes
    assert note.startswith(f"the demonstrations of toy are of several pools (a: {'1' * 12}; b, c: ")


def test_one_agent_with_other_options_is_another_player(compare, make_cell):
    found = compare(
        {
            make_cell("a", options={"legal_actions": True}): [1.0, 1.0],
            make_cell("a", options={"legal_actions": False}): [0.0, 1.0],
        }
    )
    assert pairs(found) == [("a [legal_actions]", "a [no legal_actions]")]


def test_selectors_are_held_against_random(compare, make_cell):
    one = [1.0, 0.0]
    scores = {
        make_cell(selector=name): one
        for name in ("random", "relevance", "hard", "random+noise=1", "hard+noise=1")
    }
    scores[make_cell(selector="hard", demonstrations=4)] = one
    scores[make_cell(selector="", demonstrations=0)] = one
    found = compare(scores, "selectors")
    assert pairs(found) == [("hard", "random"), ("relevance", "random")]
    assert {row.selector for row in found.rows} == {""}


def test_selectors_are_held_against_each_other_where_random_is_not_played(compare, make_cell):
    found = compare({make_cell(selector=name): [1.0, 0.0] for name in "cab"}, "selectors")
    assert pairs(found) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_formats_are_held_against_each_other(compare, make_cell):
    found = compare(
        {
            make_cell(format="rgb"): [1.0, 0.0],
            make_cell(format="ascii"): [0.0, 0.0],
            make_cell("random"): [0.0, 0.0],
        },
        "formats",
    )
    (row,) = found.rows
    assert (row.first, row.second, row.format, row.agent) == ("ascii", "rgb", "", "model")
    assert row.family == "formats · toy"


def test_holm_goes_over_the_family(compare, make_cell):
    """Six settings, each by itself told apart at 2 / 2⁶."""
    scores = {}
    for demos in range(1, 7):
        scores[make_cell(selector="random", demonstrations=demos)] = [0.0] * 6
        scores[make_cell(selector="hard", demonstrations=demos)] = [1.0] * 6
    found = compare(scores, "selectors")
    assert {row.p_value for row in found.rows} == {2 / 64}
    assert {row.p_holm for row in found.rows} == {6 * 2 / 64}
    (wins,) = found.wins
    assert (wins.settings, wins.wins, wins.losses, wins.undecided) == (6, 0, 0, 6)
    assert (wins.wins_uncorrected, wins.losses_uncorrected) == (6, 0)


def test_wins_and_losses_are_counted_over_settings(compare, make_cell):
    scores, high, low = {}, [1.0] * 8, [0.0] * 8
    for demos, (first, second) in {1: (high, low), 2: (high, low), 4: (low, high)}.items():
        scores[make_cell(selector="hard", demonstrations=demos)] = first
        scores[make_cell(selector="random", demonstrations=demos)] = second
    (wins,) = compare(scores, "selectors").wins
    assert (wins.first, wins.second, wins.wins, wins.losses) == ("hard", "random", 2, 1)


def test_shared_sets_are_what_changes_sign(make_store, make_cell, play):
    """Four sets, all of them better: 2 / 2⁴ and not 2 / 2⁸."""
    cells = make_cell("a"), make_cell("b")
    store = make_store(*cells)
    for number, cell in enumerate(cells):
        for opening in range(8):
            play(store, cell, opening, float(number), shown=(f"set {opening % 4}",))
    (row,) = make_comparisons(store).rows
    assert (row.drawn, row.p_value) == ("sets", 2 / 16)


def test_one_shared_set_is_told(make_store, make_cell, play):
    cells = make_cell("a"), make_cell("b")
    store = make_store(*cells)
    for number, cell in enumerate(cells):
        for opening in range(8):
            play(store, cell, opening, float(number), shown=("the set",))
    (row,) = make_comparisons(store).rows
    assert (row.drawn, row.p_value) == ("one set", 2 / 256)


def test_what_has_no_score_is_not_compared(make_store, make_cell, play):
    fits, long, faulty = make_cell("a"), make_cell("b"), make_cell("c")
    store = make_store(fits, long, faulty)
    play(store, fits, 0, 1.0)
    play(store, long, 0, 1.0)
    play(store, long, 1, status="overlong")
    play(store, faulty, 0, status="error")
    found = make_comparisons(store)
    assert found.to_csv() == HEADER + "\n"
    assert found.wins_to_csv() == WINS_HEADER + "\n"


def test_runs_of_other_openings_are_not_compared(make_store, make_cell, play, tmp_path):
    stores = []
    for number, episodes in enumerate((2, 2, 3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        cell = make_cell(f"model {number}")
        store = make_store(cell, path=folder / "run.sqlite", experiment={"episodes": episodes})
        for opening in range(episodes):
            play(store, cell, opening, 1.0)
        stores.append(store)
    found = make_comparisons(read_scored(*stores))
    assert pairs(found) == [("model 0", "model 1")]


def test_both_files_are_written(compare, make_cell, tmp_path):
    found = compare({make_cell("a"): [1.0, 0.5], make_cell("b"): [0.0, 0.5]})
    found.write(tmp_path / "comparisons.csv", wins=tmp_path / "wins.csv")
    assert (tmp_path / "wins.csv").read_text() == found.wins_to_csv()
    (row,) = csv.DictReader(io.StringIO((tmp_path / "comparisons.csv").read_text()))
    assert (row["first"], row["difference"]) == ("a", "0.5")
