"""Writes the book's figures, with their data and what is known of them.

    python lab.py figures                       # all
    python lab.py figures fig-magnitude-mask    # some
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path

import matplotlib as mpl

from course_utils import data, style
from course_utils.figures import registry, tables

FOLDER = Path(__file__).resolve().parents[2] / "figures"


def write(entry: registry.Entry, folder: Path = FOLDER) -> dict:
    """Write a figure as SVG, PDF and PNG and its data, byte for byte the same at every run.

    Returns what the manifest says of it. Raises ValueError if the caption is not true of the data.
    """
    scene = entry.scene()
    if entry.claim and entry.claim(scene) is not True:
        raise ValueError(f"{entry.id}: the data don't say what the caption does: {entry.caption}")
    suffix, exported = tables.export(scene)
    contents = {f"{entry.id}.{suffix}": exported}
    figure = entry.draw(scene)
    style.freeze_layout(figure)
    for suffix, metadata in (("svg", {"Date": None}), ("pdf", {"CreationDate": None}),
                             ("png", {"Software": None})):  # fmt: skip
        buffer = io.BytesIO()
        # Fonts travel with the file, and nothing in it depends on the clock or on chance.
        with style.rc(), mpl.rc_context({"svg.hashsalt": entry.id, "pdf.fonttype": 42}):
            figure.savefig(buffer, format=suffix, metadata=metadata)
        contents[f"{entry.id}.{suffix}"] = buffer.getvalue()
    for name, content in contents.items():
        data.write_atomically(folder / name, content)
    return {
        "id": entry.id,
        "notebook": entry.notebook,
        "lecture": entry.lecture,
        "caption": entry.caption,
        "claim": entry.claim and " ".join(entry.claim.__doc__.split()),
        "alt": entry.alt(scene),
        "files": {name: hashlib.sha256(held).hexdigest() for name, held in contents.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lab.py figures", description="Write the book's figures.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="which ones; all unless told")
    ids = parser.parse_args(arguments).ids
    try:
        entries = registry.find(ids)
        manifest = FOLDER / "manifest.json"
        told = {}
        if ids and manifest.exists():
            told = {row["id"]: row for row in json.loads(manifest.read_text(encoding="utf-8"))}
        for entry in entries:
            told[entry.id] = write(entry)
            print(f"figures/{entry.id}.svg .pdf .png", flush=True)
        rows = [told[entry.id] for entry in registry.ENTRIES if entry.id in told]
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        data.write_atomically(manifest, text.encode())
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
