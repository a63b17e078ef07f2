"""What calls cost: by hand, by the table, by the user's own file, and as litellm says."""

import json
import os
import random

import pytest

from icil.harness.models import Tokens
from icil.harness.models.tables.catalogue import read_table, table_names
from icil.harness.models.tables.prices import Price, Prices
from icil.tasks import ExperimentError

M = 1_000_000


def cost(name, **tokens):
    price = Prices().find((name,))
    assert price is not None
    return price.cost(Tokens(**tokens))


def test_each_kind_of_token_has_its_price():
    # $3 in, $0.30 cached, $3.75 and $6 to write, $15 out, a million each.
    found = cost(
        "claude-sonnet-4-5",
        input=10_000,
        cached=5_000,
        cache_write=3_000,
        cache_write_1h=1_000,
        output=400,
        reasoning=100,
    )
    by_hand = (2_000 * 3 + 5_000 * 0.3 + 2_000 * 3.75 + 1_000 * 6 + 400 * 15) / M
    assert found == pytest.approx(by_hand, rel=1e-12)


def test_cached_input_of_openai_is_cheaper():
    # $2.50 in, $1.25 cached, $10 out.
    found = cost("gpt-4o", input=4_000, cached=3_072, output=10)
    assert found == pytest.approx((928 * 2.5 + 3_072 * 1.25 + 10 * 10) / M, rel=1e-12)


def test_the_whole_input_decides_on_the_tier_and_all_is_charged_at_it():
    # $1.25 in, $0.125 cached, $10 out up to 200k; $2.50, $0.25 and $15 above.
    below = {"input": 200_000, "cached": 190_000, "output": 100}
    above = {"input": 200_001, "cached": 190_000, "output": 100}
    name = "gemini/gemini-2.5-pro"
    assert cost(name, **below) == pytest.approx(
        (10_000 * 1.25 + 190_000 * 0.125 + 100 * 10) / M, rel=1e-12
    )
    assert cost(name, **above) == pytest.approx(
        (10_001 * 2.5 + 190_000 * 0.25 + 100 * 15) / M, rel=1e-12
    )


def test_writing_for_an_hour_has_a_price_in_each_tier():
    # $0.10 in, $0.20 to write for an hour; above 100k $0.50 and $1.
    written = {"cache_write": 90_000, "cache_write_1h": 90_000}
    name = "claude-haiku-5-5"
    assert cost(name, input=100_000, **written) == pytest.approx(
        (10_000 * 0.1 + 90_000 * 0.2) / M, rel=1e-12
    )
    assert cost(name, input=110_000, **written) == pytest.approx(
        (20_000 * 0.5 + 90_000 * 1.0) / M, rel=1e-12
    )


def test_openai_s_long_context_tier():
    # $2 in, $2.50 to write, $10 out; above 272k $4, $5 and $15.
    assert cost("gpt-6-sol", input=300_000, cache_write=256_000, output=1_000) == pytest.approx(
        (44_000 * 4 + 256_000 * 5 + 1_000 * 15) / M, rel=1e-12
    )


def test_the_figure_of_the_reference_page():
    # 500k tokens of demonstrations, 10 episodes of 40 steps at $5 a million, nothing cached.
    price = Price(
        input=5 / M,
        cached_input=0.5 / M,
        cache_write=6.25 / M,
        cache_write_1h=10 / M,
        output=25 / M,
        reasoning=25 / M,
    )
    total = sum(price.cost(Tokens(input=500_000)) for _ in range(400))
    assert total == pytest.approx(1000, rel=1e-9)
    cached = price.cost(Tokens(input=500_000, cache_write=500_000))
    cached += 399 * price.cost(Tokens(input=500_000, cached=500_000))
    assert cached == pytest.approx(3.125 + 399 * 0.25, rel=1e-9)


def test_usage_that_does_not_add_up_never_costs_less_than_nothing():
    assert cost("gpt-4o", input=100, cached=150) == pytest.approx(150 * 1.25 / M)


def test_no_tokens_cost_nothing():
    assert cost("gpt-4o") == 0


def test_an_unknown_model_has_no_price():
    assert Prices().find(()) is None
    assert Prices().find(("gpt-99",)) is None
    assert Prices().find(("GPT-4o", "gpt-4o ")) is None


def test_a_price_of_zero_in_the_table_is_no_price():
    zero = "gemini/gemma-3-27b-it"
    assert read_table()[zero]["input_cost_per_token"] == 0
    assert Prices().find((zero,)) is None


def test_the_first_name_that_has_a_price_counts():
    prices = Prices()
    assert prices.find(("gpt-99", "gpt-4o", "gpt-5")) == prices.find(("gpt-4o",))


def written(tmp_path, content, name="prices.yaml"):
    path = tmp_path / name
    path.write_text(content)
    return path


def test_a_user_s_file_comes_first(tmp_path):
    path = written(tmp_path, "gpt-4o: {input: 1, cached_input: 0.5, output: 2}\n")
    prices = Prices.load(path)
    price = prices.find(table_names("openai", "gpt-4o"))
    assert price is not None
    assert price.cost(Tokens(input=1000, cached=400, output=10)) == pytest.approx(
        (600 * 1 + 400 * 0.5 + 10 * 2) / M
    )
    assert prices.find(("gpt-5",)) == Prices().find(("gpt-5",))


def test_a_user_s_price_of_any_name_comes_before_the_table(tmp_path):
    path = written(tmp_path, "openai/gpt-4o: {input: 1, output: 2}\n")
    price = Prices.load(path).find(("gpt-4o", "openai/gpt-4o"))
    assert price is not None
    assert price.input == 1 / M


def test_json_will_do_and_what_is_left_out_is_as_plain_input(tmp_path):
    entry = {"input": 4, "output": 8, "cache_write": 5, "cache_storage_hour": 1}
    path = written(tmp_path, json.dumps({"mine": entry}), "prices.json")
    assert Prices.load(path).find(("mine",)) == Price(
        input=4 / M,
        cached_input=4 / M,
        cache_write=5 / M,
        cache_write_1h=5 / M,
        output=8 / M,
        reasoning=8 / M,
        storage_hour=1 / M,
    )


def test_a_user_may_say_that_a_model_is_free(tmp_path):
    price = Prices.load(written(tmp_path, "mine: {input: 0, output: 0}")).find(("mine",))
    assert price is not None
    assert price.cost(Tokens(input=1000, output=10)) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mine: {input: 1}", "mine: the key 'output' is missing"),
        ("mine: {inputs: 1, output: 2}", "mine: unknown key 'inputs'; did you mean 'input'?"),
        ("mine: {input: -1, output: 2}", "mine: input: expected US dollars per million tokens"),
        ("mine: {input: '1', output: 2}", "mine: input: expected US dollars .* got '1'"),
        ("mine: {input: .inf, output: 2}", "mine: input: expected US dollars .* got inf"),
        ("mine: {input: .nan, output: 2}", "mine: input: expected US dollars .* got nan"),
        ("mine: {input: 1, output: null}", "mine: output: expected US dollars .* got None"),
        ("mine: {input: true, output: 1}", "mine: input: expected US dollars .* got True"),
        ("mine: 3", "mine: expected prices such as input and output, got 3"),
        ("- mine", "expected models and their prices"),
        ("", "expected models and their prices"),
        ("{", "is neither YAML nor JSON"),
    ],
)
def test_a_wrong_file_is_told_what_would_be_right(content, said, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(ExperimentError, match=said) as caught:
        Prices.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ExperimentError, match="No such file"):
        Prices.load(tmp_path / "none.yaml")


_SOME = [
    "gpt-5",
    "gpt-4.1-mini",
    "gpt-6-sol",
    "claude-opus-5",
    "claude-haiku-5-5",
    "claude-haiku-4-5-20251001",
    "gemini/gemini-2.5-pro",
    "gemini/gemini-3.8-flash",
    "dashscope/qwen-flash",
    "xai/grok-4.3",
    "deepseek/deepseek-v3.2",
    "minimax/MiniMax-M3",
]


@pytest.fixture(scope="module")
def theirs():
    """litellm's own calculator; its import takes seconds."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
    from litellm.types.utils import Usage

    def calculate(name, tokens):
        usage = Usage(
            prompt_tokens=tokens.input,
            completion_tokens=tokens.output,
            total_tokens=tokens.input + tokens.output,
            prompt_tokens_details={
                "cached_tokens": tokens.cached,
                "cache_creation_tokens": tokens.cache_write,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": tokens.cache_write - tokens.cache_write_1h,
                    "ephemeral_1h_input_tokens": tokens.cache_write_1h,
                },
            },
            completion_tokens_details={
                "reasoning_tokens": tokens.reasoning,
                "text_tokens": tokens.output - tokens.reasoning,
            },
        )
        return sum(generic_cost_per_token(name, usage, read_table()[name]["litellm_provider"]))

    return calculate


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", _SOME)
def test_litellm_calculates_the_same(name, theirs):
    rng = random.Random(name)
    for size in (1_000, 150_000, 250_000, 256_000, 600_000):
        written_ = rng.randrange(size // 4)
        tokens = Tokens(
            input=size,
            cached=rng.randrange(size // 2),
            cache_write=written_,
            cache_write_1h=rng.randrange(written_ + 1),
            output=500,
            reasoning=100,
        )
        price = Prices().find((name,))
        assert price is not None
        assert price.cost(tokens) == pytest.approx(theirs(name, tokens), rel=1e-9)
