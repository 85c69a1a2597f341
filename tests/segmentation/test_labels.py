"""Labels, their pixels and connected parts."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvdl.segmentation.labels import (
    areas_of,
    connected_parts,
    enlarged,
    fill_hull,
    pixels_by_label,
    quantile,
    quantiles,
    without,
)

values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(
    arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 9))
)
def test_each_label_gets_its_pixels_in_order(labels):
    pixels = pixels_by_label(labels)
    assert sorted(pixels) == sorted(set(labels.ravel().tolist()) - {0})
    for label, where in pixels.items():
        np.testing.assert_array_equal(where, np.flatnonzero(labels == label))


def test_labels_above_16_bits():
    labels = np.array([[0, 65_536], [70_000, 1]], np.int32)
    assert {label: where.tolist() for label, where in pixels_by_label(labels).items()} == {
        1: [3],
        65_536: [1],
        70_000: [2],
    }


@given(values, st.floats(0, 1))
def test_quantile_is_a_value_within_one_place(values, share):
    ordered = np.sort(values)
    below = int(share * (len(values) - 1))
    above = min(below + 2, len(values) - 1)
    found = quantile(values, share)
    assert found in values
    assert ordered[below] <= found <= ordered[above]


@given(values)
def test_quantile_at_the_ends(values):
    assert quantile(values, 0) == values.min()
    assert quantile(values, 1) == values.max()


def test_quantile_of_a_hundred_values():
    values = np.random.default_rng(0).permutation(100).astype(np.float32)
    assert quantile(values, 0.95) == 95
    assert quantile(values, 0.95) == pytest.approx(np.quantile(values, 0.95), abs=1)


@given(values, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_several_quantiles_at_once(values, shares):
    assert quantiles(values, *shares) == [quantile(values, share) for share in shares]


def test_areas_of_labels():
    assert areas_of(np.array([[0, 3, 3], [1, 3, 0]], np.int32), 5).tolist() == [0, 1, 0, 3, 0]


@given(arrays(np.bool_, (7, 9)).filter(np.any))
def test_a_hull_is_the_smallest_convex_region(mask):
    expected = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(expected, cv2.convexHull(cv2.findNonZero(mask.view(np.uint8))), 1)
    np.testing.assert_array_equal(fill_hull(mask), expected)


def test_a_reduced_image_is_enlarged_to_full_size():
    small = np.array([[1, 2], [3, 4]], np.float32)
    full = enlarged(small, 3, (7, 8))  # the last row and two columns are no whole block
    np.testing.assert_array_equal(full[:6, :6], np.kron(small, np.ones((3, 3))))
    np.testing.assert_array_equal(full[6], full[5])
    np.testing.assert_array_equal(full[:, 6], full[:, 5])
    np.testing.assert_array_equal(full[:, 7], full[:, 5])
    assert enlarged(small, 3, (5, 4)).shape == (5, 4)


def test_labels_are_removed_by_their_pixels():
    labels = np.array([[1, 1, 0], [2, 3, 3]], np.int32)
    kept = without(labels, lambda label, pixels: len(pixels) == 1 or label == 3)
    assert kept.tolist() == [[1, 1, 0], [0, 0, 0]]


def test_connected_parts_and_their_areas():
    mask = np.array([[1, 0, 1], [1, 0, 1], [0, 1, 0]], bool)
    for connectivity, count in ((4, 3), (8, 1)):
        parts, areas = connected_parts(mask, connectivity)
        assert len(areas) == count + 1
        assert areas.sum() == mask.sum()
        assert areas[parts].tolist() == np.where(mask, areas[parts], 0).tolist()
    assert connected_parts(np.zeros((2, 2), bool))[1].tolist() == [0]
