"""The contact sheet: every figure that was written on one page, to browse from disk."""

from __future__ import annotations

from html import escape
from pathlib import Path

_CSS = """
body {font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
      padding: 0 1rem}
figure {margin: 0 0 3rem; border-top: 1px solid #ccc; padding-top: 1rem}
figure.dark img {background: #222}
img {max-width: 100%; height: auto; max-height: 90vh}
figcaption {margin: .5rem 0}
dl {display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .85rem}
dt {color: #555} dd {margin: 0}
pre {background: #f4f4f4; padding: .5rem; white-space: pre-wrap; font-size: .8rem}
nav a {margin-right: .8rem; white-space: nowrap}
"""


def page(rows: list[dict], folder: Path) -> str:
    """The page of the manifest's rows, whose files are in the folder. -> HTML"""
    names = [_name(row) for row in rows]
    links = " ".join(f'<a href="#{name}">{name}</a>' for name in names)
    figures = "\n".join(_figure(row, folder) for row in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Figures of the model-optimization lab</title>\n<style>{_CSS}</style>\n"
        f"<h1>Figures of the model-optimization lab</h1>\n<nav>{links}</nav>\n{figures}\n</html>\n"
    )


def _name(row):
    return next(Path(file).stem for file in row["files"] if file.endswith(".svg"))


def _figure(row, folder):
    name = _name(row)
    files = " ".join(f'<a href="{file}">{Path(file).suffix}</a>' for file in row["files"])
    facts = {
        "Shown": row["claim"],
        "Lecture": row["lecture"],
        "Notebook": row["notebook"],
        "Alt text": row["alt"],
        "Data": ", ".join(f"data/{path}" for path in row["made_from"]["data"]) or "computed",
    }
    listed = "".join(f"<dt>{fact}<dd>{escape(text)}" for fact, text in facts.items() if text)
    snippet = (folder / f"{name}.qmd").read_text(encoding="utf-8").strip()
    return (
        f'<figure id="{name}" class="{row["theme"]}"><img src="{name}.svg" loading="lazy" '
        f'alt="{escape(row["alt"])}">\n<figcaption><b>{name}</b>: {escape(row["caption"])} {files}'
        f"</figcaption>\n<dl>{listed}</dl><pre>{escape(snippet)}</pre></figure>"
    )
