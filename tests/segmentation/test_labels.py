"""Labels and their pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvdl.segmentation.labels import enlarged, pixels_by_label, rank

values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(
    arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 9))
)
def test_each_label_gets_its_pixels_in_order(labels):
    pixels = pixels_by_label(labels)
    assert sorted(pixels) == sorted(set(labels.ravel().tolist()) - {0})
    for label, where in pixels.items():
        np.testing.assert_array_equal(where, np.flatnonzero(labels == label))


def test_numbers_beyond_16_bits():
    labels = np.array([[0, 65_536], [70_000, 1]], np.int32)
    assert {label: where.tolist() for label, where in pixels_by_label(labels).items()} == {
        1: [3],
        65_536: [1],
        70_000: [2],
    }


@given(values, st.floats(0, 1))
def test_rank_is_a_value_within_one_place_of_the_quantile(values, share):
    ordered = np.sort(values)
    below = int(share * (len(values) - 1))
    above = min(below + 2, len(values) - 1)
    found = rank(values, share)
    assert found in values
    assert ordered[below] <= found <= ordered[above]


@given(values)
def test_rank_at_the_ends(values):
    assert rank(values, 0) == values.min()
    assert rank(values, 1) == values.max()


def test_rank_of_a_hundred():
    values = np.random.default_rng(0).permutation(100).astype(np.float32)
    assert rank(values, 0.95) == 95
    assert rank(values, 0.95) == pytest.approx(np.quantile(values, 0.95), abs=1)


def test_a_reduced_image_in_full_size():
    small = np.array([[1, 2], [3, 4]], np.float32)
    full = enlarged(small, 3, (7, 8))  # the last row, and the last two columns, are no whole block
    np.testing.assert_array_equal(full[:6, :6], np.kron(small, np.ones((3, 3))))
    np.testing.assert_array_equal(full[6], full[5])
    np.testing.assert_array_equal(full[:, 6], full[:, 5])
    np.testing.assert_array_equal(full[:, 7], full[:, 5])
    assert enlarged(small, 3, (5, 4)).shape == (5, 4)
