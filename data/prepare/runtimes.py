"""Read off the runtimes' sources what each does with a dense layer that has a scale per channel.

    python data/prepare/runtimes.py FOLDER

FOLDER holds Git clones of the repositories below, with their history, each under its own name.
Writes data/runtimes.json: facts about each runtime, no text of its sources. A claim is what a
person read in the kernels named; `evidence` makes it more than that: the script stops where a
source does not hold, or holds after all, the words by which the claim was made.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils.machines import data  # noqa: E402

COMMON = "fully_connected_common"
ONLY_INT8 = r"is_per_channel &&\s+input->type == kTfLiteInt8"  # an assertion while it starts
# What the libraries for Arduino, of before 27 September 2024, have in common.
OLD_ARDUINO = {
    "kernels": "CMSIS-NN", "folder": "src/tensorflow/lite/micro",
    "version": r"version=(\S+)", "version_in": "library.properties",
    "int8": "first", "int16": "first",
    "evidence": (
        (f"{COMMON}.cpp", "is_per_channel", False),
        ("cmsis_nn/fully_connected.cpp", "is_per_channel", False),
        ("cmsis_nn/fully_connected.cpp", r"multiplier\[i\] = quant_params\.multiplier", True),
    ),
}  # fmt: skip
# What a runtime does with a dense layer's scale per channel, by the type of its activations:
# "each" (it reads each channel's), "first" (the first for all channels, without a word),
# "refused" (it does not start), "unset" (it computes with numbers that nothing ever set).
# version: the library's own, or the day of the commit. evidence: (file, words, are they there?)
RUNTIMES = (
    {
        "name": "TFLM", "repository": "tensorflow/tflite-micro",
        "commit": "90b983c", "kernels": "reference", "folder": "tensorflow/lite/micro",
        "int8": "each", "int16": "each",
        "evidence": (
            ("fully_connected.cc", r"kTfLiteInt8: \{\s+data\.is_per_channel", True),
            ("fully_connected.cc", r"kTfLiteInt16: \{.*data\.is_per_channel", True),
        ),
    },
    {
        "name": "TFLM", "repository": "tensorflow/tflite-micro",
        "commit": "722913e", "kernels": "reference", "folder": "tensorflow/lite/micro",
        "note": "the last of the day before 47b5450 (#2673), which reads them in int8; 39209b4 of "
                "2025-03-17 (#3028) reads them in int16, too",
        "int8": "first", "int16": "first",
        "evidence": (
            (f"{COMMON}.cc", "is_per_channel", False),
            ("fully_connected.cc", "is_per_channel", False),
        ),
    },
    {
        "name": "TFLM with CMSIS-NN", "repository": "tensorflow/tflite-micro",
        "commit": "90b983c", "kernels": "CMSIS-NN", "folder": "tensorflow/lite/micro",
        "int8": "each", "int16": "refused",
        "evidence": (
            ("cmsis_nn/fully_connected.cc", ONLY_INT8, True),
            ("cmsis_nn/fully_connected.cc", "arm_fully_connected_wrapper_s8", True),
        ),
    },
    {
        "name": "Chirale_TensorFlowLite", "repository": "spaziochirale/Chirale_TensorFlowLite",
        "commit": "46da2f9", **OLD_ARDUINO,
    },
    {
        "name": "Arduino_TensorFlowLite", "repository": "tensorflow/tflite-micro-arduino-examples",
        "commit": "7948b85", "note": "archived: read-only since 24 February 2025", **OLD_ARDUINO,
    },
    {
        "name": "esp-tflite-micro", "repository": "espressif/esp-tflite-micro",
        "commit": "99f49e1", "kernels": "ESP-NN", "folder": "tensorflow/lite/micro",
        "version": r'version: "(\S+)"', "version_in": "idf_component.yml",
        "note": "in int16 the multiplier of the layer is read, which is set only without channels",
        "int8": "each", "int16": "unset",
        "evidence": (
            ("esp_nn/fully_connected.cc", "esp_nn_fully_connected_per_ch_s8", True),
            ("esp_nn/fully_connected.cc", r"kTfLiteInt16: \{(?!.*is_per_channel)", True),
            (f"{COMMON}.cc", r"input->type == kTfLiteInt16 && filter->type != kTfLiteInt4", True),
        ),
    },
    {
        "name": "pico-tflmicro", "repository": "raspberrypi/pico-tflmicro",
        "commit": "dfea53b", "kernels": "CMSIS-NN", "folder": "src/tensorflow/lite/micro",
        "int8": "each", "int16": "refused",
        "evidence": (
            ("cmsis_nn/fully_connected.cpp", ONLY_INT8, True),
            ("cmsis_nn/fully_connected.cpp", "arm_fully_connected_wrapper_s8", True),
        ),
    },
    {
        "name": "pico-tflmicro", "repository": "raspberrypi/pico-tflmicro",
        "commit": "82ee61d", "kernels": "CMSIS-NN", "folder": "src/tensorflow/lite/micro",
        "note": "the last before dfea53b",
        "int8": "first", "int16": "first",
        "evidence": (
            (f"{COMMON}.cpp", "is_per_channel", False),
            ("cmsis_nn/fully_connected.cpp", "is_per_channel", False),
        ),
    },
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the clones are")
    folder = parser.parse_args().folder
    rows = [facts(runtime, folder / runtime["repository"].split("/")[1]) for runtime in RUNTIMES]
    value = {
        "note": "What TFLM's runtimes do with dense layers (FULLY_CONNECTED) that have a scale per "
        "channel, by the type of the activations: each, first, refused, unset; and the operators "
        "that their MicroMutableOpResolver can add. The newest of a name comes first.",
        "runtimes": rows,
    }
    data.write_json(
        "runtimes.json", value, source="The runtimes' sources, at the revisions named",
        command="python data/prepare/runtimes.py FOLDER",
    )  # fmt: skip
    print(f"{len(rows)} runtimes")


def facts(runtime, clone):
    """One row: the claims, once the evidence holds, and what the sources say themselves."""

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    def text(path):
        return git("show", f"{runtime['commit']}:{path}")

    for file, words, expected in runtime["evidence"]:
        found = re.search(words, text(f"{runtime['folder']}/kernels/{file}"), re.DOTALL)
        if bool(found) != expected:
            sys.exit(f"{runtime['name']} {runtime['commit']}: {words!r} in {file}: {not expected}")
    date = git("show", "-s", "--format=%cs", runtime["commit"])
    version = date
    if "version" in runtime:
        version = re.search(runtime["version"], text(runtime["version_in"]))[1]
    resolver = text(f"{runtime['folder']}/micro_mutable_op_resolver.h")
    kernel = next(file for file, *_ in reversed(runtime["evidence"]) if COMMON not in file)
    return {
        "name": runtime["name"],
        "version": version,
        "revision": runtime["commit"],
        "date": date,
        "kernels": runtime["kernels"],
        "dense_per_channel": {"int8": runtime["int8"], "int16": runtime["int16"]},
        "note": runtime.get("note", ""),
        "operators": sorted(set(re.findall(r"AddBuiltin\(\s*BuiltinOperator_(\w+)", resolver))),
        "custom_operators": sorted(set(re.findall(r'AddCustom\(\s*"(\w+)"', resolver))),
        "source": f"https://github.com/{runtime['repository']}/blob/{runtime['commit']}/"
        f"{runtime['folder']}/kernels/{kernel}",
    }


if __name__ == "__main__":
    main()
