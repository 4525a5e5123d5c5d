"""The widgets without a browser: pictures, texts, refusals, threads, progress."""

import base64
import io
import sys
import threading

import ipywidgets
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.ticker import PercentFormatter
from PIL import Image

from course_utils.views import pointing, style, widgets

COUNTS, EDGES = np.histogram(np.random.default_rng(0).normal(size=20_000), 81, (-4, 4))
DRAWN_ANEW = []


def draw(threshold, figure=None):
    """A histogram with a threshold; `DRAWN_ANEW` counts how often a figure was made."""
    if figure is None:
        DRAWN_ANEW.append(threshold)
        figure, ax = style.subplots(height=2.5)
        with style.rc():
            ax.stairs(COUNTS, EDGES, fill=True, color=style.BLUE)
            ax.set(xlabel="weight (σ)", ylabel="count", xlim=(-4, 4))
            figure.moving["cut"] = ax.axvspan(
                0, 1, facecolor="none", edgecolor=style.RED, hatch="///", animated=True
            )
            figure.moving["text"] = ax.text(2.5, 500, "", animated=True)
    figure.moving["cut"].set_x(-threshold)
    figure.moving["cut"].set_width(2 * threshold)
    figure.moving["text"].set_text(f"λ = {threshold:.1f}")
    return figure


def draw_careless(threshold, figure=None):
    """A drawing that also changes its background: slower, and still to be right."""
    figure = draw(threshold, figure)
    with style.rc():
        figure.axes[0].set_title(f"threshold {threshold:.1f}")
    return figure


def alt(threshold):
    return f"A threshold of {threshold:.1f} sigma."


def sweep(**options):
    options = {"description": "Threshold", "alt": alt, **options}
    return widgets.Sweep(draw, [0.0, 0.5, 1.0, 1.5], ["0 σ", "0.5 σ", "1 σ", "1.5 σ"], **options)


def compute(s, sign="+"):
    if s > 2.5:
        raise ValueError("s must be <= 2.5 here.")
    return s if sign == "+" else s / 2


def explorer(**options):
    controls = {
        "s": ipywidgets.FloatSlider(1.0, min=0, max=3, step=0.1),
        "sign": ipywidgets.Dropdown(options=["+", "-"]),
    }
    options = {"description": "Threshold", "alt": alt, **options}
    return widgets.Explorer(compute, draw, controls, **options)


def redrawn(figure):
    """The figure drawn whole, animated artists too, as RGB."""
    out = io.BytesIO()
    with style.rc():
        figure.savefig(out, dpi=figure.dpi)
    return np.asarray(Image.open(out).convert("RGB")).astype(int)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


# --- what a picture is ----------------------------------------------------------------------


@pytest.mark.parametrize("drawing", [draw, draw_careless])
def test_a_blitted_frame_is_the_figure_drawn_whole(drawing):
    thresholds = [0.0, 1.5, 0.5]
    painter = widgets.picture.Painter(drawing)
    for threshold in thresholds:
        frame = pixels(painter(threshold))
        whole = redrawn(painter.figure)
        # The moving artists are drawn last; where they meet an axis line, antialiasing may differ.
        assert np.abs(frame - whole).max(axis=2).astype(bool).mean() < 0.002
        fresh = drawing(threshold)
        style.freeze_layout(fresh)
        assert np.abs(frame - redrawn(fresh)).max(axis=2).astype(bool).mean() < 0.002


def test_frames_are_drawn_on_one_figure():
    DRAWN_ANEW.clear()
    frames = sweep().frames
    assert DRAWN_ANEW == [0.0]
    assert len(set(frames)) == len(frames) == 4


def test_the_background_is_drawn_once(monkeypatch):
    painter = widgets.picture.Painter(draw)
    painter(0.0)
    draws = []
    whole = painter.figure.canvas.draw
    monkeypatch.setattr(painter.figure.canvas, "draw", lambda: (draws.append(1), whole()))
    for threshold in (0.1, 0.2, 0.3):
        painter(threshold)
    assert not draws
    painter.figure.axes[0].set_xlim(-3, 3)
    painter(0.4)
    assert len(draws) == 1


def test_frames_are_the_same_at_every_run():
    assert sweep().frames == sweep().frames


# --- Sweep ----------------------------------------------------------------------------------


def test_a_sweep_has_a_page_for_each_state_linked_in_the_browser():
    box = sweep()
    assert len(box._pages.children) == 4
    for png, words, page in zip(box.frames, box.alts, box._pages.children, strict=True):
        assert f'alt="{words}"' in page.value
        assert base64.b64encode(png).decode() in page.value
    assert box._link.source == (box.slider, "index")
    assert box._link.target == (box._pages, "selected_index")
    assert not box.slider._trait_notifiers["index"].get("change", [])[1:], "no kernel round trip"


def test_a_sweep_keeps_its_figure_at_the_state_that_shows():
    box = sweep(index=2)
    assert box.index == 2
    assert box.figure.moving["text"].get_text() == "λ = 1.0"
    box.index = 1
    assert box.slider.label == "0.5 σ"
    assert box._pages.selected_index == 1
    assert box.figure.moving["cut"].get_width() == 1.0
    with pytest.raises(ValueError, match=r"0\.\.3, got 4"):
        box.index = 4


def test_the_line_below_is_the_readout_or_else_the_alt():
    assert 'aria-hidden="true">A threshold of 0.5 sigma.' in sweep()._pages.children[1].value
    page = sweep(readout=lambda s: f"s < {s}")._pages.children[1].value
    assert '<div class="lab-readout">s &lt; 0.5</div>' in page


def test_texts_cannot_become_markup():
    page = sweep(alt=lambda s: '"><script>')._pages.children[0].value
    assert "<script>" not in page
    assert 'alt="&quot;&gt;&lt;script&gt;"' in page


@pytest.mark.parametrize(
    ("states", "labels", "message"),
    [
        ([], [], "at least two states, got 0"),
        ([1], ["1"], "at least two states, got 1"),
        ([1, 2], ["1", "2", "3"], "got 3 for 2 states"),
    ],
)
def test_a_sweep_says_what_it_lacks(states, labels, message):
    with pytest.raises(ValueError, match=message):
        widgets.Sweep(draw, states, labels, description="Threshold", alt=alt)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_sweep_starts_at_one_of_its_states(index):
    with pytest.raises(ValueError, match=r"0\.\.3"):
        sweep(index=index)


@pytest.mark.parametrize("description", ["", "  ", None, 3])
def test_a_description_is_needed(description):
    for make in (sweep, explorer):
        with pytest.raises(TypeError, match="description must be a sentence"):
            make(description=description)


# --- Sweeps ---------------------------------------------------------------------------------


def test_a_sweep_is_drawn_when_it_is_first_chosen():
    made = []

    def make(name):
        made.append(name)
        return sweep(description=name)

    box = widgets.Sweeps("Layer", {n: lambda n=n: make(n) for n in ("a", "b", "c")}, first="b")
    assert made == ["b"]
    assert box.choose("c").description == "c"
    box.choice.value = "b"
    assert made == ["b", "c"]
    assert box.sweep.description == box.description == "b"
    assert box.figure is box.sweep.figure
    with pytest.raises(KeyError, match="choose one of a, b, c"):
        box.choose("d")


def test_another_choice_opens_where_the_slider_stands_if_it_has_that_label():
    other = widgets.Sweep(draw, [1.0, 2.0], ["1 σ", "2 σ"], description="Other", alt=alt)
    makers = {"a": sweep, "b": lambda: sweep(index=3), "c": lambda: other}
    box = widgets.Sweeps("Layer", makers)
    box.sweep.index = 2
    assert box.choose("b").index == 2
    assert box.choose("c").slider.label == "1 σ"
    other.index = 1
    assert box.choose("a").index == 2, "no such label: it stays"
    # In the browser the two with the same labels move together, whatever the kernel does.
    (link,) = box._links
    assert {link.source[0], link.target[0]} == {s.slider for s in list(box._sweeps.values())[:2]}
    box.reset()
    assert (box.choice.value, box.sweep.index) == ("a", 0)
    box.sweep.index = 1
    box.reset_button.click()
    assert box.sweep.index == 0


def test_a_sweep_goes_back_to_where_it_started():
    box = sweep(index=2)
    assert {"lab-reset", "lab-start-2"} <= set(box.reset_button._dom_classes)
    box.index = 0
    box.reset_button.click()
    assert box.index == box._pages.selected_index == 2


def test_the_room_is_kept_while_another_choice_is_drawn():
    box = widgets.Sweeps("Layer", {"a": sweep, "b": sweep})
    assert {page.layout.min_height for page in box._boxes} == {
        "calc(min(816px, 100cqw) * 0.2941 + 90px)"
    }


def test_sweeps_need_a_choice():
    with pytest.raises(ValueError, match="at least one"):
        widgets.Sweeps("Layer", {})
    with pytest.raises(KeyError, match="choose one of a"):
        widgets.Sweeps("Layer", {"a": sweep}, first="z")


def test_many_choices_become_a_list():
    assert isinstance(widgets.Sweeps("Layer", {"a": sweep}).choice, ipywidgets.ToggleButtons)
    many = {f"a long name of layer {i}": sweep for i in range(9)}
    assert isinstance(widgets.Sweeps("Layer", many).choice, ipywidgets.Dropdown)


# --- what pointing reads ---------------------------------------------------------------------


def test_a_picture_says_where_its_axes_are():
    box = sweep()
    ((axes,),) = [box.axes[0]]
    assert axes["scales"][0] == {
        "ends": [-4, 4], "log": False, "name": "weight (σ)", "times": 1, "unit": ""
    }  # fmt: skip
    assert axes["scales"][1]["name"] == "count"
    left, top, right, bottom = axes["box"]
    position = box.figure.axes[0].get_position()
    assert [left, 1 - top, right, 1 - bottom] == pytest.approx(
        [position.x0, position.y1, position.x1, position.y0], abs=1e-4
    )
    assert "&quot;ends&quot;:[-4.0,4.0]" in box._pages.children[3].value
    assert "data-axes=" in explorer()._image.value


def test_a_changed_axis_is_read_anew():
    painter = widgets.picture.Painter(draw)
    painter(0.0)
    painter.figure.axes[0].set_xlim(-3, 3)
    painter(0.1)
    assert painter.axes[0]["scales"][0]["ends"] == [-3, 3]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"formatter": PercentFormatter(1)}, (100, "%")),
        ({"formatter": lambda value, _: f"{value / 1000:.0f}"}, (0.001, "")),
        ({"formatter": lambda value, _: f"{value:.0f} m"}, None),
        ({"labels": ["2", "4", "8"]}, None),
        ({"labels": ["conv1", "conv2", "dense"]}, None),
        ({"labels": []}, None),
        ({"scale": "symlog"}, None),
    ],
)
def test_values_are_told_as_the_tick_labels_tell_them(settings, told):
    figure, ax = style.subplots()
    ax.set_xlim(0, 200_000 if "formatter" in settings else 2)
    if "labels" in settings:
        ax.set_xticks(range(len(settings["labels"])), settings["labels"])
    if "formatter" in settings:
        ax.xaxis.set_major_formatter(settings["formatter"])
    if "scale" in settings:
        ax.set_xscale(settings["scale"])
    scale = pointing.axes_of(figure)[0]["scales"][0]
    assert (scale and (scale["times"], scale["unit"])) == told


# --- Explorer -------------------------------------------------------------------------------


def test_set_computes_and_draws():
    box = explorer()
    assert (box.result, box.params) == (1.0, {"s": 1.0, "sign": "+"})
    box.set(s=2.0, sign="-")
    assert (box.result, box.params) == (1.0, {"s": 2.0, "sign": "-"})
    box.set(s=1.6)
    assert box.result == 0.8
    assert box.figure.moving["text"].get_text() == "λ = 0.8"
    assert 'alt="A threshold of 0.8 sigma."' in box._image.value


def test_set_draws_once_however_many_controls_it_moves():
    calls = []
    box = explorer()
    paint = box._painter
    box._painter = type(
        "Counting", (), {"__call__": lambda _, r: calls.append(r) or paint(r),
                         "css_size": lambda _: paint.css_size(), "axes": []}
    )()  # fmt: skip
    box.set(s=2.0, sign="-")
    assert calls == [1.0]


def test_moving_a_control_is_enough():
    box = explorer()
    first = box._image.value
    box.controls["s"].value = 2.0
    assert box.result == 2.0
    assert box._image.value != first
    assert "A threshold of 2.0 sigma." in box._text.value


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"t": 1}, KeyError, "no control 't'; there are s, sign"),
        ({"s": 4}, ValueError, "s must lie in 0 to 3; got 4"),
        ({"s": float("nan")}, ValueError, "s must lie in 0 to 3; got nan"),
        ({"s": "much"}, ValueError, "s must lie in 0 to 3; got 'much'"),
        ({"sign": "*"}, ValueError, r"sign must be one of '\+', '-'; got '\*'"),
        ({"s": 2.8}, ValueError, "s must be <= 2.5 here"),
    ],
)
def test_set_refuses_what_it_cannot_do(params, error, message):
    box = explorer()
    picture = box._image.value
    with pytest.raises(error, match=message):
        box.set(**params)
    assert box._image.value == picture
    assert box.result == 1.0


def test_a_refused_setting_is_shown_and_the_last_picture_stays():
    box = explorer()
    picture = box._image.value
    box.controls["s"].value = 2.8
    assert "s must be &lt;= 2.5 here." in box._refusal.value
    assert box._image.value == picture
    assert box.params["s"] == 1.0
    box.controls["s"].value = 2.0
    assert box._refusal.value == ""
    assert box.result == 2.0


def test_presets_start_from_the_defaults_and_reset_goes_back():
    box = explorer(presets={"minus": {"sign": "-"}})
    buttons = {b.description: b for b in walk(box) if isinstance(b, ipywidgets.Button)}
    box.set(s=2.0)
    buttons["minus"].click()
    assert box.params == {"s": 1.0, "sign": "-"}
    buttons["Reset"].click()
    assert box.params == {"s": 1.0, "sign": "+"}
    box.set(s=0.0)
    box.reset()
    assert box.params == {"s": 1.0, "sign": "+"}


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_a_preset_is_checked_when_it_is_given():
    with pytest.raises(KeyError, match="no control 'z'"):
        explorer(presets={"odd": {"z": 1}})
    with pytest.raises(ValueError, match="s must lie in"):
        explorer(presets={"odd": {"s": 9}})


def test_controls_are_controls():
    with pytest.raises(ValueError, match="at least one control"):
        widgets.Explorer(compute, draw, {}, description="Threshold", alt=alt)
    with pytest.raises(TypeError, match="'s' must be an ipywidgets control"):
        widgets.Explorer(compute, draw, {"s": 1.0}, description="Threshold", alt=alt)


def test_every_control_has_a_label_that_is_not_cut():
    for control in explorer().controls.values():
        assert control.description
        assert control.style.description_width == "initial"


def test_a_log_slider_is_checked_by_its_values():
    control = ipywidgets.FloatLogSlider(1.0, base=10, min=-2, max=0.3)
    box = widgets.Explorer(lambda rate: rate, draw, {"rate": control}, description="R", alt=alt)
    box.set(rate=0.05)
    assert box.result == 0.05
    with pytest.raises(ValueError, match="rate must lie in 0.01 to 1.99"):
        box.set(rate=5.0)


# --- both -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [sweep, explorer, lambda: widgets.Sweeps("Layer", {"a": sweep})])
def test_a_widget_is_shown_with_a_picture_and_a_text(make):
    box = make()
    data, metadata = box._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    told = metadata["image/png"]
    assert picture.width == told["width"] * style.SCALE
    assert picture.height == told["height"] * style.SCALE
    assert data["text/plain"] == f"Threshold\n{told['alt']}"
    assert told["alt"].startswith("A threshold of")


def test_the_picture_in_the_bundle_is_the_one_that_shows():
    box = sweep()
    box.slider.index = 3  # as the browser says it
    data, metadata = box._repr_mimebundle_()
    kept = base64.b64decode(data["image/png"])
    assert len(kept) < len(box.frames[3]) / 2
    off = np.abs(pixels(kept) - pixels(box.frames[3])).max(axis=2)
    assert off.max() < 24
    assert off.mean() < 0.5
    assert pixels(kept)[0, 0].tolist() == [255, 255, 255]
    assert metadata["image/png"]["alt"] == "A threshold of 1.5 sigma."


def test_the_settings_of_a_notebook_do_not_reach_a_picture():
    plain = sweep().frames
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "hatch.linewidth": 9}):
        assert sweep().frames == plain


def test_many_threads_give_the_pictures_that_one_gives():
    states = [i / 10 for i in range(12)]
    painter = widgets.picture.Painter(draw)
    alone = [painter(state) for state in states]
    together = {}
    threads = [
        threading.Thread(target=lambda s=s: together.__setitem__(s, painter(s))) for s in states
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[state] for state in states] == alone


def test_an_explorer_moved_from_many_threads_agrees_with_itself():
    box = explorer()
    values = [i / 10 for i in range(12)]
    threads = [threading.Thread(target=lambda v=v: box.set(s=v)) for v in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert box.result == box.params["s"] == box.controls["s"].value
    assert f'alt="{alt(box.result)}"' in box._image.value
    assert box.figure.moving["text"].get_text() == f"λ = {box.result:.1f}"


# --- progress -------------------------------------------------------------------------------


def test_progress_gives_every_item():
    assert list(widgets.progress(3, "Counting")) == [0, 1, 2]
    assert list(widgets.progress("abc", "Counting")) == ["a", "b", "c"]
    assert list(widgets.progress((c for c in "ab"), "Counting")) == ["a", "b"]
    assert list(widgets.progress([], "Counting")) == []


def test_progress_is_silent_where_no_one_looks(capsys):
    list(widgets.progress(3, "Counting"))
    assert capsys.readouterr() == ("", "")


def test_progress_writes_a_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with widgets.progress_bar("Training") as report:
        report(2, 2, {"validation_accuracy": 0.912})
    said = capsys.readouterr().err
    assert "Training: 2 of 2, validation accuracy 0.912" in said
    assert said.endswith("\n")


@pytest.fixture
def kernel(monkeypatch):
    """As in a notebook: what is displayed is kept in the list."""
    shown = []
    monkeypatch.setattr(widgets.bars, "get_ipython", lambda: type("Shell", (), {"kernel": 1}))
    monkeypatch.setattr(widgets.bars, "display", shown.append)
    return shown


def test_progress_in_a_notebook_ends_full_and_saves_the_same_text(kernel):
    list(widgets.progress(range(4), "Measuring"))
    (row,) = kernel
    assert (row.bar.value, row.bar.max, row.bar.bar_style) == (4, 4, "success")
    assert row.note.value == "done in 0 s"
    assert row._repr_mimebundle_()["text/plain"] == "Measuring"


def stop_at_one_of_four():
    def stopped():
        with widgets.progress_bar("Training") as report:
            report(1, 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()


def test_progress_says_when_it_was_stopped(kernel):
    stop_at_one_of_four()
    (row,) = kernel
    assert row.bar.bar_style == "danger"
    assert row.note.value.startswith("stopped after")
    assert (row.bar.value, row.bar.max) == (1, 4)


def test_progress_is_not_green_where_the_interruption_was_caught(kernel):
    """A function that returns what it has so far ends without an exception, and not at its end."""
    with widgets.progress_bar("Training") as report:
        for done in (1, 2):
            report(done, 5)
    (row,) = kernel
    assert (row.bar.value, row.bar.max, row.bar.bar_style) == (2, 5, "warning")
    assert row.note.value == "stopped at 2 of 5, after 0 s"


def test_progress_is_full_where_nothing_was_reported(kernel):
    with widgets.progress_bar("Training"):
        pass
    (row,) = kernel
    assert (row.bar.value, row.bar.bar_style) == (row.bar.max, "success")


def test_progress_on_a_terminal_says_that_it_was_stopped(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    stop_at_one_of_four()
    assert "\rTraining: stopped after 0 s" in capsys.readouterr().err
