"""A notebook that is opened alone: what its first cell says, and what it fetches on Colab."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from course_utils import env
from course_utils.workshop import first_cell, grading
from course_utils.workshop.notebook_builder import ROLES, make_notebook, ways
from course_utils.workshop.notebook_source import read_cells

# The cell in IPython, in another folder, on a Python that has IPython but no course_utils.
RUN = """
import sys
from pathlib import Path
from types import ModuleType

sys.path = [p for p in sys.path if not (Path(p) / "course_utils").is_dir()]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
if "colab" in sys.argv:
    sys.modules["google.colab"] = ModuleType("google.colab")
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.colors = "NoColor"
done = shell.run_cell(sys.stdin.read())
sys.exit(0 if done.success else 1)
"""
ENV = """
def check_kernel(*needs):
    print("the laboratory of", {when!r}, "needs", *needs)
"""


def publish(monkeypatch, folder, address, version="1.2.0"):
    citation = folder / "CITATION.cff"
    citation.write_text(f"version: {version}\nrepository-code: {address}\n", encoding="utf-8")
    monkeypatch.setattr(first_cell, "CITATION", citation)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    monkeypatch.setattr(first_cell, "CITATION", tmp_path / "CITATION.cff")
    (tmp_path / "CITATION.cff").write_text("version: 1.2.0\n", encoding="utf-8")


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """A repository with the tag v1.2.0 and something newer; returns its folder."""
    folder = tmp_path / "published"
    (folder / "course_utils").mkdir(parents=True)
    (folder / "course_utils" / "__init__.py").touch()

    def commit(when):
        text = ENV.format(when=when)
        (folder / "course_utils" / "env.py").write_text(text, encoding="utf-8")
        git(folder, "add", ".")
        git(folder, "-c", "user.name=n", "-c", "user.email=e@x.org", "commit", "-q", "-m", when)

    git(folder, "init", "-q")
    commit("the tag")
    git(folder, "tag", "v1.2.0")
    commit("later")
    publish(monkeypatch, tmp_path, folder.as_uri())
    monkeypatch.setattr(first_cell, "COLAB_FOLDER", str(tmp_path / "lab"))
    return folder


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def run(code, folder, *where):
    """(whether it went well, what it printed) of a cell in IPython, without course_utils."""
    names = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *where],
        input=code,
        cwd=folder,
        env={**names, "IPYTHONDIR": str(folder / "ipython")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_every_notebook_begins_with_it(source):
    first = next(cell for cell in read_cells(source) if cell.kind == "code")
    assert first.student == first.solution == first_cell.begun(first.student.splitlines()[-1])
    for made in (*(make_notebook(source, role) for role in ROLES), grading.make(source)):
        cell = next(cell for cell in made.cells if cell.cell_type == "code")
        assert cell.source == first.student


def test_what_it_installs_on_colab_is_in_the_lock(source):
    """A name that is misspelt would be left out without a word."""
    lock = (env.ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = re.findall(r"(?m)^([\w-]+)==", lock)
    first = next(cell for cell in read_cells(source) if cell.kind == "code")
    assert set(re.findall(r'"([\w-]+)"', first.student.splitlines()[-1])) <= set(locked)


@pytest.mark.usefixtures("alone")
def test_alone_it_says_in_one_sentence_what_to_do(tmp_path):
    well, said = run(first_cell.begun("env.check_kernel()"), tmp_path)
    assert not well
    assert said.strip().splitlines()[-1].startswith("ImportError: Wrong kernel, or a notebook")
    assert "run `python lab.py`" in said
    assert "No module named" not in said


def test_alone_it_names_the_address_once_there_is_one(monkeypatch, tmp_path):
    publish(monkeypatch, tmp_path, "https://github.com/OWNER/NAME")
    well, said = run(first_cell.begun("env.check_kernel()"), tmp_path)
    assert not well
    assert "`git clone -b v1.2.0 https://github.com/OWNER/NAME`" in said.splitlines()[-1]


@pytest.mark.usefixtures("repository")
def test_on_colab_it_fetches_the_tag_and_goes_on(tmp_path):
    code = first_cell.begun('env.check_kernel("ai-edge-litert")')
    for _ in range(2):  # the kernel was restarted, and the folder is still there
        well, said = run(code, tmp_path, "colab")
        assert well, said
        assert said == "the laboratory of the tag needs ai-edge-litert\n"


def test_on_colab_git_says_why_nothing_was_fetched(monkeypatch, tmp_path, repository):
    publish(monkeypatch, tmp_path, repository.as_uri(), version="9.9")
    well, said = run(first_cell.begun("env.check_kernel()"), tmp_path, "colab")
    assert not well
    assert "fatal: Remote branch v9.9 not found" in said


def test_it_is_short(monkeypatch, tmp_path):
    publish(monkeypatch, tmp_path, "https://github.com/OWNER/NAME")
    lines = first_cell.begun("env.check_kernel()").splitlines()
    assert len(lines) <= 16
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("role", ROLES)
def test_a_notebook_links_to_itself_elsewhere(source, role, monkeypatch, tmp_path):
    publish(monkeypatch, tmp_path, "https://github.com/OWNER/NAME.git")
    folder = "notebooks/solutions" if role == "solution" else "notebooks"
    colab, binder = re.findall(r"\[open in \w+\]\((\S+)\)", ways(source, role, at_top=True))
    path = f"{folder}/{source.stem}.ipynb"
    assert colab == f"https://colab.research.google.com/github/OWNER/NAME/blob/v1.2.0/{path}"
    assert binder == f"https://mybinder.org/v2/gh/OWNER/NAME/v1.2.0?urlpath=lab/tree/{path}"
    assert "open in" not in ways(source, role, at_top=False)


@pytest.mark.usefixtures("alone")
def test_without_an_address_no_notebook_links_elsewhere(source):
    assert "open in" not in ways(source, "student", at_top=True)


def test_another_host_gets_no_links(monkeypatch, tmp_path):
    publish(monkeypatch, tmp_path, "https://gitlab.example.org/OWNER/NAME")
    assert first_cell.elsewhere(tmp_path / "a.ipynb") == []


@pytest.mark.parametrize("address", ["github.com/OWNER/NAME", "https://x.org/a; rm -r b", '"a b"'])
def test_what_is_no_address_is_refused(address, monkeypatch, tmp_path):
    publish(monkeypatch, tmp_path, address)
    with pytest.raises(ValueError, match="repository-code"):
        first_cell.published()


def test_the_folder_of_a_cell_that_is_left_alone_has_no_course_utils(tmp_path):
    """Else the tests above would find the laboratory's own and prove nothing."""
    code = textwrap.dedent("""
        import importlib.util
        assert importlib.util.find_spec("course_utils") is None
    """)
    well, said = run(code, tmp_path)
    assert well, said
