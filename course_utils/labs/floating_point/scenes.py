"""Floating-point numbers and networks rounded to them (notebook 05)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.floating_point.figures import NAMES, Gaps, InFormat, Number, Reduced, Weights
from course_utils.machines import data, models
from course_utils.machines.micro import emulator
from course_utils.machines.recording import folded
from course_utils.numbers import floats, intervals
from course_utils.views import checks
from course_utils.views.tables import Table

MOST_LINES = 400  # more numbers than that are not drawn one by one

# Why the predictions come out as they do: here, and not in the notebook's cells above the question.
BECAUSE = {
    "05.tenth": "None of the three numbers is stored exactly in either format. In float32 the "
    "errors happen to round to the same number, in float64 they don't. More bits make errors "
    "smaller; they don't make == safe.",
    "05.between": "8,388,608 steps lead from 1 to 2, 16,384 from 1000 to 1001: 1000 has the "
    "exponent 9, so that its gaps are 2^9 times as wide.",
    "05.share": "Half of the exponents are negative, and each exponent has as many numbers as any "
    "other. Weights lie there, and leave the other half unused.",
    "05.bfloat16": "Each weight moves by at most 0.4 % of itself, some up, some down, so that in a "
    "sum of many products the errors partly cancel. In none of the four networks below do the "
    "test sets show that 16-bit floats cost anything; that 8-bit floats do shows in three.",
}


def number(bits: int) -> Number:
    """The float32 of these 32 bits, and the same number rounded to the smaller formats."""
    exact = floats.from_bits(bits, "float32")
    held = {}
    for fmt in NAMES:
        rounded = exact if fmt == "float32" else floats.decompose(exact.value, fmt)
        finite = math.isfinite(rounded.value)
        comparable = finite and math.isfinite(exact.value) and exact.value != 0
        held[fmt] = InFormat(
            rounded,
            floats.gap(rounded.value, fmt) if finite else math.nan,
            abs(rounded.value - exact.value) / abs(exact.value) if comparable else math.nan,
        )
    return Number(held)


def where_the_sum_is_exact() -> str:
    """In which format 0.1 + 0.2 == 0.3."""
    in_float32 = np.float32(0.1) + np.float32(0.2) == np.float32(0.3)
    in_float64 = np.float64(0.1) + np.float64(0.2) == np.float64(0.3)
    if in_float32 == in_float64:
        return "in both" if in_float32 else "in neither"
    return "in float32 only" if in_float32 else "in float64 only"


def gaps(network: str) -> Gaps:
    """The relative gap of every format, and where a network's kernel weights lie."""
    x = np.geomspace(1e-46, 1e40, 3000)
    relative = {}
    for fmt, form in floats.FORMATS.items():
        exponent = np.maximum(np.floor(np.log2(x)), 1 - form.bias)
        distance = np.ldexp(1.0, (exponent - form.fraction_bits).astype(int))
        relative[fmt] = np.where((x < form.smallest) | (x > form.largest), np.nan, distance / x)
    checkpoint = data.checkpoint(network)
    kernels = layer_specs.kernel_names(checkpoint.layers)
    size = np.abs(np.concatenate([checkpoint.weights[k].ravel() for k in kernels]))
    low, high = np.quantile(size, [0.01, 0.99])
    return Gaps(x, relative, network, (float(low), float(high)))


def layers(network: str) -> list[str]:
    """The layers with a kernel, from input to output."""
    return [
        layer_specs.layer_of(kernel)
        for kernel in layer_specs.kernel_names(data.checkpoint(network).layers)
    ]


def weights(network: str, layer: str) -> list[Weights]:
    """One layer's kernel in every format."""
    kernel = data.checkpoint(network).weights[f"{layer}/kernel"].ravel()
    window = (0.0, float(np.std(kernel, dtype=np.float64)))
    states = []
    for fmt in NAMES:
        available = floats.count_between(*window, fmt)
        lines = np.zeros(0)
        if available <= MOST_LINES:
            every = _values(fmt)
            lines = every[(every >= window[0]) & (every <= window[1])]
        rounded = floats.round_to(kernel, fmt)
        states.append(Weights(network, layer, fmt, kernel, rounded, window, available, lines))
    return states


@cache
def _values(fmt):
    return floats.all_values(fmt)


def loss(network: str, fmt: str, what: str = "weights") -> checks.Measured:
    """Points of test accuracy that a network loses in a format, paired input by input."""
    record = data.result("reduced_float").record["networks"][network]
    counts, total = record["formats"][fmt][what], record["n"]["test"]
    wrong, right = counts["newly_wrong"]["test"], counts["newly_right"]["test"]
    low, high = intervals.paired_difference(wrong, right, total)
    value = (wrong - right) / total
    return checks.Measured(100 * value, 100 * low, 100 * high, "points", total)


def reduced() -> list[Reduced]:
    """The recorded losses of all networks in all formats, one state for each network."""
    record = data.result("reduced_float").record
    losses = {
        network: {
            fmt: {
                what: (loss(network, fmt, what).value, *loss(network, fmt, what).interval)
                for what in ("weights", "weights and activations")
            }
            for fmt in record["formats"]
        }
        for network in record["networks"]
    }
    every = record["networks"].values()
    total = {network: rows["n"]["test"] for network, rows in record["networks"].items()}
    return [
        Reduced(
            losses,
            total,
            network,
            {fmt: dict(rows["formats"][fmt]["output_error"]) for fmt in record["formats"]},
            max(len(rows["formats"]["float16"]["output_error"]) for rows in every),
        )
        for network, rows in record["networks"].items()
    ]


# ------------------------------------------------------------------ a student's functions


def largest_by_the_rule(exponent_bits: int, fraction_bits: int) -> float:
    """The largest finite number of an IEEE 754 format with fields of these widths."""
    return floats.Format("", exponent_bits, fraction_bits).largest


def nearest_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The laboratory's rounding of float32 codes to bfloat16 codes (`floats.round_to`)."""
    numbers = floats.round_to(np.asarray(bits, np.uint32).view(np.float32), "bfloat16")
    return numbers.view(np.uint32) >> np.uint32(16)


def cut_to_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The upper half, cut off without rounding."""
    return np.asarray(bits, np.uint32) >> np.uint32(16)


class Rounded(NamedTuple):
    """A network whose weights were rounded, on the whole test set."""

    correct: int
    newly_wrong: int  # right in float32
    newly_right: int
    total: int
    mean_change: float  # of a weight's size, relative to it; below zero: they shrank
    largest_change: float  # relative, either way

    @property
    def accuracy(self):
        low, high = intervals.wilson(self.correct, self.total)
        share = self.correct / self.total
        return checks.Measured(100 * share, 100 * low, 100 * high, "%")


@cache
def _right_in_float32(network):
    layers, weights, dataset = folded(network)
    return float_engine.predict(layers, weights, dataset.x_test) == dataset.y_test


@lru_cache(maxsize=16)
def rounded_network(to_bfloat16: Callable | None, network: str) -> Rounded:
    """Round all weights of a network with this function and run it on every test input.

    to_bfloat16: from an array of float32 codes (uint32) to bfloat16 codes, the upper halves; None
                 leaves the weights in float32.
    Batch normalization is folded into the weights first. Raises ValueError where the function
    does not give as many codes of 16 bits as it got.
    """
    layers, weights, dataset = folded(network)
    rounded = {name: _with(to_bfloat16, array) for name, array in weights.items()}
    before = _right_in_float32(network)
    after = float_engine.predict(layers, rounded, dataset.x_test) == dataset.y_test
    old, new = (
        np.abs(np.concatenate([w.ravel() for w in every.values()]).astype(np.float64))
        for every in (weights, rounded)
    )
    change = (new - old)[old > 0] / old[old > 0]
    return Rounded(
        int(after.sum()),
        int((before & ~after).sum()),
        int((~before & after).sum()),
        len(after),
        float(change.mean()),
        float(np.abs(change).max()),
    )


def _with(to_bfloat16, array):
    array = np.ascontiguousarray(array, np.float32)
    if to_bfloat16 is None:
        return array
    codes = np.asarray(to_bfloat16(array.view(np.uint32).ravel()))
    if codes.shape != (array.size,) or not ((codes >= 0) & (codes < 2**16)).all():
        raise ValueError(f"{array.size} weights need as many codes from 0 to 65,535.")
    upper = codes.astype(np.uint32) << np.uint32(16)
    return upper.view(np.float32).reshape(array.shape)


# ------------------------------------------------------------------ a network on a board


class Needs(NamedTuple):
    """What a network takes of a board in one number format."""

    input_bytes: int
    busiest_bytes: int  # the largest step: its input and its output are in memory together
    busiest: str  # the layer that makes it
    parameter_bytes: int
    seconds: float  # arithmetic alone


def needs(network: str, bytes_each: int, operations: int, megahertz: float) -> Needs:
    """Bytes and seconds of a network whose every number takes bytes_each.

    operations: what one multiplication takes, one in each clock cycle.
    """
    checkpoint = data.checkpoint(network)
    layers = models.describe(checkpoint.layers, checkpoint.input_shape)
    sizes = [math.prod(checkpoint.input_shape)] + [math.prod(row.output_shape) for row in layers]
    steps = [a + b for a, b in zip(sizes, sizes[1:], strict=False)]
    largest = int(np.argmax(steps))
    return Needs(
        sizes[0] * bytes_each,
        steps[largest] * bytes_each,
        layers[largest].name,
        sum(row.parameters for row in layers) * bytes_each,
        sum(row.macs for row in layers) * operations / (megahertz * 1e6),
    )


class Timing(NamedTuple):
    """Shortest seconds of one matrix product in two dtypes: what else runs only adds."""

    float32: float
    float16: float

    @property
    def ratio(self):
        return self.float16 / self.float32

    def __str__(self):
        told = (
            f"float32 {self.float32 * 1e3:.3f} ms, float16 {self.float16 * 1e3:.3f} ms: "
            f"{self.ratio:.1f} times as long"
        )
        if self.ratio > 1:
            return told
        return f"{told}\nNot slower: this NumPy multiplies float16 matrices without a detour."


def product_times(network: str, repeats=25, batch=8) -> Timing:
    """Time x @ its largest kernel in float32 and float16, in turns, so that noise hits both."""
    checkpoint = data.checkpoint(network)
    kernels = (checkpoint.weights[k] for k in layer_specs.kernel_names(checkpoint.layers))
    kernel = max(kernels, key=np.size)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    x = np.random.default_rng(0).random((batch, kernel.shape[0]), dtype=np.float32)
    seconds = {np.float32: [], np.float16: []}
    pairs = {dtype: (x.astype(dtype), kernel.astype(dtype)) for dtype in seconds}
    for _ in range(repeats):
        for dtype, (left, right) in pairs.items():
            start = time.perf_counter()
            left @ right
            seconds[dtype].append(time.perf_counter() - start)
    return Timing(*(min(values) for values in seconds.values()))


def cycles_on_the_avr() -> Table:
    """What one multiplication with its addition takes on an emulated ATmega328P, measured."""
    rows, macs = [], 64 * 16
    for numbers in ("float32", "int8"):
        row = emulator.recorded(emulator.PROBE, numbers, "atmega328p")
        cycles = emulator.count_of(row)
        rows.append((numbers, f"{cycles:,}", f"{cycles / macs:.0f}", f"{row['flash']:,}"))
    head = ("numbers", "cycles", "cycles for each multiplication", "bytes of flash")
    caption = "A dense layer with 64 inputs and 16 outputs on an ATmega328P, recorded"
    return Table(caption, head, rows)
