"""Exercises of notebook 11: what runs, what is alive at once, what fits, and the first input."""

from __future__ import annotations

import math
from collections.abc import Mapping

from course_utils.views.checks import NOT_ATTEMPTED, PASSED, Mistake, exercise, judge, not_yet


@judge("11.send")
def file_to_send(answer, files: Mapping[str, tuple[int, bool]]):
    """answer: the mode of the file to flash. files: {mode: (bytes, does TFLM run it?)}."""
    if answer is ...:
        return NOT_ATTEMPTED
    if not isinstance(answer, str) or answer not in files:
        return not_yet(f"Answer with a mode: {', '.join(map(repr, files))}.", "not_a_mode")
    running = {mode: size for mode, (size, runs) in files.items() if runs}
    best = min(running, key=running.get)
    if answer == best:
        return PASSED
    size, told = files[answer][0], f"{files[answer][0]:,} bytes"
    if answer == "float16":
        return not_yet(
            f"The float16 file ({told}) begins with operators that widen half floats to float32, "
            "and TFLM has no kernel for that. Half floats help a phone's GPU, not TFLM.",
            "float16",
        )
    if answer == "dynamic":
        return not_yet(
            f"The dynamic range file ({told}) has int8 weights, but its activations are floats: "
            "hybrid kernels, which TFLM does not have. A small file that does not run is no use.",
            "dynamic",
        )
    return not_yet(
        f"It runs, but takes {told}: {size / running[best]:.1f} times as much flash as the "
        "smallest file that runs.",
        "not_the_smallest",
    )


def peak_bytes(sizes, first, last):
    """The most bytes that must be in RAM at once."""
    lives = list(zip(sizes, first, last, strict=True))
    return max(
        sum(size for size, start, end in lives if start <= at <= end)
        for at in range(max(last) + 1)
    )


def _between(sizes, first, last):
    """What is alive between operators: a tensor is let go before its last reader runs."""
    return peak_bytes(sizes, first, [end - 1 for end in last])


def _average(sizes, first, last):
    lives = zip(sizes, first, last, strict=True)
    return sum(size * (end - start + 1) for size, start, end in lives) / (max(last) + 1)


exercise(
    "11.peak",
    peak_bytes,
    cases=[
        ([600, 1600, 800, 7], [0, 0, 1, 2], [0, 1, 2, 2]),
        ([100, 100, 100, 100], [0, 0, 1, 2], [2, 1, 2, 2]),  # the input is added at the end
        ([784, 10], [0, 0], [0, 0]),
        ([50, 400, 30, 300, 20], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3]),
    ],
    mistakes=[
        Mistake(
            "all_at_once",
            lambda sizes, first, last: sum(sizes),
            "You added all activations. But they share their bytes: one that no later operator "
            "reads makes room for the next. RAM must hold the most that is alive at one time.",
        ),
        Mistake(
            "largest_alone",
            lambda sizes, first, last: max(sizes),
            "You took the largest activation alone. An operator reads one tensor while it writes "
            "another: both must be there.",
        ),
        Mistake(
            "neighbours_only",
            lambda sizes, first, last: max(
                (a + b for a, b in zip(sizes, sizes[1:], strict=False)), default=0
            ),
            "You added neighbours in the list. That is right in a chain; a tensor that is read "
            "again later (a shortcut around some layers) must be kept until then. Use first and "
            "last.",
        ),
        Mistake(
            "between_operators",
            _between,
            "You counted what is alive between two operators. While an operator runs, what it "
            "reads and what it writes must both be there: include first and last.",
        ),
        Mistake(
            "average",
            _average,
            "That is the average over the network's life. Memory must be there for the worst "
            "moment.",
        ),
    ],
)


def memory_left(model, code, arena, flash, ram):
    return flash - model - code, ram - arena


exercise(
    "11.left",
    memory_left,
    cases=[
        (20_000, 70_000, 6_000, 1_048_576, 262_144),
        (1_068_756, 45_000, 8_016, 1_048_576, 262_144),
        (20_000, 70_000, 6_000, 32_768, 2_048),
    ],
    mistakes=[
        Mistake(
            "weights_in_ram",
            lambda model, code, arena, flash, ram: (flash - code, ram - arena - model),
            "You took the model from the RAM. The kernels read the weights where they are, in "
            "flash; RAM holds what changes while the network runs.",
        ),
        Mistake(
            "weights_in_both",
            lambda model, code, arena, flash, ram: (flash - model - code, ram - arena - model),
            "You took the model twice, from flash and from RAM. TFLM does not copy the weights: "
            "a const array is read where it lies, in flash.",
        ),
        Mistake(
            "arena_in_flash",
            lambda model, code, arena, flash, ram: (flash - model - code - arena, ram - arena),
            "You took the arena from the flash, too. The arena is empty until the program runs: it "
            "takes RAM, and no flash.",
        ),
        Mistake(
            "swapped",
            lambda model, code, arena, flash, ram: (flash - arena, ram - model - code),
            "You put the activations into flash and the weights into RAM. It is the other way "
            "round: what never changes goes to flash.",
        ),
        Mistake(
            "code_forgotten",
            lambda model, code, arena, flash, ram: (flash - model, ram - arena),
            "TFLM's code is missing. For a small network it is larger than the model.",
        ),
        Mistake(
            "arena_is_model_size",
            lambda model, code, arena, flash, ram: (flash - model - code, ram - model),
            "You used the model's size as that of the arena. They have little to do with each "
            "other: weights fill the file, activations the arena.",
        ),
        Mistake(
            "taken_not_left",
            lambda model, code, arena, flash, ram: (model + code, arena),
            "That is what is taken. The question asks what is left.",
        ),
    ],
)


def ram_bytes(kib):
    return kib * 1024


exercise(
    "11.kib",
    ram_bytes,
    function=False,
    rtol=1e-6,
    cases=[(1,), (256,)],
    mistakes=[
        Mistake(
            "decimal",
            lambda kib: kib * 1000,
            "You counted 1000 bytes to a kilobyte. A datasheet's KB of memory is 1024 bytes "
            "(written KiB where it matters).",
        ),
        Mistake("bits", lambda kib: kib * 1024 * 8, "These are bits. The question asks for bytes."),
        Mistake(
            "mebi",
            lambda kib: kib * 1024**2,
            "You multiplied by 1024 twice: that turns MiB into bytes, not KiB.",
        ),
        Mistake(
            "kilobytes",
            lambda kib: kib,
            "That is the number of kilobytes, as on the datasheet. The question asks for bytes.",
        ),
    ],
)


def input_code(x, scale, zero_point):
    return min(max(math.floor(x / scale + zero_point + 0.5), -128), 127)


exercise(
    "11.input",
    input_code,
    cases=[
        (0.5, 0.00392, -128),
        (0.3, 0.1, 3),
        (-0.26, 0.1, 3),
        (-1.234, 0.05, 7),
        (9.0, 0.05, 7),
        (-99.0, 0.05, 7),
    ],
    mistakes=[
        Mistake(
            "truncated",
            (
                lambda x, scale, zero_point: min(max(int(x / scale + zero_point), -128), 127),
                lambda x, scale, zero_point: min(max(int(x / scale) + zero_point, -128), 127),
                lambda x, scale, zero_point: int(x / scale + zero_point),
                lambda x, scale, zero_point: int(x / scale) + zero_point,
            ),
            "You cut the fraction off, as a cast in C does: half of all inputs come out one code "
            "too near to zero. Round to the nearest.",
        ),
        Mistake(
            "floored",
            (
                lambda x, scale, zero_point:
                    min(max(math.floor(x / scale + zero_point), -128), 127),
                lambda x, scale, zero_point: math.floor(x / scale + zero_point),
            ),
            "You rounded down: half of all inputs come out one code too low. Round to the nearest.",
        ),
        Mistake(
            "not_saturated",
            lambda x, scale, zero_point: math.floor(x / scale + zero_point + 0.5),
            "Some inputs give a code that int8 cannot hold. In C++ it would wrap around: the "
            "strongest push forward is read as one backward. Saturate at -128 and 127.",
        ),
        Mistake(
            "wrapped",
            lambda x, scale, zero_point:
                (math.floor(x / scale + zero_point + 0.5) + 128) % 256 - 128,
            "Codes beyond int8 wrap around: the strongest push forward is read as one backward. "
            "Saturate before you store them.",
        ),
        Mistake(
            "zero_point_forgotten",
            lambda x, scale, zero_point: min(max(math.floor(x / scale + 0.5), -128), 127),
            "The zero point is missing: the code of x = 0.",
        ),
        Mistake(
            "zero_point_subtracted",
            lambda x, scale, zero_point:
                min(max(math.floor(x / scale - zero_point + 0.5), -128), 127),
            "You subtracted the zero point. That belongs to the way back, from code to number.",
        ),
        Mistake(
            "multiplied",
            lambda x, scale, zero_point:
                min(max(math.floor(x * scale + zero_point + 0.5), -128), 127),
            "You multiplied by the scale. The scale is the step from one code to the next: x / "
            "scale counts the steps.",
        ),
        Mistake(
            "scaled_by_255",
            lambda x, scale, zero_point: min(max(math.floor(x * 255 + 0.5) - 128, -128), 127),
            "You used 255 and 128, as if every input went from 0 to 1. The file says which scale "
            "and zero point its input has.",
        ),
    ],
)  # fmt: skip
