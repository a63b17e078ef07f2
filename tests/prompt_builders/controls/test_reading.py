"""Controls as they are written behind a selector's name."""

from pathlib import Path

import pytest

from icil.prompt_builders.controls import find, make, names, read_controlled
from icil.tasks import UnknownNameError, UsageError


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("random", "random", 0),
        ("random+noise=0.25", "random+noise=0.25", 1),
        ("random+noise=.250", "random+noise=0.25", 1),
        ("random+noise=1.0", "random+noise=1", 1),
        ("random+noise=-0", "random+noise=0", 1),
        ("random+noise=0.1234567", "random+noise=0.1234567", 1),
        ("relevance:order=ascending+shuffle_order", "relevance:order=ascending+shuffle_order", 1),
        ("random+noise=0.5+shuffle_order", "random+noise=0.5+shuffle_order", 2),
        ("random+permute_labels+noise=0.5", "random+noise=0.5+permute_labels", 2),
        (
            "random+permute_labels+shuffle_actions+irrelevant=chess",
            "random+irrelevant=chess+shuffle_actions+permute_labels",
            3,
        ),
        ("random+wrong_expert=adversary", "random+wrong_expert=adversary", 1),
        ("+noise=1", "+noise=1", 1),
    ],
)
def test_a_name_is_written_in_one_way(text, name, count):
    found = read_controlled(text)
    assert (found.name, len(found.controls)) == (name, count)
    assert read_controlled(name).name == name
    assert found.selector + found.suffix == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("random+noize=0.5", "unknown control 'noize'; did you mean 'noise'"),
        ("random+", "unknown control ''; known: irrelevant, noise"),
        ("random++noise=1", "unknown control ''"),
        ("random+permute_label", "did you mean 'permute_labels'"),
    ],
)
def test_an_unknown_control_is_answered_with_the_nearest(text, said):
    with pytest.raises(UnknownNameError, match=said):
        read_controlled(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("random+noise=0.1+noise=0.2", "has the control noise 2 times"),
        ("random+shuffle_order+shuffle_order", "has the control shuffle_order 2 times"),
        ("random+irrelevant+wrong_expert", "irrelevant and wrong_expert, which each show"),
        ("random+shuffle_actions=1", "control shuffle_actions takes no value, got '1'"),
    ],
)
def test_what_cannot_go_together_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_controlled(text)


def test_all_controls_say_what_they_do():
    assert {"noise", "irrelevant", "permute_labels", "wrong_expert"} < set(names())
    for name in names():
        assert find(name).factory.__doc__.strip()
        assert find(name).factory.kind == name
    assert make("noise=0.25").name == "noise=0.25"


def test_the_control_of_the_documentation_works(grid):
    """As it stands in docs/controls.md."""
    text = (Path(__file__).parents[3] / "docs" / "controls.md").read_text("utf-8")
    exec(text.partition("```python\n")[2].partition("```")[0], {"__name__": "documented"})
    (one,) = grid.alter("backwards", 1).demonstrations
    played = [step.action for step in grid.select(1).demonstrations[0].steps]
    assert one.actions == tuple(reversed(played))
    assert read_controlled("random+backwards").name == "random+backwards"
