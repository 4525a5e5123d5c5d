"""Exercises of notebook 11: what runs, what is alive at once, what fits, the project in hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

from course_utils.labs.tflite_micro_export import chips, project
from course_utils.labs.tflite_micro_export.scenes import input_code, memory_left, peak_bytes
from course_utils.views.checks import (
    NOT_ATTEMPTED,
    PASSED,
    Mistake,
    Result,
    exercise,
    judge,
    not_yet,
)


@judge("11.send")
def file_to_send(answer, files: Mapping[str, tuple[int, bool]]):
    """answer: the mode of the file to flash. files: {mode: (bytes, does TFLM run it?)}."""
    if answer is ...:
        return NOT_ATTEMPTED
    answer = answer.strip().lower() if isinstance(answer, str) else answer
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


def _alive(sizes, first, last, needed):
    """The bytes alive at each operator, by somebody's idea of when a tensor is needed."""
    lives = list(zip(sizes, first, last, strict=True))
    return [
        sum(size for size, start, end in lives if needed(start, at, end))
        for at in range(max(last) + 1)
    ]


def _half_open(sizes, first, last):
    return max(_alive(sizes, first, last, lambda start, at, end: start <= at < end))


def _open_start(sizes, first, last):
    return max(_alive(sizes, first, last, lambda start, at, end: start < at <= end))


def _strictly_between(sizes, first, last):
    return max(_alive(sizes, first, last, lambda start, at, end: start < at < end))


def _at(sizes, first, last):
    return _alive(sizes, first, last, lambda start, at, end: start <= at <= end)


def _stopped_early(empty):
    """Without the last operator. empty: what it gives where there is only one."""

    def peak(sizes, first, last):
        alive = _at(sizes, first, last)[:-1]
        return max(alive) if alive or empty is None else empty

    return peak


exercise(
    "11.peak",
    peak_bytes,
    cases=[
        ([600, 1600, 800, 7], [0, 0, 1, 2], [0, 1, 2, 2]),
        ([100, 100, 100, 100], [0, 0, 1, 2], [2, 1, 2, 2]),  # the input is added at the end
        ([784, 10], [0, 0], [0, 0]),
        ([50, 400, 30, 300, 20], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3]),
        ([64, 32, 900, 880], [0, 0, 1, 2], [0, 1, 2, 2]),  # the peak is at the last operator
        ([40, 90, 10], [0, 1, 4], [5, 4, 5]),  # fewer tensors than operators
        ([500, 45, 60, 9], [0, 0, 1, 2], [0, 1, 2, 2]),  # at the first
    ],
    mistakes=[
        Mistake(
            "all_at_once",
            (
                lambda sizes, first, last: sum(sizes),
                lambda sizes, first, last: sum(map(_up_to_16, sizes)),
            ),
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
            "two_largest",
            (
                lambda sizes, first, last: sum(sorted(sizes)[-2:]),
                lambda sizes, first, last: 2 * max(sizes),
            ),
            "You counted two tensors by their size. Which are in RAM together, and how many, say "
            "first and last: the two largest may never meet, and three may.",
        ),
        Mistake(
            "first_two",
            lambda sizes, first, last: sizes[0] + sizes[1],
            "You added the first two tensors. The peak may lie at any operator: go through all.",
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
            (_half_open, _open_start),
            "You counted what is alive between two operators: in your count a tensor is gone at "
            "one end of its life. But the operator `first` already writes it, and the operator "
            "`last` still reads it: both ends are included. A range in Python leaves its end out.",
        ),
        Mistake(
            "strictly_between",
            _strictly_between,
            "You left out both ends: a tensor is needed from the operator `first` to the operator "
            "`last`, both included.",
        ),
        Mistake(
            "last_operator_forgotten",
            (_stopped_early(0), _stopped_early(None)),
            "You stopped before the last operator. They are numbered from 0 to max(last), that one "
            "included.",
        ),
        Mistake(
            "tensors_for_operators",
            lambda sizes, first, last: max((_at(sizes, first, last) + [0] * 9)[: len(sizes)]),
            "You went through as many operators as there are tensors. There may be more of them, "
            "and the peak may lie there: last says how many.",
        ),
        Mistake(
            "written_only",
            lambda sizes, first, last: max(
                _alive(sizes, first, last, lambda start, at, end: start == at)
            ),
            "You counted at each operator only what begins there. What an earlier one wrote, and "
            "what is read later, is in RAM as well.",
        ),
        Mistake(
            "read_only",
            lambda sizes, first, last: max(
                _alive(sizes, first, last, lambda start, at, end: end == at)
            ),
            "You counted at each operator only what ends there. What it writes, and what is kept "
            "for later, is in RAM as well.",
        ),
        Mistake(
            "tensors_counted",
            lambda *lives: max(_at([1] * len(lives[0]), *lives[1:])),
            "You counted how many tensors are alive. The question is how many bytes they have.",
        ),
        Mistake(
            "where_not_how_much",
            lambda *lives: max(range(len(_at(*lives))), key=_at(*lives).__getitem__),
            "That is the operator at which the peak is. The question asks for its bytes.",
        ),
        Mistake(
            "all_moments",
            (_at, lambda *lives: tuple(_at(*lives)), lambda *lives: sorted(_at(*lives))),
            "You give the bytes at every operator. RAM must hold the worst moment: return that one "
            "number.",
        ),
        Mistake(
            "last_moment",
            lambda *lives: _at(*lives)[-1],
            "That is what is alive at the last operator, not the most of all. Keep the largest "
            "that you have met so far.",
        ),
        Mistake(
            "first_moment",
            lambda *lives: _at(*lives)[0],
            "That is what is alive at the first operator. Perhaps your function returns within the "
            "loop.",
        ),
        Mistake(
            "least",
            lambda *lives: min(_at(*lives)),
            "That is the least that is alive at one time. RAM must hold the most.",
        ),
        Mistake(
            "never_freed",
            lambda sizes, first, last: sum(
                size for size, start in zip(sizes, first, strict=True) if start < max(last)
            ),
            "In your count nothing is given back until the last operator. A tensor's bytes are "
            "free after the operator `last`.",
        ),
        Mistake(
            "rounded_up",
            lambda sizes, first, last: peak_bytes(list(map(_up_to_16, sizes)), first, last),
            "You rounded up to 16 bytes. TFLM does that; here the plain sum is asked.",
        ),
        Mistake(
            "average",
            (
                lambda *lives: sum(_at(*lives)) / len(_at(*lives)),
                lambda *lives: sum(_at(*lives)) // len(_at(*lives)),
            ),
            "That is the average over the network's life. Memory must be there for the worst "
            "moment.",
        ),
        Mistake(
            "byte_times",
            (
                lambda *lives: sum(_at(*lives)),
                lambda sizes, first, last: max(
                    size * (end - start + 1)
                    for size, start, end in zip(sizes, first, last, strict=True)
                ),
                lambda sizes, first, last: max(
                    size * (end - start)
                    for size, start, end in zip(sizes, first, last, strict=True)
                ),
            ),
            "You multiplied bytes by how long they are needed. A tensor takes its bytes once, "
            "however long; what counts is who is there at the same time.",
        ),
        Mistake(
            "ends_only",
            lambda sizes, first, last: max(
                sum(s for s, a, z in zip(sizes, first, last, strict=True) if at in (a, z))
                for at in range(max(last) + 1)
            ),
            "You count a tensor at the operators that write it and read it last, not at those "
            "between. It lies in RAM all the while.",
        ),
    ],
)


def _up_to_16(size):
    return -(-size // 16) * 16


exercise(
    "11.left",
    memory_left,
    cases=[
        (20_000, 70_000, 6_000, 1_048_576, 262_144),
        (1_068_756, 45_000, 8_016, 1_048_576, 262_144),
        (20_000, 70_000, 6_000, 32_768, 2_048),
        (14_000, 9_000, 3_000, 24_000, 64_000),
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
            "model_forgotten",
            lambda model, code, arena, flash, ram: (flash - code, ram - arena),
            "The model is missing: its file is in flash, too.",
        ),
        Mistake(
            "arena_forgotten",
            lambda model, code, arena, flash, ram: (flash - model - code, ram),
            "The arena is missing: it takes its bytes of the RAM from the start.",
        ),
        Mistake(
            "added_back",
            lambda model, code, arena, flash, ram: (flash - model + code, ram - arena),
            "The code is added where it should be taken away: look at the signs.",
        ),
        Mistake(
            "all_in_flash",
            lambda model, code, arena, flash, ram: (flash - model - code - arena, ram),
            "You put everything into flash. The activations change while the network runs: they "
            "are in RAM.",
        ),
        Mistake(
            "one_taken",
            (
                lambda model, code, arena, flash, ram: (flash - model - code, arena),
                lambda model, code, arena, flash, ram: (model + code, ram - arena),
            ),
            "One of your two numbers is what is taken, the other what is left. Both should be what "
            "is left.",
        ),
        Mistake(
            "taken_not_left",
            lambda model, code, arena, flash, ram: (model + code, arena),
            "That is what is taken. The question asks what is left.",
        ),
        Mistake(
            "ram_first",
            lambda model, code, arena, flash, ram: (ram - arena, flash - model - code),
            "Both numbers are right, in the other order: flash first, then RAM.",
        ),
        Mistake(
            "negative",
            lambda model, code, arena, flash, ram: (model + code - flash, arena - ram),
            "The signs are the other way round: what is left is what there is, less what is taken. "
            "Negative must mean that it does not fit.",
        ),
        Mistake(
            "never_below_zero",
            (
                lambda model, code, arena, flash, ram:
                    (max(flash - model - code, 0), max(ram - arena, 0)),
                lambda model, code, arena, flash, ram:
                    (abs(flash - model - code), abs(ram - arena)),
            ),
            "You hide what is missing: where it does not fit, the number must be negative and say "
            "by how much.",
        ),
        Mistake(
            "yes_or_no",
            (
                lambda model, code, arena, flash, ram: (flash >= model + code, ram >= arena),
                lambda model, code, arena, flash, ram: flash >= model + code and ram >= arena,
            ),
            "You say whether it fits. The question is by how much: two numbers of bytes.",
        ),
        Mistake(
            "one_sum",
            lambda model, code, arena, flash, ram: flash + ram - model - code - arena,
            "You added both memories. A byte of flash cannot stand in for one of RAM: return two "
            "numbers.",
        ),
        Mistake(
            "flash_alone",
            lambda model, code, arena, flash, ram: flash - model - code,
            "That is the flash that is left. The RAM that is left is asked, too: return both.",
        ),
        Mistake(
            "ram_alone",
            lambda model, code, arena, flash, ram: ram - arena,
            "That is the RAM that is left. The flash that is left is asked, too: return both.",
        ),
        Mistake(
            "code_in_ram",
            (
                lambda model, code, arena, flash, ram: (flash - model, ram - arena - code),
                lambda model, code, arena, flash, ram: (flash - model - code, ram - arena - code),
            ),
            "You took TFLM's code from the RAM. On these boards code runs where it is stored, in "
            "flash.",
        ),
        Mistake(
            "all_in_ram",
            lambda model, code, arena, flash, ram: (flash, ram - model - code - arena),
            "You put everything into RAM, as on a PC. On a microcontroller the model and the code "
            "stay in flash and are used from there.",
        ),
        Mistake(
            "all_in_both",
            lambda model, code, arena, flash, ram:
                (flash - model - code - arena, ram - model - code - arena),
            "You took everything from both memories. Each thing is in one: what never changes in "
            "flash, what changes in RAM.",
        ),
        Mistake(
            "shares",
            lambda model, code, arena, flash, ram: ((flash - model - code) / flash,
                                                    (ram - arena) / ram),
            "These are shares of the memories. The question asks for bytes.",
        ),
        Mistake(
            "shares_taken",
            lambda model, code, arena, flash, ram: ((model + code) / flash, arena / ram),
            "These are the shares that are taken. The question asks for the bytes that are left.",
        ),
        Mistake(
            "kibibytes",
            (
                lambda model, code, arena, flash, ram: ((flash - model - code) / 1024,
                                                        (ram - arena) / 1024),
                lambda model, code, arena, flash, ram: ((flash - model - code) // 1024,
                                                        (ram - arena) // 1024),
            ),
            "These are KiB. The question asks for bytes, and gave all sizes in bytes.",
        ),
    ],
)  # fmt: skip


def ram_bytes(kib):
    return kib * 1024


exercise(
    "11.kib",
    ram_bytes,
    function=False,
    rtol=1e-9,
    cases=[(1,), (3,), (256,)],
    mistakes=[
        Mistake(
            "decimal",
            lambda kib: kib * 1000,
            "You counted 1000 bytes to a kilobyte. A datasheet's KB of memory is 1024 bytes "
            "(written KiB where it matters).",
        ),
        Mistake(
            "bits",
            (lambda kib: kib * 1024 * 8, lambda kib: kib * 1000 * 8),
            "These are bits. The question asks for bytes.",
        ),
        Mistake(
            "mebi",
            (lambda kib: kib * 1024**2, lambda kib: kib * 1000**2),
            "You multiplied twice, by 1024 or by 1000: that turns megabytes into bytes, and these "
            "are kilobytes.",
        ),
        Mistake(
            "divided",
            (lambda kib: kib / 1024, lambda kib: kib / 1000, lambda kib: kib // 1024),
            "You divided. A kilobyte has many bytes: there must be more of them than kilobytes.",
        ),
        Mistake(
            "factor_alone",
            (lambda kib: 1024, lambda kib: 1000, lambda kib: 1024**2),
            "That is how many bytes one kilobyte or one megabyte has. How many kilobytes does the "
            "board have? Multiply.",
        ),
        Mistake(
            "kilobits",
            lambda kib: kib * 8,
            "You multiplied by 8: these are kilobits. The question asks for bytes.",
        ),
        Mistake(
            "eighth",
            (lambda kib: kib * 1024 / 8, lambda kib: kib * 1000 / 8),
            "You divided by 8. The datasheet's KB are bytes already, not bits.",
        ),
        Mistake(
            "thousands",
            (lambda kib: kib * 1.024, lambda kib: kib * 1024 // 1000),
            "That is in thousands of bytes. The question asks for bytes.",
        ),
        Mistake(
            "one_less",
            lambda kib: kib * 1024 - 1,
            "That is the last byte's address if the first is 0. Counted from 0, there is one byte "
            "more than the last address says.",
        ),
        Mistake(
            "power",
            lambda kib: 2.0**kib,
            "That is a power of two with the number of kilobytes as its exponent. Each kilobyte "
            "adds the same number of bytes: multiply.",
        ),
        Mistake(
            "kilobytes",
            lambda kib: kib,
            "That is the number of kilobytes, as on the datasheet. The question asks for bytes.",
        ),
    ],
)


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
        (-0.9, 0.25, 20),
        (2.11, 0.5, -40),
        (-3.3, 0.5, -12),
        (0.37, 0.5, 10),
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
                lambda x, scale, zero_point: x // scale + zero_point,
                lambda x, scale, zero_point: min(max(x // scale + zero_point, -128), 127),
                lambda x, scale, zero_point: math.floor(x / scale) + zero_point,
                lambda x, scale, zero_point:
                    min(max(math.floor(x / scale) + zero_point, -128), 127),
            ),
            "You rounded down: half of all inputs come out one code too low. Round to the nearest.",
        ),
        Mistake(
            "half_then_cut_off",
            (
                lambda x, scale, zero_point:
                    min(max(int(x / scale + zero_point + 0.5), -128), 127),
                lambda x, scale, zero_point:
                    min(max(int(x / scale + 0.5) + zero_point, -128), 127),
                lambda x, scale, zero_point: int(x / scale + zero_point + 0.5),
                lambda x, scale, zero_point: int(x / scale + 0.5) + zero_point,
            ),
            "You added a half and cut off. That rounds to the nearest above zero; below zero, "
            "cutting off goes the other way, towards zero.",
        ),
        Mistake(
            "rounded_up",
            (
                lambda x, scale, zero_point:
                    min(max(math.ceil(x / scale + zero_point), -128), 127),
                lambda x, scale, zero_point: math.ceil(x / scale + zero_point),
            ),
            "You rounded up: half of all inputs come out one code too high. Round to the nearest.",
        ),
        Mistake(
            "not_rounded",
            (
                lambda x, scale, zero_point: min(max(x / scale + zero_point, -128), 127),
                lambda x, scale, zero_point: x / scale + zero_point,
            ),
            "You did not round. A code is an integer; C would cut the fraction off.",
        ),
        Mistake(
            "unsigned",
            (
                lambda x, scale, zero_point:
                    min(max(math.floor(x / scale + zero_point + 0.5), 0), 255),
                lambda x, scale, zero_point: math.floor(x / scale + zero_point + 0.5) % 256,
                lambda x, scale, zero_point: int(x / scale + zero_point) % 256,
            ),
            "Your codes lie within 0 and 255, as uint8 has them. int8 goes from -128 to 127.",
        ),
        Mistake(
            "up_to_128",
            lambda x, scale, zero_point:
                min(max(math.floor(x / scale + zero_point + 0.5), -128), 128),
            "You let 128 pass. One of the 256 codes is zero: int8 ends one below that.",
        ),
        Mistake(
            "narrow_range",
            lambda x, scale, zero_point:
                min(max(math.floor(x / scale + zero_point + 0.5), -127), 127),
            "You left out the code -128. Weights do without it; an input has all 256 codes.",
        ),
        Mistake(
            "one_side_open",
            (
                lambda x, scale, zero_point:
                    min(math.floor(x / scale + zero_point + 0.5), 127),
                lambda x, scale, zero_point:
                    max(math.floor(x / scale + zero_point + 0.5), -128),
            ),
            "You saturate at one end only. Codes beyond the other end wrap around in C++.",
        ),
        Mistake(
            "ends_exchanged",
            (
                lambda x, scale, zero_point: 127,
                lambda x, scale, zero_point: -128,
            ),
            "Your function gives the same code for all inputs. Perhaps min and max are exchanged "
            "where you saturate.",
        ),
        Mistake(
            "saturated_before_the_zero_point",
            lambda x, scale, zero_point:
                min(max(math.floor(x / scale + 0.5), -128), 127) + zero_point,
            "You saturated before you added the zero point: the sum can still leave int8.",
        ),
        Mistake(
            "zero_point_scaled",
            (
                lambda x, scale, zero_point:
                    min(max(math.floor((x + zero_point) / scale + 0.5), -128), 127),
                lambda x, scale, zero_point: math.floor((x + zero_point) / scale + 0.5),
                lambda x, scale, zero_point:
                    min(max(math.floor((x - zero_point) / scale + 0.5), -128), 127),
                lambda x, scale, zero_point: math.floor((x - zero_point) / scale + 0.5),
            ),
            "You put the zero point to x before you divided. It is a code, not a real number: add "
            "it after the division.",
        ),
        Mistake(
            "the_way_back",
            (
                lambda x, scale, zero_point: scale * (x - zero_point),
                lambda x, scale, zero_point:
                    min(max(math.floor(scale * (x - zero_point) + 0.5), -128), 127),
            ),
            "That is the way back, from a code to a real number. Here x is the real number.",
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
            (
                lambda x, scale, zero_point: min(max(math.floor(x / scale + 0.5), -128), 127),
                lambda x, scale, zero_point: math.floor(x / scale + 0.5),
            ),
            "The zero point is missing: the code of x = 0.",
        ),
        Mistake(
            "zero_point_subtracted",
            (
                lambda x, scale, zero_point:
                    min(max(math.floor(x / scale - zero_point + 0.5), -128), 127),
                lambda x, scale, zero_point: math.floor(x / scale - zero_point + 0.5),
            ),
            "You subtracted the zero point. That belongs to the way back, from code to number.",
        ),
        Mistake(
            "multiplied",
            (
                lambda x, scale, zero_point:
                    min(max(math.floor(x * scale + zero_point + 0.5), -128), 127),
                lambda x, scale, zero_point: int(x * scale + zero_point),
            ),
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


# --- in the project -----------------------------------------------------------------------------


@judge("11.header")
def arena_in_header(answer, folder):
    """answer: bytes that the program reserves. folder: the project it was read in."""
    if answer is ...:
        return NOT_ATTEMPTED
    told = project.arena_in(folder)
    if told is None:
        return not_yet(
            f"There is no network.h in {folder}: run the cell that exports the project.", "no_file"
        )
    if isinstance(answer, str):
        answer = answer.strip().lower().removesuffix("bytes").replace(",", "").replace("_", "")
    try:
        found = int(answer)
    except (TypeError, ValueError, OverflowError):
        return not_yet("Give the number of bytes that the program reserves.", "no_number")
    if found == told["arena"]:
        return PASSED
    says = {
        "smallest": "That is the smallest arena that was found by trying. The program reserves "
        "more: what is added stands in the lines below.",
        "scratch": "That is what is added for other kernels' scratch memory, not the whole.",
        "margin": "That is the margin alone. The program reserves the whole.",
        "on_32_bits": "That is an estimate of what the board will use. How much does the program "
        "reserve?",
    }
    for name, why in says.items():
        if found == told.get(name):
            return not_yet(why, name)
    without = told.get("smallest", 0) + told.get("scratch", 0) + told.get("margin", 0)
    if found == without:
        return not_yet(
            "That is the sum of the parts. The program reserves a little more: the number is "
            "rounded up to 16 bytes. Look for the constant itself.",
            "not_rounded_up",
        )
    if round(found * 1024) == told["arena"] or found == told["arena"] // 1024:
        return not_yet("That is in KiB. Give the bytes.", "kibibytes")
    return not_yet(
        "That is not the size of the arena in this project. Open network.h: a constant there has "
        "the word arena in its name.",
        "another_number",
    )


@judge("11.fault")
def broken_quantization(answer):
    """answer: what the self-test says of the project that the student has broken."""
    if not isinstance(answer, project.Tested):
        return not_yet("This wants what project.self_test gave.", "no_result")
    if not answer.changed:
        return Result("not attempted", answer.note or "The project is as it was exported.")
    if not answer.compiled:
        return not_yet(
            f"That is no C++ any more: {answer.lines[0]} A fault that a compiler finds is the "
            "harmless kind. Break it so that it still compiles.",
            "does_not_compile",
        )
    if answer.passed:
        return not_yet(
            "It still passes: with your change the four inputs get the same codes as before. "
            "Change how the real number becomes an integer.",
            "nothing_broken",
        )
    if not any(project.CODES in line for line in answer.lines):
        return not_yet(
            "It fails, but the codes are right: you broke something behind them. This task is "
            "about the way from a real number to a code, in quantization.h.",
            "something_else",
        )
    return PASSED


@judge("11.mend")
def mended_quantization(answer, broken):
    """answer, broken: what the self-test says after the mending, and what it said before."""
    if not isinstance(answer, project.Tested):
        return not_yet("This wants what project.self_test gave.", "no_result")
    if not isinstance(broken, project.Tested) or broken.passed:
        return Result("not attempted", "Break it first: the cell above.")
    if not answer.compiled:
        return not_yet(f"It does not compile: {answer.lines[0]}", "does_not_compile")
    if not answer.passed:
        return not_yet(
            "It still fails. Export the project anew if you no longer know what was there: the "
            "changed one is kept beside it.",
            "still_broken",
        )
    return PASSED


# --- in C, on emulated chips ----------------------------------------------------------------------


@judge("11.dearest")
def dearest_layer(answer):
    """answer: the layer of the Watch network that takes most instructions, by its name in the C."""
    if answer is ...:
        return NOT_ATTEMPTED
    counts, said = chips.layer_counts(), answer.strip() if isinstance(answer, str) else answer
    if not isinstance(said, str) or said not in counts:
        return not_yet(f"Answer with a name: {', '.join(map(repr, counts))}.", "no_layer")
    if said == chips.dearest_layer():
        return PASSED
    most_weights = max(chips.weights_of_layers(), key=chips.weights_of_layers().get)
    if said == most_weights:
        return not_yet(
            f"{said} has the most weights, which take the flash. Each of them is used at every "
            "position of its output; where there are fewer positions there is less to do.",
            "most_weights",
        )
    return not_yet(
        f"{said} takes {counts[said]:,} instructions; look for the largest number.", "not_the_most"
    )


@judge("11.rounding")
def broken_rounding(answer):
    """answer: what the C's self-test says after the rounding was broken."""
    if not isinstance(answer, project.Tested):
        return not_yet("This wants what chips.self_test gave.", "no_result")
    if "kernels.c" not in answer.changed:
        return Result("not attempted", "kernels.c is as it was written.")
    if not answer.compiled:
        return not_yet(
            f"That is no C any more: {answer.lines[0]} Break it so that it still compiles.",
            "does_not_compile",
        )
    if answer.no_verdict:
        return not_yet(
            f"{answer.no_verdict} That breaks the program. Let it run to its end, and round "
            "another way.",
            "no_verdict",
        )
    if answer.passed:
        return not_yet(
            "It still passes: your change gives the same codes for these four windows. Change how "
            "round_shift rounds.",
            "nothing_broken",
        )
    return PASSED
