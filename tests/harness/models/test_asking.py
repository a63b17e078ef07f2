"""Asking until there is an answer: what is tried again, how often, after which wait."""

import asyncio

import pytest

from icil.harness.models import Completion, Limits, Provider, Sampling, Tokens
from icil.harness.models.asking import asker as asking
from icil.harness.models.asking.asker import Asker
from icil.harness.models.asking.gate import Gate
from icil.harness.models.asking.trouble import Trouble, listening
from icil.harness.models.errors import UnreachableError
from icil.prompt_builders import Prefix, TextPart
from icil.prompt_builders.prompt import History
from icil.tasks import ModelError

SAMPLING = Sampling(max_output_tokens=5)
PROMPT = History(Prefix((TextPart("x"),))).ask((TextPart("?"),))


class Scripted(Provider):
    """Does what a list says: an error to raise, seconds to take, or None to answer."""

    name, model, endpoint, limits = "scripted", "m", "http://here", Limits()

    def __init__(self, *script):
        self.script, self.calls, self.cancelled = list(script), 0, 0
        self.times = []

    async def complete(self, prompt, sampling):
        self.calls += 1
        self.times.append(asyncio.get_running_loop().time())
        what = self.script.pop(0) if self.script else None
        if isinstance(what, float):
            try:
                await asyncio.sleep(what)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(what, Exception):
            raise what
        return Completion(text="up", tokens=Tokens(), model="m", finish="stop")


def ask(*script, times=1, gate=None, timeout_s=5.0):
    provider = Scripted(*script)

    async def main():
        asker = Asker(provider, gate or Gate(4), timeout_s=timeout_s, first_wait_s=0.001)
        errors = []
        for _ in range(times):
            try:
                assert (await asker.ask(PROMPT, SAMPLING)).completion.text == "up"
            except ModelError as error:
                errors.append(error)
        return errors

    return provider, asyncio.run(asyncio.wait_for(main(), 60))


def fault(kind, **given):
    return ModelError(f"it was {kind}", fault=kind, **given)


@pytest.mark.parametrize("kind", ["unavailable", "rate_limited"])
def test_what_may_pass_is_tried_again(kind):
    provider, errors = ask(fault(kind), fault(kind), fault(kind))
    assert (provider.calls, errors) == (4, [])


@pytest.mark.parametrize("kind", ["rejected", "fatal", "overlong"])
def test_what_will_not_pass_is_not(kind):
    provider, (error,) = ask(fault(kind))
    assert (provider.calls, error.fault, str(error)) == (1, kind, f"it was {kind}")


def test_a_server_that_fails_is_given_up():
    provider, (error,) = ask(*[fault("unavailable")] * 50)
    assert (provider.calls, error.fault) == (8, "unavailable")


def test_a_server_that_turns_away_is_waited_for():
    provider, errors = ask(*[fault("rate_limited", retry_after_s=0.002)] * 30)
    assert (provider.calls, errors) == (31, [])


def test_a_dead_server_is_fatal_after_some_requests():
    _, errors = ask(*[fault("unavailable")] * 8 * 9, times=9)
    assert [error.fault for error in errors] == ["unavailable"] * 7 + ["fatal"] * 2
    assert "http://here has not answered 8 requests in a row" in str(errors[7])


def test_one_answer_in_between_makes_it_alive():
    script = [*[fault("unavailable")] * 8 * 7, None, *[fault("unavailable")] * 8 * 7]
    _, errors = ask(*script, times=15)
    assert {error.fault for error in errors} == {"unavailable"}


def test_it_waits_as_long_as_the_server_asks():
    provider, _ = ask(fault("rate_limited", retry_after_s=0.3))
    assert provider.times[1] - provider.times[0] >= 0.3


def test_a_server_that_asks_for_no_wait_is_not_asked_without_end():
    provider, errors = ask(*[fault("rate_limited", retry_after_s=0.0)] * 9)
    assert (provider.calls, errors) == (10, [])
    assert provider.times[-1] - provider.times[0] > 0.02


@pytest.mark.parametrize("kind", ["unavailable", "rate_limited"])
def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for(kind):
    gate = Gate(4)
    provider, errors = ask(*[fault(kind, retry_after_s=86_400.0)] * 3, times=4, gate=gate)
    assert (provider.calls, [error.fault for error in errors]) == (4, [kind] * 3)


def test_a_server_that_turns_away_for_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.05)
    provider, errors = ask(*[fault("rate_limited", retry_after_s=0.03)] * 99, times=9)
    assert [error.fault for error in errors] == ["rate_limited"] * 7 + ["fatal"] * 2
    assert provider.calls <= 7 * 3 + 3


def test_after_what_is_fatal_nothing_is_sent_any_more():
    provider, errors = ask(fault("fatal"), times=5)
    assert provider.calls == 1
    assert [str(error) for error in errors] == ["it was fatal"] * 5
    assert {error.fault for error in errors} == {"fatal"}


def test_what_is_fatal_for_one_stops_those_that_wait():
    """The first is refused while the others wait in the gate, or to be sent again."""
    provider = Scripted(0.05, fault("unavailable"), fault("fatal"))

    async def main():
        asker = Asker(provider, Gate(3), timeout_s=5.0, first_wait_s=0.1)
        asked = (asker.ask(PROMPT, SAMPLING) for _ in range(6))
        return await asyncio.gather(*asked, return_exceptions=True)

    answered, *errors = asyncio.run(asyncio.wait_for(main(), 60))
    assert answered.completion.text == "up"  # what is on its way is waited for
    assert [str(error) for error in errors] == ["it was fatal"] * 5
    assert provider.calls == 3


def test_the_gate_narrows_when_turned_away_and_widens_when_answered(monkeypatch):
    monkeypatch.setattr("icil.harness.models.asking.gate._HELD_S", 0.0)
    gate = Gate(8)
    ask(fault("rate_limited"), gate=gate)
    assert gate.limit < 8
    ask(*[None] * 60, times=60, gate=gate)
    assert gate.limit == 8


def test_a_request_that_takes_too_long_is_cancelled_and_sent_again():
    provider, errors = ask(9.0, timeout_s=0.05)
    assert (provider.calls, provider.cancelled, errors) == (2, 1, [])


def test_one_that_always_takes_too_long_says_so():
    _, (error,) = ask(*[9.0] * 8, timeout_s=0.02)
    assert str(error) == "no answer: TimeoutError: nothing came within 0.02 s"


def refused():
    return UnreachableError("connection refused")


def test_a_server_that_was_never_reached_is_given_up_soon():
    provider, errors = ask(*[refused()] * 99, times=3)
    assert provider.calls == 4
    assert {error.fault for error in errors} == {"fatal"}
    assert {str(error) for error in errors} == {
        "nobody answers at http://here: connection refused, 4 times in a row"
    }


@pytest.mark.parametrize("sign", [None, fault("unavailable"), fault("rate_limited")])
def test_a_server_that_was_reached_once_is_asked_as_often_as_any(sign):
    refusals = [refused()] * (7 if sign else 8)
    provider, (error,) = ask(sign, *refusals, times=1 if sign else 2)
    assert (provider.calls, error.fault) == (1 + len(refusals), "unavailable")


def test_a_server_that_comes_up_in_time_is_asked():
    provider, errors = ask(*[refused()] * 3)
    assert (provider.calls, errors) == (4, [])


def told(*script, **options):
    """What is told while requests are made: the model's trouble, one after the other."""
    heard = []
    with listening(heard.append):
        ask(*script, **options)
    assert {trouble.model for trouble in heard} <= {"scripted/m"}
    return [trouble.what for trouble in heard]


def test_it_is_told_what_is_tried_again_and_why_until_there_is_an_answer():
    assert told(fault("unavailable"), refused(), fault("rate_limited"), times=2) == [
        "it was unavailable; trying again (2 of 8)",
        "connection refused; trying again (3 of 8)",
        "it was rate_limited; trying again",
        None,
    ]


def test_a_wait_is_told():
    assert told(fault("rate_limited", retry_after_s=0.6)) == [
        "it was rate_limited; trying again in 1 s",
        None,
    ]


def test_who_answers_is_not_spoken_of():
    assert told(None, None, times=2) == []


def test_it_is_told_once_that_a_model_is_asked_no_more():
    heard = []
    with listening(heard.append):
        ask(fault("fatal"), times=3)
    assert heard == [Trouble("scripted/m", "stopped: it was fatal", ended=True)]


def test_that_a_server_was_never_reached_is_told_by_its_own_number_of_tries():
    assert told(*[refused()] * 9) == [
        *(f"connection refused; trying again ({number} of 4)" for number in (2, 3, 4)),
        "stopped: nobody answers at http://here: connection refused, 4 times in a row",
    ]


def test_a_long_silence_is_told(monkeypatch):
    monkeypatch.setattr(asking, "_SLOW_S", 0.02)
    assert told(0.2) == ["no answer for 0.02 s; a request is given up after 5 s", None]
