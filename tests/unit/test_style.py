"""The style: sizes, no leak into Matplotlib's settings, patterns beside colours, equal bytes."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from course_utils.views import style


def drawn(title="a title"):
    figure, ax = style.subplots(height=2)
    with style.rc():
        ax.plot([0, 1], [0, 1])
        ax.set(title=title, xlabel="weight", ylabel="count")
    style.freeze_layout(figure)
    with style.rc():
        figure.canvas.draw()
    return figure


def test_the_style_leaves_the_settings_of_others_alone():
    before = dict(mpl.rcParams)
    style.png(drawn())
    assert dict(mpl.rcParams) == before


def test_the_style_leaves_the_backend_of_a_notebook_alone():
    with mpl.rc_context():
        mpl.use("svg")
        with style.rc():
            assert mpl.get_backend() == "svg"
        assert mpl.get_backend() == "svg"


def test_the_settings_of_others_leave_the_style_alone():
    plain = style.png(drawn())
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert style.png(drawn()) == plain


def test_no_pyplot_figure_is_left_behind():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    drawn()
    assert plt.get_fignums() == before


def test_png_has_the_size_in_css_inches_and_no_text():
    with Image.open(io.BytesIO(style.png(drawn()))) as picture:
        assert picture.size == (style.WIDTH * 96 * style.SCALE, 2 * 96 * style.SCALE)
        assert picture.info["dpi"] == pytest.approx((96 * style.SCALE,) * 2, abs=0.1)
        assert not getattr(picture, "text", {}), "a time or a version would change the bytes"


def test_a_still_picture_has_a_dense_screen_s_pixels():
    still = style.Picture(drawn(), "Nothing is drawn.")
    assert still.size == [816, 192]
    assert Image.open(io.BytesIO(still.png)).size == (816 * style.STILL, 192 * style.STILL)


def test_the_same_drawing_gives_the_same_bytes_and_another_gives_others():
    assert style.png(drawn()) == style.png(drawn())
    assert style.png(drawn()) != style.png(drawn("another title"))


def test_a_frozen_layout_stays_where_it_is():
    figure = drawn()
    (ax,) = figure.axes
    before = ax.get_position().bounds
    ax.set_ylabel("a label\nof two lines")
    figure.canvas.draw()
    assert ax.get_position().bounds == before


def test_axes_look_as_the_book_s_do():
    (ax,) = drawn().axes
    assert not ax.spines["top"].get_visible()
    assert not ax.spines["right"].get_visible()
    assert all(line.get_linestyle() == "--" for line in ax.get_xgridlines())
    sizes = [text.get_fontsize() for text in [ax.title, ax.xaxis.label, *ax.get_xticklabels()]]
    assert min(sizes) >= 9
    assert ax.title.get_fontname() == "DejaVu Sans"


def test_each_colour_has_patterns_of_its_own():
    for part in ("color", "hatch", "linestyle", "marker"):
        assert len({getattr(look, part) for look in style.LOOKS.values()}) == len(style.LOOKS), part


def test_colours_can_be_read_on_white():
    """WCAG asks for a contrast of 3 to 1 for lines and areas; orange, from the book, comes near."""
    for name, look in style.LOOKS.items():
        assert contrast(look.color) >= (2.8 if name == "orange" else 3), name
    assert contrast(style.INK) > 12


def contrast(color):
    red, green, blue = mpl.colors.to_rgb(color)
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    return 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)


def test_looks_go_on_for_ever():
    names = [look.color for look, _ in zip(style.looks(), range(8), strict=False)]
    assert names[6:] == names[:2]


def test_a_still_picture_shows_what_a_slider_would_move():
    pictures = []
    for visible in (False, True):
        figure, ax = style.subplots()
        ax.set(xlim=(0, 1), ylim=(0, 1))
        (line,) = ax.plot([0, 1], [0, 1], animated=True, visible=visible)
        figure.moving["line"] = line
        pictures.append(style.Picture(figure, "A line.").png)
    assert pictures[0] != pictures[1]
