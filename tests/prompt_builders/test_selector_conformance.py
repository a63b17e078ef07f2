"""The conformance checker of selectors."""

import time
from dataclasses import replace

import numpy as np
import pytest

from icil.prompt_builders import Selection, Selector
from icil.prompt_builders.selectors import RandomSelector, make, names
from icil.prompt_builders.selectors.conformance import RULES, check_selector, judge_selector
from icil.tasks import UsageError

BUILT_IN = [
    *(name for name in names() if not name.endswith(("/", ":", "@"))),
    *("random:order=ascending", "relevance:order=ascending", "relevance:of=episode"),
    *("relevance:of=state", "relevance:query=step", "relevance:query=step:of=opening"),
    *("diversity:kcenter", "diversity:mmr:lambda=0.3", "diversity:facility_location"),
    *("curriculum:by=return", "curriculum:order=shuffled", "hard:by=surprise"),
]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_selectors_keep_all_rules(name):
    assert check_selector(make(name)) == ()


def test_reports_every_rule_in_order():
    assert [v.rule for v in judge_selector(RandomSelector())] == list(RULES)


class Broken(Selector):
    """Chooses at random; then a mistake is made."""

    def __init__(self, mistake):
        self.mistake = mistake

    def select(self, pool, query, k, rng):
        return self.mistake(RandomSelector().select(pool, query, k, rng), pool, query)


def selection(demonstrations):
    chosen = tuple(demonstrations)
    return Selection(demonstrations=chosen, reasons=("why",) * len(chosen))


def caught(mistake):
    return list(dict.fromkeys(f.rule for f in check_selector(Broken(mistake))))


def test_gives_the_number_asked_for():
    assert caught(lambda s, pool, query: selection(s.demonstrations[:1])) == [
        "gives as many demonstrations as asked for"
    ]


def test_gives_different_ones():
    assert caught(lambda s, pool, query: selection(s.demonstrations[:1] * len(s.ids))) == [
        "gives different ones"
    ]


def test_gives_those_of_the_pool():
    def renamed(chosen, pool, query):
        return selection(replace(d, id=d.id + "x") for d in chosen.demonstrations)

    def shortened(chosen, pool, query):
        return selection(replace(d, steps=d.steps[:-1]) for d in chosen.demonstrations)

    rule = "gives demonstrations of the pool that it is given"
    assert caught(renamed) == [rule]
    assert caught(shortened) == [rule]


def test_gives_those_of_the_part_of_the_pool():
    first = []

    def remembered(chosen, pool, query):
        first.extend([] if first else pool.demonstrations)
        return selection(first[: len(chosen.ids)])

    assert caught(remembered) == ["gives demonstrations of the pool that it is given"]


@pytest.mark.parametrize("reasons", [(), ("why",), ("",) * 40, (1,) * 40])
def test_gives_reasons(reasons):
    def mistake(chosen, pool, query):
        count = len(chosen.ids)
        return replace(chosen, reasons=reasons[:count] if len(reasons) > 1 else reasons)

    assert caught(mistake) == ["gives a reason for each"]


def test_chooses_the_same_again():
    shared = np.random.default_rng(0)

    def moody(chosen, pool, query):
        order = shared.permutation(len(chosen.ids))
        return selection(chosen.demonstrations[i] for i in order)

    assert caught(moody) == ["chooses the same for equal generators"]


def test_changes_nothing():
    def marks_pool(chosen, pool, query):
        for demonstration in chosen.demonstrations:
            demonstration.opening.state["chosen"] = demonstration.opening.state.get("chosen", 0) + 1
        return chosen

    def marks_query(chosen, pool, query):
        query.opening.state["asked"] = query.opening.state.get("asked", 0) + 1
        return chosen

    assert caught(marks_pool) == ["changes neither pool nor query"]
    assert caught(marks_query) == ["changes neither pool nor query"]


def note(selector):
    *_, last = judge_selector(selector)
    assert last.ok
    return last.notes


def test_tells_whether_it_is_nested():
    assert note(RandomSelector()) == ("nested: a larger choice begins with the smaller one",)
    backwards = Broken(lambda s, pool, query: selection(reversed(s.demonstrations)))
    assert "in another order" in note(backwards)[0]
    shifted = Broken(
        lambda s, pool, query: selection(
            pool.demonstrations[(len(s.ids) + i) % len(pool.demonstrations)]
            for i in range(len(s.ids))
        )
    )
    assert note(shifted)[0].startswith("not nested")


def test_is_nested_if_it_says_so():
    backwards = Broken(lambda s, pool, query: selection(reversed(s.demonstrations)))
    backwards.nested = True
    (finding,) = check_selector(backwards)
    assert finding.rule == "is nested if it says so"
    assert finding.seen.startswith("it is said to be nested; asked for 1: ")


def test_a_format_may_be_refused_but_not_all():
    texts, *_ = judge_selector(make("relevance:embedding=tfidf"))
    assert texts.ok
    assert texts.notes == (
        "not for rgb: tic_tac_toe rgb: the embedding 'tfidf' compares texts, and this format "
        "shows images",
    )

    class Choosy(Selector):
        def select(self, pool, query, k, rng):
            raise UsageError("not today")

    findings = check_selector(Choosy())
    assert {f.seen for f in findings} == {"UsageError: not today"}
    assert {f.rule for f in findings} == set(RULES)


def test_chooses_the_same_on_threads():
    class Forgetful(Selector):
        """Mixes up calls that are under way at the same time."""

        def __init__(self):
            self.under_way = 0

        def select(self, pool, query, k, rng):
            self.under_way += 1
            time.sleep(0.02)
            chosen = pool.demonstrations[self.under_way - 1 :][:k]
            time.sleep(0.02)
            self.under_way -= 1
            return selection(chosen)

    (finding,) = [f for f in check_selector(Forgetful()) if "threads" in f.seen]
    assert finding.rule == "chooses the same for equal generators"


def test_a_selector_that_raises_breaks_the_rules():
    class Lost(Selector):
        def select(self, pool, query, k, rng):
            raise RuntimeError("no idea")

    findings = check_selector(Lost())
    assert {f.seen for f in findings} == {"RuntimeError: no idea"}
    assert {f.rule for f in findings} == set(RULES)
