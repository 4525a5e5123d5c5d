"""Record what exported projects say when they are built with TFLM's own sources.

    python data/prepare/tflm_project.py TREES [TARGET ...]

TREES is a folder with two source trees of TFLM, `reference` and `cmsis_nn`, written by TFLM's
create_tflm_tree.py as the README.md of an exported project says (without and with its
`--makefile_options`), and a file `REVISION` with what `git rev-parse --short HEAD` said there.
(Kernels that no network below uses may be left out of the trees: of a static library the linker
takes what is called.) Needs CMake, Ninja, a C++ compiler, arm-none-eabi-g++ and qemu-system-arm.

For each network and each target (or those named; the others' rows stay) the project's own
CMakeLists.txt builds it and its own ctest runs it, and once more with kArenaSize as small as the
self-test says that it may be. Nothing of TFLM, and nothing built from it, is kept; what the
self-test printed goes to data/results/tflm_project.json.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils.machines import conversion, data, micro, recording, training  # noqa: E402

NETWORKS = (
    *((network, "int8") for network in ("watch_cnn", "fashion_cnn", "fashion_dscnn")),
    ("lenet_300_100", "int8"), ("watch_cnn", "float32"), ("watch_cnn", "int16x8"),
)  # fmt: skip
CROSS = ("-DCMAKE_TOOLCHAIN_FILE=cortex_m.cmake",)
TARGETS = {  # name: tree, folder below TREES/build, options of cmake
    "computer": ("reference", "host", ()),
    "cortex-m4": ("reference", "m4_reference", CROSS),
    "cortex-m4 with CMSIS-NN": ("cmsis_nn", "m4_cmsis_nn", CROSS),
}


def main(trees: Path, targets: list[str]) -> None:
    revision = (trees / "REVISION").read_text("utf-8").strip()
    project = trees / "project"
    before = data.result("tflm_project").record
    kept = before["rows"] if before["tflm_revision"] == revision else []
    rows = [row for row in kept if row["target"] not in targets]
    for network, mode in NETWORKS:
        shutil.rmtree(project, ignore_errors=True)
        if mode == "int8":
            tflite = micro.one_scale(data.model(network))
        else:
            tflite = conversion.converted(network, mode, dense_per_channel=False)
        micro.export_project(tflite, project, name="network")
        for target in targets:
            rows.append({"network": network, "mode": mode, **row_of(target, trees)})
            print(rows[-1], flush=True)
    order = [(*network, target) for network in NETWORKS for target in TARGETS]
    rows.sort(key=lambda row: order.index((row["network"], row["mode"], row["target"])))
    record = {
        "experiment": "tflm_project",
        "what": "The self-test of exported projects, built with TFLM's own sources: what it said.",
        "command": "python data/prepare/tflm_project.py TREES",
        "built_by": "cmake -B build -DTFLM=TREE && cmake --build build && ctest --test-dir build",
        "seed": None,
        "versions": training.versions(),
        "git_revision": recording.git_revision(),
        "tflm_revision": revision,
        "computer": first_line("c++"),
        "cortex_m": first_line("arm-none-eabi-g++"),
        "qemu": first_line("qemu-system-arm"),
        "cmake": first_line("cmake"),
        "rows": rows,
    }
    data.write_json("results/tflm_project.json", record, command=record["command"])


def row_of(target: str, trees: Path) -> dict:
    """What the project in TREES/project says on a target; it is left as it was exported."""
    tree, build, options = TARGETS[target]
    place = trees / "project", trees / "build" / build, trees / tree, options
    header = trees / "project" / "network" / "network.h"
    as_exported = header.read_text("utf-8")
    found = {"target": target, **parse(run(*place)), "passed_in_enough": False}
    if found["passed"]:
        smaller = f"kArenaSize = {found['arena_enough']}"
        header.write_text(re.sub(r"kArenaSize = \d+", smaller, as_exported), "utf-8")
        again = parse(run(*place))
        header.write_text(as_exported, "utf-8")
        found["passed_in_enough"] = again["passed"] and again["arena"] == found["arena_enough"]
    return found


def run(project: Path, folder: Path, tree: Path, options) -> str:
    """Build the project as it is now and return what its self-test prints."""
    for command in (
        ["cmake", "-G", "Ninja", "-S", project, "-B", folder, f"-DTFLM={tree}", *options],
        ["cmake", "--build", folder, "-j", "2"],
    ):
        subprocess.run(list(map(str, command)), cwd=project, check=True, capture_output=True)
    command = ["ctest", "--test-dir", str(folder), "--verbose", "-R", "^self_test$"]
    return subprocess.run(command, capture_output=True, text=True).stdout  # a FAIL is recorded, too


def parse(said: str) -> dict:
    """The numbers of a self-test, of the lines that ctest printed.

    >>> found = parse('''
    ... 1: Test timeout computed to be: 1500
    ... 1: 5716 of 7648 bytes of the arena used
    ... 1: kArenaSize may be made as small as 6384
    ... 1: golden input 0: 1 of 7 outputs differ, most by 2 (output 3), largest is 5
    ... 1: 949 microseconds for an inference
    ... 1: FAIL''')
    >>> found["lines"][0]
    '5716 of 7648 bytes of the arena used'
    >>> found["arena_used"], found["arena_enough"], found["microseconds"], found["passed"]
    (5716, 6384, 949, False)
    """
    lines = re.findall(r"^1: (.*)$", said, re.MULTILINE)
    own = ("Test command:", "Working Directory:", "Test timeout", "Environment")  # ctest's, not its
    lines = [line for line in lines if not line.startswith(own)]
    text = "\n".join(lines)

    def number(pattern):
        found = re.search(pattern, text, re.MULTILINE)
        return int(found[1]) if found else None

    return {
        "passed": lines[-1:] == ["PASS"],
        "arena": number(r"^\d+ of (\d+) bytes of the arena used"),
        "arena_used": number(r"^(\d+) of \d+ bytes of the arena used"),
        "arena_enough": number(r"^kArenaSize may be made as small as (\d+)"),
        "microseconds": number(r"^(\d+) microseconds for an inference"),
        "lines": lines,
    }


def first_line(tool: str) -> str:
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(TARGETS):
        sys.exit(f"{__doc__}\nThe targets: {', '.join(TARGETS)}")
    main(Path(sys.argv[1]).resolve(), sys.argv[2:] or list(TARGETS))
