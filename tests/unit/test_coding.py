import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from course_utils import coding

sparse = arrays(
    np.float32,
    st.integers(1, 2000),
    elements=st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.0, 1.5, -0.25, 3e-39]),
    fill=st.just(np.float32(0)),
)


@given(sparse)
def test_every_format_decodes_to_the_same_weights(weights):
    count = weights.size
    assert np.array_equal(coding.decode_dense(coding.encode_dense(weights)), weights)
    assert np.array_equal(coding.decode_gzip(coding.encode_gzip(weights)), weights)
    assert np.array_equal(coding.decode_bitmap(coding.encode_bitmap(weights), count), weights)
    assert np.array_equal(coding.decode_gaps(coding.encode_gaps(weights), count), weights)


@given(sparse)
def test_the_ledger_counts_what_the_formats_define(weights):
    kept = np.count_nonzero(weights)
    sizes = coding.ledger(weights)
    assert sizes["dense"] == 4 * weights.size
    assert sizes["bitmap"] == -(-weights.size // 8) + 4 * kept
    assert sizes["gaps"] >= 5 * kept


@pytest.mark.parametrize("zeros", [0, 254, 255, 256, 511, 512, 513, 70_000])
def test_long_gaps_need_fillers_and_survive(zeros):
    weights = np.append(np.zeros(zeros, np.float32), np.float32(1.5))
    encoded = coding.encode_gaps(weights)
    assert len(encoded) == 5 * (1 + zeros // 256)
    assert np.array_equal(coding.decode_gaps(encoded, weights.size), weights)


def test_gzip_bytes_do_not_depend_on_the_clock():
    weights = np.arange(10, dtype=np.float32)
    assert coding.encode_gzip(weights)[4:8] == b"\0\0\0\0"
