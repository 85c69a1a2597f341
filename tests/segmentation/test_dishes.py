"""Vessels and plates, on small hand-drawn images."""

import numpy as np
import pytest

from cvdl.segmentation.dishes import dish_bottoms, join_rims

from .drawings import OBJECT, SHAPE, drawn, painted, tabletop


def bottoms(sheet, labels, lab):
    """The bottoms of dishes in the middle of a large table."""
    surface = sheet(*SHAPE, depth=np.where(labels > 0, 1.07, 1.1), lab=lab)
    table = tabletop(surface, labels == 0, footprint=np.ones((1000, 1000), bool))
    return dish_bottoms(labels, table)


def ring():
    """Labels of a ring, and its hole."""
    labels, hole = drawn(5), np.s_[25:35, 35:45]
    labels[hole] = 0
    return labels, hole


def test_bottom_of_a_dish_is_a_hole_of_another_color_than_the_plane(sheet):
    labels, hole = ring()
    expected = np.zeros(SHAPE, np.int32)
    expected[hole] = 5
    np.testing.assert_array_equal(bottoms(sheet, labels, painted(30, hole)), expected)


@pytest.mark.parametrize(("difference", "count"), [(30, 10 * 10), (0, 0)])
def test_bottom_of_a_dish_may_be_connected_to_the_plane(sheet, difference, count):
    """The near wall of a white bowl is as low as its bottom in a camera that smooths."""
    labels, opening = drawn(5), np.s_[30:40, 35:45]
    labels[opening] = 0
    found = bottoms(sheet, labels, painted(difference, drawn() > 0))
    assert (found[opening] == 5).sum() == count == (found > 0).sum()


def test_bottom_of_a_dish_may_lie_behind_another_object(sheet):
    """A can in front of a plate divides its rim, but its bottom is separate from the table."""
    labels, hole = ring()
    labels[35:50, 37:43] = 6
    expected = np.zeros(SHAPE, np.int32)
    expected[hole] = 5
    np.testing.assert_array_equal(bottoms(sheet, labels, painted(30, hole)), expected)


def test_the_plane_is_visible_through_a_ring(sheet):
    labels, hole = ring()
    assert not bottoms(sheet, labels, painted(0, hole)).any()


def test_an_object_without_a_hole_has_no_bottom(sheet):
    assert not bottoms(sheet, drawn(), painted(30)).any()


# A vessel seen from above: its bottom in the middle, pieces of its wall with gaps around it.
BOTTOM = np.s_[24:36, 34:46]
WALL = {3: np.s_[20:40, 30:34], 4: np.s_[20:24, 36:50], 7: np.s_[38:40, 34:42]}


def walls(sheet, *, difference=30, heights=(0.09, 0.09, 0.09), beside=None):
    """The joined labels of pieces of a wall around a bottom, with these heights and colors."""
    labels, depth, above = np.zeros(SHAPE, np.int32), np.full(SHAPE, 1.1), np.zeros(SHAPE, bool)
    depth[OBJECT], above[OBJECT] = np.nan, True
    depth[BOTTOM], above[BOTTOM] = 1.097, False
    for (label, where), height in zip(WALL.items(), heights, strict=True):
        labels[where], depth[where] = label, 1.1 - height
    if beside is not None:
        labels[beside], depth[beside], above[beside] = 9, 1.01, True
    surface = sheet(*SHAPE, depth=depth, lab=painted(difference))
    return join_rims(labels, tabletop(surface, ~above))


def test_pieces_of_a_wall_around_a_bottom_are_joined_with_the_pixels_between_them(sheet):
    joined = walls(sheet)
    expected = np.zeros(SHAPE, bool)
    expected[OBJECT] = True
    expected[BOTTOM] = False
    assert len(np.unique(joined)) == 2
    np.testing.assert_array_equal(joined > 0, expected)


def test_objects_around_a_part_of_the_plane_stay_separate(sheet):
    assert len(np.unique(walls(sheet, difference=0))) == 4


def test_objects_of_another_height_stay_separate(sheet):
    joined = walls(sheet, heights=(0.09, 0.09, 0.05))
    assert joined[30, 32] == joined[22, 45] != joined[39, 38] == 7


def test_objects_in_a_vessel_stay_separate(sheet):
    joined = walls(sheet, beside=np.s_[27:33, 34:42])
    assert joined[30, 32] == joined[22, 45] != joined[30, 38] == 9


def test_objects_that_extend_far_beyond_a_wall_stay_separate(sheet):
    joined = walls(sheet, beside=np.s_[24:28, 50:80])
    assert joined[30, 32] == joined[22, 45] != joined[26, 60] == 9
