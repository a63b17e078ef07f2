"""Parameters: what a model refuses is left out from then on, and nothing else is."""

import pytest

from icil.harness.models.chat.parameters import Parameters

SENT = {"temperature": 0.0, "top_p": 0.9, "max_completion_tokens": 5, "n": 1, "thinking": {}}


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Unsupported parameter: 'top_p' is not supported with this model.", "top_p"),
        ("Unsupported value: 'temperature' does not support 0 with this model.", "temperature"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("temperature: Extra inputs are not permitted", "temperature"),
        ("Unrecognized request argument supplied: top_p (top_p)", "top_p"),
        ('Invalid JSON payload received. Unknown name "topP": Cannot find field.', "top_p"),
        ("`temperature` may only be set to 1 when thinking is enabled.", "temperature"),
        ("thinking.type.enabled is not supported for this model.", "thinking"),
        ("the model doesn't support TEMPERATURE", "temperature"),
        ("In n of m models 'top_p' is unsupported", "top_p"),
        (
            "Unsupported parameter: 'max_completion_tokens'. Use 'temperature' instead.",
            "max_completion_tokens",
        ),
    ],
)
def test_a_refusal_names_its_parameter(message, name):
    parameters = Parameters()
    assert parameters.refused(message, SENT) == name
    assert parameters.dropped == (name,)
    assert parameters.sent(SENT) == {k: v for k, v in SENT.items() if k != name}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "temperature: Input should be less than or equal to 1",
        "Invalid value: 'max'. Supported values are: 'low', 'high'. (thinking)",
        "max_completion_tokens is too large: 200000. This model supports at most 16384.",
        "Unsupported parameter: 'seed' is not supported with this model.",
        "min_temperature and temperatures are not supported",
        "This model does not support images",
    ],
)
def test_other_complaints_are_none(message):
    parameters = Parameters()
    assert parameters.refused(message, SENT) is None
    assert parameters.dropped == ()
    assert parameters.sent(SENT) == SENT


def test_what_was_not_sent_cannot_be_refused():
    """Or who sends again what is left would never end."""
    parameters = Parameters()
    message = "'temperature' is not supported"
    assert parameters.refused(message, SENT) == "temperature"
    assert parameters.refused(message, parameters.sent(SENT)) is None


def test_a_request_that_was_under_way_learns_it_too():
    parameters = Parameters()
    for _ in range(2):
        assert parameters.refused("'temperature' is not supported", SENT) == "temperature"
    assert parameters.dropped == ("temperature",)


def test_another_name_is_tried_first():
    parameters = Parameters({"max_completion_tokens": "max_tokens"})
    wanted = {"max_completion_tokens": 5, "top_p": 1}
    assert parameters.sent(wanted) == wanted
    message = "Unknown parameter: '{}'."
    parameters.refused(message.format("max_completion_tokens"), parameters.sent(wanted))
    assert parameters.sent(wanted) == {"max_tokens": 5, "top_p": 1}
    assert parameters.dropped == ()
    parameters.refused(message.format("max_tokens"), parameters.sent(wanted))
    assert parameters.sent(wanted) == {"top_p": 1}
    assert set(parameters.dropped) == {"max_completion_tokens", "max_tokens"}


def test_what_nobody_insists_on_is_left_out_whatever_is_said_and_all_of_it():
    parameters = Parameters(optional=("logprobs", "top_logprobs"))
    sent = {**SENT, "logprobs": True, "top_logprobs": 20}
    assert parameters.refused("temperature: too high", sent) is None
    assert parameters.refused("top_logprobs: expected 5 at most", sent) == "top_logprobs"
    assert parameters.dropped == ("logprobs", "top_logprobs")
    assert parameters.sent(sent) == SENT
    assert parameters.refused("logprobs: expected 5 at most", parameters.sent(sent)) is None
