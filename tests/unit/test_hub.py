"""deploy/start_student.py: what a JupyterHub runs for each student."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="2026-12-01: JupyterHub runs on POSIX only")


def start(folder, course):
    """Start a student's server that only says how it was started. -> (what it said, messages)"""
    stand_in = folder / "stand-in" / "jupyterhub"
    stand_in.mkdir(parents=True, exist_ok=True)
    (stand_in / "__init__.py").touch()
    (stand_in / "singleuser.py").write_text(
        "import os, resource\n"
        "def main(): print(os.nice(0), resource.getrlimit(resource.RLIMIT_DATA)[0])"
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "start_student.py")],
        env={
            **os.environ,
            "PYTHONPATH": f"{stand_in.parent}{os.pathsep}{ROOT}",
            "JUPYTERHUB_ROOT_DIR": str(folder / "home"),
            "LAB_NOTEBOOKS": str(course),
            "MEM_LIMIT": str(2**31),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr


def test_a_student_gets_the_notebooks_a_limit_and_a_server(tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    (course / "01.ipynb").write_text("one")
    (nice, limit), told = start(tmp_path, course)
    assert int(nice) >= 10
    assert 0 < int(limit) <= 2**31  # no limit is -1
    assert "New in" in told
    notebook = tmp_path / "home" / "01.ipynb"
    assert notebook.read_text() == "one"
    notebook.write_text("mine")
    (course / "01.ipynb").write_text("new")
    assert "Put into kept/: 01.ipynb" in start(tmp_path, course)[1]
    assert notebook.read_text() == "new"
    assert (tmp_path / "home" / "kept" / "01.ipynb").read_text() == "mine"


def test_a_server_starts_where_nothing_can_be_copied(tmp_path):
    (tmp_path / "home").write_text("a file")
    (nice, _), told = start(tmp_path, tmp_path)
    assert int(nice) >= 10
    assert "Notebooks could not be copied" in told
