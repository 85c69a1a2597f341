"""Holes in the depth go to the object that surrounds them."""

import numpy as np

from cvdl.segmentation.holes import fill_holes


def scene():
    groups = np.zeros((60, 80), np.int32)
    groups[10:40, 10:40] = 1
    groups[10:40, 40:70] = 2
    return groups, np.ones((60, 80), bool)


def without(groups, seen, rows, cols):
    groups[rows, cols], seen[rows, cols] = 0, False


def test_a_hole_within_an_object_is_its_own():
    groups, seen = scene()
    before = groups.copy()
    without(groups, seen, slice(20, 30), slice(15, 25))
    np.testing.assert_array_equal(fill_holes(groups, seen), before)


def test_what_has_a_reading_is_no_hole():
    groups, seen = scene()
    groups[20:30, 15:25] = 0
    np.testing.assert_array_equal(fill_holes(groups, seen), groups)


def test_a_hole_between_two_objects_or_at_the_edge_is_nobodys():
    groups, seen = scene()
    without(groups, seen, slice(20, 30), slice(35, 45))
    without(groups, seen, slice(30, 45), slice(12, 18))
    np.testing.assert_array_equal(fill_holes(groups, seen), groups)


def test_a_hole_larger_than_half_the_object_stays():
    groups, seen = scene()
    without(groups, seen, slice(11, 39), slice(11, 39))
    np.testing.assert_array_equal(fill_holes(groups, seen), groups)


def test_an_image_without_objects_or_readings():
    nothing = np.zeros((60, 80), np.int32)
    assert not fill_holes(nothing, np.zeros((60, 80), bool)).any()
