"""Images per second: IntegerModel in batches of 256, LiteRT and TFLM one input at a time.

    python benchmarks/integer_engine.py [rounds, 7 unless told]

All take turns in one process on the same inputs, the first 256 of each test set. LiteRT and TFLM
run batches of one, as on a board: their files are made for that. All use one thread. LiteRT with
XNNPACK is there for comparison: it is quicker, and its results are not TFLM's.
"""

import importlib.util
import os
import platform
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils import env
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data, models
from course_utils.numbers.quantization import quantize

BATCH = 256


def litert(tflite, resolver):
    with env.captured_stderr():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=getattr(OpResolverType, resolver),
            num_threads=1,
        )
        interpreter.allocate_tensors()
    first = interpreter.get_input_details()[0]["index"]
    last = interpreter.get_output_details()[0]["index"]

    def run(x):
        out = []
        for one in x:
            interpreter.set_tensor(first, one[None])
            interpreter.invoke()
            out.append(interpreter.get_tensor(last)[0])
        return np.stack(out)

    return run


def tflm(tflite):
    from tflite_micro.python.tflite_micro import runtime

    with env.captured_stderr():
        interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)

    def run(x):
        out = []
        for one in x:
            interpreter.set_input(one[None], 0)
            interpreter.invoke()
            out.append(interpreter.get_output(0)[0])
        return np.stack(out)

    return run


def ways(tflite):
    found = {
        "IntegerModel": IntegerModel(tflite).run,
        "LiteRT reference": litert(tflite, "BUILTIN_REF"),
        "LiteRT XNNPACK": litert(tflite, "AUTO"),
    }
    if importlib.util.find_spec("tflite_micro"):
        found["TFLM"] = tflm(tflite)
    return found


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    packages = ("numpy", "ai-edge-litert", "tflite-micro")
    versions = ", ".join(f"{p} {env.installed_version(p) or 'none'}" for p in packages)
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"{versions}, medians of {rounds} rounds of {BATCH} inputs")
    print(f"load when started: {os.getloadavg()[0]:.1f}\n" if hasattr(os, "getloadavg") else "")
    print(
        f"{'images per second':16} {'IntegerModel':>13} {'LiteRT ref.':>12} {'TFLM':>9} "
        f"{'XNNPACK':>9} {'x LiteRT ref.':>14} {'x TFLM':>7} {'differing from TFLM':>28}"
    )
    for name in models.ARCHITECTURES:
        tflite = data.model(name, "int8")
        qparams = IntegerModel(tflite).input.qparams
        x = quantize(data.load(models.DATASETS[name]).x_test[:BATCH], qparams)
        running = ways(tflite)
        seconds = {way: [] for way in running}
        outputs = {way: run(x) for way, run in running.items()}
        for _ in range(rounds):
            for way, run in running.items():
                start = time.perf_counter()
                run(x)
                seconds[way].append(time.perf_counter() - start)
        speed = {way: BATCH / median(times) for way, times in seconds.items()}
        ours, reference = speed["IntegerModel"], speed["LiteRT reference"]
        micro = speed.get("TFLM", float("nan"))
        differing = " ".join(
            f"{short} {int((outputs[way] != outputs['TFLM']).sum())}"
            for way, short in (
                ("IntegerModel", "ours"),
                ("LiteRT reference", "ref."),
                ("LiteRT XNNPACK", "XNN"),
            )
            if "TFLM" in outputs
        )
        print(
            f"{name:16} {ours:13,.0f} {reference:12,.0f} {micro:9,.0f} "
            f"{speed['LiteRT XNNPACK']:9,.0f} {ours / reference:14.1f} {ours / micro:7.1f} "
            f"{differing:>28}"
        )


if __name__ == "__main__":
    main()
