import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from course_utils.numbers import coding

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


INDEX_BITS = (4, 8, 16)

matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 600)),
    elements=st.sampled_from([0.0, 1.5, -0.25, 3e-39]),
    fill=st.just(np.float32(0)),
)


@pytest.mark.parametrize("bits", INDEX_BITS)
@given(matrix=matrices)
def test_csr_decodes_to_the_same_matrix(bits, matrix):
    encoded = coding.encode_csr(matrix, bits)
    assert np.array_equal(coding.decode_csr(encoded, matrix.shape, bits), matrix)


@pytest.mark.parametrize("bits", INDEX_BITS)
@given(matrix=matrices)
def test_csr_takes_what_its_format_defines(bits, matrix):
    """Counted one by one: a run of g zeros before an entry takes g // 2^bits fillers."""
    entries = 0
    for row in matrix:
        before = -1
        for column in np.flatnonzero(row):
            entries += 1 + (column - before - 1) // 2**bits
            before = column
    expected = 4 * len(matrix) + -(-entries * bits // 8) + 4 * entries
    assert coding.ledger(matrix, [f"csr{bits}"]) == {f"csr{bits}": expected}


def test_csr_refuses_what_it_can_not_store():
    with pytest.raises(ValueError, match=r"matrix.*\(8,\)"):
        coding.encode_csr(np.ones(8), 8)
    with pytest.raises(ValueError, match="4, 8 or 16 bits, not 5"):
        coding.encode_csr(np.eye(8), 5)
    with pytest.raises(ValueError, match="4, 8 or 16 bits, not 32"):
        coding.decode_csr(b"", (0, 0), 32)
