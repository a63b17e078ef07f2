"""Keys: read from a file, and out of everything that is written."""

import os

import pytest

from icil.harness.secrets import load_dotenv, scrub

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-0123456789",
    "LONGER_API_KEY": "sk-0123456789-and-more",
    "MY_PASSWORD": "correct horse",
    "SHORT_KEY": "abc",
    "HOME": "/home/somebody",
}


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("key sk-0123456789 is wrong", "key [OPENAI_API_KEY] is wrong"),
        ("sk-0123456789-and-more", "[LONGER_API_KEY]"),
        ("a correct horse, a correct horse", "a [MY_PASSWORD], a [MY_PASSWORD]"),
        ("abc in /home/somebody", "abc in /home/somebody"),
        ("", ""),
    ],
)
def test_the_values_of_secret_variables_are_replaced_by_their_names(text, scrubbed):
    assert scrub(text, ENVIRONMENT) == scrubbed


def test_a_file_gives_what_the_environment_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / ".env").write_text(
        "# keys\nOPENAI_API_KEY=from the file\nexport ANTHROPIC_API_KEY='a b'\nBROKEN\n"
    )
    load_dotenv(tmp_path)
    assert os.environ["OPENAI_API_KEY"] == "from the environment"
    assert os.environ["ANTHROPIC_API_KEY"] == "a b"
    monkeypatch.delenv("ANTHROPIC_API_KEY")


def test_no_file_is_no_error(tmp_path):
    before = dict(os.environ)
    load_dotenv(tmp_path)
    assert dict(os.environ) == before
