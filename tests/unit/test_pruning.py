import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from course_utils import pruning

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
