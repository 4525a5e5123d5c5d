"""Notebook 05 with other networks and other numbers."""

import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.floating_point import scenes
from course_utils.machines import data, models
from course_utils.numbers import floats


@pytest.mark.parametrize("network", [n for n in models.ARCHITECTURES if n != "fashion_cnn"])
def test_another_network(network):
    run_changed("05", 'explorers.gaps("fashion_cnn")', f"explorers.gaps({network!r})")
    run_changed("05", 'explorers.weights("fashion_cnn")', f"explorers.weights({network!r})")
    run_changed("05", 'product_times("fashion_cnn")', f"product_times({network!r})")
    run_changed("05", 'checkpoint("watch_cnn")', f"checkpoint({network!r})")
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


# ------------------------------------------------------------------ what it says of itself


def test_the_slide_has_these_fields():
    lecture = {row[0]: tuple(row[1:]) for row in data.lecture_table("float_formats")["rows"]}
    for title, name in (("FP32", "float32"), ("FP16", "float16")):
        form = floats.FORMATS[name]
        assert lecture[title] == (1, form.exponent_bits, form.fraction_bits)


def test_a_numpy_that_is_fast_is_told_so():
    assert "23.0 times" in str(scenes.Timing(1e-3, 23e-3))
    assert "Not slower" in str(scenes.Timing(1e-3, 0.9e-3))
