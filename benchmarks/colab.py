"""Every notebook as on Google Colab: alone in a folder, with Colab's packages.

    python benchmarks/colab.py PYTHON [NN ...]

PYTHON is a Python 3.13 like Colab's. Each notebook gets a fresh environment of it with what
colab.txt lists, and a kernel that believes it is Colab. Its first cell clones the last commit of
this repository from a folder and installs what is missing. Printed is what it installed, how many
cells raised an error, and which say something else than the committed ones (but those that may).
Needs git and uv.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from course_utils.workshop import first_cell
from course_utils.workshop.notebook_builder import ROLES, make_notebook, notebook_path, sources

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "benchmarks" / "colab.txt"
PRETEND = 'import sys, types; sys.modules["google.colab"] = types.ModuleType("google.colab")\n'
TEXTS = ("text/plain", "text/html")


def call(*command, **options):
    done = subprocess.run(command, check=True, capture_output=True, text=True, **options)
    return done.stdout.splitlines()


def publish(folder):
    """Clone the last commit into `folder` and say there that this is its address."""
    repository = folder / "repository"
    call("git", "clone", "-q", str(ROOT), str(repository))
    citation = folder / "CITATION.cff"
    citation.write_text(f"version: 0\nrepository-code: {repository.as_uri()}\n", encoding="utf-8")
    call("git", "tag", "-f", "v0", cwd=repository)
    first_cell.CITATION, first_cell.COLAB_FOLDER = citation, str(folder / "lab")


def kernel_of(python):
    """A kernel manager whose kernel runs `python`."""
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    class Manager(AsyncKernelManager):
        @property
        def kernel_spec(self):
            return KernelSpec(argv=argv, language="python", display_name="Colab")

    return Manager


def run(notebook, folder, python, role):
    """Run all cells, whatever they raise, in a folder of their own; the outputs are replaced."""
    # By its folder's name a solution knows that nothing is to be covered.
    content = folder / ("solutions" if role == "solution" else "content")
    content.mkdir(exist_ok=True)
    (folder / "pretend").mkdir(exist_ok=True)
    (folder / "pretend" / "sitecustomize.py").write_text(PRETEND, encoding="utf-8")
    os.environ.update(PYTHONPATH=str(folder / "pretend"), LAB_LEDGER="off")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # it warns on stderr
    NotebookClient(
        notebook,
        kernel_manager_class=kernel_of(python),
        allow_errors=True,
        timeout=900,
        coalesce_streams=True,
        resources={"metadata": {"path": str(content)}},
    ).execute()


def text_of(outputs):
    """What the outputs say, as strict nbval compares it."""
    texts = [output.get("text", "") for output in outputs]
    texts += [output.get("data", {}).get(form, "") for output in outputs for form in TEXTS]
    return re.sub(r'model_id"?: "?\w+', "", "".join(texts))


def compare(notebook, committed):
    """-> (errors in sentences, numbers of cells that say something else)."""
    before = {cell.id: cell for cell in committed.cells}
    errors, differ = [], []
    for number, cell in enumerate(notebook.cells, 1):
        outputs = cell.get("outputs", [])
        found = [o for o in outputs if o.output_type == "error"]
        errors += [f"cell {number}: {o.ename}: {o.evalue.splitlines()[0]}" for o in found]
        may_differ = "nbval-ignore-output" in cell.metadata.get("tags", [])
        if cell.id not in before or may_differ:
            continue
        if text_of(outputs) != text_of(before[cell.id].get("outputs", [])):
            differ.append(number)
    return errors, differ


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    base, *wanted = sys.argv[1:]
    for source in sources():
        if wanted and source.stem[:2] not in wanted:
            continue
        for role in ROLES:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                publish(folder)
                python = folder / "colab" / "bin" / "python"
                call("uv", "venv", "-q", "--seed", "-p", base, str(folder / "colab"))
                call("uv", "pip", "install", "-q", "-p", str(python), "-r", str(IMAGE))
                image = call("uv", "pip", "freeze", "-p", str(python))
                notebook = make_notebook(source, role)
                run(notebook, folder, python, role)
                added = sorted({*call("uv", "pip", "freeze", "-p", str(python))} - {*image})
                errors, differ = compare(notebook, nbformat.read(notebook_path(source, role), 4))
            print(f"{source.stem}, {role}: {len(errors)} errors; other text in cells {differ}")
            print(f"  installed: {', '.join(added) or 'nothing'}")
            print(*(f"  {error}\n" for error in errors), sep="", end="", flush=True)


if __name__ == "__main__":
    main()
