"""quantization.py against TensorFlow's fake-quant, the converter's stored weights and theory."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import env
from course_utils.machines import conversion
from course_utils.numbers import quantization as q

RNG_SEED = 7


# --- the mapping ----------------------------------------------------------------------------


@given(
    bits=st.integers(2, 16),
    ends=st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)),
    symmetric=st.booleans(),
    narrow=st.booleans(),
)
def test_zero_is_always_exact_and_no_error_exceeds_half_a_step(bits, ends, symmetric, narrow):
    x_min, x_max = min(*ends, 0.0), max(*ends, 0.0)
    qparams = q.choose_qparams(x_min, x_max, bits, symmetric, narrow)
    assert q.dequantize(q.quantize([0.0], qparams), qparams)[0] == 0
    assert qparams.qmin <= qparams.zero_point <= qparams.qmax
    low, high = qparams.range
    x = np.linspace(low, high, 1001).astype(np.float32)
    codes = q.quantize(x, qparams)
    assert np.all(np.diff(codes.astype(int)) >= 0)
    assert codes.min() >= qparams.qmin
    assert codes.max() <= qparams.qmax
    slack = 1e-5 * max(abs(low), abs(high))
    assert q.max_error(x, q.dequantize(codes, qparams)) <= qparams.scale / 2 + slack


@given(bits=st.integers(2, 16), narrow=st.booleans(), symmetric=st.booleans())
def test_codes_survive_the_way_to_real_numbers_and_back(bits, narrow, symmetric):
    qparams = q.choose_qparams(-1.7, 0.9, bits, symmetric, narrow)
    codes = np.arange(qparams.qmin, qparams.qmax + 1)
    assert len(codes) == qparams.codes == 2**bits - narrow
    real = q.dequantize(codes, qparams)
    np.testing.assert_array_equal(q.quantize(real, qparams), codes)
    np.testing.assert_array_equal(q.fake_quantize(real, qparams), real)


def test_int8_has_256_codes_and_weights_255():
    assert q.code_range(8) == (-128, 127)
    assert q.choose_qparams(-1, 1, symmetric=True, narrow_range=True).codes == 255
    assert q.choose_qparams(-1, 1, symmetric=True, narrow_range=True).scale == 1 / 127


def test_codes_come_in_the_smallest_type_that_holds_them():
    for bits, dtype in ((2, np.int8), (8, np.int8), (9, np.int16), (16, np.int16)):
        assert q.quantize([0.5], q.choose_qparams(-1, 1, bits)).dtype == dtype
    assert q.quantize([0.5], q.QParams(0.1, 0, 0, 255)).dtype == np.uint8
    assert q.quantize([0.5], q.QParams(0.1, 0, -(2**31), 2**31 - 1)).dtype == np.int32


def test_values_beyond_the_range_saturate_and_infinity_too():
    qparams = q.choose_qparams(-1, 1)
    codes = q.quantize([-np.inf, -5, 5, 1e38, np.inf], qparams)
    np.testing.assert_array_equal(codes, [-128, -128, 127, 127, 127])
    assert np.isnan(q.fake_quantize([np.nan], qparams)).all()
    with pytest.raises(ValueError, match="NaN has no code"):
        q.quantize([np.nan], qparams)


def test_halves_are_rounded_away_from_zero_by_quantize_and_up_by_fake_quantize():
    qparams = q.QParams(1.0, 0, -128, 127)
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5], np.float32)
    np.testing.assert_array_equal(q.quantize(halves, qparams), [-3, -2, -1, 1, 2])
    np.testing.assert_array_equal(q.fake_quantize(halves, qparams), [-2, -1, 0, 1, 2])


def test_round_half_away_is_exact_next_to_halves():
    halves = np.arange(-1000.5, 1000, dtype=np.float32)
    for x in (halves, np.nextafter(halves, np.float32(0)), np.nextafter(halves, halves * 2)):
        wide = x.astype(np.float64)
        expected = np.sign(wide) * np.floor(np.abs(wide) + 0.5)
        np.testing.assert_array_equal(q.round_half_away(x), expected)


def test_per_channel_is_per_tensor_on_each_channel():
    x = np.random.default_rng(RNG_SEED).normal(size=(5, 3, 4)).astype(np.float32)
    for axis in (0, 1, 2, -1):
        low, high = q.min_max_range(x, channel_axis=axis)
        qparams = q.choose_qparams(low, high, channel_axis=axis)
        codes, faked = q.quantize(x, qparams), q.fake_quantize(x, qparams)
        for i in range(x.shape[axis]):
            alone = q.choose_qparams(low[i], high[i])
            assert alone.scale == qparams.scale[i]
            np.testing.assert_array_equal(
                np.take(codes, i, axis), q.quantize(np.take(x, i, axis), alone)
            )
            np.testing.assert_allclose(
                np.take(faked, i, axis), q.fake_quantize(np.take(x, i, axis), alone), rtol=1e-6
            )
        np.testing.assert_allclose(q.dequantize(codes, qparams), x, atol=qparams.scale.max())


def test_qparams_are_frozen_comparable_and_read_only():
    one = q.choose_qparams([-1, -2], [1, 2], channel_axis=0)
    assert one == q.choose_qparams([-1, -2], [1, 2], channel_axis=0)
    assert one != q.choose_qparams([-1, -3], [1, 2], channel_axis=0)
    assert one != "something else"
    with pytest.raises(AttributeError):
        one.scale = 2.0
    with pytest.raises(ValueError, match="read-only"):
        one.scale[0] = 2.0


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x_min": 1, "x_max": -1}, "x_min is above x_max"),
        ({"x_min": math.nan, "x_max": 1}, "NaN or infinity"),
        ({"x_min": -1, "x_max": math.inf}, "NaN or infinity"),
        ({"x_min": -3e38, "x_max": 3e38}, "wider than float32"),
        ({"x_min": -1, "x_max": 1, "num_bits": 1}, "from 2 to 16"),
        ({"x_min": -1, "x_max": 1, "num_bits": 17}, "from 2 to 16"),
        ({"x_min": -1, "x_max": 1, "num_bits": 8.0}, "from 2 to 16"),
        ({"x_min": -1, "x_max": 1, "num_bits": True}, "from 2 to 16"),
        ({"x_min": [-1, -1], "x_max": 1, "channel_axis": 0}, "differ in shape"),
        ({"x_min": [-1, -1], "x_max": [1, 1]}, "need a channel_axis"),
        ({"x_min": -1, "x_max": 1, "channel_axis": 0}, "1-D"),
        ({"x_min": [], "x_max": [], "channel_axis": 0}, "1-D"),
    ],
)
def test_a_bad_range_is_refused_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        q.choose_qparams(**arguments)


@pytest.mark.parametrize(("low", "high"), [(1.0, 3.0), (-3.0, -1.0)])
def test_a_range_without_zero_is_widened_and_says_so(low, high):
    with pytest.warns(UserWarning, match="leaves out zero"):
        qparams = q.choose_qparams(low, high)
    assert qparams == q.choose_qparams(min(low, 0), max(high, 0))


@pytest.mark.parametrize("constant", [0.0, -3.0, 2.5, 1e-20])
@pytest.mark.parametrize("symmetric", [False, True])
def test_constant_tensors_are_reproduced(constant, symmetric):
    x = np.full((4, 3), constant, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        qparams = q.choose_qparams(*q.min_max_range(x), symmetric=symmetric)
    np.testing.assert_allclose(q.fake_quantize(x, qparams), x, rtol=1e-6, atol=1e-8)


def test_a_channel_of_zeros_among_others_stays_zero():
    x = np.array([[0.0, 1.0], [0.0, -2.0]], np.float32)
    for symmetric in (False, True):
        qparams = q.choose_qparams(*q.min_max_range(x, 1), symmetric=symmetric, channel_axis=1)
        np.testing.assert_array_equal(q.fake_quantize(x, qparams)[:, 0], 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scale": 0.0}, "above zero"),
        ({"scale": math.nan}, "above zero"),
        ({"zero_point": 200}, "one of the codes"),
        ({"qmin": 127}, "below qmax"),
        ({"scale": [1.0, 1.0]}, "need a channel_axis"),
        ({"scale": [1.0, 1.0], "zero_point": [0], "channel_axis": 0}, "one entry a channel"),
    ],
)
def test_contradicting_qparams_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        q.QParams(**{"scale": 1.0, "zero_point": 0, "qmin": -128, "qmax": 127, **fields})


def test_what_does_not_fit_the_array_is_refused():
    per_channel = q.choose_qparams([-1, -1], [1, 1], channel_axis=1)
    for function in (q.quantize, q.fake_quantize):
        with pytest.raises(ValueError, match="There is no axis 1"):
            function(np.zeros(2), per_channel)
        with pytest.raises(ValueError, match="2 scales, but axis 1 holds 3"):
            function(np.zeros((2, 3)), per_channel)
        with pytest.raises(TypeError, match="real numbers"):
            function(["a"], per_channel)
    with pytest.raises(TypeError, match="Codes are integers"):
        q.dequantize([0.5], q.choose_qparams(-1, 1))
    with pytest.raises(ValueError, match="Codes run from -128 to 127"):
        q.dequantize([128], q.choose_qparams(-1, 1))
    with pytest.raises(TypeError, match="zero_point is a code"):
        q.QParams(1.0, 0.5, -128, 127)


# --- calibration and error measures ---------------------------------------------------------


def test_calibrators_agree_on_what_they_must():
    x = np.random.default_rng(RNG_SEED).normal(size=10_000).astype(np.float32)
    assert q.percentile_range(x, 100) == q.min_max_range(x)
    low, high = q.percentile_range(x, 99)
    assert np.isclose(np.mean((x >= low) & (x <= high)), 0.98, atol=1e-3)
    assert q.moving_average_range([x] * 5) == pytest.approx(q.min_max_range(x))
    halves = q.moving_average_range([[-1.0, 1.0], [-3.0, 2.0]], momentum=0.5)
    assert halves == (-2.0, 1.5)
    per_channel = q.percentile_range(x.reshape(-1, 4), 90, channel_axis=1)
    assert per_channel[0].shape == (4,)


def test_the_mse_range_beats_min_max_on_an_outlier_and_never_loses():
    x = np.random.default_rng(RNG_SEED).normal(size=5_000).astype(np.float32)
    for data in (x, np.append(x, np.float32(40))):
        for bits in (4, 8):
            error = [
                q.mean_squared_error(data, q.fake_quantize(data, q.choose_qparams(*ends, bits)))
                for ends in (q.mse_range(data, bits), q.min_max_range(data))
            ]
            assert error[0] <= error[1]
    clipped = q.mse_range(np.append(x, np.float32(40)), 4)
    assert clipped[1] < 30


@pytest.mark.parametrize("bits", range(4, 15))
def test_a_uniform_signal_follows_six_decibels_a_bit(bits):
    x = np.random.default_rng(RNG_SEED).uniform(-1, 1, 100_000).astype(np.float32)
    measured = q.sqnr_db(x, q.fake_quantize(x, q.choose_qparams(-1, 1, bits)))
    assert measured == pytest.approx(q.theoretical_sqnr_db(bits, math.sqrt(3)), abs=0.6)


def test_error_measures_of_known_arrays():
    assert q.sqnr_db([3.0, 4.0], [3.0, 4.5]) == pytest.approx(20)
    assert q.sqnr_db([1.0], [1.0]) == math.inf
    assert q.sqnr_db([0.0], [1.0]) == -math.inf
    assert q.max_error([1.0, 2.0], [1.5, 1.0]) == 1.0
    assert q.mean_squared_error([1.0, 2.0], [1.0, 4.0]) == 2.0
    with pytest.raises(ValueError, match="differ in shape"):
        q.sqnr_db([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="peak is below"):
        q.theoretical_sqnr_db(8, 0.5)


@pytest.mark.parametrize("calibrate", [q.min_max_range, q.percentile_range, q.mse_range])
def test_calibrators_refuse_data_without_a_range(calibrate):
    with pytest.raises(ValueError, match="empty"):
        calibrate([])
    with pytest.raises(ValueError, match="NaN or infinity"):
        calibrate([1.0, np.nan])
    with pytest.raises(ValueError, match="no batch"):
        q.moving_average_range([])


# --- equal to TensorFlow and the converter, ties included -----------------------------------


def values_around_ties(rng, low, high, step, codes):
    """Return values inside, on, between and outside the codes, and their float32 neighbours."""
    steps = rng.integers(-codes, codes + 1, 200)
    x = np.concatenate(
        [rng.uniform(1.2 * low, 1.2 * high, 200), steps * step, (steps + 0.5) * step]
    )
    x = np.append(x, [low, high, 0]).astype(np.float32)
    return np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, -x - 1)])


def test_fake_quantize_equals_tensorflow(record_property):
    tf = env.tensorflow()
    rng = np.random.default_rng(RNG_SEED)
    compared = 0
    for _ in range(300):
        bits, narrow = int(rng.integers(2, 17)), bool(rng.integers(2))
        ends = rng.normal(size=2) * 10 ** rng.uniform(-5, 5)
        low, high = np.float32(min(*ends, 0)), np.float32(max(*ends, 0))
        symmetric = narrow and bool(rng.integers(2))
        if symmetric:
            high = max(-low, high)
            low = -high
        qparams = q.choose_qparams(low, high, bits, symmetric, narrow)
        x = values_around_ties(rng, low, high, qparams.scale, 2**bits)
        expected = tf.quantization.fake_quant_with_min_max_vars(x, low, high, bits, narrow)
        np.testing.assert_array_equal(q.fake_quantize(x, qparams), expected)

        lows, highs = np.float32([low, low * 3, low]), np.float32([high, high / 7, high * 2])
        qparams = q.choose_qparams(lows, highs, bits, False, narrow, channel_axis=1)
        columns = [
            values_around_ties(rng, lows[i], highs[i], qparams.scale[i], 2**bits) for i in range(3)
        ]
        x = np.stack(columns, axis=1)
        expected = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, lows, highs, bits, narrow
        )
        np.testing.assert_array_equal(q.fake_quantize(x, qparams), expected)
        compared += x.size + len(x)
    zeros = np.zeros(9, np.float32)
    expected = tf.quantization.fake_quant_with_min_max_vars(zeros, 0.0, 0.0)
    np.testing.assert_array_equal(q.fake_quantize(zeros, q.choose_qparams(0, 0)), expected)
    record_property("counted", f"fake_quantize against TensorFlow: {compared} values, 0 differing")


@pytest.mark.parametrize("per_channel", [True, False])
def test_quantize_equals_the_weights_the_converter_stores(per_channel, record_property):
    from tflite_tools import stored_weights

    tf_keras = env.keras()
    rng = np.random.default_rng(RNG_SEED)
    compared = 0
    for magnitude in (1e-3, 0.37, 51.3):
        weights = rng.integers(-254, 255, (3000, 40)).astype(np.float32) / 2 * magnitude
        weights = np.nextafter(weights, rng.choice([-1, 1], weights.shape) * weights * 2)
        weights[0] = 127 * magnitude
        weights[:, 1] = rng.normal(size=3000)
        weights[:, 2] = -magnitude  # constant and negative
        weights[:, 3] = 0
        weights = weights.astype(np.float32)
        dense = tf_keras.layers.Dense(40, use_bias=False, input_shape=(3000,))
        model = tf_keras.Sequential([dense])
        dense.set_weights([weights])
        samples = rng.normal(size=(3, 3000))
        tflite = conversion.convert(model, "int8", samples, per_channel=per_channel)
        stored, scales = stored_weights(tflite)

        axis = 1 if per_channel else None
        low, high = q.min_max_range(weights, axis)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the constant column leaves out zero
            qparams = q.choose_qparams(low, high, 8, True, True, channel_axis=axis)
        np.testing.assert_array_equal(np.float32(qparams.scale), scales)
        np.testing.assert_array_equal(q.quantize(weights, qparams), stored.T)
        compared += stored.size
    record_property("counted", f"quantize against the converter: {compared} weights, 0 differing")


def test_activation_qparams_equal_the_converters():
    from tflite_tools import input_qparams

    tf_keras = env.keras()
    rng = np.random.default_rng(RNG_SEED)
    model = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(50,))])
    for shift in (-3.0, 0.0, 0.4):
        samples = rng.normal(shift, size=(20, 50)).astype(np.float32)
        scale, zero_point = input_qparams(conversion.convert(model, "int8", samples))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            qparams = q.choose_qparams(*q.min_max_range(samples))
        assert (np.float32(qparams.scale), qparams.zero_point) == (scale, zero_point)


@settings(max_examples=20)
@given(st.integers(1, 3))
def test_a_reconstruction_of_nothing_is_refused(ndim):
    with pytest.raises(ValueError, match="arrays are empty"):
        q.sqnr_db(np.zeros((0,) * ndim), np.zeros((0,) * ndim))
