"""How models may be named and set."""

import datetime

import pytest

from icil.harness.agents import make
from icil.tasks import ExperimentError
from icil.tasks.errors import UnknownNameError

GPT = "openai/gpt-4.1"
LOCAL = "local/a/b:c@http://[::1]:8000/v1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": "hot"}, "temperature: expected a number, 0 or more, got 'hot'"),
        ({"temperature": -1}, "temperature: expected a number"),
        ({"temperature": True}, "temperature: expected a number"),
        ({"temperature": float("nan")}, "temperature: expected a number"),
        ({"max_output_tokens": 0}, "max_output_tokens: expected a whole number, 1 or more, got 0"),
        ({"max_output_tokens": 7.0}, "max_output_tokens: expected a whole number"),
        ({"max_output_tokens": 10**400}, "max_output_tokens: expected a whole number"),
        ({"timeout_s": 0}, "timeout_s: expected seconds, 0.001 or more, got 0"),
        ({"timeout_s": None}, "timeout_s: expected seconds"),
        ({"timeout_s": float("inf")}, "timeout_s: expected seconds"),
        ({"timeout_s": float("nan")}, "timeout_s: expected seconds"),
        ({"context_tokens": 0}, "context_tokens: expected a whole number"),
        ({"max_images": -1}, "max_images: expected a whole number, 0 or more"),
        ({"parameters": [1]}, "parameters: expected names and values"),
        ({"parameters": {1: 2}}, "parameters: expected names and values"),
        ({"parameters": {"day": datetime.date(2026, 1, 1)}}, "parameters: expected names"),
        ({"parameters": {"a": float("nan")}}, "parameters: expected names and values"),
        ({"parameters": {"a": {"b": {1, 2}}}}, "parameters: expected names and values"),
        ({"parameters": {"a": "\ud800"}}, "parameters: expected names and values"),
        ({"parameters": {"n": 5}}, "'n' is said by the harness$"),
        ({"parameters": {"messages": []}}, "'messages' is said by the harness$"),
        ({"parameters": {"candidateCount": 5}}, "'candidateCount' is said by the harness$"),
        ({"parameters": {"max_tokens": 9}}, "'max_tokens' is said.*set max_output_tokens instead"),
        ({"parameters": {"maxOutputTokens": 9}}, "set max_output_tokens instead"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ExperimentError, match=message):
        make(GPT, settings)


def test_a_provider_s_own_settings_are_what_json_has():
    with pytest.raises(ExperimentError, match="ttl: expected a value that JSON has"):
        make("anthropic/claude-sonnet-4-5", {"ttl": datetime.date(2026, 1, 1)})


def test_an_unknown_setting_is_answered_with_those_there_are():
    with pytest.raises(UnknownNameError, match="did you mean 'timeout_s'"):
        make(GPT, {"timeout": 5})


@pytest.mark.parametrize("name", ["openai/\udcff", "openai/a\nb", "litellm/a\x1b[2J"])
def test_a_name_can_be_printed(name):
    with pytest.raises(ExperimentError, match="no model's name holds what cannot be printed"):
        make(name)


@pytest.mark.parametrize("name", [GPT, LOCAL, "openai/[red]é[/red]", "litellm/a b/c=d"])
def test_odd_names_are_names(name):
    settings = {
        "temperature": None,
        "max_output_tokens": None,
        "context_tokens": None,
        "timeout_s": 1,
        "parameters": {"stop": ["\n"], "thinking": {"type": "adaptive", "budget": None}},
    }
    agent = make(name, settings)
    assert f"{agent.provider}/{agent.model}" == name
    assert agent.settings["parameters"] == settings["parameters"]
    assert agent.sampling.temperature is None
    assert agent.sampling.max_output_tokens > 0


def test_the_dots_of_a_name_are_told_from_that_of_a_setting():
    from icil.harness import Experiment

    settings = {f"{GPT}.temperature": 0.5, f"{LOCAL}.timeout_s": 2, "openai/gpt-4.timeout_s": 3}
    experiment = Experiment(agent=(GPT, LOCAL), set=settings)
    assert experiment.settings_of(GPT) == {"temperature": 0.5}
    assert experiment.settings_of(LOCAL) == {"timeout_s": 2}
