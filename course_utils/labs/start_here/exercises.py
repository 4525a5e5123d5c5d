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
            "hours",
            lambda size, rate: size * 8 / (rate * 1000) / 3600,
            "That is the time in hours; the question asks for seconds.",
        ),
        Mistake(
            "weights_for_bytes",
            lambda size, rate: size / 4 * 8 / (rate * 1000),
            "Four times too short: you took the number of weights for the number of bytes, or "
            "sent one byte a weight. A float32 has four.",
        ),
        Mistake(
            "32_bits_a_byte",
            lambda size, rate: size * 32 / (rate * 1000),
            "Four times too long: a float32 weight has 32 bits, but the size is given in bytes, "
            "and a byte has 8.",
        ),
        Mistake(
            "mega",
            lambda size, rate: size * 8 / (rate * 1e6),
            "A thousand times too short: the speed is in kilobits per second, not in megabits.",
        ),
        Mistake(
            "kilo_divided",
            lambda size, rate: size * 8 / (rate / 1000),
            "A million times too long: a kilobit is 1000 bits, so the speed in bits per second is "
            "the larger number of the two.",
        ),
        Mistake(
            "multiplied",
            lambda size, rate: size * 8 * rate * 1000,
            "You multiplied the size by the speed. A faster link takes less time: divide.",
        ),
        Mistake(
            "upside_down",
            (
                lambda size, rate: rate * 1000 / (size * 8),
                lambda size, rate: rate * 1000 / size,
                lambda size, rate: rate / (size * 8),
            ),
            "You divided the speed by the size. That is how many models go over the link in one "
            "second, if the units agree; the time is its inverse.",
        ),
    ],
)


def conv_macs(output_shape, input_shape, kernel_size):
    """Shapes are (height, width, channels), as Keras prints them; kernel_size (height, width)."""
    return math.prod(output_shape) * math.prod(kernel_size) * input_shape[2]


def _by(positions=None, window=None, into=None, times=1, plus=None):
    """A count with one of its factors replaced: what most mistakes are."""

    def count(out, inp, k):
        factors = (
            out[0] * out[1] if positions is None else positions(out, inp, k),
            out[2],
            math.prod(k) if window is None else window(k),
            inp[2] if into is None else into(out, inp, k),
        )
        return times * math.prod(factors) + (0 if plus is None else plus(out, inp, k))

    return count


exercise(
    "00.macs",
    conv_macs,
    rtol=1e-9,
    cases=[
        ((2, 2, 1), (4, 4, 1), (3, 3)),
        ((5, 6, 7), (8, 9, 4), (3, 2)),
        ((14, 14, 32), (28, 28, 16), (3, 3)),
        ((1, 50, 32), (1, 50, 16), (1, 5)),
        ((7, 7, 64), (7, 7, 48), (1, 1)),
    ],
    mistakes=[
        Mistake(
            "no_input_channels",
            _by(into=lambda out, inp, k: 1),
            "You left out the input channels: a filter reaches through all of them, so each output "
            "value costs kernel height x kernel width x input channels.",
        ),
        Mistake(
            "output_channels_twice",
            _by(into=lambda out, inp, k: out[2]),
            "You counted the output's channels twice and the input's not at all. There is one "
            "filter for each output channel; each reaches through all channels of the input.",
        ),
        Mistake(
            "input_size",
            (
                _by(positions=lambda out, inp, k: inp[0] * inp[1]),
                lambda out, inp, k: math.prod(inp) * math.prod(k) * out[2],
                lambda out, inp, k: math.prod(inp) * math.prod(k),
                lambda out, inp, k: math.prod(inp) * math.prod(k) * inp[2],
            ),
            "You counted one filter position for each pixel of the input. The filter is computed "
            "once for each pixel of the output, which may be smaller.",
        ),
        Mistake(
            "valid_positions",
            _by(positions=lambda out, inp, k: (inp[0] - k[0] + 1) * (inp[1] - k[1] + 1)),
            "You worked out the positions from the input and the kernel, which is right only "
            "without padding and with a stride of 1. The output's shape is given: it has one "
            "position for each of its pixels.",
        ),
        Mistake(
            "every_input",
            (
                lambda out, inp, k: math.prod(out) * math.prod(inp),
                lambda out, inp, k: math.prod(out) * math.prod(inp) * math.prod(k),
            ),
            "You let every output value see the whole input, as a dense layer does. In a "
            "convolution it sees only what lies under the kernel.",
        ),
        Mistake(
            "twice",
            _by(times=2),
            "Exactly twice too many: you counted the multiplication and the addition separately "
            "(that is the count of operations, or FLOPs). One multiply-accumulate is both.",
        ),
        Mistake(
            "parameters",
            (
                lambda out, inp, k: math.prod(k) * inp[2] * out[2],
                lambda out, inp, k: math.prod(k) * inp[2] * out[2] + out[2],
                lambda out, inp, k: (math.prod(k) * inp[2] + 1) * out[2],
            ),
            "That is the number of parameters. A convolution uses each of its weights again at "
            "every position of the output.",
        ),
        Mistake(
            "one_output",
            (
                lambda out, inp, k: math.prod(k) * inp[2],
                lambda out, inp, k: math.prod(k),
            ),
            "That is the work for a single output value. The layer computes one for every position "
            "and every channel of its output.",
        ),
        Mistake(
            "outputs",
            lambda out, inp, k: math.prod(out),
            "That is how many values come out. Each of them is a sum of many products.",
        ),
        Mistake(
            "one_filter",
            lambda out, inp, k: out[0] * out[1] * math.prod(k) * inp[2],
            "That is the cost of one filter. The layer has one for each output channel.",
        ),
        Mistake(
            "kernel_side",
            (
                _by(window=lambda k: k[0]),
                _by(window=lambda k: k[1]),
                _by(window=lambda k: k[0] ** 2),
                _by(window=lambda k: k[1] ** 2),
                _by(window=lambda k: len(k)),
                _by(window=sum),
            ),
            "The kernel covers an area: its height times its width, which may differ. You counted "
            "one side, one side squared, or their sum.",
        ),
        Mistake(
            "one_direction",
            (
                _by(positions=lambda out, inp, k: out[0]),
                _by(positions=lambda out, inp, k: out[1]),
                _by(positions=lambda out, inp, k: out[0] + out[1]),
                _by(positions=lambda out, inp, k: out[0] ** 2),
            ),
            "The output has height times width positions. You counted along one direction only, "
            "added the two, or took the output for square.",
        ),
        Mistake(
            "with_bias",
            (
                _by(plus=lambda out, inp, k: math.prod(out)),
                _by(plus=lambda out, inp, k: out[2]),
            ),
            "You counted the bias too. It is only added, not multiplied, and usually the "
            "running sum just starts from it.",
        ),
        Mistake(
            "bytes",
            (_by(times=4), _by(times=32)),
            "You multiplied by the size of a float32. The count is of operations, not of bytes or "
            "bits.",
        ),
        Mistake(
            "wrong_place_for_channels",
            (
                _by(into=lambda out, inp, k: inp[0]),
                _by(into=lambda out, inp, k: inp[1]),
            ),
            "You multiply by the input's height or width. Its channels are the last of the three "
            "numbers.",
        ),
    ],
)
