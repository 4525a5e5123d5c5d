"""Exercises of notebook 09: fake quantization, its gradient, batch-norm folding."""

from __future__ import annotations

import numpy as np

from course_utils.views.checks import Mistake, example_kernel, exercise


def fake_quantize(w, bits):
    qmax = 2 ** (bits - 1) - 1
    scale = np.max(np.abs(w)) / qmax
    return np.round(w / scale) * scale


def _scaled(w, scale):
    return np.round(w / scale) * scale


_KERNELS = [(example_kernel(11), 4), (example_kernel(12), 8), (example_kernel(13), 3)]

exercise(
    "09.fake_quantize",
    fake_quantize,
    cases=_KERNELS,
    rtol=1e-5,
    mistakes=[
        Mistake(
            "codes",
            lambda w, bits: np.round(w / (np.max(np.abs(w)) / (2 ** (bits - 1) - 1))),
            "You return the codes. Fake quantization goes back to real numbers, so that training "
            "goes on in float32: multiply by the scale again.",
        ),
        Mistake(
            "truncated",
            (
                lambda w, bits: np.trunc(w / (s := np.max(np.abs(w)) / (2 ** (bits - 1) - 1))) * s,
                lambda w, bits: np.floor(w / (s := np.max(np.abs(w)) / (2 ** (bits - 1) - 1))) * s,
            ),
            "You cut the fraction off instead of rounding to the nearest code. That doubles the "
            "largest error.",
        ),
        Mistake(
            "range_over_codes",
            lambda w, bits: _scaled(w, np.ptp(w) / (2**bits - 1)),
            "Your scale is the range over the number of steps, as for activations. A symmetric "
            "kernel has the scale max|w| / qmax, so that zero is a code.",
        ),
        Mistake(
            "two_to_the_bits",
            lambda w, bits: _scaled(w, np.max(np.abs(w)) / 2 ** (bits - 1)),
            "You divide by 2^(bits - 1). The largest code is one less: 127 of 8 bits, 7 of 4.",
        ),
        Mistake(
            "unsigned",
            lambda w, bits: _scaled(w, np.max(np.abs(w)) / (2**bits - 1)),
            "Your codes go up to 2^bits - 1, as if one bit were not needed for the sign.",
        ),
        Mistake(
            "without_abs",
            lambda w, bits: _scaled(w, np.max(w) / (2 ** (bits - 1) - 1)),
            "The scale comes from the largest weight, and a negative one may be larger in "
            "magnitude: take the absolute value first.",
        ),
        Mistake(
            "always_8",
            lambda w, bits: fake_quantize(w, 8),
            "You always use 8 bits: the argument `bits` is not used.",
        ),
        Mistake(
            "nothing",
            lambda w, bits: w,
            "Nothing is rounded: you return the weights as they came.",
        ),
    ],
)


def straight_through(upstream, x, low, high):
    return np.where((x >= low) & (x <= high), upstream, 0.0)


_RNG = np.random.default_rng(9)
_X = np.array([-2.5, -0.7, 0.2, 0.9, 1.4, 3.1, 6.6])

exercise(
    "09.straight_through",
    straight_through,
    cases=[
        (_RNG.normal(size=7), _X, 0.0, 6.0),
        (_RNG.normal(size=7), _X, -1.0, 1.0),
        (_RNG.normal(size=7), _X, -9.0, 9.0),
    ],
    mistakes=[
        Mistake(
            "true_gradient",
            lambda g, x, low, high: np.zeros_like(g),
            "That is the true derivative of a staircase, and training with it stands still. The "
            "straight-through estimator pretends that rounding is not there.",
        ),
        Mistake(
            "everywhere",
            lambda g, x, low, high: g,
            "You pass the gradient everywhere. Beyond the range the value is clipped: moving x "
            "there changes nothing, and its gradient is zero.",
        ),
        Mistake(
            "upside_down",
            lambda g, x, low, high: np.where((x >= low) & (x <= high), 0.0, g),
            "The other way round: inside the range the gradient passes, outside it is zero.",
        ),
        Mistake(
            "one_sided",
            (
                lambda g, x, low, high: np.where(x >= low, g, 0.0),
                lambda g, x, low, high: np.where(x <= high, g, 0.0),
            ),
            "You look at one end of the range only. Values are clipped at both.",
        ),
        Mistake(
            "ones",
            lambda g, x, low, high: np.where((x >= low) & (x <= high), 1.0, 0.0),
            "That is the local derivative. By the chain rule it is multiplied by `upstream`, the "
            "gradient that arrives from the layers above.",
        ),
        Mistake(
            "clipped_gradient",
            lambda g, x, low, high: np.clip(g, low, high),
            "You clipped the gradient. It is x that is clipped; the gradient passes or not.",
        ),
        Mistake(
            "times_x",
            lambda g, x, low, high: g * np.clip(x, low, high),
            "You multiplied by the clipped value. A gradient needs the derivative, not the value.",
        ),
    ],
)


def fold(kernel, gamma, variance, epsilon):
    return kernel * gamma / np.sqrt(variance + epsilon)


def _layer(seed):
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(3, 3, 4, 5))
    return kernel, rng.uniform(0.5, 2, 5), rng.uniform(0.01, 3, 5), 1e-3


exercise(
    "09.fold",
    fold,
    cases=[_layer(seed) for seed in (1, 2, 3)],
    rtol=1e-6,
    mistakes=[
        Mistake(
            "variance",
            lambda k, gamma, var, eps: k * gamma / (var + eps),
            "You divide by the variance. Batch normalization divides by the standard deviation, "
            "its square root.",
        ),
        Mistake(
            "no_epsilon",
            lambda k, gamma, var, eps: k * gamma / np.sqrt(var),
            "Epsilon is missing. It is small, but so are some variances.",
        ),
        Mistake(
            "epsilon_outside",
            lambda k, gamma, var, eps: k * gamma / (np.sqrt(var) + eps),
            "Epsilon belongs under the root: it is added to the variance.",
        ),
        Mistake(
            "no_gamma",
            lambda k, gamma, var, eps: k / np.sqrt(var + eps),
            "Gamma is missing: after normalizing, the layer scales by it.",
        ),
        Mistake(
            "multiplied",
            lambda k, gamma, var, eps: k * gamma * np.sqrt(var + eps),
            "You multiply by the standard deviation; normalizing divides by it.",
        ),
        Mistake(
            "whole_kernel",
            lambda k, gamma, var, eps: k * np.mean(gamma / np.sqrt(var + eps)),
            "You use one factor for the whole kernel. Each output channel has its own.",
        ),
    ],
)
