"""Quarto's line of a figure, as pandoc reads it, and its way into a chapter."""

import json
import os
import shutil
import subprocess

import pytest

from course_utils.workshop import book, quarto

NASTY = [
    r"back\slash, *stars*, _under_ and `ticks`, [brackets](x), ~tilde~ ^caret^ $x^2$",
    "an \"apostrophe's\" quote -- and --- dashes... &amp; <b>tags</b> #hash @fig-a | pipe!",
    "λ = s·σ, 2×4, 95 % “quoted”, ≤ 0.5; {#id .class key=value} \\",
    "trailing backslash \\",
    "1. not a list",
]


def parsed(line):
    """(id, caption, alt, path, classes) of the one image in the line, as pandoc reads it."""
    if not shutil.which("pandoc"):
        if os.environ.get("LAB_REQUIRE_TOOLS") == "1":
            pytest.fail("LAB_REQUIRE_TOOLS=1, but there is no pandoc on the PATH")
        # Debian's pandoc is installed by .ci/run; elsewhere a scribe's Quarto brings one.
        pytest.skip("2026-11-24: pandoc is not on the PATH: sudo apt-get install pandoc")
    done = subprocess.run(
        ["pandoc", "--from", "markdown+smart", "--to", "json"],
        input=line, capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    (block,) = json.loads(done.stdout)["blocks"]
    images = list(find(block, "Image"))
    assert len(images) == 1
    (id, classes, pairs), inlines, (path, _) = images[0]
    outer = block["c"][0][0] if block["t"] == "Figure" else ""  # pandoc 3 puts the id there
    return outer or id, words(inlines), dict(pairs).get("fig-alt"), path, classes


def find(node, kind):
    if isinstance(node, dict):
        if node.get("t") == kind:
            yield node["c"]
        node = list(node.values())
    if isinstance(node, list):
        for held in node:
            yield from find(held, kind)


def words(inlines):
    """Plain words; whatever else pandoc made of a caption is not what was written."""
    kinds = {"Str": lambda held: held["c"], "Space": lambda _: " ",
             "Quoted": lambda held: f"“{words(held['c'][1])}”"}  # fmt: skip
    return "".join(kinds[held["t"]](held) for held in inlines)


@pytest.mark.parametrize("caption", NASTY)
@pytest.mark.parametrize("wide", [False, True])
def test_words_come_back_as_written(caption, wide):
    line = quarto.line("fig-a", caption, caption, "images/fig-a.svg", wide)
    assert "\n" not in line
    id, said, alt, path, classes = parsed(line)
    assert (id, said, alt, path) == ("fig-a", caption, caption, "images/fig-a.svg")
    assert ("column-page" in classes) == wide


def test_the_lines_of_all_figures_come_back_as_written():
    wanted = [(entry.id, entry.caption, f"alt of {entry.id}") for entry in book.ENTRIES]
    for id, caption, alt in wanted:
        line = quarto.line(id, caption, alt, f"{id}.svg")
        assert parsed(line)[:4] == (id, caption, alt, f"{id}.svg")


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """A folder with two figures, and the folder of a chapter."""
    folder, chapter = tmp_path / "figures", tmp_path / "book" / "optimizations"
    chapter.mkdir(parents=True)
    (chapter / "optimizations.qmd").write_text("# Optimizations\n")
    folder.mkdir()
    for name in ("fig-a", "fig-b"):
        (folder / f"{name}.svg").write_text(f"<svg>{name}</svg>")
        (folder / f"{name}.qmd").write_text(quarto.line(name, "C.", "A.", f"{name}.svg") + "\n")
    return folder, chapter


def test_figures_go_to_the_images_of_the_chapter(figures, capsys):
    folder, chapter = figures
    for given in (chapter, chapter / "optimizations.qmd"):
        quarto.place(["fig-a", "fig-b"], folder, quarto.images_of(given))
        said = capsys.readouterr()
        lines = said.out.split("\n\n")[:-1]
        assert [parsed(line)[3] for line in lines] == ["images/fig-a.svg", "images/fig-b.svg"]
        assert all((chapter / parsed(line)[3]).is_file() for line in lines)
        assert "2 of 2" in said.err


@pytest.mark.parametrize("there", [True, False])
def test_what_a_pdf_needs_is_named_where_it_is_missing(figures, monkeypatch, capsys, there):
    folder, chapter = figures
    monkeypatch.setattr(quarto.shutil, "which", lambda name: name if there else None)
    quarto.place(["fig-a"], folder, quarto.images_of(chapter))
    assert ("needs rsvg-convert" in capsys.readouterr().err) is not there


def test_another_file_of_that_name_is_not_replaced_unasked(figures, capsys):
    folder, chapter = figures
    images = quarto.images_of(chapter)
    images.mkdir()
    (images / "fig-b.svg").write_text("somebody's own")
    with pytest.raises(FileExistsError, match="fig-b.svg is there and differs. Nothing was copied"):
        quarto.place(["fig-a", "fig-b"], folder, images, ask=lambda _: None)
    assert [path.name for path in images.iterdir()] == ["fig-b.svg"]

    quarto.place(["fig-a", "fig-b"], folder, images, ask=lambda _: False)
    assert (images / "fig-b.svg").read_text() == "somebody's own"
    assert "fig-b" not in capsys.readouterr().out
    quarto.place(["fig-a", "fig-b"], folder, images, ask=lambda _: True)
    assert (images / "fig-b.svg").read_text() == "<svg>fig-b</svg>"


def test_nobody_is_asked_where_nobody_is(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert quarto._ask("Replace it?") is None


def test_a_chapter_that_is_not_there_is_said_before_anything_is_drawn(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(book, "FOLDER", tmp_path / "figures")
    assert book.main(["fig-boards", "--into", str(tmp_path / "chapter")]) == 2
    assert "There is no chapter" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()
