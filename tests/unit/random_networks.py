"""Hypothesis strategies for small int8 networks as .tflite bytes, with inputs for them."""

import math

import numpy as np
from hypothesis import strategies as st
from tflite_tools import Writer

FUSED = st.sampled_from(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
KINDS = st.sampled_from(["normal", "normal", "uniform", "negative", "constant", "zero", "extreme"])


class Builder:
    """A network in the making: `at` is the tensor it has come to."""

    def __init__(self, draw):
        self.draw = draw
        self.writer = Writer()
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.shape = (1, *(draw(st.integers(1, 9)) for _ in range(2)), draw(st.integers(1, 6)))
        self.scale, self.zero_point = self.draw_scale(0.05), draw(st.integers(-128, 127))
        self.at = self.input = self.new(self.shape)
        self.operators = []

    def draw_scale(self, typical):
        """A scale around the typical one: saturating, coarse, fine."""
        return float(np.float32(typical * 2 ** self.draw(st.floats(-3, 3))))

    def new(self, shape):
        return self.writer.tensor(shape, "int8", self.scale, self.zero_point)

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
            size = self.draw(st.sampled_from([1, 300, 30_000, 2**31 - 2**27]))
            biases = self.rng.integers(-size, size + 1, units)
            inputs.append(self.writer.constant(biases, "int32", scale=product, axis=0))
        typical = float(product.max()) * 40 * math.sqrt(depth) * 70 / 127
        self.scale, self.zero_point = self.draw_scale(typical), self.draw(st.integers(-128, 127))
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
        name = self.draw(st.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
        kernel, options, out = self.window(dilate=False)
        options |= {"filterHeight": kernel[0], "filterWidth": kernel[1]}
        fused = self.draw(FUSED)
        self.add(
            name, [self.at], (1, *out, self.shape[3]), fusedActivationFunction=fused, **options
        )

    def mean(self):
        axes = self.draw(st.sampled_from([[1, 2], [2, 1], [1], [2], [-1], [3, 1], [-3, -2]]))
        keep = self.draw(st.booleans())
        if self.draw(st.booleans()):
            self.scale, self.zero_point = self.draw_scale(self.scale), self.draw(st.integers(-9, 9))
        axis = self.writer.constant(axes, "int32")
        positive = {a % 4 for a in axes}
        shape = [1 if i in positive else n for i, n in enumerate(self.shape)]
        if not keep:
            shape = [n for i, n in enumerate(self.shape) if i not in positive]
        self.add("MEAN", [self.at, axis], shape, keepDims=keep)

    def relu(self):
        name = self.draw(st.sampled_from(["RELU", "RELU6"]))
        if name == "RELU" and self.draw(st.booleans()):
            self.scale, self.zero_point = (
                self.draw_scale(self.scale),
                self.draw(st.integers(-128, 99)),
            )
        self.add(name, [self.at], self.shape)

    def requantize(self):
        self.scale = self.draw_scale(self.scale)
        self.zero_point = self.draw(st.integers(-128, 127))
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
            values = self.constant_int8(size)
            two = self.writer.constant(
                values, "int8", scale=other_scale, zero_point=self.draw(st.integers(-128, 127))
            )
        elif other == "branch":
            self.requantize()
            two, other_scale = self.at, self.scale
        else:
            two, other_scale = one, scale
        inputs = [one, two] if self.draw(st.booleans()) else [two, one]
        typical = scale * other_scale * 100 if name == "MUL" else max(scale, other_scale) * 1.5
        self.scale, self.zero_point = self.draw_scale(typical), self.draw(st.integers(-128, 127))
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
        self.scale, self.zero_point = 1 / 256, -128
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


@st.composite
def networks(draw):
    """Return (tflite bytes, int8 inputs (n, ...), names of the operators)."""
    builder = Builder(draw)
    shape = builder.shape[1:]
    for _ in range(draw(st.integers(1, 4))):
        if len(builder.shape) > 1 and math.prod(builder.shape) <= 5000:
            builder.grow()
    if len(builder.shape) >= 2 and draw(st.integers(0, 2)) == 0:
        builder.softmax()
    n = draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["uniform", "uniform", "extreme", "constant"]))
    x = {
        "uniform": lambda: builder.rng.integers(-128, 128, (n, *shape)),
        "extreme": lambda: builder.rng.choice([-128, 127], (n, *shape)),
        "constant": lambda: np.full((n, *shape), builder.rng.integers(-128, 128)),
    }[kind]()
    tflite = builder.writer.bytes([builder.input], [builder.at])
    return tflite, x.astype(np.int8), tuple(builder.operators)
