"""Register the files that are written by hand: run it after changing one of them.

    python data/prepare/register.py

Reads data/boards.json and data/lecture/*.json, brings them into the common layout and puts their
checksums into data/manifest.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils.machines import data  # noqa: E402


def main() -> None:
    lecture = sorted((data.DIRECTORY / "lecture").glob("*.json"))
    for path in [data.DIRECTORY / "boards.json", *lecture]:
        name = path.relative_to(data.DIRECTORY).as_posix()
        try:
            value = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            sys.exit(f"data/{name} is not JSON: {error}")
        if path in lecture:
            source = "The slides of CS249r: Model Optimizations; facts and short quotes only"
        else:
            source = "The makers' datasheets, named at each board"
        data.write_json(name, value, source=source, command="python data/prepare/register.py")
    print(f"Registered {1 + len(lecture)} files")


if __name__ == "__main__":
    main()
