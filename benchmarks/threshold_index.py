"""How long a ThresholdIndex takes to build and to ask, from ten thousand to 100 million weights.

    python benchmarks/threshold_index.py [largest exponent, 8 unless told]

The baseline of each row, measured in the same run, counts |w| <= lambda over all the weights,
as a slider without an index would. Build memory is the peak that NumPy allocates beyond the
weights themselves, over the weights' own bytes.
"""

import platform
import sys
import time
import tracemalloc
from statistics import median

import numpy as np

from course_utils.numbers.pruning import ThresholdIndex


def seconds(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def row(exponent, rng):
    weights = rng.standard_normal(10**exponent, dtype=np.float32)
    tracemalloc.start()
    index = ThresholdIndex(weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    build = median(seconds(lambda: ThresholdIndex(weights), 1 if exponent >= 8 else 3))
    thresholds = rng.uniform(0, 3, 2000)
    queries = [seconds(lambda t=t: index.sparsity(t), 1)[0] for t in thresholds]
    inverse = [seconds(lambda t=t: index.threshold(t / 3), 1)[0] for t in thresholds]
    count = median(seconds(lambda: np.count_nonzero(np.abs(weights) <= np.float32(1)), 3))
    ask = median(queries)
    return (
        f"| 10^{exponent} | {build:.3f} | {peak / weights.nbytes:.2f} | {ask * 1e6:.1f} "
        f"| {np.quantile(queries, 0.95) * 1e6:.1f} | {median(inverse) * 1e6:.1f} "
        f"| {count * 1e6:,.0f} | {count / ask:,.0f} |"
    )


def main():
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}\n")
    print("| weights | build s | build memory / weights | sparsity() µs | p95 µs | threshold() µs "
          "| counting µs | times faster |")
    print("|---|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for exponent in range(4, largest + 1):
        print(row(exponent, rng), flush=True)


if __name__ == "__main__":
    main()
