"""Exercises of notebook 00: bytes over a link, multiply-accumulates."""

from __future__ import annotations

import math

from course_utils.views.checks import Mistake, exercise


def payload_seconds(model_bytes, kbit_per_s):
    return model_bytes * 8 / (kbit_per_s * 1000)


exercise(
    "00.payload",
    payload_seconds,
    function=False,
    rtol=5e-3,  # seconds copied by hand; 1000 against 1024 is 2.4 %
    cases=[(1000, 1), (3000, 20)],
    mistakes=[
        Mistake(
            "bytes_for_bits",
            lambda size, rate: size / (rate * 1000),
            "Eight times too short: the model's size is in bytes, the link's speed in bits per "
            "second. A byte has 8 bits.",
        ),
        Mistake(
            "divides_by_8",
            lambda size, rate: size / 8 / (rate * 1000),
            "64 times too short: you divided by 8 where bytes become bits by multiplying by 8.",
        ),
        Mistake(
            "kilo_is_1024",
            lambda size, rate: size * 8 / (rate * 1024),
            "2.4 % too short: 1024 stands where 1000 belongs. Link speeds use the decimal kilo, "
            "and the model's size is given in single bytes; 1024 is the kibi (Ki) of memory sizes.",
        ),
        Mistake(
            "bytes_and_1024",
            lambda size, rate: size / (rate * 1024),
            "Two things at once: the size is in bytes but the speed in bits, and a link's kilo is "
            "1000, not 1024.",
        ),
        Mistake(
            "kilo_forgotten",
            lambda size, rate: size * 8 / rate,
            "A thousand times too long: the speed is in kilobits per second, 1000 bits each. "
            "(Or your answer is in milliseconds; it should be in seconds.)",
        ),
        Mistake(
            "minutes",
            lambda size, rate: size * 8 / (rate * 1000) / 60,
            "That is the time in minutes; the question asks for seconds.",
        ),
        Mistake(
            "upside_down",
            lambda size, rate: rate * 1000 / (size * 8),
            "You divided the speed by the size. That is how many models go over the link in one "
            "second; the time is its inverse.",
        ),
    ],
)


def conv_macs(output_shape, input_shape, kernel_size):
    """Shapes are (height, width, channels), as Keras prints them; kernel_size (height, width)."""
    return math.prod(output_shape) * math.prod(kernel_size) * input_shape[2]


exercise(
    "00.macs",
    conv_macs,
    function=False,
    rtol=1e-9,
    cases=[((2, 2, 1), (4, 4, 1), (3, 3)), ((5, 6, 7), (8, 9, 4), (3, 2))],
    mistakes=[
        Mistake(
            "no_input_channels",
            lambda out, into, k: math.prod(out) * math.prod(k),
            "You left out the input channels: a filter reaches through all of them, so each output "
            "value costs kernel height x kernel width x input channels.",
        ),
        Mistake(
            "input_size",
            lambda out, into, k: into[0] * into[1] * out[2] * math.prod(k) * into[2],
            "You counted one filter position for each pixel of the input. The filter is computed "
            "once for each pixel of the output, which here is smaller.",
        ),
        Mistake(
            "twice",
            lambda out, into, k: 2 * conv_macs(out, into, k),
            "Exactly twice too many: you counted the multiplication and the addition separately "
            "(that is the count of operations, or FLOPs). One multiply-accumulate is both.",
        ),
        Mistake(
            "parameters",
            (
                lambda out, into, k: math.prod(k) * into[2] * out[2],
                lambda out, into, k: math.prod(k) * into[2] * out[2] + out[2],
            ),
            "That is the number of parameters. A convolution uses each of its weights again at "
            "every position of the output.",
        ),
        Mistake(
            "one_filter",
            lambda out, into, k: out[0] * out[1] * math.prod(k) * into[2],
            "That is the cost of one filter. The layer has one for each output channel.",
        ),
        Mistake(
            "kernel_side",
            lambda out, into, k: math.prod(out) * k[0] * into[2],
            "The kernel covers an area: its height times its width, not one side.",
        ),
        Mistake(
            "with_bias",
            lambda out, into, k: conv_macs(out, into, k) + math.prod(out),
            "You counted the bias as one more multiply-accumulate for each output value. It is "
            "only added, and usually the accumulator just starts from it.",
        ),
    ],
)
