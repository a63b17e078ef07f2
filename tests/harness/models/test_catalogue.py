"""What is known of the models, and under which names."""

import subprocess
import sys

import pytest

from icil.harness.models import Limits
from icil.harness.models.tables.catalogue import (
    find_limits,
    read_table,
    reasons,
    table_names,
    thinks_unasked,
)

MIB = 2**20


def test_the_context_comes_from_the_table_and_the_rest_from_the_provider():
    assert find_limits("openai", "gpt-5") == Limits(
        context_tokens=272_000, output_tokens=128_000, images=1500, request_bytes=512 * MIB
    )
    assert find_limits("anthropic", "claude-opus-5") == Limits(
        context_tokens=1_000_000,
        output_tokens=128_000,
        images=600,
        image_pixels=8000,
        many_images=20,
        many_image_pixels=2000,
        request_bytes=32 * MIB,
    )
    assert find_limits("google", "gemini-2.5-pro") == Limits(
        context_tokens=1_048_576, output_tokens=65_536, images=3600, request_bytes=100 * MIB
    )


def test_models_of_anthropic_with_a_smaller_context_take_fewer_images():
    assert find_limits("anthropic", "claude-haiku-4-5").images == 100


def test_a_model_that_sees_nothing_takes_no_images():
    assert find_limits("openai", "o3-mini").images == 0


def test_of_an_unknown_model_only_the_provider_s_limits_are_known():
    assert find_limits("openai", "gpt-99") == Limits(images=1500, request_bytes=512 * MIB)
    assert find_limits("litellm", "no/such") == Limits()
    assert find_limits("local", "gpt-5") == Limits()
    assert find_limits("transformers", "/models/gpt-5") == Limits()


@pytest.mark.parametrize(
    ("provider", "model", "same"),
    [
        ("openai", "gpt-5-2031-01-31", "gpt-5"),
        ("anthropic", "claude-opus-5-20310131", "claude-opus-5"),
        ("google", "gemini-2.5-pro-001", "gemini-2.5-pro"),
        ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_a_snapshot_has_its_model_s_limits(provider, model, same):
    assert find_limits(provider, same).context_tokens is not None
    assert find_limits(provider, model) == find_limits(provider, same)


@pytest.mark.parametrize(
    "model", ["gpt-5-2031", "gpt-5x", "gpt5", "GPT-5", "my-gpt-5", "gpt-5-latest", ""]
)
def test_a_similar_name_is_another_model(model):
    assert find_limits("openai", model).context_tokens is None


def test_an_own_entry_of_a_snapshot_comes_first():
    # The table has other limits for this snapshot than for the model.
    assert find_limits("openai", "gpt-4o-2024-05-13").output_tokens == 4096
    assert find_limits("openai", "gpt-4o").output_tokens == 16_384


def test_through_litellm_a_model_has_the_limits_of_its_maker():
    assert find_limits("litellm", "anthropic/claude-opus-5") == find_limits(
        "anthropic", "claude-opus-5"
    )
    assert find_limits("litellm", "gemini/gemini-2.5-pro") == find_limits(
        "google", "gemini-2.5-pro"
    )
    assert find_limits("litellm", "xai/grok-4.3").context_tokens == 1_000_000


@pytest.mark.parametrize(
    ("provider", "model", "can", "does"),
    [
        ("openai", "gpt-4o", False, False),
        ("openai", "gpt-5", True, True),
        ("openai", "gpt-5.4", True, False),
        ("anthropic", "claude-opus-5", True, False),
        ("anthropic", "claude-fable-5-1", True, True),
        ("google", "gemini-2.5-pro", True, True),
        ("openai", "gpt-99", False, False),
        ("local", "gpt-5", False, False),
    ],
)
def test_some_models_think_before_they_answer_and_some_unasked(provider, model, can, does):
    assert reasons(provider, model) == can
    assert thinks_unasked(provider, model) == does


def test_names_are_exact_before_they_are_shortened():
    assert table_names("openai", "gpt-5-2025-08-07") == (
        "gpt-5-2025-08-07",
        "openai/gpt-5-2025-08-07",
        "gpt-5",
        "openai/gpt-5",
    )
    assert table_names("local", "gpt-5") == ()


def test_the_table_holds_models_and_no_explanations():
    assert len(read_table()) > 1000
    assert "sample_spec" not in read_table()


def test_the_table_is_read_without_importing_litellm():
    code = (
        "import sys; from icil.harness.models.tables.catalogue import find_limits;"
        "assert find_limits('openai', 'gpt-5').context_tokens;"
        "print('litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
