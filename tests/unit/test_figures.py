"""The book's figures: they draw, move as they are drawn, say what they show, and keep their ids."""

import hashlib
import html
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image
from text_boxes import faults

from course_utils.labs.magnitude_pruning import figures as pruning
from course_utils.labs.magnitude_pruning import scenes
from course_utils.labs.start_here import scenes as board_scenes
from course_utils.labs.weight_distributions import figures as weights
from course_utils.labs.weight_distributions import scenes as weight_scenes
from course_utils.machines import data
from course_utils.views import style
from course_utils.workshop import book, page

ROOT = Path(__file__).resolve().parents[2]
IDS = ROOT / "figures" / "ids.txt"



@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """All figures at one column, written by the command in a process of its own."""
    folder = tmp_path_factory.mktemp("once")
    code = (
        "import sys; from pathlib import Path; from course_utils.workshop import book;"
        "book.FOLDER = Path(sys.argv[1]); sys.exit(book.main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(folder=folder, told=done.stdout,
                           rows={row["id"]: row for row in book.read_manifest(folder)})  # fmt: skip


@pytest.mark.parametrize("entry", book.ENTRIES, ids=lambda entry: entry.id)
def test_a_figure_can_be_read_at_every_width_and_is_written_the_same_again(entry, written):
    """Drawn here in another process, with another hash seed, after other figures."""
    row = written.rows[entry.id]
    assert {Path(name).suffix for name in row["files"]} >= {".svg", ".pdf", ".png", ".qmd"}
    scene = entry.scene()
    for width in page.WIDTHS:
        with style.rc():
            figure = page.fit(entry.draw(scene), page.WIDTHS[width])
        assert faults(figure) == [], width
        assert figure.get_figwidth() == page.WIDTHS[width]
        assert figure.get_figheight() <= page.TALLEST
        if width == "one":
            pictures = book.pictures(figure, entry.id, entry.caption, entry.alt(scene))
            for name, content in pictures.items():
                assert hashlib.sha256(content).hexdigest() == row["files"][name], name
    page.darken(figure)
    assert faults(figure) == [], "dark"
    assert glaring(figure) == []


def glaring(figure):
    """Texts of a dark figure that are not much lighter than the page."""
    return [
        text.get_text()
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and not getattr(text.axes, "images", None)
        and contrast(text.get_color(), figure.get_facecolor()) < 4.5
    ]  # fmt: skip


def contrast(one, other):
    """WCAG's contrast of two colours: 1 for the same, 21 for black on white."""
    def luminance(color):
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05

    low, high = sorted((luminance(one), luminance(other)))
    return high / low


def test_faults_are_found():
    figure, ax = style.subplots(width=2, height=2)
    style.freeze_layout(figure)
    texts = [ax.text(0.1, 0.1, "lies here"), ax.text(0.12, 0.1, "and here")]
    texts += [ax.text(0.5, 0.5, "small", fontsize=6), ax.text(0.9, 0.9, "cut, surely cut")]
    found = "\n".join(faults(figure))
    assert "'lies here' lies on 'and here'" in found
    assert "'small' has 6.0 points" in found
    assert "'cut, surely cut' is cut" in found
    for text in texts:
        text.set_animated(True)  # is drawn in a file, too
    assert "\n".join(faults(figure)) == found
    for text in texts:
        text.remove()
    assert faults(figure) == []


def test_boxes_of_slanted_text_are_slanted():
    figure, ax = style.subplots(width=4, height=2)
    ax.set_axis_off()
    for x in (0.3, 0.4):
        ax.text(x, 0.8, "a long and slanted label", rotation=45, ha="right", va="top", fontsize=7)
    assert not [fault for fault in faults(figure) if "lies on" in fault]


def test_alt_texts_state_numbers_in_sentences(written):
    for row in written.rows.values():
        assert any(c.isdigit() for c in row["alt"]), row["id"]
        assert row["alt"].endswith("."), row["id"]
        assert (ROOT / row["notebook"]).exists()


def test_the_manifest_says_what_each_figure_was_made_from(written):
    rows, files = written.rows, data.manifest()["files"]
    assert list(rows) == [entry.id for entry in book.ENTRIES]
    made_from = rows["fig-ptq-qat"]["made_from"]["data"]
    assert made_from["results/qat_bits.json"]["seed"] == [1, 2, 3, 4, 5]
    assert rows["fig-boards"]["made_from"]["data"]["checkpoints/fashion_cnn.npz"]["seed"] == 1
    for row in rows.values():
        for path, held in row["made_from"]["data"].items():
            assert held["sha256"] == files[path]["sha256"]
        for name, checksum in row["files"].items():
            content = (written.folder / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == checksum
    manifest = json.loads((written.folder / "manifest.json").read_text("utf-8"))
    assert manifest["versions"]["matplotlib"] == mpl.__version__
    assert len(manifest["git_revision"]) == 40 or manifest["git_revision"] == "unknown"


def test_fonts_are_embedded_and_text_is_drawn(written):
    pdf = (written.folder / "fig-boards.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    svg = (written.folder / "fig-boards.svg").read_text("utf-8")
    assert "<text" not in svg
    assert "<dc:title>A network must fit twice" in svg
    with Image.open(written.folder / "fig-boards.png") as picture:
        assert picture.size[0] == page.WIDTHS["one"] * 300
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_unchanged_figures_are_not_drawn_again(written, capsys, monkeypatch):
    monkeypatch.setattr(book, "FOLDER", written.folder)
    monkeypatch.setattr(book, "write", lambda *_: pytest.fail("drawn again"))
    assert book.main([]) == 0
    assert capsys.readouterr().out.count(": unchanged") == len(book.ENTRIES)


@pytest.mark.parametrize("change", ["file", "gone", "caption", "code", "data"])
def test_what_changed_is_drawn_again(change, written, tmp_path, monkeypatch):
    shutil.copytree(written.folder, tmp_path / "figures")
    folder, (entry,) = tmp_path / "figures", book.find(["fig-boards"])
    row = written.rows[entry.id]
    assert book.is_current(entry, row, folder)
    if change == "file":
        (folder / "fig-boards.svg").write_text("by hand")
    elif change == "gone":
        (folder / "fig-boards.csv").unlink()
    elif change == "caption":
        entry = replace(entry, caption="Another one.")
    elif change == "code":
        (other,) = book.find(["fig-sqnr"])
        entry = replace(entry, draw=other.draw)
    else:
        row["made_from"]["data"]["boards.json"]["sha256"] = "0" * 64
    assert not book.is_current(entry, row, folder)


def test_a_figure_is_made_from_the_modules_it_uses():
    code = book._code("course_utils.labs.start_here.scenes")
    names = {path.relative_to(ROOT).as_posix() for path in code}
    assert {"course_utils/labs/start_here/figures.py", "course_utils/labs/start_here/scenes.py",
            "course_utils/machines/models.py", "course_utils/views/style.py"} <= names  # fmt: skip
    assert "course_utils/labs/floating_point/figures.py" not in names
    (one, other) = book.find(["fig-boards", "fig-sqnr"])
    assert book.fingerprint(one) != book.fingerprint(other)
    wider = replace(one, scene=lambda: board_scenes.fit("fashion_cnn", 4))
    assert book.fingerprint(wider) != book.fingerprint(one)


def test_no_id_was_renamed_or_given_twice():
    ids = [entry.id for entry in book.ENTRIES]
    assert len(set(ids)) == len(ids)
    assert set(IDS.read_text().split()) == set(ids)


def test_an_unknown_id_offers_the_nearest(capsys):
    with pytest.raises(KeyError, match="fig-boards"):
        book.find(["fig-board"])
    assert book.main(["fig-nothing-like-it"]) == 2
    assert "Did you mean" in capsys.readouterr().err


def test_missing_results_keep_only_their_own_figures_from_being_drawn(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(book, "FOLDER", tmp_path)
    assert book.main(["fig-float32-fields"]) == 0
    (tmp_path / "fig-ptq-qat.svg").write_text("an older one")

    def missing(path):
        if path.startswith("results/"):
            raise FileNotFoundError(f"data/{path} is missing. Restore it.")
        return (data.DIRECTORY / path).read_bytes()

    monkeypatch.setattr(data, "_read_bytes", missing)
    assert book.main(["fig-ptq-qat", "fig-boards"]) == 1
    assert "fig-ptq-qat is not drawn: data/results/qat_bits.json is missing" in (
        capsys.readouterr().err
    )
    drawn = [row["id"] for row in book.read_manifest(tmp_path)]
    assert drawn == ["fig-boards", "fig-float32-fields"]
    assert (tmp_path / "fig-ptq-qat.svg").read_text() == "an older one"


def test_without_its_font_nothing_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(book, "FOLDER", tmp_path)
    monkeypatch.setitem(style.RC, "font.family", ["No Such Font"])
    assert book.main(["fig-boards"]) == 2
    assert "does not find its own font No Such Font" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_contact_sheet_shows_every_figure_with_its_words(written):
    sheet = (written.folder / "index.html").read_text("utf-8")
    for row in written.rows.values():
        assert f'<img src="{row["id"]}.svg"' in sheet
        assert html.escape(row["alt"]) in sheet
        assert html.escape(row["caption"]) in sheet
    assert "http" not in sheet, "nothing is fetched"


@pytest.fixture(scope="module")
def states():
    return scenes.pruned_states(scenes.pruning_sweep("watch_cnn"), "conv2")


def test_a_moved_picture_is_the_picture_drawn_there(states):
    moved = pruning.draw_magnitude_pruning(states[0])
    for state in (states[40], states[20]):
        pruning.draw_magnitude_pruning(state, moved)
    kept, removed = moved.moving["kept"].get_data(), moved.moving["removed"].get_data()
    fresh = pruning.draw_magnitude_pruning(states[20]).moving
    assert np.array_equal(kept.values, fresh["kept"].get_data().values)
    assert np.array_equal(removed.values, fresh["removed"].get_data().values)
    assert np.array_equal(moved.moving["mask"].get_array(), fresh["mask"].get_array())
    for name, artist in moved.moving.items():
        if name.endswith("text"):
            assert artist.get_text() == fresh[name].get_text()


def test_the_picture_shows_the_numbers(states):
    state = states[20]
    moving = pruning.draw_magnitude_pruning(state).moving
    kept = np.count_nonzero(np.abs(state.weights) > state.threshold)
    assert moving["kept"].get_data().values.sum() == kept
    assert moving["removed"].get_data().values.sum() == state.weights.size
    assert moving["mask"].get_array().sum() == kept
    assert moving["accuracy text"].get_text() == f"{state.correct / state.total:.1%}"
    assert moving["sparsity conv2"].get_width() == pytest.approx(1 - kept / state.weights.size)
    assert moving["bytes dense"].get_width() == states[0].bytes["dense"]


def test_masks_have_one_row_for_each_output():
    conv = np.zeros((3, 3, 2, 4), np.float32)
    conv[..., 1] = 1  # the second filter
    assert pruning.mask_picture(conv, 0.5).sum(axis=1).tolist() == [0, 18, 0, 0]
    depthwise = np.zeros((3, 3, 5, 1), np.float32)
    depthwise[:, :, 4] = 1
    assert pruning.mask_picture(depthwise, 0.5).sum(axis=1).tolist() == [0, 0, 0, 0, 9]


def test_the_distribution_moves_with_the_layer():
    layers = weight_scenes.own_network("fashion_cnn")
    figure = weights.draw_distribution(layers)
    weights.draw_distribution(layers._replace(chosen=2), figure)
    shown = figure.moving["histogram"].get_data().values
    assert shown.sum() == pytest.approx(1)
    assert "dense1" in figure.moving["numbers"].get_text()
    assert "dense1" in weights.alt_distribution(layers._replace(chosen=2))


def test_pictures_that_do_not_move_say_so():
    state = scenes.sensitivity("watch_cnn")
    figure = pruning.draw_sensitivity(state)
    with pytest.raises(ValueError, match="does not move"):
        pruning.draw_sensitivity(state, figure)
