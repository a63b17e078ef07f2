"""Prompts of altered demonstrations: the right observation beside the wrong action."""

import pytest

from icil.prompt_builders import ImagePart, PromptBuilder, Selection, TextPart, load_template
from icil.prompt_builders.cache import VARIABLE
from icil.prompt_builders.rendered import render_as, render_pngs
from icil.tasks import load_pool_for, make
from icil.tasks.demonstrations import alter, windows
from icil.tasks.relabelled import relabel


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def selection(*demonstrations):
    return Selection(demonstrations=demonstrations, reasons=("",) * len(demonstrations))


def builder(task, format, **options):
    return PromptBuilder(task, format, load_template(), **options)


def texts(parts):
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def images(parts):
    return [part.png for part in parts if isinstance(part, ImagePart)]


def nonsense(demonstration):
    actions = tuple(f"<{number}>" for number in range(len(demonstration.steps)))
    return alter(demonstration, "nonsense", actions)


def with_actions(text, demonstration, altered):
    """A prompt with other actions in place of those played, in their order."""
    shown = ""
    for step, action in zip(demonstration.steps, altered.actions, strict=True):
        before, found, text = text.partition(f"Action: {step.action}\n")
        assert found
        shown += f"{before}Action: {action}\n"
    return shown + text


@pytest.mark.parametrize("name", ["gridworld", "tic_tac_toe"])
def test_texts_differ_in_the_actions_alone(name):
    task = make(name)
    for one in load_pool_for(task).demonstrations[:5]:
        altered = nonsense(one)
        plain, other = (builder(task, "ascii").prefix(selection(d)).parts for d in (one, altered))
        assert texts(other) == with_actions(texts(plain), one, altered)


@pytest.mark.parametrize("name", ["gridworld", "chess"])
def test_pictures_are_those_of_the_true_states(name, folder):
    task = make(name)
    one = load_pool_for(task).demonstrations[0]
    altered = nonsense(one)
    both = builder(task, "rgb")
    plain, other = (both.prefix(selection(d)).parts for d in (one, altered))
    assert len(images(plain)) == len(one.steps)
    assert images(other) == images(plain)
    assert texts(other) == with_actions(texts(plain), one, altered)
    # In memory there is one of each picture, whichever was shown first.
    assert [id(p) for p in other if isinstance(p, ImagePart)] == [
        id(p) for p in plain if isinstance(p, ImagePart)
    ]


def test_one_builder_mixes_nothing_up():
    task = make("gridworld")
    one, two, three = load_pool_for(task).demonstrations[:3]
    mixed = builder(task, "coords")
    for shown in (
        (one, two, three),
        (nonsense(one), two, nonsense(three)),
        (one, two, three),
        (alter(one, "nonsense", ("other",) * len(one.steps)), two, nonsense(three)),
    ):
        fresh = builder(make("gridworld"), "coords").prefix(selection(*shown))
        assert mixed.prefix(selection(*shown)).parts == fresh.parts


def test_one_way_to_alter_is_not_taken_for_another_of_the_same_name():
    task = make("gridworld")
    one = load_pool_for(task).demonstrations[0]
    ways = [alter(one, "way", (action,) * len(one.steps)) for action in ("a", "b")]
    both = builder(task, "coords")
    first, second = (texts(both.prefix(selection(way)).parts) for way in ways)
    assert "Action: a\n" in first
    assert "Action: b\n" in second
    assert "Action: a\n" not in second


def test_an_equal_selection_gives_the_same_prefix():
    task = make("gridworld")
    one = load_pool_for(task).demonstrations[0]
    both = builder(task, "coords")
    assert both.prefix(selection(nonsense(one))) is both.prefix(selection(nonsense(one)))


def test_prefixes_of_altered_demonstrations_are_not_all_kept():
    task = make("gridworld")
    pool = load_pool_for(task).demonstrations
    both = builder(task, "coords")
    first = both.prefix(selection(nonsense(pool[0])))
    plain = both.prefix(selection(pool[0]))
    for one in pool[1:20]:
        both.prefix(selection(nonsense(one)))
    assert both.prefix(selection(nonsense(pool[0]))) is not first
    assert both.prefix(selection(nonsense(pool[0]))) == first
    assert both.prefix(selection(pool[0])) is plain


def test_a_builder_of_renamed_actions_shows_others_as_they_are():
    task = make("gridworld")
    one = load_pool_for(task).demonstrations[0]
    plain = builder(task, "coords").prefix(selection(one))
    assert builder(relabel(task, 0), "coords").prefix(selection(one)) == plain


@pytest.mark.parametrize("format", ["coords", "ascii", "rgb"])
def test_windows_show_their_steps(format):
    task = make("gridworld")
    one = next(d for d in load_pool_for(task).demonstrations if len(d.steps) >= 5)
    whole = builder(task, format).prefix(selection(one)).parts
    cut = builder(task, format).prefix(selection(*windows(one, 2))).parts
    assert images(cut) == images(whole)
    assert texts(cut).count("Action: ") == texts(whole).count("Action: ")


def test_pictures_are_kept_once_for_windows_and_altered_ones(folder):
    task = make("chess")
    one = load_pool_for(task).demonstrations[0]
    drawn = render_pngs(task, one, "rgb")
    window = windows(one, 3)[1]
    assert render_pngs(task, window, "rgb") == drawn[3:6]
    assert [f.content for f in render_pngs(task, nonsense(one), "rgb")] == [f[0] for f in drawn]
    shown = render_pngs(task, nonsense(window), "rgb")
    assert [(f.content, f.action) for f in shown] == [
        (f.content, f"<{number}>") for number, f in enumerate(drawn[3:6])
    ]
    assert len(list(folder.rglob("*.cached"))) == 1
    assert render_pngs(make("chess"), one, "rgb") == drawn


def test_altered_ones_that_come_first_do_not_spoil_what_is_kept(folder, monkeypatch):
    task = make("chess")
    one = load_pool_for(task).demonstrations[0]
    cut = render_as(task, nonsense(windows(one, 3)[1]), "rgb", "size", lambda p: b"%d" % p.size)
    assert [f.action for f in cut] == ["<0>", "<1>", "<2>"]
    kept = render_pngs(task, one, "rgb")
    monkeypatch.setenv(VARIABLE, "off")
    assert kept == render_pngs(task, one, "rgb")
    assert render_pngs(task, nonsense(windows(one, 3)[1]), "rgb") == tuple(
        frame._replace(action=f"<{number}>") for number, frame in enumerate(kept[3:6])
    )
