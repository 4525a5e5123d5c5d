"""Notebook 06's pictures and explorers: every tensor, every setting, what they say and refuse."""

import itertools
import time

import numpy as np
import pytest

from course_utils.engines import simulated_quantization
from course_utils.labs.float_to_int8 import explorers, figures, scenes
from course_utils.machines import data, models
from course_utils.numbers import quantization

DENSE = ("fashion_cnn", "dense1", "weights")
DEPTHWISE = ("fashion_dscnn", "depthwise1", "weights")
RELU = ("fashion_cnn", "conv1", "activations")


@pytest.mark.parametrize("name", scenes.tensor_names(), ids=" ".join)
def test_every_tensor_at_the_ends_of_every_slider(name):
    figure = None
    schemes = [(True, True, False), (False, False, False)]
    schemes += [(True, True, True)] if name[2] == "weights" else []
    ends = ((2, 200), (16, 5))  # each end of both sliders once
    for (bits, percent), how in itertools.product(ends, schemes):
        state = scenes.mapping(name, bits, percent, *how)
        assert state.inside.sum() + state.clipped.sum() == pytest.approx(1)
        assert state.code_share.sum() == pytest.approx(1)
        assert state.errors.sum() == pytest.approx(1)
        assert 0 < state.codes_used <= state.qparams.codes
        assert state.accuracy is None  # recorded at 100 % only
        assert np.isfinite(state.sqnr_db)
        assert "validation inputs (float32:" in figures.alt_mapping(state)
        figure = figures.draw_mapping(state, figure)
    figure.canvas.draw()


def test_without_clipping_no_error_exceeds_half_a_step():
    for name, how in ((DENSE, (True, True, False)), (DEPTHWISE, (True, True, True)),
                      (RELU, (False, False, False))):  # fmt: skip
        state = scenes.mapping(name, 6, 100, *how)
        assert state.clipped_share == 0
        outside = np.abs(figures.ERROR_EDGES[:-1] + 0.025) > 0.55
        assert state.errors[outside].sum() == 0
        assert state.max_error <= max(state.steps) * 0.5001


def test_clipping_shows_and_costs():
    whole, half = (scenes.mapping(DENSE, 8, percent) for percent in (100, 40))
    assert whole.clipped_share == 0
    assert half.clipped_share == pytest.approx(
        np.mean(np.abs(half.tensor.values) > half.qparams.scale * 127.5)
    )
    assert half.sqnr_db < whole.sqnr_db
    # With few bits a little clipping helps.
    assert scenes.mapping(DENSE, 3, 60).sqnr_db > scenes.mapping(DENSE, 3, 100).sqnr_db


def test_the_lines_of_6_db():
    values = scenes.tensor(*DENSE).values
    peak, rms = float(np.abs(values).max()), float(np.sqrt(np.mean(np.square(values))))
    theory = scenes.theory_db(scenes.tensor(*DENSE), 1.0, True, True, False)
    for bits, line in zip(scenes.ALL_BITS, theory, strict=True):
        expected = quantization.theoretical_sqnr_db(int(bits), peak / rms)
        assert line == pytest.approx(expected, abs=0.05)
    state = scenes.mapping(DENSE, 10)
    assert abs(state.sqnr_db - theory[list(scenes.ALL_BITS).index(10)]) < 0.3
    assert abs(state.sqnr_db - state.sqnr_curve[8]) < 0.3  # the curve is of a part
    assert np.all(np.abs(np.diff(state.sqnr_curve)[4:] - 6.02) < 0.3)


def test_symmetric_after_a_relu_wastes_a_bit():
    affine = scenes.mapping(RELU, 8, 100, False, False, False)
    symmetric = scenes.mapping(RELU, 8, 100, True, False, False)
    assert symmetric.codes_used <= 128
    assert 5 < affine.sqnr_db - symmetric.sqnr_db < 7
    assert affine.qparams.zero_point == -128


def test_an_outlier_costs_what_a_bit_costs():
    assert scenes.outlier_or_bit() == "both cost about the same"


def test_recorded_accuracies_are_the_record_s():
    record = data.result("quantization_sweep").record["networks"]["fashion_dscnn"]
    state = scenes.mapping(DEPTHWISE, 4, 100, True, True, True)
    row = record["weights"]["per channel, symmetric"]["depthwise1"]["correct"]["test"]
    assert state.accuracy == row[2] / record["n"]["test"]
    low, high = state.accuracy_interval
    assert low < state.accuracy < high
    everything = scenes.mapping(DEPTHWISE, 4, 100, True, True, True, True)
    row = record["weights"]["per channel, symmetric"]["all"]["correct"]["test"]
    assert everything.accuracy == row[2] / record["n"]["test"]
    for other in ({"num_bits": 9}, {"narrow_range": False}, {"percent": 95}):
        settings = {"num_bits": 4, "per_channel": True, **other}
        assert scenes.mapping(DEPTHWISE, **settings).accuracy is None
    assert "validation inputs" in figures.alt_mapping(scenes.mapping(DENSE, 9))


def test_any_other_setting_is_measured_on_validation_inputs():
    """As one counts it with the whole simulated network, whatever the kind of tensor."""
    for name, how, all_layers in (
        (DENSE, (True, True, False), False),
        (DEPTHWISE, (True, True, True), False),
        (RELU, (False, False, False), False),
        (("fashion_cnn", "input", "activations"), (False, False, False), False),
        (("watch_cnn", "conv2", "activations"), (True, False, False), True),
        (("watch_cnn", "conv2", "weights"), (True, True, False), True),
    ):
        network, layer, kind = name
        layers, weights = scenes.folded(network)
        dataset = data.load(models.DATASETS[network])
        x, y = dataset.x_validation[:1000], dataset.y_validation[:1000]
        names = [n for w, n, k in scenes.tensor_names() if (w, k) == (network, kind)]
        qparams, changed = {}, dict(weights)
        for one in names if all_layers else [layer]:
            which = scenes.tensor(network, one, kind)
            chosen = scenes.choose(which, 3, 0.5, *how)
            if kind == "activations":
                qparams[one] = chosen
            else:
                codes = quantization.quantize(which.values, chosen)
                changed[f"{one}/kernel"] = quantization.dequantize(codes, chosen)
        output = simulated_quantization.continue_from(layers, changed, x, qparams, "input")
        state = scenes.mapping(name, 3, 50, *how, all_layers)
        assert abs(state.validated.right - int((output.argmax(1) == y).sum())) <= 1
        assert state.validated.total == len(y)
        assert state.accuracy is None


def test_symmetric_after_a_relu_is_affine_with_a_bit_less():
    """What the table says: the same codes used, SQNR and accuracy, one bit apart."""
    told = {row[0]: row[1:] for row in explorers.after_a_relu().rows}
    for bits in (4, 3):
        assert told[f"symmetric, {bits} bits"][1:] == told[f"affine, {bits - 1} bits"][1:]
    assert float(told["symmetric, 2 bits"][2][:-2]) < float(told["affine, 2 bits"][2][:-2]) - 10


def test_the_table_counts_the_zeros_of_the_activation():
    values = scenes.tensor(*RELU).values
    assert f"({100 * (values == 0).mean():.0f} % of it zero)" in explorers.after_a_relu().caption


def descriptions(widget):
    yield getattr(widget, "description", "")
    for child in getattr(widget, "children", ()):
        yield from descriptions(child)


def test_the_small_mapping_starts_on_no_tie_and_shows_one_when_asked():
    lab = explorers.affine_mapping()
    state = lab.result
    steps = state.example / state.qparams.scale
    assert abs(steps - np.floor(steps) - 0.5) > 0.1
    assert round(steps) + state.qparams.zero_point == state.code
    lab.set(x_min=-2.0, x_max=1.5, example=1.25)
    steps = lab.result.example / lab.result.qparams.scale
    assert steps == 2.5
    assert np.round(steps) == 2
    assert lab.result.code - lab.result.qparams.zero_point == 3
    assert "halfway between two codes" in set(descriptions(lab))


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_the_axis_holds_the_values_and_what_the_codes_cover(network):
    samples, methods, tensors = scenes.calibration_choices(network)
    figure = None
    for what, name, bits in itertools.product(samples, tensors, (8, 4)):
        state = scenes.calibration(network, what, methods[0], bits, name)
        figure = figures.draw_calibration(state, figure)
        low, high = figure.moving["inside"].axes.get_xlim()
        assert low <= min(state.qparams.range[0], state.real[0])
        assert high >= max(state.qparams.range[1], state.real[1])


# ------------------------------------------------------------------ a student's functions


def test_a_student_s_functions_quantize_the_network():
    found = scenes.by_hand(
        lambda w, b: abs(w).max() / (2 ** (b - 1) - 1),
        lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi),
        lambda q, s, z: s * (q.astype(int) - z),
        num_bits=4,
    )
    recorded = scenes.accuracy("fashion_cnn", 4, "per tensor, symmetric")
    assert found.theirs.value == pytest.approx(recorded.value, abs=0.05)
    assert found.laboratory.value == pytest.approx(recorded.value, abs=0.02)
    for layer in found.layers:
        assert layer.codes_that_differ <= 2
        assert layer.sqnr_db == pytest.approx(layer.laboratory_db, abs=0.1)


def test_a_student_s_cut_off_codes_show_in_the_network():
    found = scenes.by_hand(
        scenes.scale_of, lambda x, s, z, lo, hi: np.trunc(x / s), scenes.dequantize, num_bits=4
    )
    assert all(layer.sqnr_db < layer.laboratory_db - 3 for layer in found.layers)
    assert found.theirs.value < found.laboratory.value


@pytest.mark.parametrize(
    "functions",
    [(scenes.scale_of, lambda *a: np.zeros(3), scenes.dequantize),
     (scenes.scale_of, scenes.quantize, lambda *a: "text"),
     (lambda *a: None, scenes.quantize, scenes.dequantize)],
)  # fmt: skip
def test_functions_that_cannot_do_it_say_so(functions, capsys):
    assert "laboratory" in explorers.by_hand(*functions).caption
    assert "cannot do it" in capsys.readouterr().out


def test_a_scale_for_each_filter_wins_as_recorded():
    one = scenes.scaled_by_channel(
        lambda k, b: abs(k).max((0, 1, 2)) / (2 ** (b - 1) - 1), 3
    )  # fmt: skip
    assert one.value == pytest.approx(scenes.accuracy("fashion_cnn", 3).value, abs=0.05)
    assert "cannot do it" in repr(explorers.scales_compared(lambda k, b: 1.0))
    with pytest.raises(ValueError, match="depthwise layers"):
        scenes.scaled_by_channel(scenes.channel_scales, 4, "fashion_dscnn")


def test_the_garments_are_the_first_ten_and_their_answers_change():
    states = scenes.garments_by_bits("fashion_dscnn", "per tensor, symmetric")
    dataset = data.load("fashion_mnist")
    right = [int((state.answers == state.truth).sum()) for state in states]
    assert (states[0].truth == dataset.y_test[:10]).all()
    assert right[0] > right[-1]
    assert f"{scenes.accuracy('fashion_dscnn', 4, 'per tensor, symmetric').value:.1f} %" in (
        states[5].network
    )


def test_what_makes_no_sense_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="activations have one scale"):
        scenes.mapping(RELU, 8, per_channel=True)
    with pytest.raises(ValueError, match="every channel has the zero point 0"):
        scenes.mapping(DENSE, 8, symmetric=False, per_channel=True)
    with pytest.raises(ValueError, match="no weights of 'pool1'"):
        scenes.tensor("fashion_cnn", "pool1")


def test_a_moved_picture_is_the_picture_drawn_there():
    states = [
        scenes.mapping(DENSE, 8),
        scenes.mapping(DEPTHWISE, 3, 100, True, True, True),
        scenes.mapping(RELU, 12, 60, False, False, False),
    ]
    for last in states:
        moved = figures.draw_mapping(states[0])
        for state in (*states, last):
            figures.draw_mapping(state, moved)
        fresh = figures.draw_mapping(last)
        for figure in (moved, fresh):
            figure.canvas.draw()
        for name, artist in fresh.moving.items():
            same = moved.moving[name]
            if hasattr(artist, "get_text"):
                assert same.get_text() == artist.get_text(), name
            elif hasattr(artist, "get_xydata"):
                assert np.array_equal(same.get_xydata(), artist.get_xydata()), name
            else:
                assert np.array_equal(same.get_data().values, artist.get_data().values), name
            assert same.axes.get_xlim() == artist.axes.get_xlim()


def test_the_small_mapping():
    state = scenes.affine_mapping(0.5, 2.0, 4, False, 0.75)
    assert state.widened
    assert state.qparams.zero_point == -8
    assert "widened to hold zero" in figures.alt_affine_mapping(state)
    moving = figures.draw_affine_mapping(state).moving
    assert moving["note"].get_text() == "range widened to hold zero"
    assert len(moving["codes"].get_xdata()) == 16
    figure = figures.draw_affine_mapping(state)
    for bits, symmetric in itertools.product((2, 3, 4, 5), (True, False)):
        moved = scenes.affine_mapping(-0.6, 1.5, bits, symmetric, -2.0)
        figures.draw_affine_mapping(moved, figure)
        assert len(figure.moving["codes"].get_xdata()) == 2**bits - symmetric
        assert moved.code == moved.qparams.qmin or symmetric
    assert scenes.affine_mapping(0.0, 2.0, 8).qparams == quantization.choose_qparams(0.0, 2.0)


def test_explorers_move_and_refuse():
    lab = explorers.mapping()
    lab.set(num_bits=4, percent=50)
    assert lab.result.num_bits == 4
    assert lab.result.clipped_share > 0
    with pytest.raises(ValueError, match="one scale"):
        lab.set(tensor_name=RELU, per_channel=True)
    lab.reset()
    assert lab.result.accuracy is not None
    small = explorers.affine_mapping()
    small.set(x_min=0.5, x_max=1.0)
    assert small.result.widened


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_every_calibration_can_be_looked_at(network):
    samples, methods, tensors = scenes.calibration_choices(network)
    assert len(samples) == 7
    assert len(methods) == 4
    figure = None
    for what, method, bits in itertools.product(samples, methods, (8, 4)):
        state = scenes.calibration(network, what, method, bits, tensors[1])
        figure = figures.draw_calibration(state, figure)
        shown = figure.moving["chosen"].axes.texts[state.accuracy[0].size * state.position[0]]
        assert shown.get_text() == f"{100 * state.accuracy[state.position[0], 0]:.1f}"
        assert what in figures.alt_calibration(state)
    for name in tensors:
        state = scenes.calibration(network, samples[0], methods[0], 8, name)
        assert state.inside.sum() + state.clipped.sum() == pytest.approx(1)
    lab = explorers.calibration(network)
    lab.set(what="noise", num_bits=4)
    assert lab.result.what == "noise"


@pytest.mark.parametrize(
    ("draw", "state"),
    [
        (figures.draw_sqnr, scenes.signals),
        (figures.draw_bit_curves, scenes.bit_curves),
        (figures.draw_channels, scenes.efficientnet_lite0),
        (figures.draw_draws, lambda: scenes.draws("fashion_cnn")),
    ],
)
def test_pictures_that_do_not_move_say_so(draw, state):
    data_of_it = state()
    with pytest.raises(ValueError, match="does not move"):
        draw(data_of_it, draw(data_of_it))


def test_per_channel_wins_most_where_channels_differ_most():
    state = scenes.efficientnet_lite0()
    assert (state.per_channel > state.per_tensor).all()
    assert "depthwise" in figures.alt_channels(state)


def test_computing_is_quick():
    for name in (DENSE, RELU):
        scenes.mapping(name, 8, 100, True, False, False)
        start = time.process_time()
        for percent in range(20, 100, 5):  # a setting that was never seen: no curve is ready
            scenes.mapping(name, 5, percent, True, False, False)
        assert (time.process_time() - start) / 16 < 0.1  # it takes about 0.01 s
