"""Layers that remember: SVDF and LSTM."""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    saturate,
)
from course_utils.engines.integer_engine.checked import INT8, INT8_AND_16, Prepared
from course_utils.engines.integer_engine.fixed_point import log2_rounded, logistic_16, tanh_16
from course_utils.engines.limits import CALL, VALUE


def svdf(checked):
    """A filter over features, then one over the last `memory` results (svdf_common.cc).

    Inputs: features (1, I); their filters (F, I); filters over time (F, memory); biases (units,),
    with F = units * rank; the last results, which it remembers (1, F * memory).
    """
    checked.count(5)
    x, y = checked.input(rank=2), checked.output(rank=2)
    features = _matrix(checked, 1, "int8")
    state, remembered = checked.variable(4, INT8_AND_16)
    time = _matrix(checked, 2, state.type)
    rank, (filters, memory) = checked.options["rank"], time.shape
    checked.require(rank >= 1 and filters % rank == 0, f"has the rank {rank} for {filters} filters")
    units = filters // rank
    checked.require(
        features.shape == (filters, x.shape[1]) and state.shape == (1, filters * memory),
        f"has filters {features.shape}, {time.shape} and a state {state.shape} for {x.shape}",
    )
    checked.shape_is(y, (1, units))
    checked.take(at_once=32 * time.size, work=16 * (features.size + 4 * time.size))
    biases = checked.constant(3, "int32", "biases")
    checked.require(biases.shape == (units,) and biases.scale.size == 1, "has no fitting biases")
    product = float(state.scale[0]) * float(time.scale[0])
    checked.require(abs(float(biases.scale[0]) - product) < 1e-5, "has biases of another scale")
    to_state = quantize_multiplier(
        float(x.scale[0]) * float(features.scale[0]) / float(state.scale[0])
    )
    to_output = quantize_multiplier(product / float(y.scale[0]))
    input_zero, state_zero = x.qparams.zero_point, int(state.zero_point[0])
    limits = np.iinfo(state.type)
    weights, over_time = features.data.T.astype(np.int64), time.data.astype(np.int64)

    def run(q, held):
        newest = multiply_by_quantized_multiplier(
            (q.astype(np.int64) - input_zero) @ weights, *to_state
        )
        newest = (np.clip(newest, limits.min, limits.max) + state_zero).astype(held.dtype)
        held = held.reshape(filters, memory)
        held = np.concatenate([held[:, 1:], newest.reshape(filters, 1)], axis=1)
        results = ((held.astype(np.int64) - state_zero) * over_time).sum(axis=1)
        total = results.reshape(units, rank).sum(axis=1) + biases.data
        codes = multiply_by_quantized_multiplier(total, *to_output) + y.qparams.zero_point
        return saturate(codes, "int8").reshape(1, units), held.reshape(state.shape)

    return Prepared(run, (x.index,), x.size, remembered)


GATES = ("input", "forget", "cell", "output")


def unidirectional_sequence_lstm(checked):
    """The long short-term memory, step by step (lstm_eval.h), in int16 between its gates:

        cell   <- forget * cell + input * tanh(...)
        hidden <- output * tanh(cell)

    Inputs: 0 the sequence (1, T, I); 1-4 and 5-8 the gates' weights for the input and for the
    hidden values, in the order of GATES; 12-15 their biases; 18 and 19 hidden values and cell,
    which it remembers.
    """
    checked.count(24)
    x, y = checked.input(rank=3), checked.output(rank=3)
    for i in (9, 10, 11, 16, 17, 20, 21, 22, 23):
        checked.require(
            checked.tensor(i) is None, "has peepholes, a projection or a normalization inside"
        )
    checked.require(not checked.options["time_major"], "has the time before the batch")
    checked.require(checked.options["activation"] == "TANH", "has another activation than tanh")
    hidden, first_hidden = checked.variable(18, INT8)
    cell, first_cell = checked.variable(19, ("int16",))
    units, steps = y.shape[2], x.shape[1]
    checked.shape_is(y, (1, steps, units))
    checked.require(
        hidden.size == cell.size == units, f"remembers {hidden.shape} and {cell.shape} values"
    )
    # Each step takes some 100 calls of NumPy, and its sums are of int64.
    checked.take(work=steps * (100 * CALL + 16 * 4 * units * (x.shape[2] + units) + VALUE * units))
    gates = [_Gate(checked, i, x, hidden, units) for i in range(4)]
    clip = checked.options["cell_clip"]
    checked.require(np.isfinite(clip), f"has the cell_clip {clip}")
    most = int(np.clip(clip / float(cell.scale[0]), 0, 32767)) if clip > 0 else 32767
    steps_of_tanh = _cell_to_tanh(checked, cell)
    keep = quantize_multiplier(2.0**-15)
    to_cell = quantize_multiplier(2.0**-30 / float(cell.scale[0]))
    to_hidden = quantize_multiplier(2.0**-30 / float(hidden.scale[0]))
    hidden_zero = int(hidden.zero_point[0])

    def run(q, h, c):
        h, c = h.reshape(1, units), c.reshape(1, units).astype(np.int64)
        out = np.empty((1, steps, units), np.int8)
        from_input = [gate.of_input(q[0]) for gate in gates]
        for t in range(steps):
            write, forget, new, show = (
                saturate(part[t] + gate.of_hidden(h), "int16").astype(np.int64)
                for part, gate in zip(from_input, gates, strict=True)
            )
            kept = _times(logistic_16(3 * forget), c, keep)
            added = _times(logistic_16(3 * write), tanh_16(3 * new), to_cell)
            c = saturate(kept + added, "int16").astype(np.int64)
            if clip > 0:
                c = np.clip(c, -most, most)
            shown = tanh_16(steps_of_tanh(c)) * logistic_16(3 * show)
            h = saturate(multiply_by_quantized_multiplier(shown, *to_hidden) + hidden_zero, "int8")
            out[0, t] = h[0]
        return out, h.reshape(hidden.shape), c.astype(np.int16).reshape(cell.shape)

    return Prepared(run, (x.index,), 8 * max(x.size, 4 * y.size), {**first_hidden, **first_cell})


def _times(a, b, pair):
    return saturate(multiply_by_quantized_multiplier(a * b, *pair), "int16").astype(np.int64)


class _Gate:
    """A dense layer for the input and one for the hidden values, to int16 in steps of 2^-12."""

    def __init__(self, checked, number, x, hidden, units):
        inner = _matrix(checked, 1 + number, "int8")
        outer = _matrix(checked, 5 + number, "int8")
        biases = checked.constant(12 + number, "int32", "biases")
        checked.require(
            (inner.shape, outer.shape, biases.shape)
            == ((units, x.shape[2]), (units, units), (units,)),
            f"has weights {inner.shape}, {outer.shape} and {biases.shape} biases in its "
            f"{GATES[number]} gate for {units} units",
        )
        self.layers = [
            (t.data.T.astype(np.int64), int(source.zero_point[0]),
             quantize_multiplier(float(source.scale[0]) * float(t.scale[0]) * 2**12))
            for t, source in ((inner, x), (outer, hidden))
        ]  # fmt: skip
        self.biases = biases.data.astype(np.int64)

    def of_input(self, q):
        return self._sum(q, *self.layers[0], self.biases)

    def of_hidden(self, q):
        return self._sum(q, *self.layers[1], 0)

    def _sum(self, q, weights, zero_point, pair, biases):
        total = (q.astype(np.int64) - zero_point) @ weights + biases
        return saturate(multiply_by_quantized_multiplier(total, *pair), "int16").astype(np.int64)


def _cell_to_tanh(checked, cell):
    """Return the function that brings the cell to the steps that `tanh_16` takes, 1 / (3 * 2^12).

    The kernel takes the cell's scale for the nearest power of two.
    """
    power, _ = log2_rounded(float(cell.scale[0]))
    left = power + 12
    checked.require(-30 <= left <= 14, f"has the cell's scale {cell.scale[0]:.1e}, too far from 1")
    if left >= 0:
        return lambda c: c * (3 << left)
    return lambda c: (3 * c + (1 << (-left - 1))) >> -left


def _matrix(checked, position, type_name):
    tensor = checked.constant(position, type_name, "weights")
    checked.require(len(tensor.shape) == 2, f"has weights of shape {tensor.shape}")
    checked.require(tensor.scale.size == 1, "has weights without a single scale")
    checked.sound(tensor)
    checked.require(not tensor.zero_point.any(), "has weights whose zero point is not 0")
    return tensor
