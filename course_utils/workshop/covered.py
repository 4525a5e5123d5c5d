"""The proof that a student's notebook does not show what its predictions ask for.

When the notebook has run, nothing is committed, and the kernel is asked what each prediction would
reveal. That value, in every form in which it may be printed or told by an alt text, must stand in
no stored output but the prediction's own.
"""

from __future__ import annotations

import json
import re

import nbformat

ASK = "from course_utils.workshop import covered; covered.tell()"
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?!\d|[.,]\d)")


def tell() -> None:
    """In the notebook's kernel: print what its predictions reveal, as JSON {id: forms}."""
    from course_utils.views.checks import ledger, prediction

    asked = [each for each in ledger.LEDGER.watchers
             if isinstance(each, prediction.PredictionWidget)]  # fmt: skip
    print(json.dumps({widget.id: forms(widget.measured()) for widget in asked}))


def told(cell) -> dict[str, list[str]]:
    """What the cell that asked was told: {prediction: forms}."""
    return json.loads("".join(output.get("text", "") for output in cell.outputs))


def forms(measured) -> list[str]:
    """The numbers by which a measured value might be told; none for one that is a label.

    Numbers of three digits or more, and shorter ones with their unit: a bare 3.5 or 512 stands in
    too many places to say anything.

    >>> from course_utils.views.checks import Measured
    >>> forms(Measured(6.27, 5.9, 6.6, "points"))
    ['6.27', '6.270', '6.3 points']
    """
    if not hasattr(measured, "interval"):
        return []
    value, unit = abs(float(measured.value)), measured.unit
    shown = NUMBER.findall(str(measured))[:1]
    texts = [*shown, *(f"{value:,.{digits}f}" for digits in (1, 2, 3)), f"{value:.3g}"]
    if unit == "bytes":
        texts += [f"{value / size:.{digits}f}" for size in (1000, 1024) for digits in (1, 2)]
    if not unit and value < 1:
        texts += [f"{100 * value:.{digits}f}" for digits in (1, 2)]
    long = [text for text in texts if _digits(text) >= (3 if "." in text else 4)]
    return sorted({*long, *(f"{text} {unit}" for text in shown if unit and text not in long)})


def _digits(text):
    """Significant digits of a number that is not a whole one written with zeros behind it."""
    whole, _, fraction = text.replace(",", "").partition(".")
    if fraction and not fraction.strip("0"):
        return 0
    return len((whole + fraction).lstrip("0"))


def problems(notebook: nbformat.NotebookNode, revealed: dict[str, list[str]]) -> list[str]:
    """Where a stored output shows what a prediction reveals, in sentences."""
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        texts = []
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), *map(str, output.get("metadata", {}).values())]
            texts += [str(form) for name, form in output.get("data", {}).items()
                      if name.startswith("text/")]  # fmt: skip
        text = " ".join(map(_prose, texts))
        for id, told in revealed.items():
            hits = set(told) & set(NUMBER.findall(text)) | {
                words for words in told if " " in words
                and re.search(rf"(?<![\d.,]){re.escape(words)}", text)
            }  # fmt: skip
            if f'"{id}"' not in cell.source and hits:
                found.append(f"cell {number} shows {min(hits)}, which prediction {id} asks for")
    return found


def _prose(text):
    """What is read of an output: no markup, no styles."""
    return re.sub(r"<[^>]*>", " ", text)
