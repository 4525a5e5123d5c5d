"""Notebook 05's scenes, figures, bits and claims."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.labs.floating_point import explorers, figures, scenes
from course_utils.machines import data
from course_utils.numbers import floats
from course_utils.views import checks

FORMATS = ("float16", "bfloat16", "float8_e4m3", "float8_e5m2")
NETWORKS = ("fashion_cnn", "lenet_300_100", "fashion_dscnn", "watch_cnn")


@pytest.fixture(scope="module")
def explorer():
    return explorers.float_bits()


def bits(value):
    return int(np.float32(value).view(np.uint32))


# ------------------------------------------------------------------ the 32 bits


def test_a_click_flips_one_bit(explorer):
    explorer.set(bits=bits(1.0))
    field = explorer.controls["bits"]
    field.bits[0].value = True
    assert explorer.result.float32.value == -1
    assert field.text.value == "-1"
    field.bits[31].value = True  # the last of the fraction
    assert explorer.result.float32.value == -(1 + 2**-23)
    assert [b.description for b in field.bits] == list(f"{bits(-(1 + 2**-23)):032b}")


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0.1", 0.1), ("-2.5e-3", -2.5e-3), ("−7", -7), ("inf", math.inf), ("-∞", -math.inf),
     ("-0", -0.0), (" 3 ", 3), ("1e-45", 1e-45)],
)  # fmt: skip
def test_a_typed_number_sets_the_bits(explorer, typed, value):
    explorer.reset()
    explorer.controls["bits"].text.value = typed
    assert explorer.params["bits"] == bits(value)
    pressed = "".join(str(int(b.value)) for b in explorer.controls["bits"].bits)
    assert int(pressed, 2) == bits(value)


def test_what_is_typed_wrong_is_said_and_changes_nothing(explorer):
    explorer.set(bits=bits(2.0))
    field = explorer.controls["bits"]
    for typed in ("two", "", "1,5", "0x10", "<b>"):
        field.text.value = typed
        assert "lab-error" in field.note.value
        assert "<b>" not in field.note.value
        assert explorer.result.float32.value == 2
    field.text.value = "4"
    assert field.note.value == ""


def test_rounding_to_infinity_or_zero_is_said(explorer):
    field = explorer.controls["bits"]
    field.text.value = "1e39"
    assert "infinity" in field.note.value
    assert explorer.result.float32.value == math.inf
    field.text.value = "-1e-50"
    assert "zero" in field.note.value
    assert math.copysign(1, explorer.result.float32.value) == -1
    field.text.value = "inf"
    assert field.note.value == ""


@given(code=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_what_the_text_field_shows_gives_the_same_bits(explorer, code):
    explorer.set(bits=code)
    field = explorer.controls["bits"]
    shown = np.float32(field.text.value)
    value = explorer.result.float32.value
    assert bits(shown) == code or (math.isnan(value) and np.isnan(shown))


def test_every_preset_shows_what_it_is_called(explorer):
    for name, value in explorers.PRESETS.items():
        explorer.set(bits=explorers.bits_of(value))
        assert explorer.params["bits"] == bits(value) or name == "NaN"
    assert explorer.result.float32.kind == "nan"
    with pytest.raises(ValueError, match="bits must lie"):
        explorer.set(bits=2**32)


def test_each_bit_says_which_it_is(explorer):
    names = [bit.tooltip for bit in explorer.controls["bits"].bits]
    assert len(set(names)) == 32
    assert names[0] == "bit 31, sign"
    assert names[8:10] == ["bit 23, exponent", "bit 22, fraction"]


# ------------------------------------------------------------------ scenes and figures


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, math.inf, math.nan, 70000.0])
def test_the_picture_of_a_number_shows_its_bits_and_values(value):
    state = scenes.number(bits(value))
    moving = figures.draw_number(state).moving
    code = "".join(moving[f"float32 {field}"].get_text() for field in figures.FIELDS)
    assert int(code, 2) == bits(value)
    for fmt in figures.NAMES:
        assert moving[f"{fmt} value"].get_text() == figures.short(
            float(floats.round_to(np.float32(value), fmt))
        )
    assert state.float32.bits in figures.alt_number(state)


def test_a_moved_number_is_the_number_drawn_there():
    figure = figures.draw_number(scenes.number(bits(math.nan)))
    figures.draw_number(scenes.number(bits(-0.3)), figure)
    fresh = figures.draw_number(scenes.number(bits(-0.3))).moving
    for name, artist in figure.moving.items():
        assert artist.get_text() == fresh[name].get_text()


def test_the_picture_of_weights_shows_each_weight_once_and_no_error_above_the_bound():
    figure = None
    for state in scenes.weights("watch_cnn", "conv1"):
        figure = figures.draw_weights(state, figure)
        inside = (state.rounded >= 0) & (state.rounded <= state.window[1])
        assert figure.moving["rounded"].get_data().values.sum() == inside.sum()
        form = floats.FORMATS[state.fmt]
        normal = np.abs(state.weights) >= form.smallest_normal
        assert (
            state.relative[normal[state.weights != 0]] <= 2.0 ** -(form.fraction_bits + 1)
        ).all()
        assert state.available == floats.count_between(*state.window, state.fmt)
        assert len(state.lines) in (0, state.available)
        assert f"{state.lost:,} became zero" in figure.moving["numbers"].get_text()


def test_gaps_are_those_of_the_formats():
    state = scenes.gaps("fashion_cnn")
    for fmt, relative in state.relative.items():
        for i in np.flatnonzero(~np.isnan(relative))[5::200]:
            at = floats.round_to(state.x[i], fmt)
            if 0 < at <= state.x[i]:  # rounded up it may have entered the next power of two
                assert relative[i] * state.x[i] == pytest.approx(floats.gap(float(at), fmt))


def test_the_picture_of_losses_shows_the_record():
    states = scenes.reduced()
    figure = figures.draw_reduced(states[0])
    for state in states:
        figures.draw_reduced(state, figure)
        for fmt in FORMATS:
            shown = figure.moving[fmt].get_ydata()
            assert list(shown) == list(state.output_error[fmt].values())
        assert figure.moving["network"].get_text() == state.chosen
        assert state.chosen in figures.alt_reduced(state)


# ------------------------------------------------------------------ the notebook's claims


def test_the_recorded_counts_belong_together():
    record = data.result("reduced_float").record["networks"]
    assert set(record) == set(NETWORKS)
    for rows in record.values():
        for fmt in FORMATS:
            for what, splits in (("weights", ("validation", "test")),
                                 ("weights and activations", ("test",))):  # fmt: skip
                counts = rows["formats"][fmt][what]
                for split in splits:
                    lost = counts["newly_wrong"][split] - counts["newly_right"][split]
                    assert counts["correct"][split] == rows["float32"][split] - lost


def test_sixteen_bits_cost_nothing_that_shows_and_eight_do_in_three_of_four():
    for network in NETWORKS:
        for fmt in ("float16", "bfloat16"):
            for what in ("weights", "weights and activations"):
                low, high = scenes.loss(network, fmt, what).interval
                assert low <= 0 <= high < 0.5
    dear = [
        network
        for network in NETWORKS
        if any(
            scenes.loss(network, fmt, what).interval[0] > 0
            for fmt in ("float8_e4m3", "float8_e5m2")
            for what in ("weights", "weights and activations")
        )
    ]
    assert len(dear) == 3


def test_the_error_grows_through_the_deep_network():
    errors = data.result("reduced_float").record["networks"]["fashion_dscnn"]["formats"]
    for fmt in FORMATS:
        values = list(errors[fmt]["output_error"].values())[:-1]
        assert values == sorted(values)


def test_the_two_eight_bit_formats_compare_as_told():
    states = {state.fmt: state for state in scenes.weights("fashion_cnn", "dense1")}
    e4m3, e5m2 = states["float8_e4m3"], states["float8_e5m2"]
    assert 0.4 < e4m3.error / e5m2.error < 0.6
    assert e4m3.lost > 10 * e5m2.lost > 0
    assert states["float16"].error < states["bfloat16"].error / 4


def test_a_loss_is_what_one_counts_now():
    """The recorded loss of the smallest network, counted again."""
    from course_utils.engines import float_engine
    from course_utils.labs.float_to_int8.experiments import folded

    layers, weights, dataset = folded("watch_cnn")
    rounded = {key: floats.round_to(w, "float8_e5m2") for key, w in weights.items()}
    before = float_engine.predict(layers, weights, dataset.x_test) == dataset.y_test
    after = float_engine.predict(layers, rounded, dataset.x_test) == dataset.y_test
    lost = 100 * (before.sum() - after.sum()) / len(before)
    assert scenes.loss("watch_cnn", "float8_e5m2").value == pytest.approx(lost, abs=0.15)


def test_the_reasons_given_after_a_prediction_hold():
    assert scenes.where_the_sum_is_exact() == "in float32 only"
    steps = [floats.count_between(n, n + 1) - 1 for n in (1, 1000)]
    assert all(f"{count:,}" in scenes.BECAUSE["05.between"] for count in steps)
    assert floats.count_between(0.25, 0.5) == floats.count_between(1, 2)
    kernel = data.checkpoint("fashion_cnn").weights["dense1/kernel"]
    moved = np.abs(floats.round_to(kernel, "bfloat16") / kernel - 1)
    assert moved.max() < 0.004


def test_no_answer_is_told_before_it_is_asked():
    for exercise in (id for id in checks.exercises.JUDGES if id.startswith("05.")):
        assert checks.check(exercise, ...).state == "not attempted"
