"""Run an int8 `.tflite` file with integer arithmetic, in NumPy, equal to TFLM bit for bit.

On a microcontroller the network of the paper's equation (Jacob et al. 2018, equation 4)

    S3 (q3 - Z3) = sum_k S1 (q1 - Z1) * S2 (q2 - Z2)

is computed without a single real number. The sum runs over int8 x int8 products in an int32, and
the real factor M = S1 S2 / S3 becomes a multiplier and a shift, both integers:

    q3 = Z3 + round(M * (sum_k q1 q2 - Z1 sum_k q2))        M ~ multiplier * 2^(shift - 31)

Weights are symmetric (Z2 = 0), and Z1 sum_k q2 is known before any input is: it goes into the
bias. The first functions below are these few lines of arithmetic, as in the kernels of TFLM and
LiteRT. `IntegerModel` then runs a whole network with them, many inputs at a time.

Where the engine is quick it is so without being approximate: int8 products are added up by the
matrix multiplication of floating point, whose sums are exact as long as no partial sum needs
more bits than the format has (24 in float32, 53 in float64), which is proven for every layer
from its weights when the model is loaded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from course_utils.engines import blas, tflite_file
from course_utils.numbers.quantization import dequantize, round_half_away

# --- the arithmetic -------------------------------------------------------------------------


def quantize_multiplier(real):
    """Return (multiplier, shift) with real ~ multiplier * 2^(shift - 31), multiplier in int32.

    real: float >= 0. The multiplier is 0 or in [2^30, 2^31): 31 bits of precision for any size.

    >>> quantize_multiplier(0.75), quantize_multiplier(0.0001)
    ((1610612736, 0), (1759218604, -13))
    """
    fraction, shift = math.frexp(real)  # real = fraction * 2^shift, fraction in [0.5, 1)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:  # below 2^-32: every product rounds to zero
        return 0, 0
    return multiplier, shift


def rounding_doubling_high_multiply(a, b):
    """Return a * b / 2^31 to the nearest integer, halves up: the upper word of 2 a b.

    a, b: int64 arrays of int32 values, not both -2^31. ARM calls the instruction VQRDMULH.
    """
    return (a * b + 2**30) >> 31


def rounding_divide_by_power_of_two(x, exponent):
    """Return x / 2^exponent to the nearest integer, halves away from zero; exponent >= 0.

    >>> rounding_divide_by_power_of_two(np.array([-6, -5, 5, 6]), 2)
    array([-2, -1,  1,  2])
    """
    half = (1 << np.asarray(exponent, np.int64)) >> 1
    return (x + half + np.where(half, x >> 63, 0)) >> exponent


def multiply_by_quantized_multiplier(x, multiplier, shift):
    """Return x * multiplier * 2^(shift - 31), rounded twice, as TFLM's kernels round it.

    x: int64 array of int32 values. multiplier, shift: from `quantize_multiplier`, or arrays of
    them, one a channel (the last axis).

    >>> multiply_by_quantized_multiplier(np.array([1000, -1000]), *quantize_multiplier(0.75))
    array([ 750, -750])
    """
    shift = np.asarray(shift, np.int64)
    shifted = _wrap_int32(_wrap_int32(np.asarray(x, np.int64)) << np.maximum(shift, 0))
    product = rounding_doubling_high_multiply(shifted, np.asarray(multiplier, np.int64))
    return rounding_divide_by_power_of_two(product, np.maximum(-shift, 0))


def requantize(accumulator, multiplier, shift, zero_point, qmin=-128, qmax=127):
    """Return int8 codes of int32 sums: scale, move to the output's zero point, saturate.

    >>> requantize(np.array([-900, 50, 900]), *quantize_multiplier(0.1), zero_point=3)
    array([-87,   8,  93], dtype=int8)
    """
    codes = multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point
    return np.clip(_wrap_int32(codes), qmin, qmax).astype(np.int8)


def activation_range(activation, qparams):
    """Return (qmin, qmax) of a fused activation: ReLU is nothing but a higher lowest code.

    activation: "NONE", "RELU", "RELU6" or "RELU_N1_TO_1".  qparams: of the output, per tensor.
    """
    low, high = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[
        activation
    ]
    qmin, qmax = qparams.qmin, qparams.qmax
    if low is not None:
        qmin = max(qmin, _code(low, qparams))
    if high is not None:
        qmax = min(qmax, _code(high, qparams))
    return qmin, qmax


def _code(real, qparams):
    with np.errstate(over="ignore"):  # a damaged file's scale; infinity is clipped
        steps = round_half_away(np.float32(real) / np.float32(qparams.scale))
    return qparams.zero_point + int(np.clip(steps, -(2.0**31), 2.0**31))


def _wrap_int32(x):
    """Let int64 values overflow as an int32 register does."""
    return ((x + 2**31) & (2**32 - 1)) - 2**31


class _Requantize:
    """`requantize` for one layer, bias included, several times as fast and still exact.

    With v = (sum + bias) * multiplier * 2^-31 and right shift e >= 1, the two roundings are
    floor(v + 1/2), then half away from zero after division by 2^e. Together (floor(floor(a) / n)
    = floor(a / n) for whole n) they are

        floor(v / 2^e + 1/2 + 2^-(e+1))     where sum + bias is not negative
        floor(v / 2^e + 1/2 - 2^-(e+1))     where it is negative

    (for -1/2 <= v < 0, where the second line seems wrong, both give 0), and floor(v + 1/2) for
    e = 0. All that does not depend on the sum is added up ahead, so that a value takes one
    multiplication and one addition in float64. That is exact where it matters: all terms are
    multiples of 2^-(31+e), and for an output that does not saturate, a code from 0 to 255, they
    are below 257 plus what is added. If this is at most 2^(22-e), 53 bits hold it. An output that
    saturates may be rounded on the way, but rounding is monotonic, so it still saturates.
    Channels for which this is not so, or whose sums could overflow an int32, take `requantize`.
    """

    BLOCK = 2**16  # values at a time: their copies stay in the cache

    def __init__(self, bias, real_multipliers, largest, zero_point, qmin, qmax, repeat):
        pairs = [quantize_multiplier(real) for real in real_multipliers]
        self.multiplier, self.shift = np.array(pairs, np.int64).reshape(-1, 2).T
        self.bias, self.zero_point, self.qmin, self.qmax = bias, zero_point, qmin, qmax
        right = np.maximum(-self.shift, 0)
        fits_int32 = largest < np.ldexp(2.0**31, -np.maximum(self.shift, 0))
        factor = np.ldexp(self.multiplier.astype(np.float64), self.shift - 31)
        from_bias = bias * factor
        self.offset = 0.5 + (zero_point + 128)  # codes counted from 0, so that floor is a cast
        is_exact = np.abs(from_bias + self.offset) + 257 <= np.ldexp(1.0, 22 - right)
        self.textbook = np.flatnonzero(~(fits_int32 & is_exact))
        factor[self.textbook] = from_bias[self.textbook] = 0  # overwritten by `requantize`
        second = np.where(right > 0, np.ldexp(0.5, -right), 0)
        self.has_negative = qmin < zero_point  # else ReLU: negative sums all end at qmin
        if not self.has_negative:
            from_bias = from_bias + second + self.offset
        # NumPy is quick on long rows: take `repeat` positions of all channels as one row.
        self.factor, self.constant, self.second = (
            np.tile(np.broadcast_to(values, bias.shape), repeat)
            for values in (factor, from_bias, second)
        )

    def __call__(self, sums):
        """sums: array (n, channels) of whole numbers, before the bias -> int8 (n, channels)."""
        rows = sums.reshape(-1, self.factor.size)
        out = np.empty(rows.shape, np.uint8)
        step = min(max(1, self.BLOCK // max(1, self.factor.size)), len(rows))
        real, codes = (np.empty((step, self.factor.size), kind) for kind in (np.float64, np.int32))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            y, code = real[: len(part)], codes[: len(part)]
            np.copyto(y, part)
            y *= self.factor
            y += self.constant
            if self.has_negative:
                y += np.copysign(self.second, y)
                y += self.offset
            np.copyto(code, y, casting="unsafe")  # fits: what overflows is left to `requantize`
            np.clip(code, self.qmin + 128, self.qmax + 128, out=code)
            out[start : start + step] = code
        out ^= 128
        out = out.view(np.int8).reshape(sums.shape)
        if (c := self.textbook).size:
            accumulator = sums[:, c].astype(np.int64) + self.bias[c]
            out[:, c] = requantize(
                accumulator, self.multiplier[c], self.shift[c],
                self.zero_point, self.qmin, self.qmax,
            )  # fmt: skip
        return out


# --- the model ------------------------------------------------------------------------------


class Step(NamedTuple):
    """One tensor of a trace: its name, the operator that wrote it, its values (batch first)."""

    name: str
    op: str
    array: np.ndarray


class IntegerModel:
    """An int8 `.tflite` network that runs in NumPy with the results of TFLM.

    tflite: the bytes of the file: one input and one output with a batch of one, as
            `conversion.convert(model, "int8", ...)` writes it.
    Raises ValueError, naming the operator and what to do, for a file that is damaged, that is not
    quantized to int8, or that uses an operator or a form of one that is not supported.

    input, output: `tflite_file.Tensor` with `.shape`, `.type` and `.qparams`.
    """

    def __init__(self, tflite):
        graph = tflite_file.read(tflite)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ValueError(
                f"The model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; "
                "one of each is supported."
            )
        self.graph = graph
        self.input, self.output = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        _check_edge("input", self.input)
        _check_edge("output", self.output)
        known = {self.input.index, *(t.index for t in graph.tensors if t.data is not None)}
        self._steps = []
        for op in graph.operators:
            if op.name not in _PREPARE:
                raise ValueError(
                    f"{op} is not supported. The engine knows {', '.join(sorted(_PREPARE))}: "
                    "build the network from these and convert it with mode='int8'."
                )
            for index in op.inputs:
                if index >= 0 and index not in known:
                    raise ValueError(f"{op} reads tensor {index} before anything wrote it.")
            if len(op.outputs) != 1 or op.outputs[0] in known:
                raise ValueError(f"{op} must write exactly one tensor that nothing else writes.")
            self._steps.append((op, _PREPARE[op.name](_Checked(op, graph))))
            known.add(op.outputs[0])
        if self.output.index not in known:
            raise ValueError("No operator writes the model's output: convert the model again.")
        widest = max([step.widest for _, step in self._steps], default=1)
        # As many inputs at a time as keep the largest intermediate array near the cache.
        self._batch = max(1, 2**20 // widest)

    def run(self, x):
        """Return the network's outputs.

        x: int8 array (n, *input.shape[1:]), n >= 0 (float32 if the file has a float input).
        Returns an int8 array (n, *output.shape[1:]) (float32 if the file has a float output).
        Raises TypeError for another dtype and ValueError for another shape.
        """
        x = self._check_input(x)
        out = np.empty((len(x), *self.output.shape[1:]), self.output.type)
        # One thread: each operator is so short that two spend on taking turns what they win.
        with blas.one_thread():
            for start in range(0, len(x), self._batch):
                part = slice(start, start + self._batch)
                for values in self._run(x[part]):
                    last = values
                out[part] = last[self.output.index]
        return out

    def trace(self, x):
        """Yield a Step for the input and after each operator, in the order in which they run.

        x: as for `run`; all of it is run at once.
        """
        x = self._check_input(x)
        yield Step(self.input.name, "INPUT", x)
        for (op, _), values in zip(self._steps, self._run(x), strict=True):
            yield Step(self.graph.tensors[op.outputs[0]].name, op.name, values[op.outputs[0]])

    def _run(self, x):
        values = {t.index: t.data for t in self.graph.tensors if t.data is not None}
        values[self.input.index] = x
        for op, step in self._steps:
            values[op.outputs[0]] = step.run(*(values[i] for i in step.reads))
            yield values

    def _check_input(self, x):
        x = np.asarray(x)
        if x.dtype != self.input.type:
            raise TypeError(
                f"The model takes {self.input.type}, not {x.dtype}: "
                "use quantize(x, model.input.qparams)."
            )
        if x.shape[1:] != self.input.shape[1:] or x.ndim != len(self.input.shape):
            raise ValueError(
                f"The input has the shape {x.shape}; the model takes "
                f"(n, {', '.join(map(str, self.input.shape[1:]))}), batch first."
            )
        return x


def _check_edge(edge, tensor):
    if tensor.data is not None or len(tensor.shape) < 1 or tensor.shape[0] != 1:
        raise ValueError(
            f"The model's {edge} has the shape {tensor.shape}; a batch of one is expected: "
            "convert with static shapes, as conversion.convert does."
        )
    if tensor.type not in ("int8", "float32"):
        raise ValueError(
            f"The model's {edge} is {tensor.type}, not int8: convert it with mode='int8'."
        )
    if tensor.type == "int8" and tensor.scale.size != 1:
        raise ValueError(f"The model's {edge} is int8 but has no scale: convert the model again.")


class _Prepared(NamedTuple):
    """What is left of an operator once all that does not depend on the input is computed."""

    run: object  # the function of the arrays below
    reads: tuple[int, ...]  # indices of the tensors that it takes
    widest: int  # values per input of the largest array that it makes


class _Checked:
    """An operator's tensors and options, each refused in one sentence if it is not supported."""

    def __init__(self, op, graph):
        self.op, self.options, self.graph = op, op.options, graph

    def refuse(self, why):
        raise ValueError(f"{self.op} {why}.")

    def require(self, condition, why):
        if not condition:
            self.refuse(why)

    def count(self, *allowed):
        if len(self.op.inputs) not in allowed:
            self.refuse(f"has {len(self.op.inputs)} inputs, not {' or '.join(map(str, allowed))}")

    def tensor(self, position):
        if position >= len(self.op.inputs) or self.op.inputs[position] < 0:
            return None
        return self.graph.tensors[self.op.inputs[position]]

    def int8(self, tensor, rank=None):
        """Return an int8 activation (or a constant in its place) with one scale."""
        self.require(tensor is not None, "lacks an input")
        if tensor.type != "int8":
            self.refuse(
                f"works on {tensor.type} ({tensor.name}), not int8: convert the model with "
                "mode='int8' and calibration data"
            )
        self.require(tensor.scale.size == 1, f"has no single scale for {tensor.name}")
        if rank is not None:
            self.require(len(tensor.shape) == rank, f"takes {rank} axes, not {tensor.shape}")
        if tensor.data is None:
            self.batched(tensor)
        return tensor

    def batched(self, tensor):
        self.require(
            len(tensor.shape) >= 1 and tensor.shape[0] == 1,
            f"has a tensor of shape {tensor.shape} that does not start with the batch of one",
        )
        return tensor

    def input(self, position=0, rank=None):
        tensor = self.int8(self.tensor(position), rank)
        self.require(tensor.data is None, "computes on constants only: convert the model again")
        return tensor

    def output(self, rank=None):
        tensor = self.graph.tensors[self.op.outputs[0]]
        return self.int8(tensor, rank)

    def constant(self, position, type_name, what):
        tensor = self.tensor(position)
        self.require(tensor is not None, f"lacks its {what}")
        self.require(tensor.type == type_name, f"has {what} in {tensor.type}, not {type_name}")
        self.require(tensor.data is not None and tensor.size, f"has {what} that are not constant")
        return tensor

    def weights(self, rank, channel_axis):
        tensor = self.constant(1, "int8", "weights")
        self.require(len(tensor.shape) == rank, f"has weights of shape {tensor.shape}")
        self.require(tensor.scale.size >= 1, "has weights without a scale")
        self.require(not tensor.zero_point.any(), "has weights whose zero point is not 0")
        if tensor.scale.size > 1:
            self.require(
                tensor.channel_axis == channel_axis,
                f"has its scales along axis {tensor.channel_axis}, not {channel_axis}",
            )
        return tensor

    def bias(self, units):
        if self.tensor(2) is None:
            return np.zeros(units, np.int64)
        tensor = self.constant(2, "int32", "biases")
        self.require(tensor.shape == (units,), f"has {tensor.shape} biases for {units} channels")
        return tensor.data.astype(np.int64)

    def shape_is(self, tensor, shape):
        self.require(
            tensor.shape == tuple(shape),
            f"writes the shape {tensor.shape} where {tuple(shape)} follows from its input",
        )

    def activation(self, tensor):
        return activation_range(self.options["activation"], tensor.qparams)


# --- layers with weights --------------------------------------------------------------------


def _convolve(checked, weights, bias, x, y, real_multipliers, sums_of):
    """The common part of the layers with weights: weights (K, units), int64."""
    largest_part = np.abs(weights).sum(axis=0) * 128  # no partial sum of q1 q2 exceeds this
    exact = np.float32 if largest_part.max() < 2**24 else np.float64
    largest = np.abs(weights).sum(axis=0) * 255 + np.abs(bias)
    total_bias = bias - x.qparams.zero_point * weights.sum(axis=0)
    qmin, qmax = checked.activation(y)
    shape = y.shape[1:]
    repeat = shape[-2] if len(shape) > 1 else 1
    finish = _Requantize(
        total_bias, real_multipliers, largest, y.qparams.zero_point, qmin, qmax, repeat
    )
    sums = sums_of(exact)

    def run(q):
        return finish(sums(q)).reshape(len(q), *shape)

    return run


def _real_multipliers(x, weights, y, units):
    """S1 S2 / S3 for each output channel, in float64 as the kernels compute it."""
    scales = np.broadcast_to(weights.scale, units).astype(np.float64)
    return float(x.scale[0]) * scales / float(y.scale[0])


def _conv_2d(checked):
    checked.count(2, 3)
    x, y = checked.input(rank=4), checked.output(rank=4)
    filters = checked.weights(rank=4, channel_axis=0)
    units, kh, kw, channels = filters.shape
    checked.require(
        channels == x.shape[3],
        f"has filters for {channels} channels and an input of {x.shape[3]} (grouped?)",
    )
    window = _Window(checked, x, y, (kh, kw), units)
    weights = filters.data.reshape(units, -1).T.astype(np.int64)
    zero_point = x.qparams.zero_point
    is_pointwise = (kh, kw) == (1, 1) and window.stride == (1, 1)

    def sums_of(dtype):
        factors = weights.astype(dtype)

        def sums(q):
            if is_pointwise:
                return q.reshape(-1, channels).astype(dtype) @ factors
            patches = window.patches(window.pad(q, zero_point, dtype))
            return patches.reshape(-1, kh * kw * channels) @ factors

        return sums

    run = _convolve(
        checked, weights, checked.bias(units), x, y,
        _real_multipliers(x, filters, y, units), sums_of,
    )  # fmt: skip
    widest = math.prod(window.out) * kh * kw * channels
    return _Prepared(run, (x.index,), max(widest, y.size))


def _depthwise_conv_2d(checked):
    checked.count(2, 3)
    x, y = checked.input(rank=4), checked.output(rank=4)
    filters = checked.weights(rank=4, channel_axis=3)
    one, kh, kw, units = filters.shape
    multiplier = units // max(1, x.shape[3])
    checked.require(
        one == 1 and units == multiplier * x.shape[3],
        f"has filters {filters.shape} for {x.shape[3]} channels",
    )
    window = _Window(checked, x, y, (kh, kw), units)
    weights = filters.data.reshape(-1, units).astype(np.int64)
    zero_point, (oh, ow) = x.qparams.zero_point, window.out

    # The taps one after another: BLAS has no product for a kernel of one channel. A product of
    # int8 fits an int16, and so does the sum of as many as `_int16_groups` finds.
    first, last = _int16_groups(weights)
    factors = np.tile(weights.astype(np.int16), ow)  # for a whole row of outputs at once

    def sums_of(dtype):
        def sums(q):
            if multiplier > 1:
                q = q.repeat(multiplier, axis=3)
            total = np.zeros((len(q), oh, ow * units), dtype)
            part, product = np.empty(total.shape, np.int16), np.empty(total.shape, np.int16)
            rows = window.tap_rows(window.pad(q, zero_point, np.int16))
            for tap, factor, is_first, is_last in zip(rows, factors, first, last, strict=True):
                if is_first:
                    np.multiply(tap, factor, out=part)
                else:
                    part += np.multiply(tap, factor, out=product)
                if is_last:
                    total += part
            return total.reshape(-1, units)

        return sums

    run = _convolve(
        checked, weights, checked.bias(units), x, y,
        _real_multipliers(x, filters, y, units), sums_of,
    )  # fmt: skip
    return _Prepared(run, (x.index,), max(x.size * multiplier, 2 * y.size))


def _int16_groups(weights):
    """Say at which taps a partial sum in int16 begins and ends: two lists of bool.

    weights: (taps, units). With sum |w| <= 255 in every channel, |sum q w| <= 255 * 128 < 2^15.

    >>> _int16_groups(np.array([[100], [100], [100], [-128]]))
    ([True, False, True, False], [False, True, False, True])
    """
    first, total = [], np.inf
    for size in np.abs(weights):
        total = total + size
        first.append(bool(total.max() > 255))
        if first[-1]:
            total = size
    return first, [*first[1:], True]


def _fully_connected(checked):
    checked.count(2, 3)
    x, y = checked.input(), checked.output()
    filters = checked.weights(rank=2, channel_axis=0)
    checked.require(checked.options["weights_format"] == 0, "has shuffled weights")
    units, depth = filters.shape
    checked.require(
        x.size % depth == 0 and y.size == x.size // depth * units,
        f"has weights {filters.shape} for the input {x.shape} and the output {y.shape}",
    )
    weights = filters.data.T.astype(np.int64)
    real = _real_multipliers(x, filters, y, units)
    if filters.scale.size == 1:
        # With a single scale the kernel multiplies the two scales in float32.
        real = np.full(units, float(x.scale[0] * filters.scale[0]) / float(y.scale[0]))

    def sums_of(dtype):
        factors = weights.astype(dtype)
        return lambda q: q.reshape(-1, depth).astype(dtype) @ factors

    run = _convolve(checked, weights, checked.bias(units), x, y, real, sums_of)
    return _Prepared(run, (x.index,), max(x.size, y.size))


class _Window:
    """How a kernel moves over the image: which inputs each output position sees."""

    def __init__(self, checked, x, y, kernel, channels):
        get = checked.options.get
        self.kernel = kernel
        self.stride = get("stride_h"), get("stride_w")
        self.dilation = get("dilation_h", 1), get("dilation_w", 1)
        sizes = (*self.kernel, *self.stride, *self.dilation)
        checked.require(min(sizes) >= 1, f"has a kernel, stride or dilation below one: {sizes}")
        self.out, self.padding = [], []
        for axis, size in enumerate(x.shape[1:3]):
            k, s, d = self.kernel[axis], self.stride[axis], self.dilation[axis]
            reach = (k - 1) * d + 1
            if checked.options["padding"] == "SAME":
                out = -(-size // s)
                total = max((out - 1) * s + reach - size, 0)
            else:
                out, total = (size - reach) // s + 1, 0
            self.out.append(out)
            self.padding.append((total // 2, total - total // 2))
        checked.shape_is(y, (1, *self.out, channels))
        checked.require(y.size > 0 and x.size > 0, "has an empty input or output")
        (top, bottom), (left, right) = self.padding
        padded = (x.shape[1] + top + bottom) * (x.shape[2] + left + right) * x.shape[3]
        patches = math.prod(self.out) * math.prod(self.kernel) * x.shape[3]
        checked.require(
            max(padded, patches) <= tflite_file.LARGEST_TENSOR,
            "is too large: its window and padding need more values than are supported",
        )

    def pad(self, q, fill, dtype):
        """Return q in dtype with the border filled; a border of the zero point adds nothing."""
        (top, bottom), (left, right) = self.padding
        if not (top or bottom or left or right):
            return q.astype(dtype)
        n, height, width, channels = q.shape
        padded = np.full((n, top + height + bottom, left + width + right, channels), fill, dtype)
        padded[:, top : top + height, left : left + width] = q
        return padded

    def taps(self, padded):
        """Yield for each kernel position, row by row, the value that each output sees there."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        for i in range(0, kh * dh, dh):
            for j in range(0, kw * dw, dw):
                yield padded[:, i : i + sh * (oh - 1) + 1 : sh, j : j + sw * (ow - 1) + 1 : sw]

    def tap_rows(self, padded):
        """Yield the taps as arrays (n, out height, out width * channels) of contiguous rows."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        n, height, _, channels = padded.shape
        # With a stride, the columns 0, s, 2s, ... become neighbours, then 1, s + 1, ...
        phases = [padded[:, :, p::sw].reshape(n, height, -1) for p in range(min(sw, kw * dw))]
        for i in range(0, kh * dh, dh):
            for j in range(0, kw * dw, dw):
                start = j // sw * channels
                row = phases[j % sw][:, i : i + sh * (oh - 1) + 1 : sh]
                yield row[:, :, start : start + ow * channels]

    def patches(self, padded):
        """Return what each output sees as rows of a matrix ("im2col"): (n, oh, ow, K)."""
        (kh, kw), (sh, sw), (dh, dw), (oh, ow) = self.kernel, self.stride, self.dilation, self.out
        n, _, _, channels = padded.shape
        if dw == 1 and channels > 1:  # kw neighbours at a time
            result = np.empty((n, oh, ow, kh, kw * channels), padded.dtype)
            along = np.lib.stride_tricks.sliding_window_view(
                padded.reshape(n, padded.shape[1], -1), kw * channels, axis=2
            )[:, :, : sw * channels * (ow - 1) + 1 : sw * channels]
            for i in range(kh):
                result[:, :, :, i] = along[:, i * dh : i * dh + sh * (oh - 1) + 1 : sh]
        else:
            result = np.empty((n, oh, ow, kh * kw, channels), padded.dtype)
            for i, tap in enumerate(self.taps(padded)):
                result[:, :, :, i] = tap
        return result

    def reduce(self, padded, combine):
        """Combine each window's values (maximum, add): along the columns, then along the rows."""
        (kh, kw), (sh, sw), (oh, ow) = self.kernel, self.stride, self.out
        for axis, k, s, out in ((1, kh, sh, oh), (2, kw, sw, ow)):
            taps = [
                padded[(slice(None),) * axis + (slice(i, i + s * (out - 1) + 1, s),)]
                for i in range(k)
            ]
            padded = taps[0].copy()
            for tap in taps[1:]:
                combine(padded, tap, out=padded)
        return padded


# --- layers without weights -----------------------------------------------------------------


def _pool(checked):
    checked.count(1)
    x, y = checked.input(rank=4), checked.output(rank=4)
    kernel = checked.options["filter_h"], checked.options["filter_w"]
    checked.require(x.zero_point[0] == y.zero_point[0], "changes the zero point")
    checked.require(abs(float(x.scale[0]) - float(y.scale[0])) <= 1e-6, "changes the scale")
    return x, y, _Window(checked, x, y, kernel, x.shape[3]), checked.activation(y)


def _max_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)

    def run(q):
        largest = window.reduce(window.pad(q, -128, np.int8), np.maximum)
        if (qmin, qmax) != (-128, 127):
            np.clip(largest, qmin, qmax, out=largest)
        return largest

    return _Prepared(run, (x.index,), x.size)


def _average_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)
    # Padding does not count: at the border fewer values are averaged.
    ones = np.ones((1, *x.shape[1:3], 1), np.int8)
    count = window.reduce(window.pad(ones, 0, np.int32), np.add)

    def run(q):
        total = window.reduce(window.pad(q, 0, np.int32), np.add)
        # The nearest code, halves away from zero: codes are averaged, zero points included.
        nearest = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return np.clip(nearest, qmin, qmax).astype(np.int8)

    return _Prepared(run, (x.index,), max(x.size, y.size))


def _mean(checked):
    checked.count(2)
    x, y = checked.input(), checked.output()
    axes = checked.constant(1, "int32", "axes").data.reshape(-1).tolist()
    rank = len(x.shape)
    checked.require(all(-rank <= axis < rank for axis in axes), f"has no axes {axes}")
    axes = tuple(sorted({axis % rank for axis in axes}))
    checked.require(0 not in axes, "averages over the batch")
    kept = [1 if i in axes else size for i, size in enumerate(x.shape)]
    if not checked.options["keep_dims"]:
        kept = [size for i, size in enumerate(x.shape) if i not in axes]
    checked.shape_is(y, kept)
    count = math.prod(x.shape[axis] for axis in axes)
    checked.require(count > 0, "averages over nothing")
    # The division by the count goes into the multiplier, with as many bits as it leaves free.
    multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    free = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << free) // count, shift - free
    offset = x.qparams.zero_point * count

    def run(q):
        total = q.sum(axis=axes, dtype=np.int32).astype(np.int64) - offset
        codes = requantize(total, multiplier, shift, y.qparams.zero_point)
        return codes.reshape(len(q), *y.shape[1:])

    return _Prepared(run, (x.index,), x.size)


def _add(checked):
    checked.count(2)
    a, b, y = checked.int8(checked.tensor(0)), checked.int8(checked.tensor(1)), checked.output()
    reads, align = _broadcast(checked, a, b, y)
    # Both inputs are brought to one scale with 20 bits below the point, then added.
    common = 2 * max(float(a.scale[0]), float(b.scale[0]))
    table_a, table_b = (
        multiply_by_quantized_multiplier(
            (_ALL_CODES - t.qparams.zero_point) << 20,
            *quantize_multiplier(float(t.scale[0]) / common),
        )
        for t in (a, b)
    )
    real = common / (2**20 * float(y.scale[0]))
    checked.require(real < 1, "has an output scale far below its inputs' scales")
    multiplier, shift = quantize_multiplier(real)
    qmin, qmax = checked.activation(y)

    def run(*q):
        qa, qb = align(*q)
        total = table_a[qa.view(np.uint8)] + table_b[qb.view(np.uint8)]
        return requantize(total, multiplier, shift, y.qparams.zero_point, qmin, qmax)

    return _Prepared(run, reads, 8 * y.size)


def _mul(checked):
    checked.count(2)
    a, b, y = checked.int8(checked.tensor(0)), checked.int8(checked.tensor(1)), checked.output()
    reads, align = _broadcast(checked, a, b, y)
    real = float(a.scale[0]) * float(b.scale[0]) / float(y.scale[0])
    multiplier, shift = quantize_multiplier(real)
    qmin, qmax = checked.activation(y)

    def run(*q):
        qa, qb = align(*q)
        product = (qa.astype(np.int64) - a.qparams.zero_point) * (
            qb.astype(np.int64) - b.qparams.zero_point
        )
        return requantize(product, multiplier, shift, y.qparams.zero_point, qmin, qmax)

    return _Prepared(run, reads, 8 * y.size)


_ALL_CODES = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)  # 0..127, -128..-1


def _broadcast(checked, a, b, y):
    """Return what to read, and how to align two operands, of which one may be constant."""
    checked.require(a.data is None or b.data is None, "computes on constants only")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        checked.refuse(f"has inputs of shapes {a.shape} and {b.shape}, which do not fit")
    checked.shape_is(y, shape)
    rank = len(shape)

    def aligned(q, tensor):
        missing = rank - len(tensor.shape)
        if tensor.data is not None:
            return q
        return q.reshape(len(q), *[1] * missing, *tensor.shape[1:])

    return (a.index, b.index), lambda qa, qb: (aligned(qa, a), aligned(qb, b))


def _lookup(x, table):
    """An operator that maps each code to a code is a table of 256 entries."""
    table = np.ascontiguousarray(table)
    return _Prepared(lambda q: table[q.view(np.uint8)], (x.index,), x.size)


def _relu(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    qmin, _ = activation_range("RELU", y.qparams)
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    codes = _ALL_CODES - x.qparams.zero_point
    return _lookup(x, requantize(codes, *pair, y.qparams.zero_point, qmin))


def _relu6(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    # The kernel copies codes and never rescales: it relies on equal scales.
    qmin, qmax = x.qparams.zero_point, min(127, _code(6, x.qparams))
    return _lookup(x, np.clip(_ALL_CODES, qmin, qmax).astype(np.int8))


def _quantize(checked):
    checked.count(1)
    x, y = checked.tensor(0), checked.output()
    checked.require(x is not None and x.data is None, "lacks its input")
    checked.shape_is(y, x.shape)
    if x.type == "float32":
        checked.batched(x)
        scale, zero_point = np.float32(y.qparams.scale), y.qparams.zero_point

        def run(real):
            steps = np.clip(round_half_away(real / scale), -1000, 1000)
            return np.clip(steps + zero_point, -128, 127).astype(np.int8)

        return _Prepared(run, (x.index,), x.size)
    x = checked.input()
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    return _lookup(x, requantize(_ALL_CODES - x.qparams.zero_point, *pair, y.qparams.zero_point))


def _dequantize(checked):
    checked.count(1)
    x = checked.input()
    y = checked.graph.tensors[checked.op.outputs[0]]
    checked.require(y.type == "float32", f"writes {y.type}, not float32")
    checked.shape_is(checked.batched(y), x.shape)
    return _lookup(x, dequantize(_ALL_CODES, x.qparams))


def _softmax(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    checked.require(len(x.shape) >= 2, "works along the batch")
    checked.require(
        (float(y.scale[0]), y.qparams.zero_point) == (1 / 256, -128),
        "must write codes of scale 1/256 and zero point -128",
    )
    checked.require(1 <= x.shape[-1] < 4096, f"adds up {x.shape[-1]} values, 1 to 4095 can be")
    beta = checked.options["beta"]
    checked.require(math.isfinite(beta) and beta > 0, f"has the beta {beta}, not above 0")
    step = beta * float(x.scale[0])
    checked.require(
        step > 2**-26, f"has an input scale so small ({step:.1e}) that TFLM stops on it"
    )
    exponentials = softmax_table(step)
    parts = rounding_divide_by_power_of_two(exponentials, 12)  # room to add 4095 of them

    def run(q):
        below = q.max(axis=-1, keepdims=True).astype(np.int16) - q  # 0 for the largest
        return _divide_by_sum(exponentials[below], parts[below].sum(axis=-1, keepdims=True))

    return _Prepared(run, (x.index,), 8 * x.size)


def _concatenation(checked):
    tensors = [checked.input(i) for i in range(len(checked.op.inputs))]
    y = checked.output()
    checked.require(tensors, "has no input")
    checked.require(checked.options["activation"] == "NONE", "has a fused activation")
    rank = len(y.shape)
    axis = checked.options["axis"] + rank * (checked.options["axis"] < 0)
    checked.require(1 <= axis < rank, f"joins along axis {checked.options['axis']}")
    for tensor in tensors:
        checked.require(
            len(tensor.shape) == rank
            and all(
                a == b or i == axis
                for i, (a, b) in enumerate(zip(tensor.shape, y.shape, strict=True))
            ),
            f"can't join {tensor.shape} into {y.shape}",
        )
        # The kernel copies codes: it relies on equal scales, which the converter sees to.
        checked.require(
            tensor.qparams == y.qparams, "joins tensors of different scales or zero points"
        )
    checked.require(
        sum(t.shape[axis] for t in tensors) == y.shape[axis], "does not fill its output"
    )
    reads = tuple(t.index for t in tensors)
    return _Prepared(lambda *q: np.concatenate(q, axis=axis), reads, y.size)


def _pad(checked):
    checked.count(2)
    x, y = checked.input(), checked.output()
    table = checked.tensor(1)
    kind = table.type if table is not None and table.type == "int64" else "int32"
    widths = checked.constant(1, kind, "paddings").data.reshape(-1, 2).tolist()
    checked.require(len(widths) == len(x.shape), f"has {len(widths)} paddings for {x.shape}")
    checked.require(min(map(min, widths)) >= 0 and not any(widths[0]), f"has paddings {widths}")
    checked.shape_is(
        y, [size + before + after for size, (before, after) in zip(x.shape, widths, strict=True)]
    )
    fill = y.qparams.zero_point
    return _Prepared(lambda q: np.pad(q, widths, constant_values=fill), (x.index,), y.size)


def _reshape(checked):
    checked.require(len(checked.op.inputs) >= 1, "lacks its input")
    x, y = checked.input(), checked.output()
    checked.require(x.size == y.size, f"can't make {y.shape} of {x.shape}")
    shape = y.shape[1:]
    return _Prepared(lambda q: q.reshape(len(q), *shape), (x.index,), 1)


_PREPARE = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool_2d,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _max_pool_2d,
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}


# --- softmax in fixed point -----------------------------------------------------------------
#
# Numbers are int32 with a fixed point: "Q5.26" has 5 bits before the point and 26 behind it.
# The product of Qa and Qb by rounding_doubling_high_multiply is Q(a+b). The method and its
# constants are gemmlowp's, on which TFLM's kernel rests.

_EXP_OF_MINUS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535,
                 3: 720401, 4: 242}  # k -> exp(-2^k) in Q0.31  # fmt: skip


def softmax_table(real_step):
    """Return exp(-real_step * d) for the differences d = 0 .. 255 of two codes, in Q0.31 (int64).

    real_step: float above 2^-26, the input's scale times beta. Differences so large that the
    product leaves Q5.26, which is below exp(-16), count as zero.
    """
    real = min(real_step * 2**26, 2.0**31 - 1)
    multiplier, shift = quantize_multiplier(real)
    largest = math.floor(31 * 2**26 / 2**shift)
    difference = np.arange(256)
    scaled = multiply_by_quantized_multiplier(-difference, multiplier, shift)  # Q5.26
    return np.where(difference <= largest, _exp_of_negative(scaled), 0)


def _exp_of_negative(x):
    """exp(x) for x <= 0: Q5.26 in, Q0.31 out.

    x = r - n/4 with r in [-1/4, 0): a polynomial for exp(r), and for each bit of n a constant.
    """
    quarter = 1 << 24
    r = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(r << 5)
    for exponent, factor in _EXP_OF_MINUS.items():
        is_set = (r - x) & (1 << (26 + exponent))
        result = np.where(is_set, rounding_doubling_high_multiply(result, factor), result)
    return np.where(x == 0, 2**31 - 1, result)


def _exp_near_zero(r):
    """exp(r) for r in [-1/4, 0) by its Taylor series of order 4 around -1/8; Q0.31."""
    times, halve = rounding_doubling_high_multiply, rounding_divide_by_power_of_two
    centre = 1895147668  # exp(-1/8)
    third = 715827883  # 1/3
    x = r + (1 << 28)
    x2 = times(x, x)
    x3 = times(x2, x)
    x4 = times(x2, x2)
    tail = halve(times(halve(x4, 2) + x3, third) + x2, 1)  # x^2/2 + x^3/6 + x^4/24
    return centre + times(np.int64(centre), x + tail)


def _divide_by_sum(exponentials, total):
    """Return the int8 codes of exponentials (Q0.31) / total (Q12.19)."""
    zeros = 31 - np.floor(np.log2(total)).astype(np.int64)  # leading zero bits of the uint32
    fraction = (total << zeros) - 2**31  # total = (1 + fraction) * a power of two; Q0.31
    reciprocal = _one_over_one_plus(fraction)
    shift = (12 - zeros) + 31 - 8
    quotient = rounding_divide_by_power_of_two(
        rounding_doubling_high_multiply(reciprocal, exponentials), shift
    )
    return np.clip(quotient - 128, -128, 127).astype(np.int8)


def _one_over_one_plus(x):
    """1 / (1 + x) for x in [0, 1) by three steps of Newton-Raphson; Q0.31."""
    times = rounding_doubling_high_multiply
    half = (x + (2**31 - 1) + 1) >> 1  # (1 + x) / 2 in Q0.31
    y = 1515870810 + times(half, -1010580540)  # 48/17 - 32/17 * half in Q2.29: a first guess
    for _ in range(3):
        error = (1 << 29) - times(half, y)
        y = y + _wrap_saturating(times(y, error) << 2)
    return _wrap_saturating(y << 1)


def _wrap_saturating(x):
    return np.clip(x, -(2**31), 2**31 - 1)
