"""A neural network in integers, whole: from the .tflite file to the answer. Read it from the top.

    python int8.py model.tflite input.npy        prints what the network answers, a row an input

The answers are those of TensorFlow Lite Micro's reference kernels, bit for bit. `input.npy` holds
inputs, batch first, as int8 codes or as real numbers. It needs NumPy alone, and is in no hurry.
"""
# fmt: off
import math
import struct
import sys
from types import SimpleNamespace

import numpy as np

# --- 1. A code stands for a real number: real = scale * (code - zero_point) ----------------------

def quantize(real, scale, zero_point):
    """The nearest code of each real number; numbers out of range get the code at the end."""
    steps = (np.asarray(real, np.float32) * np.float32(1 / float(scale))).astype(float)
    nearest = np.trunc(steps + np.copysign(0.5, steps)) + zero_point  # halves away from zero
    return np.clip(nearest, -128, 127).astype(np.int8)

# --- 2. A real factor becomes an integer and a shift: real = multiplier * 2^(shift - 31) ---------

def quantize_multiplier(real):
    fraction, shift = math.frexp(real)  # real = fraction * 2^shift, fraction in [0.5, 1)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return (multiplier, shift) if shift >= -31 else (0, 0)

# --- 3. Rounding. A product of two int32 has 62 bits: keep the upper 31, then as many as needed --

def high_multiply(a, b):
    """a * b / 2^31 to the nearest integer, halves up."""
    return (a * b + 2**30) >> 31

def round_shift(x, exponent):
    """x / 2^exponent to the nearest integer, halves away from zero."""
    half = (1 << exponent) >> 1
    return (x + half - ((x < 0) & (half > 0))) >> exponent

def scale_by(x, multiplier, shift):
    """x * multiplier * 2^(shift - 31), rounded twice. x: whole numbers that an int32 holds."""
    x = (x << np.maximum(shift, 0)).astype(np.int32).astype(np.int64)  # overflows as a register
    return round_shift(high_multiply(x, multiplier), np.maximum(-np.asarray(shift), 0))

def requantize(sums, multiplier, shift, zero_point, low=-128, high=127):
    """int32 sums to int8 codes: scale, move to the output's zero point, saturate."""
    codes = (scale_by(sums, multiplier, shift) + zero_point).astype(np.int32)
    return np.clip(codes, low, high).astype(np.int8)

# --- 4. Layers. x: int8 (n, ...); op: the layer's tensors x (input), w (weights), b, y; options --
# A product of reals is S_x (q_x - Z_x) * S_w q_w: add up integers, multiply once by S_x S_w / S_y.

def finish(op, sums):
    """Add the biases, go to the output's scale: one multiplier for each output channel."""
    factors = float(op.x.scale[0]) * op.w.scale.astype(float) / float(op.y.scale[0])
    multiplier, shift = np.array([quantize_multiplier(factor) for factor in factors], np.int64).T
    sums = sums + op.b.data if op.b else sums
    return requantize(sums, multiplier, shift, op.y.zero_point, *limits(op))

def limits(op):
    """A fused ReLU is nothing but a higher lowest code."""
    ends = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}[op.activation]
    return quantize(ends, op.y.scale[0], op.y.zero_point)

def fully_connected(op, x):  # zero_point is int64: so are the difference and the sums
    return finish(op, (x.reshape(-1, op.w.shape[1]) - op.x.zero_point) @ op.w.data.T)

def conv_2d(op, x):
    seen = windows(op, x - op.x.zero_point, *op.w.shape[1:3])
    return finish(op, np.tensordot(seen, op.w.data, ((4, 5, 3), (1, 2, 3))))

def depthwise_conv_2d(op, x):  # each channel has filters of its own
    x = (x - op.x.zero_point).repeat(op.w.shape[3] // x.shape[3], axis=3)
    return finish(op, np.einsum("nhwcij,ijc->nhwc", windows(op, x, *op.w.shape[1:3]), op.w.data[0]))

def windows(op, x, height, width, border=0):
    """What each output sees: (n, output height, width, channels, kernel height, width)."""
    pad, reach = [], ((height - 1) * op.dilation_h + 1, (width - 1) * op.dilation_w + 1)
    for size, r, stride in zip(x.shape[1:3], reach, (op.stride_h, op.stride_w), strict=True):
        same = max((-(-size // stride) - 1) * stride + r - size, 0)
        pad.append((same // 2, same - same // 2) if op.padding == 0 else (0, 0))  # SAME or VALID
    x = np.pad(x, [(0, 0), *pad, (0, 0)], constant_values=border)
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    return seen[:, :: op.stride_h, :: op.stride_w, :, :: op.dilation_h, :: op.dilation_w]

def max_pool_2d(op, x):
    return np.clip(windows(op, x, op.filter_h, op.filter_w, -128).max(axis=(4, 5)), *limits(op))

def mean(op, x):
    axes = tuple(int(axis) % x.ndim for axis in op.w.data.reshape(-1))
    count = math.prod(x.shape[axis] for axis in axes)
    sums = x.sum(axis=axes, dtype=np.int64) - count * op.x.zero_point
    multiplier, shift = quantize_multiplier(float(op.x.scale[0]) / float(op.y.scale[0]))
    free = min(count.bit_length() - 1, 32, 31 + shift)  # the division by count goes in there
    return requantize(sums, (multiplier << free) // count, shift - free, op.y.zero_point)

def softmax(op, x):
    """exp(x - largest) / sum, in fixed point: Q5.26 has 26 of its 31 bits behind the point."""
    multiplier, shift = quantize_multiplier(min(op.beta * float(op.x.scale[0]) * 2**26, 2**31 - 1))
    below = np.arange(256)  # codes below the largest
    table = exp_of_negative(scale_by(-below, multiplier, shift))
    table = np.where(below <= math.floor(31 * 2**26 / 2**shift), table, 0)
    parts = table[x.max(axis=-1, keepdims=True).astype(int) - x]
    total = round_shift(parts, 12).sum(axis=-1, keepdims=True)  # Q12.19
    zeros = 31 - np.floor(np.log2(total)).astype(np.int64)  # bits in front of it, of 32
    half = total << (zeros - 1)  # total / 2^(13 - zeros), in [1/2, 1), Q0.31
    y = 1515870810 + high_multiply(half, -1010580540)  # 1 / half, a first guess, Q2.29; Newton:
    for _ in range(3):
        y = y + (high_multiply(y, 2**29 - high_multiply(half, y)) << 2)
    codes = round_shift(high_multiply(np.minimum(y << 1, 2**31 - 1), parts), 35 - zeros) - 128
    return np.clip(codes, -128, 127).astype(np.int8)

def exp_of_negative(x):
    """exp(x) for x <= 0, Q5.26 to Q0.31: x = r - n/4, a series for r, a factor a bit of n."""
    r = (x & (2**24 - 1)) - 2**24  # in [-1/4, 0)
    t = (r << 5) + 2**28  # r + 1/8, Q0.31
    t2 = high_multiply(t, t)
    t3, t4 = high_multiply(t2, t), high_multiply(t2, t2)
    series = t + round_shift(high_multiply(round_shift(t4, 2) + t3, 715827883) + t2, 1)
    result = 1895147668 + high_multiply(1895147668, series)  # exp(-1/8) (1 + t + t^2/2 + ...)
    factors = 1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242  # exp(-2^k)
    for k, factor in enumerate(factors, -2):
        result = np.where((r - x) >> (26 + k) & 1, high_multiply(result, factor), result)
    return np.where(x == 0, 2**31 - 1, result)

OPERATORS = {  # by number in the file: what it does, and the names of its options, in their order
    3: (conv_2d, "padding stride_w stride_h activation dilation_w dilation_h"),
    4: (depthwise_conv_2d, "padding stride_w stride_h _ activation dilation_w dilation_h"),
    9: (fully_connected, "activation"),
    17: (max_pool_2d, "padding stride_w stride_h filter_w filter_h activation"),
    22: (lambda op, x: x, ""),  # RESHAPE computes nothing
    25: (softmax, "beta"),
    40: (mean, ""),
}
FORMS = {"padding": "b", "activation": "b", "beta": "f"}  # as in the module struct; others: int32

# --- 5. The file: a FlatBuffer, tables of optional fields, each found through a list of offsets --

class Table:
    def __init__(self, file, at=0):
        self.file = file
        self.at = at + self.number(at)  # an offset counts from where it stands

    def number(self, at, form="I"):
        return struct.unpack_from("<" + form, self.file, at)[0]

    def get(self, field, form="I", default=0):
        offsets = self.at - self.number(self.at, "i")
        inside = 4 + 2 * field < self.number(offsets, "H")
        offset = self.number(offsets + 4 + 2 * field, "H") if inside else 0  # 0: left out
        self.place = self.at + offset
        return self.number(self.place, form) if offset else default

    def list(self, field, dtype):
        offset = self.get(field)
        self.start = self.place + offset + 4
        return np.frombuffer(self.file, dtype, offset and self.number(self.start - 4), self.start)

    def tables(self, field):
        return [Table(self.file, self.start + 4 * i) for i in range(len(self.list(field, "<u4")))]

def tensor(table, buffers):
    shape, dtype = table.list(0, "<i4"), {2: "<i4", 9: "i1"}.get(table.get(1, "b"))
    if dtype is None:
        raise SystemExit("int8.py computes on int8 alone: convert the model to int8, ends included")
    data = buffers[table.get(2)].list(0, "u1").view(dtype)
    found = SimpleNamespace(shape=shape, data=data.reshape(shape) if data.size else None)
    if table.get(4):
        quantized = Table(table.file, table.place)
        found.scale, found.zero_point = quantized.list(2, "<f4"), quantized.list(3, "<i8")[:1]
    return found

def run(file, x):
    """What the network answers. file: the model file's bytes.  x: int8 or real array (n, ...)."""
    model = Table(file)
    (graph, *_), codes, buffers = model.tables(2), model.tables(1), model.tables(4)
    tensors = [tensor(table, buffers) for table in graph.tables(0)]
    (first,), (last,) = graph.list(1, "<i4"), graph.list(2, "<i4")
    start = tensors[first]
    values = {first: x if x.dtype == np.int8 else quantize(x, start.scale[0], start.zero_point)}
    for table in graph.tables(3):
        number = codes[table.get(0)].get(0, "b")
        if number not in OPERATORS:
            raise SystemExit(f"int8.py does not know operator {number} of LiteRT's schema.fbs")
        (compute, names), options = OPERATORS[number], table.get(4) and Table(file, table.place)
        inputs, (output,) = table.list(1, "<i4"), table.list(2, "<i4")
        op = SimpleNamespace(dilation_w=1, dilation_h=1, y=tensors[output])
        for field, name in enumerate(names.split()):
            setattr(op, name, options.get(field, FORMS.get(name, "i"), vars(op).get(name, 0)))
        op.x, op.w, op.b, *_ = [*(tensors[i] if i >= 0 else None for i in inputs), None, None]
        values[output] = compute(op, values[inputs[0]]).reshape(len(x), *op.y.shape[1:])
    return values[last]

if __name__ == "__main__":  # a damaged file may raise anything: it gets one sentence
    sys.excepthook = lambda _, why, __: print(f"int8.py cannot run this: {why!r}", file=sys.stderr)
    print(run(np.fromfile(sys.argv[1], np.uint8).tobytes(), np.load(sys.argv[2])))
