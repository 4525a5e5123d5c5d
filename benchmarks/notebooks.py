"""How long Run All takes, when the first explorer shows, and what the kernel's memory reaches.

    python benchmarks/notebooks.py [NN ...]

Each student notebook runs in a fresh kernel. The baseline, measured in the same run, is a kernel
that only imports TensorFlow: what a notebook would pay before its first line of teaching.
"""

import os
import platform
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
# The kernel's peak, in MB: Linux counts ru_maxrss in kB, macOS in bytes.
PEAK = """
import resource, sys
unit = 1e6 if sys.platform == "darwin" else 1e3
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "tensorflow" in sys.modules)
"""
# What waits for a prediction is opened: every picture is drawn, as for somebody who commits.
UNCOVER = "from course_utils.views import checks; checks.after = lambda ids, show: show()"
BASELINE = "from course_utils import env; env.tensorflow()"


def measure(notebook, folder, covers=True):
    """-> (seconds to Run All, seconds to the first picture, peak MB, TensorFlow imported)."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(UNCOVER if covers else ""))
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    seen = {}

    def executed(cell, cell_index, execute_reply):
        now = time.perf_counter() - start
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            seen.setdefault("picture", now)
        seen["end"] = now

    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(folder)}},
        on_cell_executed=executed,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not: "TCP without encryption"
    )  # fmt: skip
    start = time.perf_counter()
    client.execute()
    peak, tensorflow = notebook.cells[-1].outputs[-1].text.split()
    return seen["end"], seen.get("picture"), float(peak), tensorflow == "True"


def main():
    if sys.platform == "win32":
        sys.exit("Windows does not tell a process's peak memory: run this on Linux or macOS.")
    wanted = sys.argv[1:]
    os.environ["LAB_LEDGER"] = "off"
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    print("| notebook | Run All s | first picture s | peak MB | TensorFlow imported |")
    print("|---|---|---|---|---|")
    baseline = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(BASELINE)])
    end, _, peak, tensorflow = measure(baseline, NOTEBOOKS, covers=False)
    print(f"| (baseline) import tensorflow | {end:.1f} | | {peak:.0f} | {tensorflow} |", flush=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if wanted and path.name[:2] not in wanted:
            continue
        end, picture, peak, tensorflow = measure(nbformat.read(path, 4), NOTEBOOKS)
        row = (path.stem, f"{end:.1f}", f"{picture:.1f}", f"{peak:.0f}", str(tensorflow))
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
