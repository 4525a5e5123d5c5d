"""Explorers as HTML files: self-contained, escaped, small, the same twice, whole on the disk."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from test_widgets import explorer, pixels, sweep

from course_utils.views import standalone, widgets

NASTY = '"><script>alert(1)</script> & </script> <!-- $title'


def sweeps(**options):
    makers = {"a": sweep, "b < c": lambda: sweep(description="Other", slider="t")}
    return widgets.Sweeps("Layer", makers, **options)


def saved(box, path):
    box.save_html(path)
    return path.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """The elements of a page in order, and the texts of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [("document", {})], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, text):
        tag, attributes = self.found[-1]
        self.texts.setdefault(attributes.get("type", tag), []).append(text)

    def all(self, tag):
        return [attributes for found, attributes in self.found if found == tag]

    def pictures(self):
        return json.loads("".join(self.texts["application/json"]))


def painted(told, strip, i):
    """The picture that the page's script paints, by the same steps. uint8, RGB."""
    sheets = [Image.open(io.BytesIO(base64.b64decode(sheet))) for sheet in told["sheets"]]
    strip = told["strips"][strip]
    picture = Image.new("RGB", strip["boxes"][0][2:])
    for (x, y, w, h), tile in zip(strip["boxes"], strip["frames"][i], strict=True):
        sheet, top = told["tiles"][tile]
        picture.paste(sheets[sheet].crop((0, top, w, top + h)), (x, y))
    return np.asarray(picture)


def test_every_picture_comes_back_pixel_for_pixel(tmp_path):
    told = Elements(saved(sweeps(), tmp_path / "x.html")).pictures()
    frames = sweep().frames
    for strip in (0, 1):
        for i, frame in enumerate(frames):
            assert np.array_equal(painted(told, strip, i), pixels(frame))
    # The two choices have the same pictures: they are stored once.
    assert told["strips"][0]["frames"] == told["strips"][1]["frames"]


def test_a_page_knows_its_axes_once_and_where_reset_goes(tmp_path):
    box = sweeps()
    box.sweep.index = 2
    told = Elements(saved(box, tmp_path / "x.html")).pictures()
    assert told["axes"] == [box.sweep.axes[0]]
    assert [strip["axes"] for strip in told["strips"]] == [[0] * 4] * 2
    assert [(strip["index"], strip["start"]) for strip in told["strips"]] == [(2, 0)] * 2


def test_pictures_that_do_not_change_are_one(tmp_path):
    box = widgets.Sweep(
        lambda _, figure=None: sweep_figure(figure), [0, 1], "ab", description="d", alt=str
    )
    told = Elements(saved(box, tmp_path / "x.html")).pictures()
    assert told["strips"][0]["frames"] == [[0], [0]]


def sweep_figure(figure):
    return figure or sweep().figure


def test_a_file_asks_for_nothing_from_elsewhere(tmp_path):
    text = saved(sweeps(), tmp_path / "x.html")
    words = re.sub(r"[A-Za-z0-9+/=]{100,}", "", text)  # without the base64
    assert not re.search(r"https?:|//\S|@import|url\(|fetch|import ", words)
    page = Elements(text)
    for tag, attributes in page.found:
        for name in ("src", "href", "srcset", "data", "action"):
            assert attributes.get(name, "data:image/webp").startswith("data:image/webp"), tag
        assert "id" not in attributes
    assert page.all("html") == [{"lang": "en"}]


def test_texts_cannot_become_markup(tmp_path):
    box = widgets.Sweeps(
        NASTY,
        {
            NASTY: lambda: sweep(
                description=NASTY,
                slider=NASTY,
                alt=lambda s: f"{s} {NASTY}",
                readout=lambda _: NASTY,
            )
        },
    )
    box.sweep.slider.options = [(f"{NASTY} {i}", i) for i in range(4)]
    page = Elements(saved(box, tmp_path / "x.html"))
    assert [tag for tag, _ in page.found if tag == "script"] == ["script"] * 2
    assert page.all("img")[0]["alt"] == f"0.0 {NASTY}"
    assert page.all("section")[0]["aria-label"] == NASTY
    assert "".join(page.texts["option"]).strip() == NASTY
    strip = page.pictures()["strips"][0]
    assert strip["labels"][3] == f"{NASTY} 3"
    assert strip["lines"] == [NASTY] * 4


def test_without_a_script_the_first_picture_shows(tmp_path):
    box = sweep(index=2, slider="Threshold s")
    page = Elements(saved(box, tmp_path / "x.html"))
    (image,) = page.all("img")
    still = base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))
    assert np.array_equal(pixels(still), pixels(box.frames[2]))
    assert image["alt"] == box.alts[2]
    assert any(a.get("class") == "lab-controls" and "hidden" in a for a in page.all("div"))


def test_a_saved_choice_begins_where_it_is(tmp_path):
    box = sweeps(first="b < c")
    box.sweep.index = 3
    page = Elements(saved(box, tmp_path / "x.html"))
    assert page.all("option") == [{}, {"selected": None}]
    assert [strip["index"] for strip in page.pictures()["strips"]] == [3, 3], "the same labels"
    assert box.choice.value == "b < c"
    assert page.all("input")[0] == {"type": "range", "min": "0", "max": "3", "value": "3"}


def test_two_runs_write_the_same_bytes(tmp_path):
    assert saved(sweeps(), tmp_path / "a.html") == saved(sweeps(), tmp_path / "b.html")


def test_a_file_is_overwritten_whole(tmp_path, monkeypatch):
    path = tmp_path / "x.html"
    path.write_text("old" * 1_000_000)
    text = saved(sweep(), path)
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    monkeypatch.setattr(standalone, "page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sweep().save_html(path)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [sweep, sweeps])
def test_a_bad_path_is_refused(make, tmp_path):
    box = make()
    with pytest.raises(ValueError, match=r"end its name in \.html, not 'x\.png'"):
        box.save_html(tmp_path / "x.png")
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        box.save_html(str(tmp_path / "nowhere" / "x.html"))
    assert not list(tmp_path.iterdir())


def test_an_explorer_says_that_it_needs_its_kernel(tmp_path):
    with pytest.raises(TypeError, match="needs its kernel .* save a Sweep"):
        explorer().save_html(tmp_path / "x.html")


def test_boxes_hold_every_change():
    rng = np.random.default_rng(0)
    frames = np.zeros((5, 80, 120), np.uint32)
    for y, x in ((3, 4), (3, 90), (50, 4), (79, 119)):
        frames[:, y : y + 9, x : x + 12] = rng.integers(
            0, 9, frames[:, y : y + 9, x : x + 12].shape
        )
    boxes = standalone.changing_boxes(frames)
    assert len(boxes) == 4
    outside = np.ones(frames.shape[1:], bool)
    for top, left, bottom, right in boxes:
        assert outside[top:bottom, left:right].all(), "boxes overlap"
        outside[top:bottom, left:right] = False
    assert not np.ptp(frames, axis=0)[outside].any()
