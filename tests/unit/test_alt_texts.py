"""Who opens an exported notebook without seeing its pictures has their alt texts."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

import lab
from course_utils import env
from course_utils.views import style

NOTEBOOKS = sorted((env.ROOT / "notebooks").glob("*.ipynb"))
FINDING = 'Half of the weights are < 0.01: "small" & many, <img src="x">.'


class Images(HTMLParser):
    """The attributes of each <img> of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def convert(source: Path, folder: Path, monkeypatch, *options) -> str:
    """What `jupyter nbconvert` makes of a notebook in the lab's environment."""
    monkeypatch.setattr(env, "VENV", folder / "venv")
    lab.write_jupyter_settings()
    names = {
        "JUPYTER_CONFIG_PATH": str(env.VENV / "etc" / "jupyter"),
        "JUPYTER_PATH": str(env.VENV / "share" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(folder / "none"),
    }
    command = [sys.executable, "-m", "jupyter", "nbconvert", str(source), "--output-dir"]
    command += [str(folder), "--output", "page", *options]
    done = subprocess.run(command, env={**os.environ, **names}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    (page,) = folder.glob("page*")
    return page.read_text(encoding="utf-8")


@pytest.fixture
def one_picture(tmp_path):
    """A notebook that shows one picture."""
    forms, metadata = style.Picture(style.figure(2, 1), FINDING)._repr_mimebundle_()
    shown = nbformat.v4.new_output("display_data", data=forms, metadata=metadata)
    cell = nbformat.v4.new_code_cell("a picture", outputs=[shown])
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_the_page_that_nbconvert_makes_has_each_alt_text(tmp_path, monkeypatch):
    """All notebooks as one, since nbconvert takes seconds to start."""
    whole = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        whole.cells += nbformat.read(path, as_version=4).cells
    outputs = [output for cell in whole.cells for output in cell.get("outputs", [])]
    alts = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    for i, cell in enumerate(whole.cells):
        cell.id = str(i)
    nbformat.write(whole, tmp_path / "whole.ipynb")
    page = convert(tmp_path / "whole.ipynb", tmp_path, monkeypatch, "--to", "html")
    assert len(alts) > 20
    assert [image["alt"] for image in Images(page).found if image["src"][:9] == "data:imag"] == alts


def test_any_alt_text_stays_what_it_is(one_picture, tmp_path, monkeypatch):
    (image,) = Images(convert(one_picture, tmp_path, monkeypatch, "--to", "html")).found
    assert image["alt"] == FINDING
    assert (image["width"], image["height"]) == ("192", "96")


def test_slides_stay_slides(one_picture, tmp_path, monkeypatch):
    assert "Reveal.initialize" in convert(one_picture, tmp_path, monkeypatch, "--to", "slides")


def test_a_picture_is_stored_once():
    """As the PNG, which GitHub shows and strict nbval leaves alone."""
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                assert "data:image" not in "".join(output.get("data", {}).get("text/html", ""))
