"""What a server's refusal stands for: its kind, its words, how long it asks to wait."""

import errno
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from icil.harness.models.errors import (
    UnreachableError,
    connection_error,
    rubbish_error,
    status_error,
)

MINUTE = "Rate limit reached. Visit https://platform.openai.com/account/billing to pay more."
QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "message", "fault"),
    [
        (429, MINUTE, "rate_limited"),  # OpenAI's, of a free account
        (429, QUOTA, "rate_limited"),  # Google's, where a minute's requests are used up
        (429, f"{QUOTA} Quota exceeded for metric: requests, limit: 0", "fatal"),
        (429, f"{QUOTA} (insufficient_quota)", "fatal"),  # OpenAI's, where the money is
        (429, "Your account is not active (billing_not_active)", "fatal"),
        (400, "Your credit balance is too low. Go to Plans & Billing.", "fatal"),
        (400, "Billing hard limit has been reached", "fatal"),
        (400, "API key not valid. Please pass a valid API key.", "fatal"),
        (400, "limit: 0", "rejected"),
        (402, "", "fatal"),
        (403, "", "fatal"),
        (418, "I am a teapot", "rejected"),
        (599, "", "unavailable"),
    ],
)
def test_the_kind_of_a_refusal(status, message, fault):
    assert status_error(status, message, {}).fault == fault


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h0m1.5s"}, 3601.5),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "?"}, None),
        (
            {
                "retry-after": "2",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
            },
            2.0,
        ),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, wait_s):
    assert status_error(429, "", headers).retry_after_s == wait_s


def test_of_the_limits_that_are_used_up_the_last_to_begin_anew_is_waited_for():
    later = datetime.now(UTC) + timedelta(seconds=100)
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": later.isoformat(),
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": (later - timedelta(seconds=50)).isoformat(),
        "anthropic-ratelimit-output-tokens-remaining": "10",
        "anthropic-ratelimit-output-tokens-reset": (later + timedelta(hours=1)).isoformat(),
    }
    assert 90 < status_error(429, "", headers).retry_after_s <= 100
    assert status_error(503, "", headers).retry_after_s is None


@pytest.mark.parametrize(
    "make",
    [
        lambda said: status_error(500, said, {}),
        lambda said: connection_error(OSError(said)),
        lambda said: rubbish_error(said),
    ],
)
def test_what_a_server_says_is_kept_short_and_fit_to_print(make, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    said = str(make("a\nb\x1b[2J\ud800\0 sk-0123456789 " + "x" * 10_000_000))
    assert said.isprintable()
    assert len(said) < 400
    assert "a b\ufffd[2J\ufffd\ufffd [OPENAI_API_KEY] xxx" in said


def connecting(make):
    """What a function raises, as a client would have caused it."""
    try:
        make()
    except OSError as cause:
        try:
            raise RuntimeError("all attempts failed") from ExceptionGroup("", [cause])
        except RuntimeError as error:
            return error
    raise AssertionError("it connected")


def test_what_came_of_a_refused_connection_says_so():
    with socket.socket() as silent:  # bound, and not listening
        silent.bind(("127.0.0.1", 0))
        error = connection_error(connecting(lambda: socket.create_connection(silent.getsockname())))
    assert isinstance(error, UnreachableError)
    assert (str(error), error.fault) == ("no answer: connection refused", "unavailable")


def test_a_name_that_nobody_has_is_not_reached():
    flags = socket.AI_NUMERICHOST  # nobody is asked
    error = connection_error(connecting(lambda: socket.getaddrinfo("here", 1, flags=flags)))
    assert "name cannot be resolved" in str(error)


def test_what_is_no_secure_server_is_not_reached():
    def connect():
        context = ssl.create_default_context()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            context.wrap_socket(ours, server_hostname="here")

    error = connection_error(connecting(connect))
    assert isinstance(error, UnreachableError)
    assert "no secure connection" in str(error)


def test_a_connection_that_broke_was_one():
    broken = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert not isinstance(connection_error(broken), UnreachableError)
