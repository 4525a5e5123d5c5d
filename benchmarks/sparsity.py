"""What sparsity and smaller networks buy in time, against the dense network in the same run.

    python benchmarks/sparsity.py [seconds a table, 8 unless told]

Four tables: a matrix times a vector, dense with NumPy and sparse with SciPy; LeNet-300-100 in
LiteRT, its weights stored densely, sparsely, and sparsely in blocks of four; fashion_cnn with
fewer channels; and XNNPACK's own sparse path, whose conditions are broken one by one. Models take
turns, in one thread on one processor; medians, and ratios to the dense one.
"""

import os
import sys

from course_utils.engines import blas
from course_utils.labs.structured_pruning import sparsity_speed as speed
from course_utils.machines import data, evaluation


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def against_dense(title, times):
    """One table of ways beside "dense", a row for each sparsity."""
    ways = [way for way in times if way != "dense"]
    row(title, "dense µs", *(f"{way} µs | × faster" for way in ways))
    row(*["---"] * (2 + 2 * len(ways)))
    for i, sparsity in enumerate(speed.SPARSITIES):
        dense = times["dense"][i][1]
        sparse = [times[way][i][1] for way in ways]
        row(f"{sparsity:.0%}", f"{dense:.1f}", *(f"{t:.1f} | {dense / t:.2f}" for t in sparse))
    for way in ways:
        found = speed.break_even(times["dense"], times[way])
        print(f"\n{way}: break-even " + ("not reached" if found is None else f"at {found:.0%}"))
    print()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    print(f"{evaluation.processor()}, AVX: {speed.has_avx()}")
    print(f"load when started: {os.getloadavg()[0]:.1f}\n" if hasattr(os, "getloadavg") else "")
    with blas.one_thread():
        for rows, columns in speed.SHAPES:
            against_dense(f"{rows} x {columns}", speed.multiplications(rows, columns, seconds))
    files = speed.network_files(data.checkpoint(speed.SPEED_NETWORK))
    against_dense(speed.SPEED_NETWORK, speed.latencies(files, seconds))

    found = speed.structured(data.checkpoint(speed.CHANNEL_NETWORK), seconds)
    row("channels removed", "MACs", "× fewer", "bytes", "median µs", "× faster")
    row(*["---"] * 6)
    for i, fraction in enumerate(found["fraction"]):
        macs, microseconds = found["macs"], [times[1] for times in found["latency"]]
        row(f"{fraction:.0%}", f"{macs[i]:,}", f"{macs[0] / macs[i]:.2f}",
            f"{found['tflite'][i]:,}", f"{microseconds[i]:.1f}",
            f"{microseconds[0] / microseconds[i]:.2f}")  # fmt: skip
    print("\nBound: 50 % of the channels, at least 3 times fewer MACs and 1.8 times faster.\n")

    row("XNNPACK's sparse path", "dense µs", "sparse µs", "× faster", "same outputs bit for bit")
    row(*["---"] * 5)
    for probe in speed.conditions(seconds / 4):
        dense, sparse = probe["dense"][1], probe["sparse"][1]
        row(probe["condition"], f"{dense:.0f}", f"{sparse:.0f}", f"{dense / sparse:.2f}",
            "yes" if probe["same_outputs"] else "no")  # fmt: skip


if __name__ == "__main__":
    main()
