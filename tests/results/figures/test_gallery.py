"""All the pictures of a run: which are made, as which files."""

import warnings
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from icil.results import Curves, Imitation, Leaderboard, make_figures, save_figures
from icil.results.figures import FOLDER, TITLES, save_curves, save_scores, to_png, to_svg

ALWAYS = {"scores", "best"}


@pytest.fixture
def store(make_store, make_cell, play, answer):
    """A model and an imitator, the model also with other demonstrations; two episodes each."""
    cells = [
        make_cell("openai/model", selector="", demonstrations=0),
        make_cell("openai/model", demonstrations=4),
        make_cell("openai/model", demonstrations=4, selector="relevance"),
        make_cell("nearest", demonstrations=4),
    ]
    players = [make_cell("random", asked=False), make_cell("expert", asked=False)]
    store = make_store(*cells, *players, experiment={"episodes": 2})
    for number, cell in enumerate([*cells, *players]):
        cost = 0.25 if "model" in cell.agent else 0.0
        steps = [answer("illegal", cost_usd=cost), answer(cost_usd=cost)]
        for opening in range(2):
            score = 1.0 if cell.agent == "expert" else 0.1 * number * opening
            play(store, cell, opening, score, steps=steps)
    return store


def imitate(store):
    for number, status in store.rows("SELECT id, status FROM episodes")[1]:
        if status == "done":
            found = Imitation(agrees=(True, False), copies=(None, None), expert=True, departs=1)
            store.set_imitation(number, found)


def test_what_has_something_to_show_is_made_and_the_others_say_why(store):
    figures = make_figures(store)
    assert list(figures) == ["scores", "best", "selectors", "rates", "costs"]
    assert set(figures.missing) == {"actions", "replay", "imitation"}
    assert all(figures.missing.values())
    assert list(TITLES) == [*figures, *figures.missing]


def test_nothing_finished_is_said_in_the_pictures_that_are_always_made(make_store, make_cell):
    figures = make_figures(make_store(make_cell()))
    assert set(figures) == ALWAYS
    assert set(figures) | set(figures.missing) == set(TITLES)


def test_an_agent_has_the_same_colour_in_all_pictures(store):
    figures = make_figures(store)
    by_name = {}
    for label in ("openai/model", "nearest"):
        for name in ("scores", "costs"):
            for line in figures[name].axes[0].lines:
                if line.get_label() == label:
                    by_name.setdefault(label, set()).add(line.get_color())
    best = figures["best"].axes[0]
    for text, bar in zip(best.get_yticklabels(), best.patches, strict=True):
        by_name[text.get_text()].add(mpl.colors.to_hex(bar.get_facecolor()))
    assert [len(colors) for colors in by_name.values()] == [1, 1]


def test_the_files_are_the_pictures_as_png_and_svg(store, tmp_path):
    files = save_figures(store, tmp_path)
    names = [f"{name}.{kind}" for name in make_figures(store) for kind in ("png", "svg")]
    assert [path.name for path in files] == names
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == sorted(names)
    for path in files:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        else:
            root = ElementTree.parse(path).getroot()
            assert root.tag.endswith("svg")
            assert root.get("id") == path.stem


def test_the_same_run_gives_the_same_bytes_whatever_the_settings(store, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = save_figures(store, tmp_path / "one")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        second = save_figures(store, tmp_path / "two")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_a_picture_that_is_no_longer_made_is_removed_and_no_other_file(store, tmp_path):
    within = tmp_path / FOLDER
    within.mkdir()
    for name in ("replay.png", "replay.svg", "scores.png", "mine.png"):
        (within / name).write_text("from before")
    save_figures(store, tmp_path)
    left = {path.name for path in within.iterdir()}
    assert "mine.png" in left
    assert not left & {"replay.png", "replay.svg"}
    assert (within / "mine.png").read_text() == "from before"
    assert (within / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_where_not_all_can_be_written_all_stay_as_they_were(store, tmp_path):
    within = tmp_path / FOLDER
    within.mkdir()
    (within / "scores.png").write_text("from before")
    (within / "costs.svg.new").mkdir()  # one of the last to be written
    with pytest.raises(OSError, match=r"costs\.svg"):
        save_figures(store, tmp_path)
    assert sorted(path.name for path in within.iterdir()) == ["costs.svg.new", "scores.png"]
    assert (within / "scores.png").read_text() == "from before"


def test_what_was_measured_afterwards_is_drawn(store, tmp_path):
    imitate(store)
    names = {path.name for path in save_figures(store, tmp_path)}
    assert {"imitation.png", "imitation.svg"} <= names


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_single_pictures_are_written_whole(kind, make_row, make_curve, tmp_path):
    one, two = tmp_path / f"one.{kind}", tmp_path / f"two.{kind}"
    for path in (one, two):
        path.write_text("from before")
    save_scores(Leaderboard(rows=(make_row(),)), one)
    save_curves(Curves((make_curve(),)), two)
    start = b"\x89PNG" if kind == "png" else b"<svg"
    assert one.read_bytes().startswith(start)
    assert two.read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_svg_has_no_date_no_clutter_and_nothing_that_points_nowhere(store):
    text = to_svg(make_figures(store)["scores"], "scores", "A <title>")
    root = ElementTree.fromstring(text)
    ids = {one.get("id") for one in root.iter()} - {None}
    link = "{http://www.w3.org/1999/xlink}href"
    used = {one.get(link)[1:] for one in root.iter() if one.get(link, "").startswith("#")}
    clips = {
        one.get("clip-path").removeprefix("url(#").removesuffix(")")
        for one in root.iter()
        if one.get("clip-path")
    }
    assert used | clips <= ids
    assert ids == used | clips | {"scores"}
    assert "<metadata" not in text
    assert "<!--" not in text
    assert root[0].text == "A <title>"


def test_ids_of_clips_differ_between_pictures(store):
    figure = make_figures(store)["scores"]
    assert "clip-path" in to_svg(figure, "one")
    clips = [
        {part.split(")")[0] for part in to_svg(figure, name).split("url(#")[1:]}
        for name in ("one", "two")
    ]
    assert not clips[0] & clips[1]


def test_a_very_large_picture_has_fewer_dots():
    content = to_png(Figure(figsize=(4, 900)))
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert 50_000 < height <= 60_000
    assert width * height <= 40_000_000


@pytest.mark.parametrize("name", ["a$b$c", "模型", "a_b^c", "<&>", "\\alpha", "%s"])
def test_odd_names_are_drawn_as_they_are(name, make_row):
    from icil.results import draw_scores

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_scores(Leaderboard(rows=(make_row(name), make_row("b"))))
        ElementTree.fromstring(to_svg(figure, "odd"))
        to_png(figure)
    (legend,) = figure.legends
    assert name in [text.get_text() for text in legend.get_texts()]


def many(make_row):
    return Leaderboard(
        rows=tuple(
            make_row(
                f"agent {n:02} of a family with a long name",
                k,
                n / 50,
                format=f"format {f}",
                cost_usd=0.1 * (n + k),
                illegal_rate=n / 100,
            )
            for n in range(49)
            for k in (0, 16)
            for f in range(2)
        )
    )


def test_no_label_overlaps_another_where_there_are_many(make_row):
    """Titles, labels of axes and ticks, legends, and what stands beside bars."""
    from icil.results.figures import draw_best, draw_costs, draw_rates, draw_scores

    for draw in (draw_scores, draw_best, draw_rates, draw_costs):
        figure = draw(many(make_row))
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        texts = [
            text
            for axes in figure.axes
            for text in (
                axes.title,
                axes.xaxis.label,
                axes.yaxis.label,
                *axes.get_xticklabels(),
                *axes.get_yticklabels(),
                *axes.texts,
            )
        ]
        texts += [text for legend in figure.legends for text in legend.get_texts()]
        boxes = sorted(
            (text.get_window_extent().padded(-1) for text in texts if text.get_text().strip()),
            key=lambda box: box.x0,
        )
        for n, one in enumerate(boxes):
            assert one.x0 >= 0, draw.__name__
            assert one.x1 <= width, draw.__name__
            assert one.y0 >= 0, draw.__name__
            assert one.y1 <= height, draw.__name__
            for other in boxes[n + 1 :]:
                if other.x0 > one.x1:
                    break
                assert not one.overlaps(other), (draw.__name__, one, other)
