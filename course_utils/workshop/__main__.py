"""What authors run: python -m course_utils.workshop build | collect | discriminate ..."""

import importlib
import sys

TOOLS = {
    "build": "notebook_builder",
    "build --nbgrader": "grading",
    "collect": "collect",
    "discriminate": "discriminate",
    "figures": "book",
    "lecture": "lecture_page",
    "minutes": "minutes",
    "record": "experiments",
    "site": "site",
}


def main(arguments: list[str]) -> int:
    name, *rest = arguments or [""]
    if name not in TOOLS:
        print(__doc__, file=sys.stderr)
        return 2
    if name == "build" and "--nbgrader" in rest:
        name = "build --nbgrader"
        rest.remove("--nbgrader")
    return importlib.import_module(f"course_utils.workshop.{TOOLS[name]}").main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
