"""The parts of a report: which episodes come first, packs, pictures, drawings, scripts."""

import base64
import io
import json
import re
import zlib
from importlib.resources import files

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from icil.results.report.choosing import choose_episodes
from icil.results.report.drawings import inline_svg
from icil.results.report.packing import Packer, to_script
from icil.results.report.pictures import Album, thumbnail
from icil.results.report.runs import ReportedRun

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (240, 320, 3), np.uint8)
DRAWING = np.kron(np.arange(100).reshape(10, 10, 1) % 7, np.ones((20, 20, 3))).astype(np.uint8)


def test_cells_take_turns_models_first_and_wrong_replies_first(cell, writer):
    nearest, model, expert = cell("nearest"), cell("acme/model"), cell("expert")
    written = writer(nearest, model, expert)
    for opening in range(3):
        written.episode(nearest, opening, ["up"], status="running")
        wrong = ("what?",) if opening == 2 else ()
        written.episode(model, opening, ["up"], status="running", wrong=wrong)
    written.episode(expert, 1, ["up"], status="running")
    run = ReportedRun(written.store)
    order = [
        (run.cells[c.line.cell].agent, c.line.opening)
        for c in choose_episodes([run], [run.episodes()])
    ]
    assert order == [
        ("acme/model", 2),
        ("nearest", 0),
        ("expert", 1),
        ("acme/model", 0),
        ("nearest", 1),
        ("acme/model", 1),
        ("nearest", 2),
    ]


def test_packs_hold_what_was_put_in(hostile):
    packer = Packer(10**6)
    values = {f"0:{n}": {"reply": f"{hostile} {n} \u2028 \ud800 ü" * 400} for n in range(40)}
    for key, value in values.items():
        packer.add(key, value)
    packer.close()
    assert len(packer.packs) > 1
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", pack) for pack in packer.packs)
    opened = [json.loads(zlib.decompress(base64.b64decode(pack))) for pack in packer.packs]
    for key, value in values.items():
        text = value["reply"].replace("\ud800", "?")  # no text that a file could hold
        assert opened[packer.places[key]][key] == {"reply": text}
    assert packer.room == 10**6 - sum(len(pack) + 60 for pack in packer.packs)


def test_what_does_not_fit_is_in_no_pack():
    packer = Packer(9000)
    for n in range(30):
        packer.add(str(n), RNG.bytes(1000).hex())
    packer.close()
    assert 0 < len(packer.places) < 30
    assert 0 <= packer.room < 9000
    assert sum(map(len, packer.packs)) <= 9000


def test_nothing_in_a_script_can_end_it(hostile):
    text = to_script({"a": hostile, "b": "</SCRIPT\u2028\u2029<!--"})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"a": hostile, "b": "</SCRIPT\u2028\u2029<!--"}


def opened(content):
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "WEBP"
    return np.asarray(picture.convert("RGB"))


def test_drawings_are_kept_as_they_are_and_photographs_made_small():
    np.testing.assert_array_equal(opened(thumbnail(DRAWING).content), DRAWING)
    assert opened(thumbnail(PHOTO).content).shape == (150, 200, 3)
    png = io.BytesIO()
    Image.fromarray(DRAWING).save(png, format="PNG")
    np.testing.assert_array_equal(opened(thumbnail(png.getvalue()).content), DRAWING)


def test_a_picture_stands_once_in_an_album_and_only_if_there_is_room():
    album = Album(10**5)
    assert album.add("a", DRAWING)
    assert album.add("b", DRAWING.copy())
    assert (album.places["a"], album.places["b"], len(album.pictures)) == (0, 0, 1)
    album.room = 3000
    assert not album.add("c", PHOTO)
    assert album.add("d", DRAWING)
    assert not album.is_photograph("a")
    album.room = 10
    assert not album.add("e", DRAWING)
    assert album.add("d", DRAWING)
    assert set(album.places) == {"a", "b", "d"}


def test_a_figure_has_no_styles_and_the_ink_of_the_page(hostile):
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#000000", label="black")
    axes.fill_between([0, 1], [0, 1], color="#0072b2", alpha=0.2)
    axes.set_title(hostile)
    axes.imshow([[0, 1], [1, 0]])
    svg = inline_svg(figure, "f0-x", hostile)
    assert svg.startswith("<svg")
    assert "style" not in svg
    assert "<script" not in svg
    assert "<img" not in svg
    assert "<!--" not in svg
    assert "#000000" not in svg
    assert 'stroke="currentColor"' in svg
    ids = re.findall(r' id="([^"]*)"', svg)
    assert ids
    assert all(id.startswith("f0-x-") for id in ids)
    links = re.findall(r'href="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    assert any(link.startswith("#") for link in links)
    for link in links:
        assert link.startswith("data:image/png;base64,") or link.removeprefix("#") in ids


@pytest.mark.parametrize("name", ["source", "board", "step", "player", "main"])
def test_scripts_make_no_markup_of_texts(name):
    text = files("icil.results.report").joinpath(f"{name}.js").read_text("utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in text
    assert "</" not in text
    assert "<!--" not in text
