"""Exercises of notebook 09: fake quantization, its gradient, batch-norm folding."""

from __future__ import annotations

import numpy as np

from course_utils.views.checks import Mistake, example_kernel, exercise


def fake_quantize(w, bits):
    qmax = 2 ** (bits - 1) - 1
    scale = np.max(np.abs(w)) / qmax
    return np.round(w / scale) * scale


def _scaled(w, scale, round=np.round):
    return round(w / scale) * scale


def _scale(w, bits):
    return np.max(np.abs(w)) / (2 ** (bits - 1) - 1)


def _over(w, axes):
    return np.max(np.abs(w), axis=axes, keepdims=True)


def _affine(w, bits):
    scale = np.ptp(w) / (2**bits - 1)
    return (np.round((w - np.min(w)) / scale)) * scale + np.min(w)


# Neither has a weight halfway between two codes: any rule for ties is right. In the first the
# weight of largest magnitude is negative, in the second it is positive.
_SMALL = np.array([[-0.9, 0.41, 0.05], [0.62, -0.28, 0.113]])
_KERNELS = [
    (_SMALL, 3), (-0.7 * _SMALL, 5), (example_kernel(11), 6), (example_kernel(12), 8),
    (example_kernel(13, (7, 4)), 2),
]  # fmt: skip

exercise(
    "09.fake_quantize",
    fake_quantize,
    cases=_KERNELS,
    rtol=1e-5,
    mistakes=[
        Mistake(
            "codes",
            (
                lambda w, bits: np.round(w / _scale(w, bits)),
                lambda w, bits: np.round(w / _scale(w, bits)).astype(int),
            ),
            "You return the codes. Fake quantization goes back to real numbers, so that training "
            "goes on in float32: multiply by the scale again.",
        ),
        Mistake(
            "codes_and_scale",
            (
                lambda w, bits: (np.round(w / _scale(w, bits)), _scale(w, bits)),
                lambda w, bits: (_scale(w, bits), np.round(w / _scale(w, bits))),
                lambda w, bits: (fake_quantize(w, bits), _scale(w, bits)),
            ),
            "You return two things. Training needs one array, the rounded real numbers: the scale "
            "stays inside the function.",
        ),
        Mistake(
            "not_rounded",
            lambda w, bits: w / _scale(w, bits),
            "You divide by the scale and stop: nothing is rounded, and the way back is missing.",
        ),
        Mistake(
            "truncated",
            (
                lambda w, bits: _scaled(w, _scale(w, bits), np.trunc),
                lambda w, bits: _scaled(w, _scale(w, bits), np.floor),
                lambda w, bits: w // _scale(w, bits) * _scale(w, bits),
                lambda w, bits: _scaled(w, _scale(w, bits), np.ceil),
            ),
            "You go to the code on one side (below, above, or towards zero) instead of to the "
            "nearest. That doubles the largest error.",
        ),
        Mistake(
            "halves_truncated",
            (
                lambda w, bits: _scaled(w, _scale(w, bits), lambda v: np.trunc(v + 0.5)),
                lambda w, bits: _scaled(w, _scale(w, bits), lambda v: np.floor(v - 0.5)),
            ),
            "Adding a half and cutting off is right for positive numbers only. NumPy has a "
            "function that goes to the nearest on both sides of zero.",
        ),
        Mistake(
            "range_over_codes",
            (
                lambda w, bits: _scaled(w, np.ptp(w) / (2**bits - 1)),
                lambda w, bits: _scaled(w, np.ptp(w) / 2**bits),
                lambda w, bits: _scaled(w, np.ptp(w) / (2**bits - 2)),
                lambda w, bits: _scaled(w, np.ptp(w) / (2 ** (bits - 1) - 1)),
                _affine,
            ),
            "Your scale comes from the range, largest minus smallest, as for activations. A "
            "symmetric kernel's comes from the largest magnitude alone, so that zero is a code.",
        ),
        Mistake(
            "two_to_the_bits",
            lambda w, bits: _scaled(w, np.max(np.abs(w)) / 2 ** (bits - 1)),
            "You divide by 2^(bits - 1). The largest code is one less: 127 of 8 bits, 7 of 4.",
        ),
        Mistake(
            "unsigned",
            (
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / (2**bits - 1)),
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / 2**bits),
            ),
            "You divide by about 2^bits, as if one bit were not needed for the sign. Of 8 bits, "
            "the largest code is 127.",
        ),
        Mistake(
            "times_two",
            (
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / (2 * (bits - 1) - 1)),
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / ((2 ^ (bits - 1)) - 1)),
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / (2 ^ ((bits - 1) - 1))),
                lambda w, bits: _scaled(w, np.max(np.abs(w)) / bits),
            ),
            "Your largest code is not 2^(bits - 1) - 1: of 4 bits it is 7, of 8 bits 127. (A power "
            "is ** in Python; ^ is another operation, on bits.)",
        ),
        Mistake(
            "without_abs",
            (
                lambda w, bits: _scaled(w, np.max(w) / (2 ** (bits - 1) - 1)),
                lambda w, bits: _scaled(w, np.abs(np.min(w)) / (2 ** (bits - 1) - 1)),
            ),
            "The scale comes from the end of the range on one side. The other may be larger in "
            "magnitude: take the absolute value of every weight first.",
        ),
        Mistake(
            "per_channel",
            (
                lambda w, bits: _scaled(w, _over(w, tuple(range(w.ndim - 1))) / (2**bits / 2 - 1)),
                lambda w, bits: _scaled(w, _over(w, 0) / (2**bits / 2 - 1)),
                lambda w, bits: _scaled(w, _over(w, -1) / (2**bits / 2 - 1)),
            ),
            "You take a largest weight for each row or channel. Here the kernel has one scale, "
            "from the largest magnitude in all of it.",
        ),
        Mistake(
            "typical",
            (
                lambda w, bits: _scaled(w, np.mean(np.abs(w)) / (2 ** (bits - 1) - 1)),
                lambda w, bits: _scaled(w, np.std(w) / (2 ** (bits - 1) - 1)),
            ),
            "Your scale comes from a typical weight. Then larger ones have codes beyond the "
            "largest that there is: the largest weight sets the scale.",
        ),
        Mistake(
            "wrong_way",
            (
                lambda w, bits: np.round(w * _scale(w, bits)) / _scale(w, bits),
                lambda w, bits: np.round(w / _scale(w, bits)) / _scale(w, bits),
            ),
            "Multiplication and division are mixed up: the scale is how much one code is worth. A "
            "weight divided by it is a number of codes; that times the scale is a weight again.",
        ),
        Mistake(
            "decimals",
            lambda w, bits: np.round(w, bits),
            "np.round(w, bits) keeps that many decimal digits. `bits` says how many codes there "
            "are: the scale has to come first.",
        ),
        Mistake(
            "always_8",
            (lambda w, bits: fake_quantize(w, 8), lambda w, bits: fake_quantize(w, 4)),
            "Your result has the same number of bits whatever is asked for: the argument `bits` is "
            "not used.",
        ),
        Mistake(
            "only_clipped",
            lambda w, bits: np.clip(w, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
            "You cut the weights off at the ends of the codes. Nothing is scaled and nothing is "
            "rounded, so that these weights pass as they came.",
        ),
        Mistake(
            "whole_numbers",
            lambda w, bits: np.round(w),
            "You round the weights to whole numbers. First they are divided by the scale, and "
            "afterwards multiplied by it.",
        ),
    ],
)


def straight_through(upstream, x, low, high):
    return np.where((x >= low) & (x <= high), upstream, 0.0)


# In each there is an x on either end, beyond either end, and gradients of both signs everywhere.
_X = np.array([-2.5, -1.0, -0.7, 0.0, 0.2, 0.9, 1.0, 1.4, 3.1, 6.0, 6.6, -9.0, 9.0])
_G = np.array([0.4, -1.3, 0.8, -0.6, 1.7, -0.25, 0.9, 2.2, -1.1, 0.35, -0.55, 7.5, -12.0])

exercise(
    "09.straight_through",
    straight_through,
    cases=[
        (_G, _X, -1.0, 1.0),
        (_G[::-1].copy(), _X, 0.0, 6.0),
        (np.roll(_G, 3)[:12].reshape(3, 4), _X[:12].reshape(3, 4), -0.7, 3.1),
        (_G, _X, -9.0, 1.4),
        (np.array([0.12345, -0.98765, 0.55555]), np.array([0.2, -3.0, 0.7]), -1.0, 1.0),
    ],
    mistakes=[
        Mistake(
            "true_gradient",
            (lambda g, x, low, high: np.zeros_like(g), lambda g, x, low, high: 0.0),
            "That is the true derivative of a staircase, and training with it stands still. The "
            "straight-through estimator pretends that rounding is not there.",
        ),
        Mistake(
            "everywhere",
            lambda g, x, low, high: g,
            "You pass the gradient everywhere. Beyond the range the value is clipped: moving x "
            "there changes nothing, and its gradient is zero. (A condition with `or` in the middle "
            "holds everywhere.)",
        ),
        Mistake(
            "upside_down",
            (
                lambda g, x, low, high: np.where((x >= low) & (x <= high), 0.0, g),
                lambda g, x, low, high: np.where((x > low) & (x < high), 0.0, g),
            ),
            "The other way round: inside the range the gradient passes, outside it is zero.",
        ),
        Mistake(
            "ends_outside",
            (
                lambda g, x, low, high: np.where((x > low) & (x < high), g, 0.0),
                lambda g, x, low, high: np.where((x >= low) & (x < high), g, 0.0),
                lambda g, x, low, high: np.where((x > low) & (x <= high), g, 0.0),
            ),
            "An x that stands exactly on an end of the range counts as outside with you. Clipping "
            "leaves it as it is, so its gradient passes. It matters: a kernel's range ends at its "
            "largest weight, which could never move.",
        ),
        Mistake(
            "one_sided",
            (
                lambda g, x, low, high: np.where(x >= low, g, 0.0),
                lambda g, x, low, high: np.where(x <= high, g, 0.0),
                lambda g, x, low, high: np.where(x > low, g, 0.0),
                lambda g, x, low, high: np.where(x < high, g, 0.0),
            ),
            "You look at one end of the range only. Values are clipped at both.",
        ),
        Mistake(
            "symmetric",
            (
                lambda g, x, low, high: np.where(np.abs(x) <= high, g, 0.0),
                lambda g, x, low, high: np.where(np.abs(x) < high, g, 0.0),
                lambda g, x, low, high: np.where(np.abs(x) <= abs(low), g, 0.0),
            ),
            "You compare the magnitude of x with one end, as if the range were symmetric. After a "
            "ReLU it begins at zero: use `low` and `high`.",
        ),
        Mistake(
            "relu",
            (
                lambda g, x, low, high: np.where(x > 0, g, 0.0),
                lambda g, x, low, high: np.where(x >= 0, g, 0.0),
            ),
            "That is ReLU's gradient: you compare x with zero. The range here is from `low` to "
            "`high`.",
        ),
        Mistake(
            "mask_on_upstream",
            (
                lambda g, x, low, high: np.where((g >= low) & (g <= high), g, 0.0),
                lambda g, x, low, high: np.where((g > low) & (g < high), g, 0.0),
                lambda g, x, low, high: np.where(g > 0, g, 0.0),
                lambda g, x, low, high: np.where((x >= low) & (x <= high) & (g > 0), g, 0.0),
                lambda g, x, low, high: np.where((x >= low) & (x <= high) & (g < 0), g, 0.0),
            ),
            "You let the size or the sign of the gradient decide whether it passes. Only x "
            "decides: was it clipped or not? The gradient itself may be of any size.",
        ),
        Mistake(
            "ones",
            (
                lambda g, x, low, high: np.where((x >= low) & (x <= high), 1.0, 0.0),
                lambda g, x, low, high: (x >= low) & (x <= high),
                lambda g, x, low, high: np.ones_like(g),
                lambda g, x, low, high: np.where((x > low) & (x < high), 1.0, 0.0),
            ),
            "That is the local derivative. By the chain rule it is multiplied by `upstream`, the "
            "gradient that arrives from the layers above.",
        ),
        Mistake(
            "magnitude",
            lambda g, x, low, high: np.where((x >= low) & (x <= high), np.abs(g), 0.0),
            "The gradient has lost its sign: it would push every weight the same way.",
        ),
        Mistake(
            "negated",
            lambda g, x, low, high: np.where((x >= low) & (x <= high), -g, 0.0),
            "You turned the sign of the gradient round. The step against the gradient is the "
            "optimizer's business: here it passes as it is.",
        ),
        Mistake(
            "clipped_gradient",
            (
                lambda g, x, low, high: np.clip(g, low, high),
                lambda g, x, low, high: np.where(
                    (x >= low) & (x <= high), np.clip(g, low, high), 0.0
                ),
            ),
            "You clipped the gradient. It is x that is clipped; the gradient passes or not.",
        ),
        Mistake(
            "times_x",
            (
                lambda g, x, low, high: g * np.clip(x, low, high),
                lambda g, x, low, high: g * x,
                lambda g, x, low, high: np.where((x >= low) & (x <= high), g * x, 0.0),
                lambda g, x, low, high: g * np.round(x),
            ),
            "You multiplied by the value. A gradient needs the derivative, which is 1 inside the "
            "range.",
        ),
        Mistake(
            "forward",
            (
                lambda g, x, low, high: np.clip(x, low, high),
                lambda g, x, low, high: np.where((x >= low) & (x <= high), x, 0.0),
                lambda g, x, low, high: np.clip(np.round(x), low, high),
            ),
            "That is made of x, as in the forward pass. Backward it is `upstream` that passes on, "
            "or does not.",
        ),
        Mistake(
            "left_out",
            (
                lambda g, x, low, high: g[(x >= low) & (x <= high)],
                lambda g, x, low, high: [a for a, b in zip(g, x, strict=True) if low <= b <= high],
            ),
            "You left the clipped ones out, so that the result is shorter than x. Each weight "
            "needs its gradient at its own place: zero is one, too.",
        ),
        Mistake(
            "end_values",
            (
                lambda g, x, low, high: np.where(x < low, low, np.where(x > high, high, g)),
                lambda g, x, low, high: np.where(
                    (x >= low) & (x <= high), g, np.clip(x, low, high)
                ),
                lambda g, x, low, high: np.where((x >= low) & (x <= high), g, 1.0),
                lambda g, x, low, high: np.where((x >= low) & (x <= high), g, x),
            ),
            "Inside the range you are right. Outside, nothing that moves x changes the clipped "
            "value, and the derivative of what does not change is zero.",
        ),
    ],
)


def fold(kernel, gamma, variance, epsilon):
    return kernel * gamma / np.sqrt(variance + epsilon)


def _layer(seed, shape, epsilon):
    """A large epsilon: where it stands must show."""
    rng = np.random.default_rng(seed)
    channels = shape[-1]
    return (
        rng.normal(size=shape), rng.uniform(0.5, 2, channels), rng.uniform(0.6, 3, channels),
        epsilon,
    )  # fmt: skip


def _inputs_axis(kernel, factor):
    return kernel * factor[:, None]


exercise(
    "09.fold",
    fold,
    cases=[  # one has as many inputs as outputs: there a wrong axis raises nothing
        _layer(1, (2, 3), 0.25),
        _layer(2, (4, 4), 0.5),
        _layer(3, (3, 3, 4, 5), 0.125),
        _layer(4, (3, 3, 5, 5), 0.06),
        (np.ones((2, 3)), np.array([-1.5, 0.5, 2.0]), np.array([4.0, 0.25, 1.0]), 0.1),
    ],
    rtol=1e-5,
    may_pass=("abs_of",),  # no variance is negative
    mistakes=[
        Mistake(
            "variance",
            lambda k, gamma, var, eps: k * gamma / (var + eps),
            "You divide by the variance. Batch normalization divides by the standard deviation, "
            "its square root.",
        ),
        Mistake(
            "squared",
            (
                lambda k, gamma, var, eps: k * gamma / np.sqrt(var**2 + eps),
                lambda k, gamma, var, eps: k * gamma / (var**2 + eps),
            ),
            "You squared the variance. It is a square already: the standard deviation is its root.",
        ),
        Mistake(
            "no_epsilon",
            (
                lambda k, gamma, var, eps: k * gamma / np.sqrt(var),
                lambda k, gamma, var, eps: k * gamma / var,
                lambda k, gamma, var, eps: k / np.sqrt(var),
            ),
            "Epsilon is missing. It is small, but so are some variances.",
        ),
        Mistake(
            "epsilon_outside",
            (
                lambda k, gamma, var, eps: k * gamma / (np.sqrt(var) + eps),
                lambda k, gamma, var, eps: k * gamma / np.sqrt(var) + eps,
                lambda k, gamma, var, eps: k * gamma / (np.sqrt(var) + np.sqrt(eps)),
            ),
            "Epsilon belongs under the root: it is added to the variance before the root is taken.",
        ),
        Mistake(
            "epsilon_sign",
            (
                lambda k, gamma, var, eps: k * gamma / np.sqrt(var - eps),
                lambda k, gamma, var, eps: k * gamma / np.sqrt(var * eps),
            ),
            "Epsilon is added to the variance, so that what stands under the root is never zero.",
        ),
        Mistake(
            "no_gamma",
            (
                lambda k, gamma, var, eps: k / np.sqrt(var + eps),
                lambda k, gamma, var, eps: k / (var + eps),
            ),
            "Gamma is missing: after normalizing, the layer scales by it.",
        ),
        Mistake(
            "no_root",
            lambda k, gamma, var, eps: k * np.sqrt(gamma / (var + eps)),
            "The root reaches too far: only variance plus epsilon stands under it.",
        ),
        Mistake(
            "multiplied",
            (
                lambda k, gamma, var, eps: k * gamma * np.sqrt(var + eps),
                lambda k, gamma, var, eps: k * gamma * (var + eps),
            ),
            "You multiply by what batch normalization divides by.",
        ),
        Mistake(
            "divided_by_gamma",
            (
                lambda k, gamma, var, eps: k / gamma / np.sqrt(var + eps),
                lambda k, gamma, var, eps: k * np.sqrt(var + eps) / gamma,
            ),
            "You divide by gamma. The layer multiplies by it, after it has divided by the standard "
            "deviation.",
        ),
        Mistake(
            "added",
            (
                lambda k, gamma, var, eps: k + gamma / np.sqrt(var + eps),
                lambda k, gamma, var, eps: k / np.sqrt(var + eps) + gamma,
            ),
            "You add. Batch normalization's scale multiplies: what it adds goes into the bias.",
        ),
        Mistake(
            "factor_only",
            (
                lambda k, gamma, var, eps: gamma / np.sqrt(var + eps),
                lambda k, gamma, var, eps: k.shape[-1] * gamma / np.sqrt(var + eps),
            ),
            "That is the factor of each channel. The folded kernel is the kernel times it.",
        ),
        Mistake(
            "inputs_axis",
            lambda k, gamma, var, eps: _inputs_axis(k, gamma / np.sqrt(var + eps)),
            "Your factors run along the inputs' axis. They belong to the output channels, the "
            "kernel's last axis.",
        ),
        Mistake(
            "whole_kernel",
            (
                lambda k, gamma, var, eps: k * np.mean(gamma / np.sqrt(var + eps)),
                lambda k, gamma, var, eps: k * np.mean(gamma) / np.sqrt(np.mean(var) + eps),
                lambda k, gamma, var, eps: k * gamma[0] / np.sqrt(var[0] + eps),
                lambda k, gamma, var, eps: k * np.max(gamma / np.sqrt(var + eps)),
            ),
            "You use one factor for the whole kernel. Each output channel has its own.",
        ),
        Mistake(
            "own_variance",
            (
                lambda k, gamma, var, eps: k * gamma / np.sqrt(k.var() + eps),
                lambda k, gamma, var, eps: (
                    k * gamma / np.sqrt(k.var(axis=tuple(range(k.ndim - 1))) + eps)
                ),
            ),
            "You took the variance of the weights. `variance` is that of the layer's outputs, "
            "which batch normalization has measured in training.",
        ),
        Mistake(
            "centred",
            lambda k, gamma, var, eps: (k - k.mean()) * gamma / np.sqrt(var + eps),
            "You subtracted a mean from the kernel. The mean that batch normalization subtracts is "
            "the outputs', and goes into the bias.",
        ),
        Mistake(
            "root_of_gamma",
            lambda k, gamma, var, eps: k * np.sqrt(np.abs(gamma) / (var + eps)),
            "Gamma is under the root as well. Only the variance is a square; gamma multiplies as "
            "it is, with its sign.",
        ),
        Mistake(
            "matrix_product",
            (
                lambda k, gamma, var, eps: k @ (gamma / np.sqrt(var + eps)),
                lambda k, gamma, var, eps: k @ np.diag(gamma / np.sqrt(var + eps)) @ np.ones(
                    len(gamma)
                ),
            ),
            "@ adds up over the output channels, which are then gone. Each channel is multiplied "
            "with its own factor: *, and the shape stays.",
        ),
    ],
)
