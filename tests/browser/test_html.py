"""Saved explorers in a browser without a network: keys, texts, two controls, two on one page."""

import base64
import io
import re
import statistics

import numpy as np
import pytest
from jupyter_page import ROOT
from PIL import Image

from benchmarks import html_explorers, sliders
from course_utils.labs.post_training_quantization import explorers as techniques
from course_utils.workshop import gallery

pytestmark = pytest.mark.xdist_group("html")  # one page for all of them: one process


@pytest.fixture(scope="module")
def boxes():
    return {"one": sliders.sweep(sliders.Weights(20_000)), "two": techniques.techniques()}


@pytest.fixture(scope="module")
def files(boxes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("html")
    for name, box in boxes.items():
        box.save_html(folder / f"{name}.html")
    return folder


@pytest.fixture(scope="module")
def context(chrome):
    context = chrome.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A page whose test fails if it asks a network for anything or reports an error."""
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url))
    yield page
    page.close()
    assert [words for words in wrong if not words.startswith(("file:", "data:"))] == []


def opened(page, path):
    page.goto(path.as_uri())
    page.wait_for_selector(".lab-explorer canvas:not([hidden])")
    return page.query_selector(".lab-explorer")


def assert_shows(root, sweep, state):
    """Assert that an explorer comes to show this state of a Sweep: pixels, texts, names."""
    alt, (label, _) = sweep.alts[state], sweep.slider.options[state]
    root.wait_for_selector(f'img[alt="{alt}"]')
    url = root.query_selector("canvas").evaluate("e => e.toDataURL()")
    assert np.array_equal(pixels(base64.b64decode(url.split(",")[1])), pixels(sweep.frames[state]))
    assert root.query_selector(".lab-reading").inner_text() == label
    assert root.query_selector("figcaption").inner_text() == alt
    assert root.get_attribute("aria-label") == sweep.description
    slider = root.query_selector("input")
    assert slider.get_attribute("aria-valuetext") == f"{label}, {alt}"
    assert slider.evaluate("e => e.valueAsNumber") == state


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_the_keys_move_through_the_very_pictures_of_the_notebook(page, files, boxes):
    root = opened(page, files / "one.html")
    slider = root.query_selector("input")
    assert_shows(root, boxes["one"], 0)
    states = {"End": 40, "ArrowLeft": 39, "Home": 0, "ArrowRight": 1, "PageUp": 5, "PageDown": 1}
    for key, state in states.items():
        slider.press(key)
        assert_shows(root, boxes["one"], state)
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    # A bound's loose multiple: the benchmark measures 20 ms, this machine may be busy.
    times = [painted for painted, _ in html_explorers.walk(page, root, slider, 8)]
    assert statistics.median(times) < 150


def test_after_a_press_on_the_track_the_arrow_keys_move_the_slider(page, files, boxes):
    root = opened(page, files / "one.html")
    slider = root.query_selector("input")
    # As in Safari, where a press on a slider gives it no focus.
    slider.evaluate("e => e.addEventListener('mousedown', () => setTimeout(() => e.blur()))")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()
    pressed = slider.evaluate("e => e.valueAsNumber")
    assert 15 < pressed < 25
    page.keyboard.press("ArrowRight")
    assert_shows(root, boxes["one"], pressed + 1)


def test_two_controls(page, files, boxes):
    root, box = opened(page, files / "two.html"), boxes["two"]
    slider, choice = root.query_selector("input"), root.query_selector("select")
    assert choice.evaluate("e => e.labels[0].textContent").startswith("Network")
    slider.press("Home")
    assert_shows(root, box.choose("fashion_cnn"), 0)
    choice.press("ArrowDown")
    assert_shows(root, box.choose("fashion_dscnn"), 0)
    said = root.query_selector("[role=status]")
    assert said.inner_text() == box.sweep.alts[0]
    slider.press("ArrowRight")
    assert_shows(root, box.sweep, 1)
    choice.press("End")
    assert_shows(root, box.choose("watch_cnn"), 1)
    root.query_selector("button").press("Enter")
    assert_shows(root, box.choose(box._names[box._first]), box.sweep.start)


def test_pointing_reads_values(page, files):
    root = opened(page, files / "one.html")
    box = root.query_selector(".lab-picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = root.query_selector(".lab-point")
    assert re.fullmatch(r"weight = −?0\.0\d+, count = [\d,]+", told.inner_text())
    page.mouse.move(box["x"] + box["width"] + 5, box["y"])
    assert not told.is_visible()


def test_explorers_on_one_page_do_not_meet(page, files, boxes, tmp_path):
    """Two pasted, one whole and one from comment to comment, and a third in a frame."""
    text = (files / "two.html").read_text(encoding="utf-8")
    fragment = text[text.index("<section") : text.index("</section>") + 10]
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>A chapter</title><style>"
        "input, img, canvas, p {border: 1px solid red; display: block}</style>"
        "<script>const slider = 1, strips = 2; const before = Object.keys(window).length</script>"
        f"<p>A paragraph.</p>{fragment}{text}"
        f"<iframe src='{(files / 'two.html').as_uri()}' width='400' height='600'></iframe>",
        encoding="utf-8",
    )
    opened(page, path)
    first, second = page.query_selector_all(".lab-explorer")
    box = boxes["two"].choose("fashion_cnn")
    first.query_selector("input").press("Home")
    assert_shows(first, box, 0)
    assert_shows(second, box, box.index)
    second.query_selector("select").press("ArrowDown")
    assert_shows(second, boxes["two"].choose("fashion_dscnn"), box.index)
    assert_shows(first, box, 0)
    assert page.evaluate("Object.keys(window).length - before") == 1  # the frame
    assert page.title() == "A chapter"
    frame = page.frames[1]
    frame.wait_for_selector("canvas:not([hidden])")
    framed = frame.query_selector(".lab-explorer")
    framed.query_selector("input").press("End")
    assert_shows(framed, box, 4)
    assert frame.evaluate("document.body.scrollWidth <= innerWidth")


def test_a_narrow_page_cuts_nothing(page, files):
    page.set_viewport_size({"width": 390, "height": 700})
    for name in ("one", "two"):
        root = opened(page, files / f"{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        picture = root.query_selector("canvas").bounding_box()
        assert 300 < picture["width"] <= 390
        assert root.query_selector("input").bounding_box()["width"] > 150


def test_without_scripts_the_first_picture_shows(chrome, files, boxes):
    context = chrome.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((files / "two.html").as_uri())
    image = page.locator(".lab-explorer img")
    assert image.get_attribute("alt") == boxes["two"].choose("fashion_cnn").alts[3]
    assert image.bounding_box()["width"] > 500
    assert not page.locator("input").is_visible()
    assert page.get_by_text("With JavaScript").is_visible()
    context.close()


def test_the_gallery_opens_from_the_disk(page, tmp_path, monkeypatch):
    shown = {shown.name: shown for shown in gallery.explorers()}
    some = [shown[name] for name in ("05-reduced-float", "00-fit")]
    monkeypatch.setattr(gallery, "explorers", lambda: some)
    gallery.write(tmp_path, say=lambda _: None)
    page.goto((tmp_path / "index.html").as_uri())
    for image in page.query_selector_all("img"):
        image.scroll_into_view_if_needed()
        page.wait_for_function("e => e.complete && e.naturalWidth > 300", arg=image)
        assert len(image.get_attribute("alt")) > 20
    links = [link.get_attribute("href") for link in page.query_selector_all("a")]
    assert links == ["05-reduced-float.html", "00_start_here.ipynb"]
    assert (tmp_path / links[1]).read_bytes() == (ROOT / "notebooks" / links[1]).read_bytes()
    page.query_selector("a").press("Enter")
    page.wait_for_selector(".lab-explorer canvas:not([hidden])")
