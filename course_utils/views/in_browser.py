"""In a browser tab: what a cell showed where its notebook was built, when it cannot run here.

The lab's site (`python lab.py site`) runs in Pyodide: no TensorFlow, LiteRT or TFLM, no threads
and no processes. A cell that asks for one of them shows what is recorded of it, and one line says
so; the cells after it go on. Cells that use what such a cell would have made do the same.
"""

from __future__ import annotations

import ast
import errno
import functools
import hashlib
import json
from html import escape
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from course_utils import env

FILE = Path(__file__).parent / "recorded.json"  # the site's wheel has it, a checkout does not
PACKAGES = {
    "tensorflow": "TensorFlow",
    "tf_keras": "TensorFlow",
    "tensorflow_model_optimization": "TensorFlow",
    "ai_edge_litert": "LiteRT",
    "tflite_micro": "the TFLM interpreter",
}

_cell = ""  # the source of the cell that runs
_not_made: dict[str, str] = {}  # names that cells would have made -> what these cells lacked


class Recorded:
    """One line on what is missing here, and the outputs of the cell where it was there."""

    def __init__(self, lacks: str, source: str):
        outputs = _outputs().get(digest(source))
        if outputs is None:
            self.line = f"A browser tab has no {lacks}, which this cell needs as it stands now."
        else:
            self.line = f"A browser tab has no {lacks}. Recorded where it was there:"
        self.outputs = outputs or []

    def __repr__(self):
        return "\n".join([self.line, *(output.get("text/plain", "") for output in self.outputs)])

    def _repr_html_(self):
        parts = [f'<p class="lab-recorded"><em>{escape(self.line)}</em></p>']
        return "\n".join(parts + [_html(output) for output in self.outputs])


def cell() -> str:
    """The source of the cell that runs now; "" outside a browser."""
    return _cell


def instead(error: BaseException, source: str) -> Recorded | None:
    """What stands for a cell that ended with this error; None for an error like any other."""
    lacks = missing(error)
    if not lacks:
        return None
    _not_made.update(dict.fromkeys(names_made(source), lacks))
    return Recorded(lacks, source)


def missing(error: BaseException) -> str:
    """What an error says that a browser lacks, such as "TensorFlow"; "" if it says nothing of it.

    >>> missing(ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow.lite"))
    'TensorFlow'
    >>> missing(ValueError("scale must be positive"))
    ''
    """
    if isinstance(error, env.NotInBrowser):
        return str(error)
    if isinstance(error, ImportError):
        return PACKAGES.get((error.name or "").partition(".")[0].replace("-", "_"), "")
    if isinstance(error, NameError):
        return _not_made.get(error.name, "")
    if isinstance(error, OSError) and error.errno in (errno.ENOTSUP, errno.ENOEXEC):
        return "second process"
    return ""


def names_made(source: str) -> set[str]:
    """The names that a cell gives a value to.

    >>> sorted(names_made("import numpy as np\\nwith open(x) as file: a, b = file.read()"))
    ['a', 'b', 'file', 'np']
    """
    made = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
    return made


def parsed(source: str) -> ast.Module:
    """A cell's syntax tree, with its magics (`%pip list`) as IPython runs them."""
    return ast.parse(TransformerManager().transform_cell(source))


def digest(source: str) -> str:
    """What a cell is known by in the record."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:16]


def address(site: str, notebook: str, cell: str) -> str:
    """Where a notebook of the lab's site opens at the cell of this id.

    >>> address("https://example.org/lab/", "02_magnitude_pruning", "9581595acfb1")
    'https://example.org/lab/lab/index.html?path=02_magnitude_pruning.ipynb#cell-id=9581595acfb1'
    """
    return f"{site.rstrip('/')}/lab/index.html?path={notebook}.ipynb#cell-id={cell}"


def record(notebooks) -> dict[str, list[dict[str, str]]]:
    """What the cells of executed notebooks show, by `digest`.

    notebooks: as JSON has them, dictionaries; the solved ones first. For a cell in two the later
    counts, unless it covers there what the solved one shows.
    """
    found = {}
    for notebook in notebooks:
        for each in notebook["cells"]:
            if each["cell_type"] != "code":
                continue
            source = "".join(each["source"])
            if "checks.after(" not in source or digest(source) not in found:
                outputs = [form for output in each["outputs"] if (form := _best(output))]
                found[digest(source)] = outputs
    return found


def _best(output):
    """The one form of an output that a page shows, {type: text}."""
    if output["output_type"] == "stream":
        return {"text/plain": "".join(output["text"])}
    forms = output.get("data", {})
    for kind in ("text/html", "image/png", "text/plain"):
        if kind in forms:
            about = output.get("metadata", {}).get(kind, {})
            alt = {"alt": about["alt"]} if "alt" in about else {}
            return {kind: "".join(forms[kind]), **alt}
    return None


def _html(output):
    if "text/html" in output:
        return output["text/html"]
    if "image/png" in output:
        return (
            f'<img alt="{escape(output.get("alt", ""))}" style="max-width: 100%" '
            f'src="data:image/png;base64,{output["image/png"].strip()}">'
        )
    return f"<pre>{escape(output['text/plain'])}</pre>"


@functools.cache
def _outputs():
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def remember(info) -> None:
    """Keep the source of a cell that begins to run: IPython's event `pre_run_cell`."""
    global _cell
    _cell = info.raw_cell
