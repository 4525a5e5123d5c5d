"""Answers as students give them to notebooks 00, 01 and 07: wrong ones named, right ones accepted.

Written as a student writes code, not as the labs declare their mistakes.
"""

import math

import numpy as np
import pytest

from course_utils import labs
from course_utils.engines import integer_engine as engine
from course_utils.views.checks import check

labs.modules("exercises")

SIZE, RATE = 226_856, 700


def named(id, answer, mistake, **context):
    result = check(id, answer, **context)
    assert (result.state, result.mistake) == ("not yet", mistake), result.says


def accepted(id, answer, **context):
    result = check(id, answer, **context)
    assert result.state == "passed", result.says


# ------------------------------------------------------------------ 00.payload


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (SIZE / 700_000, "bytes_for_bits"),
        (SIZE / 1000 / RATE, "bytes_for_bits"),
        (SIZE * 8 / 1024 / RATE, "kilo_is_1024"),
        (SIZE * 8 / RATE, "kilo_forgotten"),
        (SIZE / 4 * 8 / 700_000, "weights_for_bytes"),
        (SIZE * 32 / 700_000, "32_bits_a_byte"),
        (SIZE * 8 / 700_000 / 60, "minutes"),
        (SIZE * 8 / 700_000 / 3600, "hours"),
        (SIZE * 8 / 1e6 / RATE, "mega"),
        (700_000 / (SIZE * 8), "upside_down"),
        (SIZE / 8 / 700_000, "divides_by_8"),
        (SIZE * 8 * 700_000, "multiplied"),
    ],
)
def test_payload(answer, mistake):
    named("00.payload", answer, mistake, model_bytes=SIZE, kbit_per_s=RATE)


@pytest.mark.parametrize(
    "answer",
    [2.59, np.float32(2.5926), np.float64(SIZE * 8 / 7e5), np.array(SIZE * 8 / 7e5),
     SIZE / 700 * 8 / 1000],
)  # fmt: skip
def test_payload_is_right(answer):
    accepted("00.payload", answer, model_bytes=SIZE, kbit_per_s=RATE)


# ------------------------------------------------------------------ 00.macs


def without_channels(output_shape, input_shape, kernel_size):
    h, w, c = output_shape
    return h * w * c * kernel_size[0] * kernel_size[1]


def over_the_input(output_shape, input_shape, kernel_size):
    h, w, c = input_shape
    return h * w * c * output_shape[-1] * np.prod(kernel_size)


def square_kernel(output_shape, input_shape, kernel_size):
    h, w, f = output_shape
    k, _ = kernel_size
    return h * w * f * k**2 * input_shape[-1]


def weights_of_the_layer(output_shape, input_shape, kernel_size):
    kh, kw = kernel_size
    return (kh * kw * input_shape[2] + 1) * output_shape[2]


def operations(output_shape, input_shape, kernel_size):
    return right_macs(output_shape, input_shape, kernel_size) * 2


def all_pairs(output_shape, input_shape, kernel_size):
    return math.prod(output_shape) * math.prod(input_shape)


def windows_that_fit(output_shape, input_shape, kernel_size):
    rows = input_shape[0] - kernel_size[0] + 1
    columns = input_shape[1] - kernel_size[1] + 1
    return rows * columns * output_shape[2] * math.prod(kernel_size) * input_shape[2]


def one_window(output_shape, input_shape, kernel_size):
    return math.prod(kernel_size) * input_shape[2]


def filters_twice(output_shape, input_shape, kernel_size):
    return math.prod(output_shape) * math.prod(kernel_size) * output_shape[2]


def biases_too(output_shape, input_shape, kernel_size):
    return math.prod(output_shape) * (math.prod(kernel_size) * input_shape[2] + 1)


def right_macs(output_shape, input_shape, kernel_size):
    return math.prod((*output_shape, *kernel_size, input_shape[-1]))


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (without_channels, "no_input_channels"),
        (over_the_input, "input_size"),
        (square_kernel, "kernel_side"),
        (weights_of_the_layer, "parameters"),
        (operations, "twice"),
        (all_pairs, "every_input"),
        (windows_that_fit, "valid_positions"),
        (one_window, "one_output"),
        (filters_twice, "output_channels_twice"),
        (biases_too, "with_bias"),
        (lambda o, i, k: o[0] * o[1] * k[0] * k[1] * i[2], "one_filter"),
        (lambda o, i, k: o[0] * o[2] * k[0] * k[1] * i[2], "one_direction"),
        (lambda o, i, k: 4 * right_macs(o, i, k), "bytes"),
    ],
)
def test_macs(answer, mistake):
    named("00.macs", answer, mistake)


def loops(output_shape, input_shape, kernel_size):
    total = 0
    for _ in range(output_shape[0] * output_shape[1]):
        for _ in range(output_shape[2]):
            total += kernel_size[0] * kernel_size[1] * input_shape[2]
    return total


@pytest.mark.parametrize(
    "answer",
    [right_macs, loops, lambda o, i, k: np.prod(o) * np.prod(k) * i[-1],
     lambda o, i, k: float(math.prod(o)) * math.prod(k) * i[2],
     lambda o, i, k: np.array(math.prod(o) * math.prod(k) * i[2])],
)  # fmt: skip
def test_macs_are_right(answer):
    accepted("00.macs", answer)


# ------------------------------------------------------------------ 01.share


def one_side(weights, k):
    inside = weights[weights < weights.mean() + k * weights.std()]
    return inside.size / weights.size


def around_zero(weights, k):
    inside = (weights > -k * weights.std()) & (weights < k * weights.std())
    return inside.sum() / weights.size


def with_ddof(weights, k):
    return (abs(weights - weights.mean()) < k * weights.std(ddof=1)).mean()


def by_variance(weights, k):
    variance = ((weights - weights.mean()) ** 2).mean()
    return np.mean(abs(weights - weights.mean()) <= k * variance)


def divided_by_len(weights, k):
    return np.sum(abs(weights - np.mean(weights)) <= k * np.std(weights)) / len(weights)


def counted(weights, k):
    return np.count_nonzero(abs(weights - np.mean(weights)) <= k * np.std(weights))


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (one_side, "no_abs"),
        (around_zero, "mean_not_subtracted"),
        (with_ddof, "sample_std"),
        (by_variance, "variance"),
        (divided_by_len, "first_axis"),
        (counted, "count"),
        (lambda w, k: (abs(w - np.median(w)) < k * w.std()).mean(), "median"),
        (lambda w, k: (abs(w - w.mean()) < w.std()).mean(), "k_forgotten"),
        (lambda w, k: abs(w - w.mean()) < k * w.std(), "mask"),
        (lambda w, k: (abs(w - w.mean()) > k * w.std()).mean(), "outside"),
        (lambda w, k: (abs(w - w.mean()) < k * abs(w - w.mean()).mean()).mean(), "mean_distance"),
        (lambda w, k: (abs(w - w.mean()) < k).mean(), "sigma_is_1"),
        (lambda w, k: (abs(w - w.mean()) / k < w.std()).mean() * 100, "percent"),
    ],
)
def test_share(answer, mistake):
    named("01.share", answer, mistake)


def between(weights, k):
    low, high = (weights.mean() + sign * k * weights.std() for sign in (-1, 1))
    return ((low <= weights) & (weights <= high)).mean()


def by_z(weights, k):
    return np.mean(np.abs((weights - weights.mean()) / weights.std()) <= k)


def in_a_loop(weights, k):
    mean, sigma, count = np.mean(weights), np.std(weights), 0
    for w in weights.ravel():
        if abs(w - mean) <= k * sigma:
            count += 1
    return count / weights.size


@pytest.mark.parametrize(
    "answer",
    [between, by_z, in_a_loop, lambda w, k: np.float32(by_z(w, k)),
     lambda w, k: 1 - (abs(w - w.mean()) > k * w.std()).sum() / w.size],
)  # fmt: skip
def test_share_is_right(answer):
    accepted("01.share", answer)


# ------------------------------------------------------------------ 01.bits


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda w: len(w), "first_axis"),
        (lambda w: len(w.ravel()), "values"),
        (lambda w: len(set(w.ravel())), "values"),
        (lambda w: len(np.frexp(w)), "pair"),
        (lambda w: len(np.unique(np.frexp(w[w != 0])[0])), "fractions"),
        (lambda w: np.unique(np.frexp(w[w != 0])[1]), "exponents_themselves"),
        (lambda w: len(np.unique(np.frexp(w)[1])), "zero_counted"),
        (lambda w: np.frexp(w[w != 0])[1].max() - np.frexp(w[w != 0])[1].min() + 1, "span"),
        (lambda w: np.frexp(w[w != 0])[1].max() - np.frexp(w[w != 0])[1].min(), "span"),
        (lambda w: len({int(np.log2(abs(x))) for x in w.ravel() if x}), "truncated"),
        (lambda w: len({round(float(np.log2(abs(x)))) for x in w.ravel() if x}), "rounded"),
        (lambda w: len(np.unique(np.floor(np.log(abs(w[w != 0]))))), "decades"),
        (lambda w: len(np.unique(np.frexp(w[w > 0])[1])), "positive_only"),
        (lambda w: 2**8, "all_patterns"),
    ],
)
def test_bits(answer, mistake):
    named("01.bits", answer, mistake)


@pytest.mark.parametrize(
    "answer",
    [
        lambda w: len({math.frexp(x)[1] for x in w.ravel() if x != 0}),
        lambda w: np.unique(np.frexp(w[w != 0])[1]).size,
        lambda w: len(set(np.frexp(w[np.nonzero(w)])[1].tolist())),
        lambda w: len(np.unique(np.floor(np.log2(np.abs(w[w != 0]))))),
        lambda w: np.sum(np.bincount(np.frexp(w[w != 0])[1] + 150) > 0),
    ],
)
def test_bits_are_right(answer):
    accepted("01.bits", answer)


# ------------------------------------------------------------------ 07.bias


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda b, s1, s2, s3: np.rint(b / s3).astype(np.int32), "output_scale"),
        (lambda b, s1, s2, s3: np.rint(b * s3 / (s1 * s2)), "rescaled"),
        (lambda b, s1, s2, s3: np.round(b / s1).astype(int), "input_scale_only"),
        (lambda b, s1, s2, s3: np.round(b / s2).astype(int), "weight_scale_only"),
        (lambda b, s1, s2, s3: np.round(b / s1 * s2).astype(int), "precedence"),
        (lambda b, s1, s2, s3: (b / (s1 * s2)).astype(np.int32), "truncated"),
        (lambda b, s1, s2, s3: (b // (s1 * s2)).astype(np.int32), "truncated"),
        (lambda b, s1, s2, s3: b / s1 / s2, "not_rounded"),
        (lambda b, s1, s2, s3: np.round(b * s1 * s2), "multiplied"),
        (lambda b, s1, s2, s3: np.clip(np.rint(b / s1 / s2), -128, 127), "int8"),
        (lambda b, s1, s2, s3: np.round(b / (s1 + s2)), "scales_added"),
        (lambda b, s1, s2, s3: np.round(b / max(abs(b)) * 127), "own_scale"),
        (lambda b, s1, s2, s3: np.clip(np.rint(b / s1 / s2), -32768, 32767), "int16"),
    ],
)
def test_bias(answer, mistake):
    named("07.bias", answer, mistake)


@pytest.mark.parametrize(
    "answer",
    [
        lambda b, s1, s2, s3: np.rint(b / s1 / s2),
        lambda b, s1, s2, s3: np.floor(b / (s1 * s2) + 0.5).astype(int),
        lambda b, s1, s2, s3: np.sign(b) * np.floor(abs(b) / (s1 * s2) + 0.5),
        lambda b, s1, s2, s3: np.array([round(x) for x in b / (s1 * s2)]),
        lambda b, s1, s2, s3: np.around(np.divide(b, np.multiply(s1, s2))).astype("int32"),
    ],
)
def test_bias_is_right(answer):
    accepted("07.bias", answer)


# ------------------------------------------------------------------ 07.requantize


def requantized(a, m, e, z, first=2**30, bits=31, second=None, low=-128, high=127):
    """A student's version with one thing or another different."""
    product = a.astype(np.int64) * m
    scaled = (product + first) >> bits
    divide = second or engine.rounding_divide_by_power_of_two
    return np.clip(divide(scaled, -e) + z, low, high)


def floored(x, e):
    return x >> e


def adds_half(x, e):
    return (x + (2**e // 2)) >> e


def to_even(x, e):
    return np.round(x / 2**e).astype(int)


def cut(x, e):
    return (x / 2**e).astype(int)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda *a: requantized(*a, first=0), "second_rounding_forgotten"),
        (lambda *a: requantized(*a, second=floored), "truncated"),
        (lambda *a: requantized(*a, first=0, second=floored), "truncated"),
        (lambda *a: requantized(*a, second=adds_half), "halves_up"),
        (lambda *a: requantized(*a, second=to_even), "halves_even"),
        (lambda *a: requantized(*a, second=cut), "toward_zero"),
        (lambda *a: requantized(*a, low=-127), "narrow"),
        (lambda *a: requantized(*a, low=0, high=255), "unsigned"),
        (lambda *a: requantized(*a, bits=30), "bits_off_by_one"),
        (lambda a, m, e, z: requantized(a, m, e, -z), "zero_point_subtracted"),
        (lambda a, m, e, z: requantized(a, m, e, 0), "zero_point_forgotten"),
        (lambda a, m, e, z: requantized(a + z, m, e, 0), "zero_point_before_scaling"),
        (lambda a, m, e, z: requantized(a, m, 0, z), "shift_forgotten"),
        (lambda a, m, e, z: requantized(a, m, e, z, second=lambda x, n: x << n), "shift_inverted"),
        (
            lambda a, m, e, z: requantized(
                a, m, e, z, second=lambda x, n: engine.rounding_divide_by_power_of_two(x, -n)
            ),
            "shift_negative",
        ),
        (
            lambda a, m, e, z: np.clip(
                engine.rounding_divide_by_power_of_two((a * m + 2**30) >> 31, -e) + z, -128, 127
            ),
            "int32_product",
        ),
        (lambda a, m, e, z: np.clip(np.round(a * (m * 2.0 ** (e - 31))) + z, -128, 127), "float"),
        (lambda *a: requantized(*a, low=-(2**40), high=2**40).astype(np.int8), "wraps"),
        (lambda *a: requantized(*a, low=-(2**40), high=2**40), "not_saturated"),
        (
            lambda a, m, e, z: np.clip(
                engine.rounding_divide_by_power_of_two(
                    engine.rounding_divide_by_power_of_two(a.astype(np.int64) * m, 31), -e
                )
                + z, -128, 127,
            ),
            "halves_away_first",
        ),
    ],
)  # fmt: skip
def test_requantize(answer, mistake):
    named("07.requantize", answer, mistake)


def one_by_one(accumulator, multiplier, shift, zero_point):
    codes = []
    for total in accumulator.tolist():
        high = (total * multiplier + 2**30) // 2**31
        half = 2**-shift // 2 if shift else 0
        scaled = (abs(high) + half) // 2**-shift * (1 if high >= 0 else -1)
        codes.append(min(127, max(-128, scaled + zero_point)))
    return codes


@pytest.mark.parametrize(
    "answer",
    [
        requantized,
        one_by_one,
        engine.requantize,
        lambda a, m, e, z: np.minimum(np.maximum(requantized(a, m, e, z, low=-(2**40)), -128), 127),
        lambda a, m, e, z: np.clip(
            engine.multiply_by_quantized_multiplier(a, m, e) + z, -128, 127
        ).astype(np.float32),
    ],
)
def test_requantize_is_right(answer):
    accepted("07.requantize", answer)


# ------------------------------------------------------------------ 07.fully_connected


def layer(x, w, b, zx, m, e, zy, low=None):
    """A student's layer of arrays made wide already."""
    return engine.requantize(
        (x - zx) @ w.T + b, m, e, zy, qmin=max(-128, zy) if low is None else low
    )


def wide(x, w, b):
    return x.astype(np.int64), w.astype(np.int64), b.astype(np.int64)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda x, w, b, *r: layer(*wide(x, w, b), 0, *r[1:]), "x_zero_forgotten"),
        (lambda x, w, b, *r: layer(*wide(x, w, b), -r[0], *r[1:]), "x_zero_added"),
        (layer, "int8_accumulator"),
        (lambda x, w, b, *r: layer(*wide(x, w.T, b), *r), "not_transposed"),
        (lambda x, w, b, *r: layer(*wide(x, w, -b), *r), "bias_subtracted"),
        (lambda x, w, b, *r: layer(*wide(x, w, 0 * b), *r), "bias_forgotten"),
        (lambda x, w, b, *r: layer(*wide(x, w, b), *r, low=-128), "relu_forgotten"),
        (lambda x, w, b, *r: layer(*wide(x, w, b), *r, low=0), "relu_at_code_0"),
        (lambda x, w, b, zx, m, e, zy: layer(*wide(x, w, b), zy, m, e, zx), "zero_points_swapped"),
        (
            lambda x, w, b, zx, m, e, zy: layer(*wide(x, w, b), zx, m, e, -zy),
            "y_zero_subtracted",
        ),
        (
            lambda x, w, b, zx, m, e, zy: layer(*wide(x, w, b), zx, m[0], e[0], zy),
            "one_multiplier",
        ),
        (
            lambda x, w, b, zx, m, e, zy: layer(x.astype(np.int16), w.astype(np.int16), b, zx, m,
                                                e, zy),
            "int16_accumulator",
        ),
        (lambda x, w, b, zx, m, e, zy: wide(x - zx, w, b)[0] @ wide(x, w, b)[1].T + b, None),
        (lambda x, w, b, zx, *r: (wide(x, w, b)[0] - zx) @ wide(x, w, b)[1].T + b, "not_rescaled"),
    ],
)  # fmt: skip
def test_fully_connected(answer, mistake):
    named("07.fully_connected", answer, mistake)


def relu_last(x, w, b, zx, m, e, zy):
    x, w, b = wide(x, w, b)
    return np.maximum(engine.requantize((x - zx) @ w.T + b, m, e, zy), zy)


def relu_first(x, w, b, zx, m, e, zy):
    x, w, b = wide(x, w, b)
    return engine.requantize(np.maximum((x - zx) @ w.T + b, 0), m, e, zy)


def zero_point_in_the_bias(x, w, b, zx, m, e, zy):
    x, w, b = wide(x, w, b)
    return layer(x, w, b - zx * w.sum(axis=1), 0, m, e, zy)


def unit_by_unit(x, w, b, zx, m, e, zy):
    columns = []
    for unit in range(len(w)):
        pairs = [zip(row.tolist(), w[unit].tolist(), strict=True) for row in x]
        total = np.array([sum((q - zx) * v for q, v in row) for row in pairs])
        columns.append(engine.requantize(total + b[unit], m[unit], e[unit], zy, zy, 127))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    "answer",
    [
        relu_last,
        relu_first,
        zero_point_in_the_bias,
        unit_by_unit,
        lambda x, w, b, zx, *r: layer(x.astype(np.int32), w.astype(np.int32), b, zx, *r).tolist(),
    ],
)
def test_fully_connected_is_right(answer):
    accepted("07.fully_connected", answer)
