"""Holes in the depth belong to the object that surrounds them."""

import numpy as np

from cvdl.segmentation.holes import fill_holes


def scene():
    labels = np.zeros((60, 80), np.int32)
    labels[10:40, 10:40] = 1
    labels[10:40, 40:70] = 2
    return labels, np.ones((60, 80), bool)


def without(labels, measured, rows, cols):
    labels[rows, cols], measured[rows, cols] = 0, False


def test_a_hole_within_an_object_belongs_to_it():
    labels, measured = scene()
    before = labels.copy()
    without(labels, measured, slice(20, 30), slice(15, 25))
    np.testing.assert_array_equal(fill_holes(labels, measured), before)


def test_pixels_with_a_reading_are_no_hole():
    labels, measured = scene()
    labels[20:30, 15:25] = 0
    np.testing.assert_array_equal(fill_holes(labels, measured), labels)


def test_a_hole_between_two_objects_or_at_the_edge_stays():
    labels, measured = scene()
    without(labels, measured, slice(20, 30), slice(35, 45))
    without(labels, measured, slice(30, 45), slice(12, 18))
    np.testing.assert_array_equal(fill_holes(labels, measured), labels)


def test_a_hole_larger_than_half_the_object_stays():
    labels, measured = scene()
    without(labels, measured, slice(11, 39), slice(11, 39))
    np.testing.assert_array_equal(fill_holes(labels, measured), labels)


def test_an_image_without_objects_or_readings():
    nothing = np.zeros((60, 80), np.int32)
    assert not fill_holes(nothing, np.zeros((60, 80), bool)).any()
