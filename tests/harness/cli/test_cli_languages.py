"""`icil languages`."""

import json

import pytest
from click.testing import CliRunner

from icil.harness.cli.main import icil
from icil.tasks import UsageError, build_pool_in


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pools") / "pool"
    build_pool_in(folder, "cheetah", 2, player="random")
    return str(folder)


def told(*arguments):
    found = CliRunner().invoke(icil, ["languages", *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_a_table_of_each_language_and_length(pool):
    output = told(pool, "--chunk", "1", "--chunk", "10", "--most", "20")
    assert "cheetah: 2 demonstrations" in output
    for language in ("decimals:3", "decimals:2", "integers:0-100", "dct", "fast"):
        assert output.count(language) == 2


def test_as_json(pool):
    found = json.loads(told(pool, "--chunk", "50", "--language", "fast", "--json"))
    assert (found["task"], found["demonstrations"]) == ("cheetah", 2)
    (row,) = found["languages"]
    assert (row["language"], row["steps"], row["chunks"]) == ("fast", 50, 4)
    assert 0 < row["own_tokens"] <= row["tokens"]


def test_without_what_is_fitted(pool):
    output = told(pool, "--chunk", "5", "--no-fit", "--most", "5")
    assert "dct" in output
    assert "fast" not in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gridworld"], "no vectors with bounds"),
        (["chetah"], "did you mean 'cheetah'"),
        (["gym:Pendulum-v1"], "no pool of gym:Pendulum-v1 ships"),
        (["cheetah", "--language", "fast", "--no-fit"], "option --no-fit"),
    ],
)
def test_wrong_usage(arguments, said):
    with pytest.raises(UsageError, match=said):
        told(*arguments)
