import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from course_utils.numbers import pruning

DTYPES = st.sampled_from([np.float16, np.float32, np.float64])


@st.composite
def weight_arrays(draw):
    dtype = draw(DTYPES)
    width = np.dtype(dtype).itemsize * 8
    elements = st.floats(-1000, 1000, width=width) | st.sampled_from([0.0, -1.5, 1.5, 2.0])
    return draw(arrays(dtype, array_shapes(max_dims=4, max_side=6), elements=elements))


thresholds = st.floats(0, 2000) | st.sampled_from([0.0, 1.5, 2.0])


def removed_one_by_one(weights, threshold):
    """The slide read aloud: count the weights with |w| <= lambda in exact real arithmetic."""
    return sum(abs(float(w)) <= threshold for w in weights.ravel())


@given(weight_arrays(), thresholds)
def test_mask_keeps_exactly_what_the_slide_keeps(weights, threshold):
    mask = pruning.magnitude_mask(weights, threshold)
    assert mask.shape == weights.shape
    assert mask.dtype == bool
    assert np.count_nonzero(~mask) == removed_one_by_one(weights, threshold)


@given(weight_arrays(), thresholds)
def test_index_agrees_with_the_mask_at_every_threshold(weights, threshold):
    index = pruning.ThresholdIndex(weights)
    assert index.sparsity(threshold) == removed_one_by_one(weights, threshold) / weights.size
    mask = pruning.magnitude_mask(weights, threshold)
    assert pruning.sparsity(mask) == pytest.approx(index.sparsity(threshold), abs=1e-12)


@given(weight_arrays(), st.floats(0, 1))
def test_index_finds_the_smallest_threshold_for_a_sparsity(weights, share):
    index = pruning.ThresholdIndex(weights)
    threshold = index.threshold(share)
    assert index.sparsity(threshold) >= share - 1e-6
    smaller = [abs(float(w)) for w in weights.ravel() if abs(float(w)) < threshold]
    if smaller:
        assert index.sparsity(max(smaller)) < share


@given(st.integers(1, 500), st.data())
def test_a_share_that_is_a_whole_number_of_weights_is_met_exactly(count, data):
    pruned = data.draw(st.integers(0, count))
    index = pruning.ThresholdIndex(np.arange(1, count + 1))
    assert index.sparsity(index.threshold(pruned / count)) == pruned / count


@given(weight_arrays(), st.floats(0, 3))
def test_threshold_is_s_times_the_population_standard_deviation(weights, s):
    values = [float(w) for w in weights.ravel()]
    mean = sum(values) / len(values)
    sigma = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    assert pruning.magnitude_threshold(weights, s) == pytest.approx(s * sigma, rel=1e-6, abs=1e-6)


@given(weight_arrays(), st.floats(0, 3))
def test_pruning_changes_nothing_but_the_pruned(weights, s):
    before = weights.copy()
    after = pruning.prune(weights, s)
    mask = pruning.magnitude_mask(weights, pruning.magnitude_threshold(weights, s))
    assert np.array_equal(weights, before)
    assert after.dtype == weights.dtype
    assert np.array_equal(after[mask], weights[mask])
    assert not after[~mask].any()


def test_a_threshold_between_two_float32_numbers_prunes_the_lower_one():
    weights = np.array([0.1], dtype=np.float32)  # 0.100000001490116...
    assert pruning.magnitude_mask(weights, 0.1).all()
    assert not pruning.magnitude_mask(weights, 0.1000000015).any()
    assert pruning.ThresholdIndex(weights).sparsity(0.1) == 0


def test_a_threshold_beyond_the_dtype_prunes_everything():
    weights = np.array([60000.0], dtype=np.float16)
    assert not pruning.magnitude_mask(weights, 1e30).any()
    assert pruning.ThresholdIndex(weights).sparsity(1e30) == 1


def test_integers_are_weights_too_even_the_lowest():
    weights = np.array([-128, 127], dtype=np.int8)
    assert pruning.magnitude_mask(weights, 127.5).tolist() == [True, False]
    assert pruning.ThresholdIndex(weights).sparsity(127) == 0.5


FUNCTIONS = [
    lambda weights: pruning.magnitude_threshold(weights, 1),
    lambda weights: pruning.magnitude_mask(weights, 1),
    lambda weights: pruning.prune(weights, 1),
    pruning.ThresholdIndex,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("weights", "error", "sentence"),
    [
        ([], ValueError, "empty"),
        ([1.0, np.nan], ValueError, "NaN or infinity"),
        ([1.0, -np.inf], ValueError, "NaN or infinity"),
        (["heavy"], TypeError, "real numbers"),
        ([1j], TypeError, "real numbers"),
        ([None], TypeError, "real numbers"),
        ([True], TypeError, "real numbers"),
    ],
)
def test_bad_weights_are_named(function, weights, error, sentence):
    with pytest.raises(error, match=sentence):
        function(np.array(weights))


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_bad_numbers_are_named(bad):
    weights = np.ones(3)
    with pytest.raises(ValueError, match=r"s must be .* not negative"):
        pruning.magnitude_threshold(weights, bad)
    with pytest.raises(ValueError, match="threshold must be"):
        pruning.magnitude_mask(weights, bad)
    with pytest.raises(ValueError, match="threshold must be"):
        pruning.ThresholdIndex(weights).sparsity(bad)
    with pytest.raises(ValueError, match="sparsity must be"):
        pruning.ThresholdIndex(weights).threshold(bad)


def test_more_bad_input_is_named():
    with pytest.raises(TypeError, match="s must be a number; got str"):
        pruning.magnitude_threshold(np.ones(3), "wide")
    with pytest.raises(ValueError, match="from 0 to 1; got 1.5"):
        pruning.ThresholdIndex(np.ones(3)).threshold(1.5)
    with pytest.raises(ValueError, match="mask"):
        pruning.sparsity(np.array([0.0, 1.0]))


def test_the_index_holds_one_copy_and_builds_in_place():
    weights = np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32)
    tracemalloc.start()
    index = pruning.ThresholdIndex(weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(index) == weights.size
    assert peak <= 1.2 * weights.nbytes


# --- patterns -------------------------------------------------------------------------------


@st.composite
def weights_and_axis(draw, multiple=1):
    shape = draw(array_shapes(max_dims=4, max_side=5))
    axis = draw(st.integers(0, len(shape) - 1))
    shape = tuple(side * multiple if i == axis else side for i, side in enumerate(shape))
    elements = st.floats(-10, 10, width=32)
    weights = draw(arrays(np.float32, shape, elements=elements))
    return weights, draw(st.sampled_from([axis, axis - len(shape)]))


@given(weights_and_axis(multiple=4), st.integers(1, 4))
def test_n_of_every_m_are_kept_and_they_are_the_largest(case, n):
    weights, axis = case
    mask = pruning.n_m_mask(weights, n, 4, axis=axis)
    assert (mask.shape, mask.dtype) == (weights.shape, bool)
    kept = np.moveaxis(mask, axis, -1).reshape(-1, 4)
    groups = np.abs(np.moveaxis(weights, axis, -1)).reshape(-1, 4)
    for group, keep in zip(groups, kept, strict=True):
        assert keep.sum() == n
        assert group[keep].min() >= max(group[~keep], default=0)


def test_the_axis_of_2_by_4_matters():
    weights = np.random.default_rng(0).normal(size=(8, 8))
    along_inputs = pruning.n_m_mask(weights, axis=0)
    assert (along_inputs.reshape(2, 4, 8).sum(axis=1) == 2).all()
    assert not np.array_equal(along_inputs, pruning.n_m_mask(weights, axis=1))
    assert np.array_equal(along_inputs, pruning.n_m_mask(weights.T, axis=1).T)


@given(weights_and_axis(), st.floats(0, 0.999), st.sampled_from([1, 2]))
def test_channels_go_whole_and_the_smallest_first(case, fraction, order):
    weights, axis = case
    channels = weights.shape[axis]
    removed = round(fraction * channels)
    if removed == channels:
        with pytest.raises(ValueError, match=f"no channel of {channels}"):
            pruning.channel_mask(weights, fraction, axis, order)
        return
    mask = pruning.channel_mask(weights, fraction, axis, order)
    rows = np.moveaxis(mask, axis, 0).reshape(channels, -1)
    keep = rows.all(axis=1)
    assert np.array_equal(keep, rows.any(axis=1))
    assert np.count_nonzero(~keep) == removed
    norms = [
        sum(abs(float(w)) ** order for w in channel.ravel())
        for channel in np.moveaxis(weights, axis, 0)
    ]
    assert min(np.array(norms)[keep]) >= max(np.array(norms)[~keep], default=0) * (1 - 1e-9)


@given(weight_arrays(), st.floats(0, 0.999), st.integers(0, 5))
def test_a_random_mask_prunes_as_many_as_asked(weights, sparsity, seed):
    removed = round(sparsity * weights.size)
    if removed == weights.size:
        with pytest.raises(ValueError, match=f"no weight of {weights.size}"):
            pruning.random_mask(weights, sparsity, np.random.default_rng(seed))
        return
    mask = pruning.random_mask(weights, sparsity, np.random.default_rng(seed))
    assert (mask.shape, mask.dtype) == (weights.shape, bool)
    assert np.count_nonzero(~mask) == removed


def test_a_random_mask_is_random_but_repeatable():
    weights = np.ones((50, 50))
    masks = [pruning.random_mask(weights, 0.5, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_the_schedule_begins_ends_and_slows_down():
    sparsity = pruning.polynomial_sparsity(np.arange(0, 1201), 0.5, 0.9, 100, 1100)
    assert (sparsity[:101] == 0.5).all()
    assert (sparsity[1100:] == 0.9).all()
    steps = np.diff(sparsity[100:1101])
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()
    assert sparsity[600] == pytest.approx(0.9 - 0.4 / 8)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5, np.nan])
def test_shares_that_are_none_are_refused(fraction):
    weights = np.ones((4, 8))
    with pytest.raises(ValueError, match="fraction"):
        pruning.channel_mask(weights, fraction, axis=-1)
    with pytest.raises(ValueError, match="sparsity"):
        pruning.random_mask(weights, fraction, np.random.default_rng(0))
    with pytest.raises(ValueError, match="final_sparsity"):
        pruning.polynomial_sparsity(0, 0, fraction, 0, 1)


def test_patterns_that_do_not_fit_are_refused():
    weights = np.ones((3, 3, 6, 8))
    with pytest.raises(ValueError, match=r"length 6, which 4 does not divide.*input axis"):
        pruning.n_m_mask(weights, axis=2)
    with pytest.raises(ValueError, match="n = 5 can't be kept"):
        pruning.n_m_mask(weights, n=5, m=4, axis=-1)
    with pytest.raises(ValueError, match="no axis 4"):
        pruning.n_m_mask(weights, axis=4)
    with pytest.raises(ValueError, match="no axis -5"):
        pruning.channel_mask(weights, 0.5, axis=-5)
    with pytest.raises(ValueError, match=r"end_step \(5\) must come after begin_step \(5\)"):
        pruning.polynomial_sparsity(0, 0, 0.5, 5, 5)
