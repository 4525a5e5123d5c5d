"""The builder: what it writes, that it writes it twice alike, and what it refuses to write."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from course_utils.workshop import covered
from course_utils.workshop import notebook_builder as builder

SOURCE = """
    # %% [markdown]
    # # A fixture
    # [Read](../README.md), then [next](02_next.ipynb#part); [solved](solutions/01_topic.ipynb).

    # %%
    from pathlib import Path

    Path.cwd().name

    # %%
    def double(x):
        # BEGIN SOLUTION
        return 2 * x
        # END SOLUTION


    answer = double(21)  # SOLUTION
    print("not attempted" if answer is ... else f"passed: {answer}")

    # %%
    # Like the course's widgets: a live view, a picture and the picture's finding in words. The
    # picture and the view's id are new at each run, as on another machine.
    import base64, os


    class Widget:
        def _repr_mimebundle_(self, include=None, exclude=None):
            return {
                "application/vnd.jupyter.widget-view+json": {
                    "version_major": 2, "version_minor": 0, "model_id": os.urandom(8).hex(),
                },
                "image/png": PNG,
                "text/plain": "3 of 10 weights are removed.",
            }


    PNG = base64.b64encode(bytes.fromhex("89504e470d0a1a0a")).decode()
    Widget()

    # %%
    import ipywidgets

    slider = ipywidgets.IntSlider(value=3)
    slider

    # %%
    print("one")
    print("two", flush=True)
    1 + 1

    # %%
    1 + 1

    # %%
    1 + 1

    # %% tags=["solution"]
    only_in_the_solution = True
"""


def write_source(folder, text=SOURCE, name="01_topic"):
    path = folder / "source" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with one built source, and the bytes of two builds.

    A kernel named python3 that cannot start is installed meanwhile: the builder must run the
    interpreter it runs in.
    """
    folder = tmp_path_factory.mktemp("suite") / "notebooks"
    spec = folder.parent / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["no-such-python"], "display_name": "x", "language": "p"}))
    source = write_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder.parent / "jupyter"))
        builds = []
        for _ in range(2):
            builder.build(source)
            builds.append(
                {role: builder.notebook_path(source, role).read_bytes() for role in builder.ROLES}
            )
    return source, builds


def test_two_builds_give_the_same_bytes(built):
    assert built[1][0] == built[1][1]


def test_both_notebooks_are_valid_and_carry_only_what_does_not_change(built):
    source, _ = built
    for role in builder.ROLES:
        notebook = read(builder.notebook_path(source, role))
        nbformat.validate(notebook)
        assert set(notebook.metadata) == {"kernelspec", "language_info", "lab"}
        assert notebook.metadata.language_info == {"name": "python"}
        assert notebook.metadata.lab.source == "source/01_topic.py"
        assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
        counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
        assert counts == list(range(1, len(counts) + 1))


def test_ids_are_unique_and_shared_by_the_pair(built):
    student, solution = (
        [cell.id for cell in read(builder.notebook_path(built[0], role)).cells[:-1]]  # the ways on
        for role in builder.ROLES
    )
    assert len(set(solution)) == len(solution)
    assert student == solution[:-1]  # all but the cell that only the solution has


def test_an_id_stays_when_another_cell_is_added(tmp_path):
    ids = []
    for text in ("# %%\na = 1\n", "# %%\nb = 1\n\n# %%\na = 1\n"):
        notebook = builder.make_notebook(write_source(tmp_path, text), "student")
        ids.append({cell.source: cell.id for cell in notebook.cells})
    assert ids[0]["a = 1"] == ids[1]["a = 1"]


def outputs(built, role):
    notebook = read(builder.notebook_path(built[0], role))
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_the_working_directory_tells_the_role(built):
    assert outputs(built, "student")[0][0].data["text/plain"] == "'notebooks'"
    assert outputs(built, "solution")[0][0].data["text/plain"] == "'solutions'"


def test_stubs_run_in_the_student_notebook_and_answers_in_the_solution(built):
    assert outputs(built, "student")[1][0].text == "not attempted\n"
    assert outputs(built, "solution")[1][0].text == "passed: 42\n"


def test_widgets_leave_their_picture_and_text_and_no_live_view(built):
    for role in builder.ROLES:
        _, _, picture, slider, *_ = outputs(built, role)
        assert set(picture[0].data) == {"image/png", "text/plain"}
        assert set(slider[0].data) == {"text/plain"}
        assert "widgets" not in read(builder.notebook_path(built[0], role)).metadata


def test_printed_lines_are_one_output_however_they_arrive(built):
    assert [o.get("text") for o in outputs(built, "student")[4]] == ["one\ntwo\n", None]


def test_links_hold_in_both_notebooks(built):
    student, solution = (
        read(builder.notebook_path(built[0], role)).cells[0].source for role in builder.ROLES
    )
    assert "](../README.md)" in student
    assert "](solutions/01_topic.ipynb)" in student
    assert "](../../README.md)" in solution
    assert "](02_next.ipynb#part)" in solution
    assert "](01_topic.ipynb)" in solution


def test_strict_nbval_compares_the_finding_and_not_the_picture(built):
    """The promise the widgets' fallback rests on: random pictures pass, another text fails."""
    solution = builder.notebook_path(built[0], "solution")
    student = builder.notebook_path(built[0], "student")
    altered = student.with_name("altered.ipynb")
    text = student.read_text(encoding="utf-8")
    altered.write_text(text.replace("3 of 10 weights", "4 of 10 weights", 1), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    command += ["--rootdir", str(altered.parent), "--nbval", "--nbval-current-env"]
    run = subprocess.run([*command, str(solution), str(altered)], capture_output=True, text=True)
    altered.unlink()
    assert "1 failed, 14 passed" in run.stdout, run.stdout + run.stderr
    assert "4 of 10 weights are removed" in run.stdout


def test_a_fresh_build_is_fresh(built):
    assert builder.check(built[0]) == []


# --- Freshness and care for what is on disk ----------------------------------------------------


@pytest.fixture
def draft(tmp_path):
    """A source built without being run: quick, and enough where nothing is executed."""
    source = write_source(tmp_path / "notebooks", "# %%\na = 1\n")
    builder.build(source, run=False)
    return source


def test_check_asks_for_a_build(draft):
    problems = builder.check(draft)
    assert len(problems) == 2
    assert all("cells that were not run. Run: python lab.py build 01" in p for p in problems)
    draft.write_text("# %%\na = 2\n", encoding="utf-8")
    assert all("is stale" in problem for problem in builder.check(draft))
    for broken in (b"", b"{", b"{}", b"[]", b'{"nbformat": 4}', b"\xff"):
        builder.notebook_path(draft, "student").write_bytes(broken)
        assert "cannot be read" in builder.check(draft)[0], broken
    builder.notebook_path(draft, "student").unlink()
    assert "has not been built" in builder.check(draft)[0]


def edit(path, text):
    notebook = read(path)
    notebook.cells[0].source = text
    nbformat.write(notebook, path)


def test_an_edited_notebook_is_named_and_kept_when_it_is_rebuilt(draft):
    path = builder.notebook_path(draft, "student")
    kept = draft.parents[1] / "kept"
    for number, answer in enumerate(["my answer", "my second answer"], 1):
        edit(path, answer)
        assert "has been edited" in builder.check(draft)[0]
        builder.build(draft, run=False)
        assert read(path).cells[0].source == "a = 1"
        assert read(kept / f"01_topic.{number}.ipynb").cells[0].source == answer
    builder.build(draft, run=False)
    assert len(list(kept.iterdir())) == 2


def test_a_tag_added_by_hand_is_an_edit(draft):
    path = builder.notebook_path(draft, "student")
    notebook = read(path)
    notebook.cells[0].metadata["tags"] = ["nbval-ignore-output"]
    nbformat.write(notebook, path)
    assert "has been edited" in builder.check(draft)[0]


def test_a_failing_cell_is_shown_and_both_old_notebooks_stay(draft):
    before = {role: builder.notebook_path(draft, role).read_bytes() for role in builder.ROLES}
    draft.write_text("# %%\na = 1\n\n# %%\nif True:\n    a / 0\n", encoding="utf-8")
    with pytest.raises(builder.BuildError) as caught:
        builder.build(draft)
    message = str(caught.value)
    assert "01_topic.ipynb: cell 3 failed." in message
    assert "\nif True:\n    a / 0\n" in message
    assert "ZeroDivisionError" in message
    assert "\x1b" not in message
    after = {role: builder.notebook_path(draft, role).read_bytes() for role in builder.ROLES}
    assert before == after
    assert not list(draft.parents[1].rglob("*.part"))


@pytest.mark.parametrize(
    ("code", "says"),
    [("while True:\n    pass", "timed out"), ("import os\n\nos._exit(1)", "died")],
)
def test_a_cell_that_hangs_or_kills_its_kernel_is_named(tmp_path, monkeypatch, code, says):
    monkeypatch.setattr(builder, "CELL_TIMEOUT", 5)
    source = write_source(tmp_path / "notebooks", f"# %% [markdown]\n# Text\n\n# %%\n{code}\n")
    with pytest.raises(builder.BuildError, match=f"cell 3 failed.*{says}"):
        builder.build(source)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        builder.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- What may not be stored --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (new_output("error", ename="ValueError", evalue="no"), "an error is stored"),
        (new_output("stream", name="stderr", text="W0000 noise"), "stderr is not empty"),
        (new_output("display_data", {"image/svg+xml": "<svg/>"}), "SVG"),
        (new_output("display_data", {"text/plain": "<a.B object at 0x7f01>"}), "address"),
        (new_output("stream", text=f"read {Path.home() / 'some file'}"), "path of this machine"),
        (new_output("stream", text=f"read {builder.ROOT}"), "path of this machine"),
    ],
)
def test_outputs_that_may_not_be_stored_are_named(output, says, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/somebody"))
    if "some file" in output.get("text", ""):
        output.text = "read /home/somebody/some file"
    (problem,) = builder.output_problems(new_notebook(cells=[new_code_cell(outputs=[output])]))
    assert problem.startswith("cell 1: ")
    assert says in problem


def test_ordinary_outputs_pass():
    plain = [new_output("stream", text="0x1f bytes"), new_output("display_data", {"image/png": ""})]
    assert builder.output_problems(new_notebook(cells=[new_code_cell(outputs=plain)])) == []


def test_a_cell_that_writes_to_stderr_below_python_is_refused(tmp_path, monkeypatch):
    source = write_source(tmp_path / "notebooks", "# %%\nimport os\n\nos.write(2, b'C says no')\n")
    with monkeypatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST")  # where ipykernel sees it, it lets C's stderr pass
        with pytest.raises(builder.BuildError, match="stderr is not empty.*C says no"):
            builder.build(source)
    assert not builder.notebook_path(source, "student").exists()


def test_a_huge_output_is_warned_of(tmp_path, monkeypatch):
    source = write_source(tmp_path / "notebooks", "# %%\na = 1\n")

    def execute(notebook, folder, on_cell):
        notebook.cells[0].outputs = [new_output("stream", text="x" * 2_000_000)]
        if notebook.cells[-1].source == covered.ASK:
            notebook.cells[-1].outputs = [new_output("stream", text="{}")]

    monkeypatch.setattr(builder, "execute", execute)
    lines = []
    builder.build(source, report=lines.append)
    assert sum("cell 1 has 2.0 MB" in line for line in lines) == 2


# --- The command -------------------------------------------------------------------------------


def test_the_command_builds_checks_and_explains(tmp_path, capsys):
    folder = tmp_path / "notebooks"
    with pytest.raises(SystemExit):
        builder.main([], folder)
    assert "there is no source" in capsys.readouterr().err
    write_source(folder, "# %%\na = 1\n")
    write_source(folder, "# %%\na = 1  # Solution\n", "02_broken")
    with pytest.raises(SystemExit):
        builder.main(["7"], folder)
    assert "no notebook 07; there are 01, 02" in capsys.readouterr().err
    assert builder.main(["1", "--no-execute"], folder) == 0
    assert builder.main(["--no-execute"], folder) == 1
    assert "02_broken.py:2: `# Solution` looks like" in capsys.readouterr().err
    assert builder.main(["--check", "01"], folder) == 1
    assert "were not run" in capsys.readouterr().err


def test_the_check_passes_and_names_orphans(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "notebooks"
    write_source(folder, "# %% [markdown]\n# # Text only\n")
    assert builder.main(["--no-execute"], folder) == 0
    assert builder.main(["--check"], folder) == 0
    assert "2 notebooks" in capsys.readouterr().out
    orphan = folder / "solutions" / "09_old.ipynb"
    orphan.write_text("{}", encoding="utf-8")
    assert builder.main(["--check"], folder) == 1
    assert "09_old.ipynb has no source. Delete it." in capsys.readouterr().err
