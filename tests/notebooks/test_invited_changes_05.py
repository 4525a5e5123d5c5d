"""Notebook 05 with other networks and other numbers."""

import numpy as np
import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.floating_point import explorers, scenes
from course_utils.machines import data, models
from course_utils.numbers import floats


@pytest.mark.parametrize("network", [n for n in models.ARCHITECTURES if n != "fashion_cnn"])
def test_another_network(network):
    run_changed("05", 'explorers.gaps("fashion_cnn")', f"explorers.gaps({network!r})")
    run_changed("05", 'explorers.weights("fashion_cnn")', f"explorers.weights({network!r})")
    run_changed("05", 'product_times("fashion_cnn")', f"product_times({network!r})")
    run_changed("05", 'on_the_avr("watch_cnn"', f"on_the_avr({network!r}")
    run_changed(
        "05", 'rounded_networks(mine, "fashion_cnn")', f"rounded_networks(mine, {network!r})"
    )
    run_changed("05", '("fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn")',
                f"({network!r},)")  # fmt: skip


@pytest.mark.parametrize("number", ["0.1", "0", "-0.0", "65520", "1e-40", "1e300", "np.inf",
                                    "np.nan"])  # fmt: skip
def test_another_number_taken_apart(number):
    run_changed("05", "decompose(-6.5,", f"decompose({number},")


@pytest.mark.parametrize("number", ["2**23", "2**25", "0", "1e38"])
def test_another_counter(number):
    run_changed("05", "np.float32(2**24)", f"np.float32({number})")


@pytest.mark.parametrize("numbers", ["1.5, 1.5", "1 / 3, -1e-20", "3, 7"])
def test_another_product(numbers):
    run_changed("05", "0.1, -2.5", numbers)


def test_a_product_that_is_not_counted_says_so():
    with pytest.raises(ValueError, match="is not a normal float32"):
        run_changed("05", "0.1, -2.5", "0.0, 1.0")


@pytest.mark.parametrize("number", ["1.5", "-2**-130", "3e38"])
def test_another_number_as_a_code(number):
    run_changed("05", "np.array([0.1, -6.5]", f"np.array([{number}, -6.5]")


# ------------------------------------------------------------------ a student's functions


def test_a_student_s_rounding_rounds_the_network():
    own = scenes.rounded_network(lambda bits: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, "watch_cnn")
    assert own == scenes.rounded_network(scenes.nearest_bfloat16, "watch_cnn")
    cut = scenes.rounded_network(scenes.cut_to_bfloat16, "watch_cnn")
    assert abs(own.mean_change) < 1e-4
    assert cut.mean_change < -0.002
    assert 1.9 < cut.largest_change / own.largest_change < 2.1
    assert scenes.rounded_network(None, "watch_cnn").newly_wrong == 0
    assert own.correct == (
        data.result("reduced_float").record["networks"]["watch_cnn"]["formats"]["bfloat16"]
        ["weights"]["correct"]["test"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "function",
    [lambda bits: bits, lambda bits: bits[:1] >> 16, lambda bits: -1,
     lambda bits: bits - np.int64(2**40)],
)  # fmt: skip
def test_codes_that_are_none_are_refused_and_the_table_says_so(function):
    with pytest.raises(ValueError, match="codes from 0 to 65,535"):
        scenes.rounded_network(function, "watch_cnn")
    assert "codes from 0 to 65,535" in repr(explorers.rounded_networks(function, "watch_cnn"))


def test_the_count_of_products_waits_for_the_exercise():
    assert "your count" in repr(explorers.operations(0.1, -2.5, 16))
    assert "your count" in repr(explorers.operations(0.1, -2.5))
    assert "your count" not in repr(explorers.operations(0.1, -2.5, 9))


def test_what_is_said_of_the_avr():
    """Input and parameters are too large in float32 only; the busiest step also in int8."""
    avr = {row[0]: row for row in data.lecture_table("boards")["rows"]}["ATmega328P-PU"]
    _, _, _, flash, ram = avr[:5]
    floats32, halves, int8 = (scenes.needs("watch_cnn", size, 6, 20) for size in (4, 2, 1))
    assert floats32.input_bytes > ram > halves.input_bytes
    assert floats32.parameter_bytes > flash > int8.parameter_bytes
    assert int8.busiest_bytes > ram


# ------------------------------------------------------------------ what it says of itself


def test_the_slide_has_these_fields():
    lecture = {row[0]: tuple(row[1:]) for row in data.lecture_table("float_formats")["rows"]}
    for title, name in (("FP32", "float32"), ("FP16", "float16")):
        form = floats.FORMATS[name]
        assert lecture[title] == (1, form.exponent_bits, form.fraction_bits)


def test_a_numpy_that_is_fast_is_told_so():
    assert "23.0 times" in str(scenes.Timing(1e-3, 23e-3))
    assert "Not slower" in str(scenes.Timing(1e-3, 0.9e-3))
