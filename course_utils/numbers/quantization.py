"""From real numbers to integers and back: scales, zero points, and what they cost.

An integer code q stands for the real number (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018, equation 1; LiteRT's 8-bit
quantization specification):

    r = S * (q - Z)          S the scale, a real number > 0;  Z the zero point, a code

Real zero is always a code of its own (r = 0 at q = Z): padding and ReLU rely on it.

The functions here are the production functions. They give, bit for bit,

    quantize        the int8 weights that the LiteRT converter stores
    dequantize      the float32 values of LiteRT's DEQUANTIZE
    fake_quantize   tf.quantization.fake_quant_with_min_max_vars and ..._per_channel

and so inherit how those references round, which differs where x/S is halfway between two codes:
the converter multiplies by 1/S and rounds halves away from zero, fake-quant rounds halves up.
LiteRT's QUANTIZE kernel divides by S instead of multiplying by 1/S, which can move a value that
lies within one float32 rounding of a halfway point by one code; `integer_engine` does as it does.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

# A symmetric range narrower than this is widened to it, as the LiteRT converter does: a filter
# whose weights are all zero still needs a scale.
SMALLEST_MAGNITUDE = 5e-7


@dataclass(frozen=True, eq=False)
class QParams:
    """The mapping between real numbers and codes: r = scale * (q - zero_point).

    scale:        float > 0, or with `channel_axis` a 1-D float64 array, one per channel: the real
                  distance between two codes. A .tflite file stores it rounded to float32.
    zero_point:   int in [qmin, qmax], or a 1-D int64 array: the code of real zero.
    qmin, qmax:   the smallest and the largest code.
    channel_axis: the axis **kept**: each index along it has a scale of its own. None: one scale
                  for the whole tensor.
    Raises ValueError where these contradict each other, TypeError where they are not numbers.

    >>> QParams(scale=0.5, zero_point=-128, qmin=-128, qmax=127).range
    (0.0, 127.5)
    """

    scale: float | np.ndarray
    zero_point: int | np.ndarray
    qmin: int
    qmax: int
    channel_axis: int | None = None

    def __post_init__(self):
        scale = np.array(self.scale, dtype=np.float64)
        zero_point = np.array(self.zero_point)
        if zero_point.dtype.kind not in "iu":
            raise TypeError(f"zero_point is a code, an integer, not {zero_point.dtype}.")
        zero_point = zero_point.astype(np.int64)
        if not self.qmin < self.qmax:
            raise ValueError(f"qmin {self.qmin} must be below qmax {self.qmax}.")
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("A scale is a finite number above zero: the distance between codes.")
        if (zero_point < self.qmin).any() or (zero_point > self.qmax).any():
            raise ValueError(
                f"The zero point must be one of the codes {self.qmin} to {self.qmax}: "
                "widen the range until it holds zero, do not clip the zero point."
            )
        if self.channel_axis is None:
            if scale.ndim or zero_point.ndim:
                raise ValueError("Several scales need a channel_axis: the axis they belong to.")
            scale, zero_point = float(scale), int(zero_point)
        else:
            if scale.ndim != 1 or scale.shape != zero_point.shape:
                raise ValueError(
                    "Per channel, scale and zero_point are 1-D with one entry a channel, "
                    f"not of shapes {scale.shape} and {zero_point.shape}."
                )
            scale.setflags(write=False)
            zero_point.setflags(write=False)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point)

    def __eq__(self, other):
        if not isinstance(other, QParams):
            return NotImplemented
        mine = (self.qmin, self.qmax, self.channel_axis)
        return (
            mine == (other.qmin, other.qmax, other.channel_axis)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    @property
    def codes(self):
        """How many codes there are: 256 for int8, 255 in its narrow range."""
        return self.qmax - self.qmin + 1

    @property
    def range(self):
        """The smallest and the largest real number that has a code (floats, or float64 arrays)."""
        return (
            self.scale * (self.qmin - self.zero_point),
            self.scale * (self.qmax - self.zero_point),
        )


def code_range(num_bits=8, narrow_range=False):
    """Return (qmin, qmax) of signed integers: two's complement; narrow leaves out the lowest code.

    Raises ValueError unless num_bits is an integer from 2 to 16.

    >>> code_range(8), code_range(8, narrow_range=True)
    ((-128, 127), (-127, 127))
    """
    is_integer = isinstance(num_bits, (int, np.integer)) and not isinstance(num_bits, bool)
    if not is_integer or not 2 <= num_bits <= 16:
        raise ValueError(f"num_bits must be an integer from 2 to 16, not {num_bits!r}.")
    half = 2 ** (int(num_bits) - 1)
    return -half + bool(narrow_range), half - 1


def choose_qparams(
    x_min, x_max, num_bits=8, symmetric=False, narrow_range=False, channel_axis=None
):
    """Return the QParams whose codes cover the real range [x_min, x_max].

    Affine (asymmetric), for activations; the zero point is moved to the nearest code
    ("nudged"), so the covered range can shift by up to half a code:

        S = (x_max - x_min) / (qmax - qmin)        Z = round(qmin - x_min / S)

    Symmetric, for weights (LiteRT: int8, per channel, narrow range):

        S = max(|x_min|, |x_max|) / qmax           Z = 0

    x_min, x_max: float32 numbers, or with `channel_axis` 1-D arrays, one range a channel. A range
                  that leaves out zero is widened to zero, with a warning.
    Returns QParams. A range of no width (nothing but zeros) gets the small scale that the
    converter gives it: every code but the zero point is then unused.
    Raises ValueError for NaN, infinite or reversed ranges, a bit width outside 2 to 16, and
    shapes that do not fit `channel_axis`.

    >>> choose_qparams(0.0, 6.0)
    QParams(scale=0.023529411764705882, zero_point=-128, qmin=-128, qmax=127, channel_axis=None)
    """
    qmin, qmax = code_range(num_bits, narrow_range)
    x_min, x_max = np.asarray(x_min, dtype=np.float32), np.asarray(x_max, dtype=np.float32)
    _check_range(x_min, x_max, channel_axis)
    if (x_min > 0).any() or (x_max < 0).any():
        warnings.warn(
            "The range leaves out zero. It is widened to hold zero, because padding and ReLU "
            "need a code that means exactly zero.",
            stacklevel=2,
        )
        x_min, x_max = np.minimum(x_min, 0), np.maximum(x_max, 0)
    if symmetric:
        magnitude = np.maximum(-x_min, x_max)
        magnitude = np.maximum(magnitude, np.float32(SMALLEST_MAGNITUDE))
        scale = magnitude.astype(np.float64) / qmax
        return QParams(scale, np.zeros(scale.shape, np.int64), qmin, qmax, channel_axis)

    with np.errstate(over="ignore"):
        width = x_max - x_min  # float32, as fake-quant subtracts
    if not np.isfinite(width).all():
        raise ValueError("The range is wider than float32 can hold: look for outliers in the data.")
    # Below 1e-30 the inverse of the scale no longer fits in float32.
    width = np.where(width < 1e-30, np.float32(2 * SMALLEST_MAGNITUDE), width)
    scale = width.astype(np.float64) / (qmax - qmin)
    # Fake-quant finds the zero point in float32 among codes that start at 0 (narrow range: at 1).
    lowest = np.float32(bool(narrow_range))
    nudged = round_half_away(lowest - x_min / scale.astype(np.float32))
    nudged = np.clip(nudged, lowest, lowest + np.float32(qmax - qmin))
    zero_point = nudged.astype(np.int64) - int(lowest) + qmin
    return QParams(scale, zero_point, qmin, qmax, channel_axis)


def quantize(x, qparams):
    """Return the codes of x: q = clip(round(x / S) + Z, qmin, qmax).

    x: real array of any shape (computed in float32). Values outside the range saturate.
    Returns an integer array of x's shape: int8 where the codes fit, else int16 or int32.
    Rounds as the LiteRT converter rounds weights: x times 1/S in float32, halves away from zero.
    Raises ValueError for NaN and where x has no such channel axis or another number of channels.

    >>> quantize([-1.0, 0.0, 0.3, 9.9], QParams(scale=0.02, zero_point=0, qmin=-128, qmax=127))
    array([-50,   0,  15, 127], dtype=int8)
    """
    x = _real(x)
    if np.isnan(x).any():
        raise ValueError("NaN has no code: find where the NaN comes from before quantizing.")
    scale, zero_point = _aligned(qparams, x.shape)
    if qparams.channel_axis is not None:
        # Per channel the converter inverts the scale it stores; per tensor it divides
        # the largest code by the largest magnitude, which is the inverse of the unrounded scale.
        scale = scale.astype(np.float32).astype(np.float64)
    inverse = (1 / scale).astype(np.float32)
    with np.errstate(over="ignore"):
        steps = round_half_away(x * inverse)
    steps = np.clip(steps, qparams.qmin - zero_point, qparams.qmax - zero_point)
    return (steps + zero_point).astype(_code_dtype(qparams))


def dequantize(q, qparams):
    """Return the real numbers that the codes stand for: r = S * (q - Z), float32, q's shape.

    Raises TypeError unless q holds integers, ValueError for codes outside [qmin, qmax] and for
    a channel axis that does not fit.

    >>> dequantize([-50, 0, 127], QParams(scale=0.02, zero_point=0, qmin=-128, qmax=127))
    array([-1.  ,  0.  ,  2.54], dtype=float32)
    """
    q = np.asarray(q)
    if q.dtype.kind not in "iu":
        raise TypeError(f"Codes are integers, not {q.dtype}: call quantize first.")
    if q.size and (q.min() < qparams.qmin or q.max() > qparams.qmax):
        raise ValueError(f"Codes run from {qparams.qmin} to {qparams.qmax}; q holds others.")
    scale, zero_point = _aligned(qparams, q.shape)
    return scale.astype(np.float32) * (q.astype(np.int64) - zero_point).astype(np.float32)


def fake_quantize(x, qparams):
    """Return x rounded to the nearest real number that has a code: float in, float out.

    Training inserts this to let the network feel the rounding (Jacob et al., section 3). Equal to
    TensorFlow's fake-quant, which rounds halves up where `quantize` rounds them away from zero.

    x: real array of any shape. Returns float32 of the same shape; NaN stays NaN.
    Raises ValueError where x has no such channel axis or another number of channels.

    >>> fake_quantize([0.0, 0.29, 9.9], QParams(scale=0.5, zero_point=-128, qmin=-128, qmax=127))
    array([ 0. ,  0.5, 10. ], dtype=float32)
    """
    x = _real(x)
    scale64, zero_point = _aligned(qparams, x.shape)
    scale = scale64.astype(np.float32)
    low = (qparams.qmin - zero_point).astype(np.float32)
    high = (qparams.qmax - zero_point).astype(np.float32)
    shifted = np.maximum(np.minimum(x, high * scale), low * scale) - low * scale
    # TensorFlow divides when there is one scale, and multiplies by the inverse per channel.
    if qparams.channel_axis is None:
        steps = shifted / scale
    else:
        steps = shifted * (1 / scale64).astype(np.float32)
    return np.floor(steps + low + np.float32(0.5)) * scale


def round_half_away(x):
    """Return x rounded to whole numbers, halves away from zero, as C's round does; x's dtype.

    (Adding 0.5 and flooring is not the same: 0.49999997 + 0.5 is 1 in float32.)

    >>> round_half_away(np.array([-2.5, -0.5, 0.49999997, 0.5, 1.5], dtype=np.float32))
    array([-3., -1.,  0.,  1.,  2.], dtype=float32)
    """
    x = np.asarray(x)
    whole = np.trunc(x)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return whole + np.copysign(np.abs(x - whole) >= 0.5, x).astype(x.dtype)


# Calibration: which range should the codes cover? Each returns (x_min, x_max), float32.


def min_max_range(x, channel_axis=None):
    """Return the smallest and the largest value: nothing is clipped, one outlier widens all codes.

    x: non-empty real array. With `channel_axis`, 1-D arrays of one value a channel.

    >>> min_max_range([-1.0, 0.5, 2.0])
    (np.float32(-1.0), np.float32(2.0))
    """
    x = _finite(x)
    axes = _other_axes(x, channel_axis)
    return x.min(axis=axes), x.max(axis=axes)


def percentile_range(x, percentile=99.9, channel_axis=None):
    """Return the range that leaves out the outermost 100 - percentile per cent at either end.

    x: non-empty real array; percentile in (50, 100]. 100 is `min_max_range`.
    """
    if not 50 < percentile <= 100:
        raise ValueError(f"percentile must be above 50 and at most 100, not {percentile}.")
    x = _finite(x)
    axes = _other_axes(x, channel_axis)
    low, high = np.percentile(x, [100 - percentile, percentile], axis=axes)
    return np.asarray(low, np.float32)[()], np.asarray(high, np.float32)[()]


def mse_range(x, num_bits=8, symmetric=False, narrow_range=False, candidates=100):
    """Return the range whose codes have the least mean squared error on x (per tensor).

    Tries `candidates` ranges, each the min-max range shrunk evenly towards zero: clipping the
    tails costs little when they are thin, and buys finer codes for everything else.
    """
    x = _finite(x)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    best, best_error = (low, high), math.inf
    for fraction in np.linspace(1, 1 / candidates, candidates, dtype=np.float32):
        tried = low * fraction, high * fraction
        qparams = choose_qparams(*tried, num_bits, symmetric, narrow_range)
        error = mean_squared_error(x, fake_quantize(x, qparams))
        if error < best_error:
            best, best_error = tried, error
    return best


def moving_average_range(batches, momentum=0.99, channel_axis=None):
    """Return an exponential moving average of the batches' min-max ranges (Jacob et al., 3.1).

    batches:  iterable of real arrays; the first one starts the average.
    momentum: share of the old average that each batch keeps, in [0, 1).
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}.")
    average = None
    for batch in batches:
        seen = min_max_range(batch, channel_axis)
        if average is None:
            average = seen
        average = tuple(
            np.float32(momentum) * old + np.float32(1 - momentum) * new
            for old, new in zip(average, seen, strict=True)
        )
    if average is None:
        raise ValueError("There is no batch to calibrate on: pass at least one.")
    return average


# How large is the error?


def mean_squared_error(x, reconstructed):
    """Return mean((x - reconstructed)^2), computed in float64."""
    return float(np.mean(np.square(_error(x, reconstructed))))


def max_error(x, reconstructed):
    """Return the largest |x - reconstructed|: at most S/2 unless something was clipped."""
    return float(np.max(np.abs(_error(x, reconstructed))))


def sqnr_db(x, reconstructed):
    """Return the signal-to-quantization-noise ratio in decibels: 10 log10(sum x^2 / sum error^2).

    inf where the reconstruction is exact, -inf where x is all zeros and the reconstruction is not.
    """
    noise = float(np.sum(np.square(_error(x, reconstructed))))
    signal = float(np.sum(np.square(np.asarray(x, dtype=np.float64))))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def theoretical_sqnr_db(num_bits, peak_to_rms):
    """Return the textbook's SQNR in decibels: 6.02 b + 4.77 - 20 log10(peak / rms).

    Bennett 1948: codes over [-peak, peak] are S = 2 peak / 2^b apart, and an error spread evenly
    over one step has the variance S^2 / 12. Each bit more halves the step: 6.02 dB.

    num_bits: number of bits b.  peak_to_rms: the signal's peak over its root mean square, >= 1.

    >>> round(theoretical_sqnr_db(8, peak_to_rms=math.sqrt(3)), 2)      # a uniform signal
    48.16
    """
    if not peak_to_rms >= 1:
        raise ValueError(f"No signal's peak is below its root mean square: {peak_to_rms!r}.")
    return 20 * math.log10(2) * num_bits + 10 * math.log10(3) - 20 * math.log10(peak_to_rms)


# What the functions above share.


def _check_range(x_min, x_max, channel_axis):
    if x_min.shape != x_max.shape:
        raise ValueError(f"x_min and x_max differ in shape: {x_min.shape} and {x_max.shape}.")
    if channel_axis is None and x_min.ndim:
        raise ValueError("Several ranges need a channel_axis: the axis they belong to.")
    if channel_axis is not None and (x_min.ndim != 1 or x_min.size == 0):
        raise ValueError("With a channel_axis, x_min and x_max are 1-D: one range a channel.")
    if not (np.isfinite(x_min).all() and np.isfinite(x_max).all()):
        raise ValueError("The range holds NaN or infinity: clean the data before choosing scales.")
    if (x_min > x_max).any():
        raise ValueError("x_min is above x_max: pass the smaller end first.")


def _real(x):
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"Expected real numbers, not {x.dtype}.")
    return x.astype(np.float32)


def _finite(x):
    x = _real(x)
    if x.size == 0:
        raise ValueError("There is no value to calibrate on: the array is empty.")
    if not np.isfinite(x).all():
        raise ValueError("The data holds NaN or infinity: clean it before calibrating.")
    return x


def _error(x, reconstructed):
    x, reconstructed = np.asarray(x, np.float64), np.asarray(reconstructed, np.float64)
    if x.shape != reconstructed.shape:
        raise ValueError(f"The arrays differ in shape: {x.shape} and {reconstructed.shape}.")
    if x.size == 0:
        raise ValueError("There is no value to compare: the arrays are empty.")
    return x - reconstructed


def _axis(shape, channel_axis):
    if not -len(shape) <= channel_axis < len(shape):
        raise ValueError(f"There is no axis {channel_axis} in an array of shape {shape}.")
    return channel_axis % len(shape)


def _other_axes(x, channel_axis):
    if channel_axis is None:
        return None
    kept = _axis(x.shape, channel_axis)
    return tuple(axis for axis in range(x.ndim) if axis != kept)


def _aligned(qparams, shape):
    """Return scale and zero point as arrays that broadcast along the channel axis of `shape`."""
    scale, zero_point = np.asarray(qparams.scale), np.asarray(qparams.zero_point)
    if qparams.channel_axis is None:
        return scale, zero_point
    axis = _axis(shape, qparams.channel_axis)
    if shape[axis] != scale.size:
        raise ValueError(
            f"There are {scale.size} scales, but axis {axis} holds {shape[axis]} channels."
        )
    aligned = [1] * len(shape)
    aligned[axis] = scale.size
    return scale.reshape(aligned), zero_point.reshape(aligned)


def _code_dtype(qparams):
    for dtype in (np.int8, np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= qparams.qmin and qparams.qmax <= np.iinfo(dtype).max:
            return dtype
    raise ValueError(f"Codes {qparams.qmin} to {qparams.qmax} do not fit in 32 bits.")
