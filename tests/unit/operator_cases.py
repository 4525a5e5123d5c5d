"""Networks of one operator each, drawn at random: shapes, scales, zero points, options, inputs.

CASES maps an operator's name to the function that draws one network: it takes a `Case` and returns
the tensor that the network writes. A line in CASES is what a new operator's test needs.
"""

import math

import numpy as np
from tflite_tools import Writer

CASES = {}


def case(*names):
    def register(draw):
        CASES.update((name, lambda c, name=name: draw(c, name)) for name in names)
        return draw

    return register


class Case:
    """One network in the making. `self.x` are the inputs for it."""

    def __init__(self, seed, type_name="int8"):
        self.rng = np.random.default_rng(seed)
        self.writer = Writer()
        self.type = type_name
        self.n = 1

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def scale(self, typical=0.05, extreme=True):
        """A scale around the typical one; one of eight lies far from it."""
        spread = 12 if extreme and self.int(0, 7) == 0 else 3
        return float(np.float32(typical * 2 ** self.rng.uniform(-spread, spread)))

    def zero_point(self):
        if self.type == "int16":
            return 0
        return self.pick(-128, 127, 0, self.int(-128, 127), self.int(-128, 127))

    def shape(self, *ranks):
        return (1, *(self.int(1, 6) for _ in range(self.pick(*ranks) - 1)))

    def codes(self, shape, type_name=None):
        """Every code of an int8, as often as they go into the shape; any codes of a wider type."""
        if type_name == "float32":
            return self.rng.normal(0, 4, shape).astype(np.float32)
        limits = np.iinfo(type_name or self.type)
        if limits.bits > 8:
            ends = [limits.min, limits.max, 0, 1, -1]
            reach = limits.max >> self.pick(0, 4) if limits.bits == 16 else 2 ** self.int(8, 31)
            values = [*ends, *self.rng.integers(-reach, reach, math.prod(shape))]
        else:
            values = self.rng.permutation(np.arange(limits.min, limits.max + 1))
        return np.resize(values, shape).astype(limits.dtype)

    def input(self, shape, scale=None, zero_point=None, type_name=None):
        """The network's input, with as many samples as it takes to see some 500 values."""
        type_name = type_name or self.type
        scale = self.scale() if scale is None else scale
        zero_point = self.zero_point() if zero_point is None else zero_point
        self.n = -(-512 // math.prod(shape))
        self.x = self.codes((self.n, *shape[1:]), type_name)
        self.q = (scale, zero_point)
        self.first = self.writer.tensor(shape, type_name, scale, zero_point)
        return self.first

    def new(self, shape, scale=None, zero_point=None, type_name=None):
        scale, zero_point = self.q if scale is None else (scale, zero_point)
        return self.writer.tensor(shape, type_name or self.type, scale, zero_point)

    def ints(self, values):
        return self.writer.constant(values, "int32")

    def int8(self, shape, scale, zero_point=0, low=-128):
        values = self.rng.integers(low, 128, shape)
        return self.writer.constant(values, "int8", scale=scale, zero_point=zero_point)

    def add(self, name, inputs, outputs, **options):
        return self.writer.operator(name, inputs, outputs, **options)

    def same(self, name, shape, inputs=None, **options):
        """An operator that writes codes of the input's scale."""
        return self.add(name, inputs or [self.first], self.new(shape), **options)

    def bytes(self, output):
        return self.writer.bytes([self.first], [output])


# --- one code to one code --------------------------------------------------------------------


@case("ABS", "ELU", "HARD_SWISH", "LEAKY_RELU", "RELU")
def one_input(c, name):
    shape = c.shape(2, 3, 4)
    c.input(shape, c.scale(0.05), c.zero_point())
    scale = c.q[0] if c.int(0, 3) == 0 else c.q[0] * 2 ** c.rng.uniform(-2, 6)
    options = {"alpha": float(c.pick(0.1, 0.3, 1.5, -0.5, 0.0, 0.01))}
    out = c.new(shape, scale, c.zero_point())
    return c.add(name, [c.first], out, **(options if name == "LEAKY_RELU" else {}))


@case("LOGISTIC", "TANH")
def sigmoid(c, name):
    shape = c.shape(2, 3, 4)
    c.input(shape, c.pick(c.scale(0.05), c.scale(0.05), 2.0**-12, 2.0**-11, 2.0**-4))
    if c.type == "int16":
        return c.add(name, [c.first], c.new(shape, 2.0**-15, 0))
    return c.add(name, [c.first], c.new(shape, *((1 / 256, -128), (1 / 128, 0))[name == "TANH"]))


@case("QUANTIZE")
def requantize(c, name):
    shape = c.shape(2, 3, 4)
    kind, to = c.pick(
        ("uint8", "int8"), ("int8", "uint8"), ("int8", "int8"), ("int8", "int16"),
        ("int16", "int8"), ("int16", "int16"), ("int8", "int32"), ("int16", "int32"),
        ("int32", "int8"), ("int32", "int16"), ("float32", "int8"), ("float32", "int16"),
    )  # fmt: skip
    zero = {"uint8": lambda: c.int(0, 255), "int8": c.zero_point}
    if kind == "float32":
        c.input(shape, type_name=kind)
        scale = c.scale(0.05 if to == "int8" else 2e-4)
        return c.add(name, [c.first], c.new(shape, scale, zero.get(to, int)(), to))
    c.input(shape, c.scale(), zero.get(kind, int)(), kind)
    scale = c.q[0] if c.int(0, 1) else c.q[0] * 2 ** c.rng.uniform(-2, 8)
    zero_point = zero.get(to, int)()
    if scale == c.q[0] and {kind, to} == {"int8", "uint8"}:
        zero_point = c.q[1] + (128 if to == "uint8" else -128)  # what the converter writes
    return c.add(name, [c.first], c.new(shape, scale, zero_point, to))


@case("DEQUANTIZE")
def to_real(c, name):
    shape, kind = c.shape(2, 3, 4), c.pick("int8", "uint8", "int16")
    c.input(
        shape, c.scale(), {"uint8": c.int(0, 255), "int8": c.zero_point(), "int16": 0}[kind], kind
    )
    return c.add(name, [c.first], c.writer.tensor(shape, "float32"))


# --- two inputs --------------------------------------------------------------------------------


@case("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "PRELU")
def two_inputs(c, name):
    """With a constant, spread along any of its axes; or with the input itself, requantized."""
    shape = c.shape(2, 3, 4)
    one = c.input(shape, c.scale(0.05, extreme=False))
    scale = c.scale(0.05, extreme=False)
    other = tuple(c.pick(n, 1) for n in shape)[c.int(0, len(shape) - 1) :]
    if name != "PRELU" and c.int(0, 2) == 0:
        two = c.add("QUANTIZE", [one], c.new(shape, scale, c.zero_point()))
    elif c.type == "int16" and name != "PRELU":
        two = c.writer.constant(c.codes(other), "int16", scale=scale, zero_point=0)
    else:
        two = c.int8(other, scale, c.pick(0, c.int(-128, 127)))
    typical = {
        "MUL": c.q[0] * scale * 127,
        "PRELU": c.q[0] * max(1, scale * 127),
        "SQUARED_DIFFERENCE": (max(c.q[0], scale) * 127) ** 2 / 127,
    }.get(name, max(c.q[0], scale) * 2)
    if c.type == "int16" and name in ("MUL", "SQUARED_DIFFERENCE"):
        typical *= 256
    inputs = [two, one] if name in ("ADD", "SUB", "MUL") and c.int(0, 1) else [one, two]
    fused = c.pick("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
    options = {} if name in ("PRELU", "SQUARED_DIFFERENCE") else {"fusedActivationFunction": fused}
    out = c.new(shape, typical * 2 ** c.rng.uniform(-1, 3), c.zero_point())
    return c.add(name, inputs, out, **options)


@case("MAXIMUM", "MINIMUM")
def extreme_of_two(c, name):
    shape = c.shape(2, 3, 4)
    one = c.input(shape)
    other = tuple(c.pick(n, 1) for n in shape)[c.int(0, len(shape) - 1) :]
    two = c.writer.constant(c.codes(other), c.type, scale=c.q[0], zero_point=c.q[1])
    return c.same(name, shape, c.pick([one, two], [two, one]))


@case("BATCH_MATMUL")
def matrices(c, name):
    """With a constant; or with the input turned, so that both come from the network."""
    batch, rows, depth, columns = c.int(1, 3), c.int(1, 5), c.int(1, 6), c.int(1, 5)
    turn_a, turn_b = bool(c.int(0, 1)), bool(c.int(0, 1))
    a = (1, batch, depth, rows) if turn_a else (1, batch, rows, depth)
    b = (columns, depth) if turn_b else (depth, columns)
    one, scale = c.input(a, c.scale(0.05, extreme=False)), c.scale(0.05, extreme=False)
    kind = c.int(0, 2)
    if kind == 0:  # of the same tensor: a (or its transpose) with its own transpose
        turn_b, columns, scale = not turn_a, rows, c.q[0]
        two = one
    elif kind == 1:
        two = c.int8((1, batch, *b), scale, c.pick(0, c.int(-128, 127)))
    else:
        two = c.int8(b, scale, 0)
    typical = c.q[0] * scale * 70 * math.sqrt(depth)
    out = c.new((1, batch, rows, columns), typical * 2 ** c.rng.uniform(-2, 2), c.zero_point())
    return c.add(name, [one, two], out, adjX=turn_a, adjY=turn_b)


# --- rows ---------------------------------------------------------------------------------------


@case("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")
def rows(c, name):
    shape = (*c.shape(1, 2, 3), c.pick(1, 2, 10, 40))
    c.input(shape, c.scale(c.pick(0.05, 0.3)))
    qparams = {"SOFTMAX": (1 / 256, -128), "LOG_SOFTMAX": (16 / 256, 127)}.get(name, (1 / 128, 0))
    to = c.type
    if to == "int16":
        qparams = 1 / c.pick(32767, 32768), 0  # TFLM takes either
    elif name == "SOFTMAX" and c.int(0, 3) == 0:
        to, qparams = "int16", (2**-16, -(2**15))
    options = {"beta": c.pick(1.0, 0.5)} if name == "SOFTMAX" else {}
    if c.int(0, 3) == 0:  # rows of few different values, as after saturation
        c.x = c.rng.choice(c.x.reshape(-1)[:3], c.x.shape)
    return c.add(name, [c.first], c.new(shape, *qparams, to), **options)


@case("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN")
def reduction(c, name):
    shape = c.shape(2, 3, 4)
    c.input(shape)
    rank = len(shape)
    axes = sorted({c.int(1, rank - 1) for _ in range(c.int(1, 3))})
    keep = bool(c.int(0, 1))
    out = [1 if i in axes else n for i, n in enumerate(shape)]
    out = out if keep else [n for i, n in enumerate(shape) if i not in axes]
    axes = [axis - rank * c.int(0, 1) for axis in axes]
    q = c.q if name.startswith("REDUCE") else (c.q[0] * 2 ** c.rng.uniform(-1, 3), c.zero_point())
    return c.add(name, [c.first, c.ints(axes)], c.new(out, *q), keepDims=keep)


@case("ARG_MAX", "ARG_MIN")
def place(c, name):
    shape = c.shape(2, 3, 4)
    axis = c.int(1, len(shape) - 1)
    c.input(shape)
    c.x = c.rng.choice(c.x.reshape(-1)[:5], c.x.shape).astype(np.int8)  # so that some are equal
    out = c.writer.tensor([n for i, n in enumerate(shape) if i != axis], "int32")
    at = c.ints(axis - len(shape) * c.int(0, 1))
    return c.add(name, [c.first, at], out, outputType=2)


# --- codes moved --------------------------------------------------------------------------------


@case("STRIDED_SLICE")
def slices(c, name):
    shape = c.shape(2, 3, 4)
    c.input(shape)
    begin, end, stride, index = [0], [1], [1], [slice(None)]
    masks = dict.fromkeys(("begin", "end", "shrink"), 0)
    for axis, n in enumerate(shape[1:], 1):
        step = c.pick(1, 1, 2, 3, -1, -2)
        first, last = c.int(-n, n - 1), c.int(-n - 2, n + 2)
        for key in masks:
            masks[key] |= (c.int(0, 3) == 0) << axis
        if masks["shrink"] >> axis & 1:
            masks["begin"] &= ~(1 << axis)
            index.append(first)
            step = 1
        else:
            without = [None if masks[key] >> axis & 1 else at
                       for key, at in (("begin", first), ("end", last))]  # fmt: skip
            if not len(range(n)[slice(*without, step)]):
                without, step = [None, None], c.pick(1, -1)
                masks["begin"] |= 1 << axis
                masks["end"] |= 1 << axis
            index.append(slice(*without, step))
        begin, end, stride = [*begin, first], [*end, last], [*stride, step]
    out = np.zeros(shape)[tuple(index)].shape
    return c.same(
        name, out, [c.first, *map(c.ints, (begin, end, stride))],
        beginMask=masks["begin"], endMask=masks["end"], shrinkAxisMask=masks["shrink"],
    )  # fmt: skip


@case("SLICE")
def plain_slice(c, name):
    shape = c.shape(2, 3, 4)
    c.input(shape)
    begin = [c.int(0, n - 1) for n in shape]
    size = [c.int(1, n - b) for n, b in zip(shape, begin, strict=True)]
    given = [-1 if b + s == n and c.int(0, 1) else s
             for n, b, s in zip(shape, begin, size, strict=True)]  # fmt: skip
    if -1 in given and c.int(0, 1):
        given = size
    kind = c.pick("int32", "int64")
    places = [c.writer.constant(v, kind) for v in (begin, given)]
    return c.same(name, size, [c.first, *places])


@case("SPLIT", "SPLIT_V", "UNPACK")
def parts(c, name):
    """One of the parts is the network's output: another in each case."""
    shape = list(c.shape(2, 3, 4))
    axis = c.int(1, len(shape) - 1)
    count = c.int(1, 4)
    sizes = [c.int(1, 3)] * count if name == "SPLIT" else [c.int(1, 3) for _ in range(count)]
    shape[axis] = count if name == "UNPACK" else sum(sizes)
    given = axis - len(shape) * c.int(0, 1)
    c.input(shape)
    if name == "UNPACK":
        outputs = [c.new([n for i, n in enumerate(shape) if i != axis]) for _ in range(count)]
        c.add(name, [c.first], outputs, axis=given, num=count)
    else:
        outputs = [c.new([*shape[:axis], size, *shape[axis + 1 :]]) for size in sizes]
        inputs = [c.ints([given]), c.first]
        if name == "SPLIT_V":
            inputs = [c.first, c.ints(sizes), c.ints([given])]
        c.add(name, inputs, outputs, numSplits=count)
    return outputs[c.int(0, count - 1)]


@case("PACK", "CONCATENATION")
def joined(c, name):
    shape = c.shape(2, 3)
    axis = c.int(1, len(shape) if name == "PACK" else len(shape) - 1)
    one = c.input(shape)
    two = c.same("RELU6", shape) if c.type == "int8" else one
    inputs = [c.pick(one, two) for _ in range(c.int(1, 4))]
    rank = len(shape) + (name == "PACK")
    out = list(shape)
    if name == "PACK":
        out.insert(axis, len(inputs))
    else:
        out[axis] *= len(inputs)
    options = {"valuesCount": len(inputs)} if name == "PACK" else {}
    return c.same(name, out, inputs, axis=axis - rank * c.int(0, 1), **options)


@case("TRANSPOSE")
def turned(c, name):
    """Axes of one place may change with the batch's."""
    shape = c.shape(2, 3, 4)
    if len(shape) > 2 and c.int(0, 1):
        shape = tuple(n if i != c.int(1, 2) else 1 for i, n in enumerate(shape))
    order = c.rng.permutation(len(shape)).tolist()
    if shape[order[0]] != 1:
        order = [0, *(i for i in order if i)]
    c.input(shape)
    return c.same(name, [shape[i] for i in order], [c.first, c.ints(order)])


@case("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshaped(c, name):
    shape = (1, c.int(1, 6), 1, c.int(1, 6))
    c.input(shape)
    if name == "SQUEEZE":
        return c.same(name, (1, shape[1], shape[3]), squeezeDims=np.int32([2]))
    if name == "EXPAND_DIMS":
        return c.same(name, (*shape, 1), [c.first, c.ints([-1])])
    out = (1, shape[3], shape[1])
    return c.same(name, out, [c.first, c.ints(out)], newShape=np.int32(out))


@case("PAD", "PADV2", "MIRROR_PAD")
def padded(c, name):
    shape = c.shape(2, 3, 4)
    mode = c.int(0, 1)  # 0: reflect
    c.input(shape)
    most = [3 if name != "MIRROR_PAD" else min(2, n - 1 + mode) for n in shape]
    widths = [[0, 0], *([c.int(0, m) for _ in "ab"] for m in most[1:])]
    out = [n + sum(pair) for n, pair in zip(shape, widths, strict=True)]
    inputs = [c.first, c.ints(widths)]
    if name == "PADV2":
        fill = c.writer.constant([c.int(-128, 127)], "int8", scale=c.q[0], zero_point=c.q[1])
        inputs.append(fill)
    return c.same(name, out, inputs, **({"mode": mode} if name == "MIRROR_PAD" else {}))


@case("GATHER")
def gathered(c, name):
    shape = c.shape(2, 3, 4)
    axis = c.int(1, len(shape) - 1)
    c.input(shape)
    places = c.rng.integers(0, shape[axis], c.pick((1,), (4,), (2, 3)))
    out = (*shape[:axis], *places.shape, *shape[axis + 1 :])
    return c.same(name, out, [c.first, c.ints(places)], axis=axis - len(shape) * c.int(0, 1))


@case("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def blocks(c, name):
    block, h, w, depth = c.int(1, 3), c.int(1, 3), c.int(1, 3), c.int(1, 4)
    image, flat = (1, h * block, w * block, depth), (1, h, w, depth * block**2)
    before, after = (image, flat) if name == "SPACE_TO_DEPTH" else (flat, image)
    c.input(before)
    return c.same(name, after, blockSize=block)


@case("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
def resized(c, name):
    shape = c.shape(4)
    size = c.pick([c.int(1, 12), c.int(1, 12)], [shape[1] * 2, shape[2] * 2])
    corners, half = c.pick((False, False), (True, False), (False, True), (True, True))
    if name == "RESIZE_BILINEAR" and corners:
        half = False
    c.input(shape)
    return c.same(
        name, (1, *size, shape[3]), [c.first, c.ints(size)],
        alignCorners=corners, halfPixelCenters=half,
    )  # fmt: skip


# --- layers -------------------------------------------------------------------------------------


@case("TRANSPOSE_CONV")
def transposed(c, name):
    shape = c.shape(4)
    kernel, stride = [c.int(1, 4), c.int(1, 4)], [c.int(1, 3), c.int(1, 3)]
    units, padding = c.int(1, 4), c.pick("SAME", "VALID")
    size = [
        n * s if padding == "SAME" else (n - 1) * s + k
        for n, s, k in zip(shape[1:3], stride, kernel, strict=True)
    ]
    if c.int(0, 3) == 0:
        size = [n + c.int(0, 2) for n in size]
    c.input(shape, c.scale(0.05, extreme=False))
    scales = np.float32(c.rng.uniform(0.001, 0.02, c.pick(1, units)))
    weights = c.writer.constant(
        c.rng.integers(-127, 128, (units, *kernel, shape[3])), "int8", scale=scales, axis=0
    )
    out = (1, *size, units)
    inputs = [c.ints(out), weights, c.first]
    if c.int(0, 1):
        biases = c.rng.integers(-9999, 9999, units)
        inputs.append(c.writer.constant(biases, "int32", scale=np.float32(c.q[0]) * scales))
    typical = c.q[0] * float(scales.max()) * 70 * math.sqrt(math.prod(kernel) * shape[3])
    return c.add(
        name, inputs, c.new(out, typical * 2 ** c.rng.uniform(-2, 2), c.zero_point()),
        padding=padding, strideH=stride[0], strideW=stride[1],
        fusedActivationFunction=c.pick("NONE", "RELU", "RELU6"),
    )  # fmt: skip


@case("SVDF")
def filters_over_time(c, name):
    features, units, rank, memory = c.int(1, 8), c.int(1, 4), c.int(1, 2), c.int(1, 6)
    filters, kind = units * rank, c.pick("int16", "int8")
    c.input((1, features), c.scale(0.05, extreme=False))
    weights = c.int8((filters, features), c.scale(0.01, extreme=False), low=-127)
    time_scale = c.scale(0.01 / (1 if kind == "int8" else 256), extreme=False)
    over_time = c.writer.constant(
        c.codes((filters, memory), kind), kind, scale=time_scale, zero_point=0
    )
    state_scale = c.scale(0.01 if kind == "int8" else 0.0005, extreme=False)
    state = c.writer.tensor((1, filters * memory), kind, state_scale, 0, variable=True)
    product = np.float32(state_scale) * np.float32(time_scale)
    biases = c.writer.constant(c.rng.integers(-999, 999, units), "int32", scale=product)
    levels = 100 if kind == "int8" else 20_000
    typical = float(product) * levels**2 * math.sqrt(memory * rank) / 127
    out = c.new((1, units), typical * 2 ** c.rng.uniform(-2, 1), c.zero_point())
    return c.add(name, [c.first, weights, over_time, biases, state], out, rank=rank)


@case("UNIDIRECTIONAL_SEQUENCE_LSTM")
def memory(c, name):
    steps, features, units = c.int(1, 5), c.int(1, 5), c.int(1, 5)
    c.input((1, steps, features), c.scale(0.05, extreme=False))
    weights = [
        c.int8((units, size), c.scale(0.01, extreme=False), low=-127)
        for size in [features] * 4 + [units] * 4
    ]
    biases = [c.writer.constant(c.rng.integers(-9999, 9999, units), "int32", scale=1e-4)
              for _ in range(4)]  # fmt: skip
    q = c.pick(1 / 128, c.scale(1 / 128, extreme=False)), c.pick(0, c.zero_point())
    hidden = c.writer.tensor((1, units), "int8", *q, variable=True)
    cell = c.writer.tensor((1, units), "int16", 2.0 ** c.int(-15, -8), 0, variable=True)
    inputs = [
        c.first, *weights, -1, -1, -1, *biases, -1, -1, hidden, cell, -1, -1, -1, -1,
    ]  # fmt: skip
    return c.add(
        name, inputs, c.new((1, steps, units), *q),
        fusedActivationFunction="TANH", cellClip=c.pick(0.0, 10.0, 0.5), timeMajor=False,
    )  # fmt: skip
