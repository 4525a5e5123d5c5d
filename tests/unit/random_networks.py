"""Hypothesis strategies for small networks of integers as .tflite bytes, with inputs for them."""

import contextlib
import math

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tflite_tools import Writer

from course_utils.engines.integer_engine import IntegerModel

FUSED = st.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
KINDS = st.sampled_from(["normal", "normal", "uniform", "negative", "constant", "zero", "extreme"])


class Builder:
    """A network in the making: `at` is the tensor it has come to."""

    POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
    AXES = ([1, 2], [2, 1], [1], [2], [-1], [3, 1], [-3, -2])  # that a mean is taken along

    def __init__(self, draw, type_name="int8"):
        self.draw, self.type = draw, type_name
        self.qmax = int(np.iinfo(type_name).max)
        self.writer = Writer()
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.shape = (1, *(draw(st.integers(1, 9)) for _ in range(2)), draw(st.integers(1, 6)))
        self.scale, self.zero_point = self.draw_scale(6.35 / self.qmax), self.draw_zero()
        self.at = self.input = self.new(self.shape)
        self.operators = []

    def draw_scale(self, typical):
        """A scale around the typical one: saturating, coarse, fine."""
        return float(np.float32(typical * 2 ** self.draw(st.floats(-3, 3))))

    def draw_zero(self, low=-128, high=127):
        return self.draw(st.integers(low, high)) if self.type == "int8" else 0

    def new(self, shape):
        return self.writer.tensor(shape, self.type, self.scale, self.zero_point)

    def constant_int8(self, shape, kind=None):
        kind = kind or self.draw(KINDS)
        values = {
            "normal": lambda: np.clip(np.rint(self.rng.normal(0, 40, shape)), -127, 127),
            "uniform": lambda: self.rng.integers(-127, 128, shape),
            "negative": lambda: self.rng.integers(-127, 0, shape),
            "constant": lambda: np.full(shape, self.rng.integers(-127, 128)),
            "zero": lambda: np.zeros(shape),
            "extreme": lambda: self.rng.choice([-127, 127], shape),
        }[kind]()
        return values.astype(np.int8)

    def add(self, name, inputs, shape, **options):
        output = self.new(shape)
        self.writer.operator(name, inputs, output, **options)
        self.operators.append(name)
        self.at, self.shape = output, tuple(shape)

    # --- layers with weights

    def weigh(self, shape, units, axis):
        """Draw weights and biases, and an output scale that suits them."""
        values = self.constant_int8(shape)
        per_channel = self.draw(st.booleans())
        scales = np.float32(self.rng.uniform(0.001, 0.02, units if per_channel else 1))
        if per_channel and self.draw(st.integers(0, 4)) == 0:
            scales[self.rng.integers(units)] = 3.937008e-09  # the converter's for dead channels
        weights = self.writer.constant(values, "int8", scale=scales, axis=axis)
        product = np.float32(self.scale) * scales
        depth = max(1, values.size // units)
        inputs = [self.at, weights]
        if self.draw(st.integers(0, 3)):
            sizes = [1, 300, 30_000, 2**31 - 2**27, *([2**40] if self.type == "int16" else [])]
            size = self.draw(st.sampled_from(sizes))
            biases = self.rng.integers(-size, size + 1, units)
            kind = "int32"
            if self.type == "int16" and (axis == 3 or size > 2**31 or self.draw(st.booleans())):
                kind = "int64"
            inputs.append(self.writer.constant(biases, kind, scale=product, axis=0))
        typical = float(product.max()) * 40 * math.sqrt(depth) * 70 / 127
        self.scale, self.zero_point = self.draw_scale(typical), self.draw_zero()
        return inputs

    def window(self, dilate):
        """Draw kernel, strides, dilations and padding that fit; return them and the output."""
        kernel, stride, dilation = [], [], []
        padding = self.draw(st.sampled_from(["SAME", "VALID"]))
        out = []
        for size in self.shape[1:3]:
            d = self.draw(st.integers(1, 3)) if dilate else 1
            s = self.draw(st.integers(1, 3))
            k = self.draw(st.integers(1, 4))
            if padding == "VALID":
                k = min(k, (size - 1) // d + 1)
                out.append((size - (k - 1) * d - 1) // s + 1)
            else:
                out.append(-(-size // s))
            kernel.append(k)
            stride.append(s)
            dilation.append(d)
        options = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
        if dilate:
            options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
        return kernel, options, out

    def conv_2d(self):
        kernel, options, out = self.window(dilate=self.draw(st.booleans()))
        units = self.draw(st.integers(1, 8))
        inputs = self.weigh((units, *kernel, self.shape[3]), units, axis=0)
        fused = self.draw(FUSED)
        self.add("CONV_2D", inputs, (1, *out, units), fusedActivationFunction=fused, **options)

    def depthwise_conv_2d(self):
        kernel, options, out = self.window(dilate=self.draw(st.booleans()))
        multiplier = self.draw(st.sampled_from([1, 1, 2, 3]))
        units = self.shape[3] * multiplier
        inputs = self.weigh((1, *kernel, units), units, axis=3)
        options |= {"depthMultiplier": multiplier, "fusedActivationFunction": self.draw(FUSED)}
        self.add("DEPTHWISE_CONV_2D", inputs, (1, *out, units), **options)

    def fully_connected(self):
        if len(self.shape) == 4 and self.draw(st.booleans()):
            self.reshape((1, math.prod(self.shape)))
        units = self.draw(st.integers(1, 12))
        depth = math.prod(self.shape)
        inputs = self.weigh((units, depth), units, axis=0)
        fused = self.draw(FUSED)
        self.add("FULLY_CONNECTED", inputs, (1, units), fusedActivationFunction=fused)

    # --- layers without

    def pool(self):
        name = self.draw(st.sampled_from(self.POOLS))
        kernel, options, out = self.window(dilate=False)
        options |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
        fused = self.draw(FUSED)
        self.add(
            name, [self.at], (1, *out, self.shape[3]), fusedActivationFunction=fused, **options
        )

    def mean(self):
        axes = self.draw(st.sampled_from(self.AXES))
        keep = self.draw(st.booleans())
        if self.draw(st.booleans()):
            self.scale, self.zero_point = self.draw_scale(self.scale), self.draw_zero(-9, 9)
        axis = self.writer.constant(axes, "int32")
        positive = {a % 4 for a in axes}
        shape = [1 if i in positive else n for i, n in enumerate(self.shape)]
        if not keep:
            shape = [n for i, n in enumerate(self.shape) if i not in positive]
        self.add("MEAN", [self.at, axis], shape, keepDims=keep)

    def relu(self):
        name = self.draw(st.sampled_from(["RELU", "RELU6"]))
        if name == "RELU" and self.draw(st.booleans()):
            self.scale, self.zero_point = self.draw_scale(self.scale), self.draw_zero(high=99)
        self.add(name, [self.at], self.shape)

    def requantize(self):
        self.scale, self.zero_point = self.draw_scale(self.scale), self.draw_zero()
        self.add("QUANTIZE", [self.at], self.shape)

    def pad(self):
        widths = [[0, 0], *([self.draw(st.integers(0, 2)) for _ in "ab"] for _ in self.shape[1:])]
        if len(self.shape) == 4:
            widths[3] = [0, self.draw(st.integers(0, 1))]
        shape = [n + sum(w) for n, w in zip(self.shape, widths, strict=True)]
        self.add("PAD", [self.at, self.writer.constant(widths, "int32")], shape)

    def reshape(self, shape=None):
        shape = shape or (1, *self.shape[1:][::-1])
        target = self.writer.constant(shape, "int32")
        self.add("RESHAPE", [self.at, target], shape, newShape=np.int32(shape))

    def arithmetic(self):
        """ADD or MUL with a constant, with a branch, or with itself."""
        name = self.draw(st.sampled_from(["ADD", "MUL"]))
        one, scale, shape = self.at, self.scale, self.shape
        other = self.draw(st.sampled_from(["constant", "row", "branch", "itself"]))
        if other in ("constant", "row"):
            size = shape if other == "constant" else shape[-1:]
            other_scale = self.draw_scale(scale)
            values = self.constant_int8(size).astype(self.type) * (1 if self.qmax == 127 else 250)
            two = self.writer.constant(
                values, self.type, scale=other_scale, zero_point=self.draw_zero()
            )
        elif other == "branch":
            self.requantize()
            two, other_scale = self.at, self.scale
        else:
            two, other_scale = one, scale
        inputs = [one, two] if self.draw(st.booleans()) else [two, one]
        typical = (
            scale * other_scale * 0.8 * self.qmax
            if name == "MUL"
            else max(scale, other_scale) * 1.5
        )
        self.scale, self.zero_point = self.draw_scale(typical), self.draw_zero()
        self.add(name, inputs, shape, fusedActivationFunction=self.draw(FUSED))

    def concatenate(self):
        axis = self.draw(st.integers(1, len(self.shape) - 1))
        one, shape = self.at, list(self.shape)
        self.add("RELU6", [one], self.shape)
        shape[axis] *= 2
        if self.draw(st.booleans()):
            axis -= len(shape)
        self.add("CONCATENATION", [one, self.at], shape, axis=axis)

    def softmax(self):
        self.scale, self.zero_point = (1 / 256, -128) if self.type == "int8" else (2**-15, 0)
        self.add("SOFTMAX", [self.at], self.shape, beta=self.draw(st.sampled_from([1.0, 0.5, 2.0])))

    # ---

    def grow(self):
        anywhere = [self.relu, self.requantize, self.pad, self.arithmetic, self.concatenate]
        images = [self.conv_2d, self.depthwise_conv_2d, self.pool, self.mean]
        if math.prod(self.shape) <= 400:
            anywhere += [self.fully_connected, self.reshape]
        if len(self.shape) == 4 and math.prod(self.shape) <= 2000:
            anywhere += images * 2
        self.draw(st.sampled_from(anywhere))()


class PlainBuilder(Builder):
    """Of the operators alone that `export_c` writes."""

    POOLS = ("MAX_POOL_2D",)
    AXES = ([1, 2], [2, 1], [1], [2], [-1], [-3, -2], [2, 3], [1, 2, 3])

    def grow(self):
        small = math.prod(self.shape) <= 400
        choices = [self.fully_connected, self.reshape] if small else []
        if len(self.shape) == 4 and math.prod(self.shape) <= 2000:
            choices += [self.conv_2d, self.depthwise_conv_2d, self.pool, self.mean] * 2
        self.draw(st.sampled_from(choices or [self.reshape]))()


OPERATORS = {
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED",
    "MAX_POOL_2D", "MEAN", "MUL", "PAD", "QUANTIZE", "RELU", "RELU6", "RESHAPE", "SOFTMAX",
}  # fmt: skip


@st.composite
def networks(draw, type_name="int8", kind=Builder):
    """Return (tflite bytes, inputs (n, ...), names of the operators)."""
    builder = kind(draw, type_name)
    shape = builder.shape[1:]
    for _ in range(draw(st.integers(1, 4))):
        if len(builder.shape) > 1 and math.prod(builder.shape) <= 5000:
            builder.grow()
    if len(builder.shape) >= 2 and draw(st.integers(0, 2)) == 0:
        builder.softmax()
    x = inputs(draw, builder, shape)
    tflite = builder.writer.bytes([builder.input], [builder.at])
    return tflite, x, tuple(builder.operators)


def plain_networks(count, number):
    """Return `count` networks of PlainBuilder that the engine takes, the same for each seed."""
    found = []

    @seed(number)
    @settings(
        max_examples=2 * count, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(networks(kind=PlainBuilder))
    def collect(network):
        with contextlib.suppress(ValueError):  # a scale so small that TFLM stops on it
            IntegerModel(network[0])
            found.append(network)

    collect()
    return found[:count]


def inputs(draw, builder, shape):
    n = draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["uniform", "uniform", "extreme", "constant"]))
    low, high = -builder.qmax - 1, builder.qmax
    x = {
        "uniform": lambda: builder.rng.integers(low, high + 1, (n, *shape)),
        "extreme": lambda: builder.rng.choice([low, high], (n, *shape)),
        "constant": lambda: np.full((n, *shape), builder.rng.integers(low, high + 1)),
    }[kind]()
    return x.astype(builder.type)


@st.composite
def streams(draw, type_name="int8"):
    """Return (tflite bytes, inputs (n, ...), how many variables) of a network that remembers.

    Each variable keeps the last rows of what it is given, as in streaming networks: they are read,
    joined with the new rows, and the last of all are assigned. Some have first values, which a
    second graph assigns; the others begin at the zero point.
    """
    builder = Builder(draw, type_name)
    writer, shape = builder.writer, builder.shape[1:]
    starts, count = [], draw(st.integers(1, 3))
    if has_first := draw(st.booleans()):
        writer.operator("CALL_ONCE", [], [], initSubgraphIndex=1)
    for number in range(count):
        name, rows = f"rows{number}", draw(st.integers(1, 4))
        kept = (1, rows, *builder.shape[2:])
        joined = (1, rows + builder.shape[1], *builder.shape[2:])
        handle = writer.operator(
            "VAR_HANDLE", [], writer.tensor((), "resource"), container="", sharedName=name
        )
        before = writer.operator("READ_VARIABLE", [handle], builder.new(kept))
        builder.add("CONCATENATION", [before, builder.at], joined, axis=1)
        begin, end, strides = (
            writer.constant(values, "int32")
            for values in ((0, builder.shape[1] - rows, 0, 0), joined, (1, 1, 1, 1))
        )
        last = writer.operator(
            "STRIDED_SLICE", [builder.at, begin, end, strides], builder.new(kept)
        )
        writer.operator("ASSIGN_VARIABLE", [handle, last], [])
        values = builder.rng.integers(-100, 100, kept)
        quantization = {"scale": builder.scale, "zero_point": builder.zero_point}
        starts.append((name, values, quantization))
        if draw(st.booleans()):
            draw(st.sampled_from([builder.relu, builder.requantize]))()
    if has_first:
        writer.second_graph()
        for name, values, quantization in starts:
            handle = writer.operator(
                "VAR_HANDLE", [], writer.tensor((), "resource"), container="", sharedName=name
            )
            first = writer.constant(values, builder.type, **quantization)
            writer.operator("ASSIGN_VARIABLE", [handle, first], [])
    return writer.bytes([builder.input], [builder.at]), inputs(draw, builder, shape), count
