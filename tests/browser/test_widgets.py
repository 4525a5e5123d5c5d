"""The two widgets in a real JupyterLab: pictures, keys, names, refusals, a busy kernel."""

import jupyter_page
import nbformat
import pytest
from test_notebooks import check_lab, picture_changes

CELL = """
import ipywidgets
from benchmarks.sliders import Weights, alt_cut, draw_cut, explorer, sweep
from course_utils.views import widgets
weights = Weights(100_000)
display(sweep(weights))
display(widgets.Sweeps("Layer", {"conv1": lambda: sweep(weights), "conv2": lambda: sweep(weights)}))
display(explorer(weights))

def refuse(s, side):
    if s > 1.5:
        raise ValueError("s above 1.5 would leave <nothing>; choose a smaller s.")
    return weights.cut(s)

display(widgets.Explorer(
    refuse, draw_cut,
    {"s": ipywidgets.FloatSlider(1.5, min=0, max=2, step=0.25, description="Threshold s"),
     "side": ipywidgets.Dropdown(options=["both", "left"])},
    description="An explorer that refuses", alt=alt_cut,
    readout=lambda cut: f"removed {cut.removed:.1%}"))
"""
PROGRESS = """
from course_utils.views import widgets
for _ in widgets.progress(3, "Counting to three"):
    pass
"""

pytestmark = pytest.mark.xdist_group("widgets")  # one page for all of them: one process


@pytest.fixture(scope="module")
def book(chrome, server, folder):
    """One notebook with every kind of widget, run once: each test scrolls and moves as it needs."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL), nbformat.v4.new_code_cell(PROGRESS)]
    )
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "widgets.ipynb")
    with jupyter_page.notebook(chrome, server, "widgets.ipynb") as notebook:
        notebook.run_all()
        assert notebook.errors() == []
        yield notebook


def test_every_widget_shows_moves_and_is_named(book, screenshot):
    book.show(0)
    labs = book.labs(0)
    assert len(labs) == 4
    for i, lab in enumerate(labs[:3]):  # the fourth refuses to move on: below
        check_lab(book, lab)
        lab.scroll_into_view_if_needed()
        screenshot(book, f"widget-{i}")


def test_the_keyboard_reaches_every_position(book):
    book.show(0)
    handle = book.labs(0)[0].query_selector("[role=slider]")
    for key, says in {
        "End": "2.00 σ",
        "ArrowLeft": "1.95 σ",
        "Home": "0.00 σ",
        "ArrowRight": "0.05 σ",
        "PageUp": "0.30 σ",
        "PageDown": "0.05 σ",
    }.items():
        book.press(handle, key)
        book.page.wait_for_timeout(100)
        assert handle.get_attribute("aria-valuetext").startswith(f"{says}, A threshold of"), key
    outline = handle.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("widget", [0, 2], ids=["sweep", "explorer"])
def test_after_a_press_on_the_track_the_arrow_keys_move_the_slider(book, widget):
    book.show(0)
    root = book.labs(0)[widget]
    handle, track = root.query_selector("[role=slider]"), root.query_selector(".noUi-base")

    def now():
        return handle.evaluate("e => e.closest('.noUi-target').noUiSlider.get(true)")

    book.press(handle, "Home")
    book.page.evaluate("() => document.activeElement.blur()")
    box = track.bounding_box()
    book.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    book.page.wait_for_timeout(200)
    pressed = now()
    book.page.keyboard.press("ArrowRight")
    book.page.wait_for_timeout(200)
    moved = now()
    assert 0 < pressed < moved < float(handle.get_attribute("aria-valuemax"))
    # A drag that ends elsewhere.
    dot = handle.bounding_box()
    book.page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    book.page.mouse.down()
    book.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=3)
    book.page.mouse.up()
    book.page.wait_for_timeout(200)
    dragged = now()
    book.page.keyboard.press("ArrowLeft")
    book.page.wait_for_timeout(200)
    assert 0 < now() < dragged < pressed


def test_a_sweep_moves_while_the_kernel_is_busy(book):
    book.show(0)
    sweep = book.labs(0)[0]
    with book.busy():
        for _ in range(5):
            assert picture_changes(book, sweep, sweep.query_selector("[role=slider]"))


SEEN = """root => { window.heights = new Set(); new ResizeObserver(() => heights.add(
  Math.round(root.getBoundingClientRect().height))).observe(root); }"""


def test_another_choice_keeps_the_place_and_the_height_and_reset_goes_back(book):
    book.show(0)
    sweeps = book.labs(0)[1]
    shown = "root => lab.sliders(root)[0].getAttribute('aria-valuetext').slice(0, 6)"
    book.page.evaluate(SEEN, sweeps)
    book.press(sweeps.query_selector("[role=slider]"), "Home")
    book.page.keyboard.press("PageUp")
    sweeps.query_selector("text=conv2").click()
    sweeps.wait_for_selector("img[alt^='A threshold of 0.01']:visible")
    assert book.page.evaluate(shown, sweeps) == "0.25 σ"
    check_lab(book, sweeps)
    assert book.page.evaluate("() => heights.size") == 1
    # Back, while the kernel is busy: what moved on the other page moved here, too.
    with book.busy():
        sweeps.query_selector("text=conv1").click()
        book.page.wait_for_timeout(200)
        assert book.page.evaluate(shown, sweeps) == "0.30 σ"
        sweeps.query_selector("text=conv2").click()
        reset = sweeps.query_selector("button:has-text('Reset')")
        book.press(reset, "Enter")
        book.page.wait_for_timeout(200)
        assert book.page.evaluate(shown, sweeps) == "0.00 σ"
        assert "mod-active" in sweeps.query_selector("button:has-text('conv1')").get_attribute(
            "class"
        )


def test_pointing_reads_values_and_no_picture_is_white_on_a_dark_theme(book, screenshot):
    book.show(0)
    picture = book.page.evaluate_handle("root => lab.picture(root)", book.labs(0)[0]).as_element()
    box = picture.bounding_box()
    book.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = book.page.wait_for_selector(".lab-point:visible").inner_text()
    assert told.startswith("weight = ")
    assert ", count = " in told
    assert abs(float(told.split(" = ")[1].split(",")[0].replace("−", "-"))) < 0.05
    book.page.mouse.move(1, 1)
    assert not book.page.query_selector(".lab-point").is_visible()
    theme = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
    book.page.evaluate(theme, "JupyterLab Dark")
    book.page.wait_for_selector("[data-jp-theme-light=false]", state="attached")
    assert "invert" in picture.evaluate("e => getComputedStyle(e).filter")
    screenshot(book, "widget-dark")
    book.page.evaluate(theme, "JupyterLab Light")


def test_the_tabs_that_hold_the_frames_are_hidden(book):
    book.show(0)
    assert book.page.query_selector(".lab-frame .lm-TabBar") is not None
    assert not book.page.query_selector(".lab-frame .lm-TabBar").is_visible()


def test_a_refusal_is_said_and_the_last_picture_stays(book, screenshot):
    book.show(0)
    lab = book.labs(0)[3]
    before = book.page.evaluate("root => lab.picture(root).src", lab)
    book.press(lab.query_selector("[role=slider]"), "ArrowRight")
    message = lab.wait_for_selector(".lab-error")
    lab.scroll_into_view_if_needed()
    screenshot(book, "widget-refusal")
    assert message.inner_text().endswith("s above 1.5 would leave <nothing>; choose a smaller s.")
    assert message.evaluate("e => !!e.closest('[aria-live=polite]')")
    assert book.page.evaluate("root => lab.picture(root).src", lab) == before
    lab.query_selector("button:has-text('Reset')").click()
    message.wait_for_element_state("hidden")


def test_progress_ends_full(book):
    book.show(1)
    note = book.page.wait_for_selector("text=done in 0 s")
    assert note.is_visible()


def test_an_unexecuted_notebook_shows_the_pictures(book, chrome, server, folder, screenshot):
    """As committed: the builder leaves out the live widget, which no kernel would answer for."""
    book.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    saved = nbformat.read(folder / "widgets.ipynb", as_version=4)
    for output in saved.cells[0].outputs:
        del output.data["application/vnd.jupyter.widget-view+json"]
    nbformat.write(saved, folder / "unexecuted.ipynb")
    with jupyter_page.notebook(chrome, server, "unexecuted.ipynb") as later:
        later.show(0)
        later.page.wait_for_selector(".jp-OutputArea img")
        screenshot(later, "widget-unexecuted")
        pictures = later.page.query_selector_all(".jp-OutputArea img")
        widths = [picture.bounding_box()["width"] for picture in pictures]
        assert widths == pytest.approx([816] * 4, abs=2)
        told = [output.metadata["image/png"]["alt"] for output in saved.cells[0].outputs]
        later.page.wait_for_function("() => document.querySelectorAll('img[alt]').length >= 4")
        assert [picture.get_attribute("alt") for picture in pictures] == told
        address = f"{server[0]}/nbconvert/html/unexecuted.ipynb?token={server[1]}"
        exported = chrome.new_page()  # the menu's Save and Export Notebook As, HTML
        exported.goto(address)
        images = exported.query_selector_all("img[src^='data:image/png']")
        assert [image.get_attribute("alt") for image in images] == told
        exported.close()


def test_a_file_larger_than_a_servers_usual_message_arrives(chrome, server, folder):
    code = "from course_utils.labs.tflite_micro_export import own_file\nown_file.page()"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "own_file.ipynb")
    with jupyter_page.notebook(chrome, server, "own_file.ipynb") as notebook:
        notebook.run_all()
        (page,) = notebook.labs(0)
        with notebook.page.expect_file_chooser() as chooser:
            page.query_selector("text=Choose a .tflite file").click()
        large = {"name": "large.tflite", "mimeType": "", "buffer": bytes(12_000_000)}
        chooser.value.set_files(large)
        page.wait_for_selector("text=large.tflite can't be shown", timeout=120_000)
