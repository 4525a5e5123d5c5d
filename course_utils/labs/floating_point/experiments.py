"""The networks in small float formats (notebook 05)."""

from __future__ import annotations

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.machines.recording import COUNTS, NETWORKS, SPLITS, folded, printer, x_of, y_of
from course_utils.numbers import floats

REDUCED_FORMATS = ("float16", "bfloat16", "float8_e4m3", "float8_e5m2")
WEIGHTS, WEIGHTS_AND_ACTIVATIONS = "weights", "weights and activations"
# Only these make numbers that their input did not hold: ReLU, maximum and reshaping pass them on.
SUMMING = ("conv2d", "depthwise_conv2d", "dense", "average_pool2d", "global_average_pool2d")


def rounded_forward(layers, weights, x, fmt):
    """The network with its input and every layer's output rounded to the format, not the weights.

    Sums within a layer stay in float32, as in hardware that multiplies small floats.
    """
    x = floats.round_to(x, fmt)
    for layer in layers:
        x = float_engine.apply(layer, weights, x)
        if layer["op"] in SUMMING:
            x = floats.round_to(x, fmt)
    return x


def reduced_float():
    """All weights rounded to each small float format; then what passes between layers as well.

    Batch norm is folded into the weights first, as a converter does. The activations, the slow
    part, are rounded on the test inputs only.
    """
    networks = {}
    for name in NETWORKS:
        layers, weights, dataset = folded(name)
        rounded = {
            fmt: {key: floats.round_to(w, fmt) for key, w in weights.items()}
            for fmt in REDUCED_FORMATS
        }
        record = {"n": {}, "float32": {}, "formats": {fmt: {} for fmt in REDUCED_FORMATS}}
        for split in SPLITS:
            x, y = x_of(dataset, split), y_of(dataset, split)
            report = printer(f"{name} {split}, inputs")
            kinds = (WEIGHTS, WEIGHTS_AND_ACTIVATIONS) if split == "test" else (WEIGHTS,)
            right, counts = _reduced_counts(layers, weights, rounded, kinds, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (fmt, what), values in counts.items():
                rows = record["formats"][fmt].setdefault(what, {})
                for key, value in zip(COUNTS, values, strict=True):
                    rows.setdefault(key, {})[split] = int(value)
        x = dataset.x_validation[:500]
        before = float_engine.trace(layers, weights, x)
        for fmt in REDUCED_FORMATS:
            after = float_engine.trace(layers, rounded[fmt], x)
            record["formats"][fmt]["output_error"] = {
                layer: _relative_error(before[layer], after[layer])
                for layer in map(layer_specs.layer_of, layer_specs.kernel_names(layers))
            }
        networks[name] = record
    return {"formats": list(REDUCED_FORMATS), "networks": networks}, {}, NETWORKS


def _reduced_counts(layers, weights, rounded, kinds, x, y, progress):
    """-> (right answers in float32, {(format, kind): [correct, newly wrong, newly right]})."""
    counts = {(fmt, what): np.zeros(3, int) for fmt in rounded for what in kinds}
    total = 0
    for first in range(0, len(x), float_engine.BATCH):
        batch, labels = x[first : first + float_engine.BATCH], y[first : first + float_engine.BATCH]
        before = float_engine.predict(layers, weights, batch) == labels
        total += int(before.sum())
        for (fmt, what), count in counts.items():
            if what == WEIGHTS:
                output = float_engine.forward(layers, rounded[fmt], batch)
            else:
                output = rounded_forward(layers, rounded[fmt], batch, fmt)
            if not np.isfinite(output).all():
                raise ValueError(f"{fmt}, {what}: an output is not finite.")
            right = output.argmax(axis=1) == labels
            count += right.sum(), (before & ~right).sum(), (right & ~before).sum()
        progress(min(first + float_engine.BATCH, len(x)), len(x))
    return total, counts


def _relative_error(before, after):
    """Root mean square of the difference, relative to that of what was before."""
    before = before.astype(np.float64)
    return float(f"{np.sqrt(np.mean((after - before) ** 2) / np.mean(before**2)):.6g}")


EXPERIMENTS = (reduced_float,)
