"""Counting tokens: exact where the tables are known, by the published rules for images."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from icil.harness.models.tables import tokens
from icil.harness.models.tables.image_tokens import image_tokens, maker_of
from icil.harness.models.tables.tokens import count_text, count_tokens
from icil.prompt_builders import ImagePart, TextPart, encode_image

BOARD = " 8 | r n b q k b n r |\n 7 | . . . . p . . . |\n"


def test_texts_are_counted_as_openai_does():
    # From OpenAI's own examples of the two tables.
    assert count_text("tiktoken is great!", "openai", "gpt-4") == 6
    assert count_text("tiktoken is great!", "openai", "gpt-5") == 6
    assert count_text("お誕生日おめでとう", "openai", "gpt-4") == 9
    assert count_text("お誕生日おめでとう", "openai", "gpt-4o") == 8
    assert count_text("", "openai", "gpt-5") == 0


@pytest.mark.parametrize(
    ("provider", "model", "same"),
    [
        ("openai", "gpt-4-turbo-2024-04-09", "gpt-4"),
        ("openai", "gpt-6-astra", "gpt-4o"),
        ("openai", "no-such-model", "gpt-4o"),
        ("litellm", "azure/gpt-4", "gpt-4"),
        ("litellm", "openai/gpt-4o", "gpt-4o"),
        ("anthropic", "claude-opus-5", "gpt-4o"),
        ("local", "gpt-4", "gpt-4o"),
        ("google", "gemini-3.8-flash", "gpt-4o"),
    ],
)
def test_each_model_has_a_table(provider, model, same):
    text = "お誕生日おめでとう" * 7
    assert count_text(text, provider, model) == count_text(text, "openai", same)


def test_special_tokens_in_a_text_are_text():
    assert count_text("<|endoftext|>", "openai", "gpt-5") > 1


def test_boards_are_not_undercounted():
    assert count_text(BOARD, "openai", "gpt-5") > len(BOARD) // 4 * 1.8


def test_a_long_text_of_one_character_is_counted():
    assert count_text("." * 300_000, "openai", "gpt-5") > 1000


def test_a_part_is_counted_once():
    part = TextPart(BOARD * 20_000)
    found = count_tokens(part, "openai", "gpt-5")
    assert found == count_text(part.text, "openai", "gpt-5")
    # What is remembered goes by the hash: an empty text with this hash counts the same.
    twin = TextPart("")
    object.__setattr__(twin, "hash", part.hash)
    assert count_tokens(twin, "openai", "gpt-5") == found
    assert count_tokens(twin, "openai", "gpt-4") == 0  # of another table


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(tokens, "_KEPT", 4)
    monkeypatch.setattr(tokens, "_counted", type(tokens._counted)())
    parts = [TextPart(f"text {number}") for number in range(6)]
    for part in (*parts[:4], parts[0], *parts[4:]):
        count_tokens(part, "openai", "gpt-5")
    kept = {key[1] for key in tokens._counted}
    assert kept == {parts[i].hash for i in (0, 3, 4, 5)}


def test_threads_count_alike():
    parts = [TextPart(f"{BOARD}{number % 5}") for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda part: count_tokens(part, "openai", "gpt-4"), parts))
    assert found == [count_text(part.text, "openai", "gpt-4") for part in parts]


def test_the_role_of_a_text_does_not_matter():
    user, model = TextPart(BOARD), TextPart(BOARD, "assistant")
    assert count_tokens(user, "openai", "gpt-5") == count_tokens(model, "openai", "gpt-5")


_OFFLINE = """
import os, socket, sys
def refuse(*given, **named): raise AssertionError("asked the network")
socket.socket.connect = socket.getaddrinfo = refuse
from icil.harness.models.tables.tokens import count_text
print(count_text("tiktoken is great!", "openai", "gpt-4"))
print(count_text("tiktoken is great!", "anthropic", "claude-opus-5"))
print(os.environ.get("TIKTOKEN_CACHE_DIR"), "litellm" in sys.modules)
"""


@pytest.mark.parametrize("before", [None, "/nowhere"])
def test_nothing_is_fetched_and_the_environment_is_left_as_it_was(before):
    env = {k: v for k, v in os.environ.items() if k != "TIKTOKEN_CACHE_DIR"}
    if before:
        env["TIKTOKEN_CACHE_DIR"] = before
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["6", "6", f"{before} False"]


def test_a_missing_table_is_said_and_not_fetched(monkeypatch):
    monkeypatch.setitem(tokens._TABLES, "o200k_base", "no-such-file")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    with pytest.raises(FileNotFoundError, match="reinstall litellm"):
        tokens._load.__wrapped__("o200k_base")


@pytest.mark.parametrize(
    ("provider", "model", "size", "found"),
    [
        # OpenAI's examples: 4o in tiles, 4.1-mini in patches with a cap.
        ("openai", "gpt-4o", (1024, 1024), 765),
        ("openai", "gpt-4o", (2048, 4096), 1105),
        ("openai", "gpt-4.1", (64, 64), 255),
        ("openai", "gpt-4.1-mini", (1024, 1024), 1659),  # 1024 patches × 1.62
        ("openai", "gpt-6-sol", (1024, 1024), 1024),
        ("openai", "gpt-6-sol", (1800, 2400), 1452),
        ("openai", "gpt-6-sol", (64, 33), 4),
        ("openai", "gpt-5.4", (64, 33), 4),
        ("openai", "gpt-5-2025-08-07", (64, 64), 210),
        ("openai", "gpt-5-mini", (64, 64), 7),
        ("openai", "o3", (64, 64), 225),
        ("openai", "gpt-4o-mini", (64, 64), 8500),
        ("anthropic", "claude-opus-5", (400, 400), 225),
        ("anthropic", "claude-opus-5", (28, 29), 2),
        ("google", "gemini-2.5-pro", (384, 384), 258),
        ("google", "gemini-2.5-pro", (1536, 768), 516),
        ("google", "gemini-3.8-flash", (64, 64), 1120),
        ("google", "gemini-pro-latest", (64, 64), 1120),
        ("local", "gpt-4o", (64, 64), 9),
        ("transformers", "claude", (56, 57), 6),
        ("litellm", "azure/gpt-4o", (64, 64), 255),
        ("litellm", "vertex_ai/claude-opus-5", (56, 57), 6),
        ("litellm", "gemini/gemini-2.5-flash", (64, 64), 258),
        ("litellm", "together_ai/qwen-vl", (56, 57), 6),
    ],
)
def test_images_are_counted_by_the_provider_s_rule(provider, model, size, found):
    assert image_tokens(*size, provider, model) == found
    assert count_tokens(ImagePart(b"", *size), provider, model) == found


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-3-5-sonnet-20241022", 1568),
        ("claude-haiku-4-5-20251001", 1568),
        ("claude-opus-4-6", 1568),
        ("claude-opus-4-20250514", 1568),
        ("claude-opus-4-7", 4784),
        ("claude-sonnet-5", 4784),
        ("claude-fable-5-1", 4784),
    ],
)
def test_a_large_image_takes_what_the_model_scales_it_down_to(model, most):
    assert 0.95 * most < image_tokens(8000, 6000, "anthropic", model) <= most


def test_an_encoded_image_is_counted_by_its_size():
    part = encode_image(np.zeros((30, 60, 3), np.uint8))
    assert count_tokens(part, "openai", "gpt-6-sol") == 2


def test_whose_rules_hold_is_told_by_the_name():
    assert maker_of("litellm", "bedrock/us.anthropic.claude-sonnet-5") == "anthropic"
    assert maker_of("litellm", "groq/openai/gpt-oss-120b") == "other"
    assert maker_of("litellm", "openrouter/openai/o3-mini") == "openai"
    assert maker_of("local", "claude") == "other"
