"""Vessels and plates, on small pictures drawn by hand."""

import numpy as np
import pytest

from cvdl.segmentation.dishes import dish_bottoms, join_rims
from cvdl.segmentation.plane_color import plane_color, plane_parts

from .drawings import SHAPE, TABLE, THING, painted, thing


def bottom(sheet, difference):
    """The bottom found for a ring whose hole differs so much from the table."""
    labels, hole = thing(5), np.s_[25:35, 35:45]
    labels[hole] = 0
    depth = np.where(labels > 0, 1.07, 1.1)
    surface = sheet(*SHAPE, depth=depth, lab=painted(difference, hole))
    return dish_bottoms(
        labels, surface, labels == 0, plane_parts(labels == 0), 2000, (1000, 1000)
    ), labels


def test_the_bottom_of_a_dish_is_a_hole_of_another_colour_than_the_plane(sheet):
    found, labels = bottom(sheet, 30)
    expected = thing(5)
    expected[labels > 0] = 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("difference", "count"), [(30, 10 * 10), (0, 0)])
def test_the_bottom_of_a_dish_may_be_open_to_the_plane(sheet, difference, count):
    """The near wall of a white bowl is as low as its bottom in a camera that smooths."""
    labels, crook = thing(5), np.s_[30:40, 35:45]
    labels[crook] = 0
    surface = sheet(
        *SHAPE, depth=np.where(labels > 0, 1.07, 1.1), lab=painted(difference, thing() > 0)
    )
    found = dish_bottoms(labels, surface, labels == 0, plane_parts(labels == 0), 2000, (1000, 1000))
    assert (found[crook] == 5).sum() == count == (found > 0).sum()


def test_the_bottom_of_a_dish_may_lie_behind_another_thing(sheet):
    """A can before a plate: its rim is a ring no more, but its bottom is apart from the table."""
    labels, hole = thing(5), np.s_[25:35, 35:45]
    labels[hole] = 0
    labels[35:50, 37:43] = 6
    surface = sheet(*SHAPE, depth=np.where(labels > 0, 1.07, 1.1), lab=painted(30, hole))
    found = dish_bottoms(labels, surface, labels == 0, plane_parts(labels == 0), 2000, (1000, 1000))
    expected = np.zeros(SHAPE, np.int32)
    expected[hole] = 5
    np.testing.assert_array_equal(found, expected)


def test_through_a_ring_one_sees_the_plane(sheet):
    assert not bottom(sheet, 0)[0].any()


def test_a_thing_without_a_hole_has_no_bottom(sheet):
    surface = sheet(*SHAPE, lab=painted(30))
    on_plane = thing() == 0
    assert not dish_bottoms(
        thing(), surface, on_plane, plane_parts(on_plane), 2000, (1000, 1000)
    ).any()


# A vessel seen from above: in the middle its bottom, round it the wall in pieces, with gaps.
BOTTOM = np.s_[24:36, 34:46]
WALL = {3: np.s_[20:40, 30:34], 4: np.s_[20:24, 36:50], 7: np.s_[38:40, 34:42]}


def walls(sheet, *, difference=30, heights=(0.09, 0.09, 0.09), beside=None):
    """What becomes of pieces of a wall of such heights round a bottom of such a colour."""
    labels, depth, above = np.zeros(SHAPE, np.int32), np.full(SHAPE, 1.1), np.zeros(SHAPE, bool)
    depth[THING], above[THING] = np.nan, True
    depth[BOTTOM], above[BOTTOM] = 1.097, False
    for (label, where), height in zip(WALL.items(), heights, strict=True):
        labels[where], depth[where] = label, 1.1 - height
    if beside is not None:
        labels[beside], depth[beside], above[beside] = 9, 1.01, True
    surface = sheet(*SHAPE, depth=depth, lab=painted(difference))
    plane_lab = plane_color(surface.lab, ~above)
    return join_rims(labels, surface, TABLE, plane_parts(~above), above, plane_lab)


def test_pieces_of_a_wall_round_a_bottom_are_one_with_what_stands_between_them(sheet):
    joined = walls(sheet)
    expected = np.zeros(SHAPE, bool)
    expected[THING] = True
    expected[BOTTOM] = False
    assert len(np.unique(joined)) == 2
    np.testing.assert_array_equal(joined > 0, expected)


def test_things_round_a_bit_of_the_plane_stay_apart(sheet):
    assert len(np.unique(walls(sheet, difference=0))) == 4


def test_what_stands_beside_a_wall_is_of_another_height(sheet):
    joined = walls(sheet, heights=(0.09, 0.09, 0.05))
    assert joined[30, 32] == joined[22, 45] != joined[39, 38] == 7


def test_what_lies_in_a_vessel_is_no_piece_of_it(sheet):
    joined = walls(sheet, beside=np.s_[27:33, 34:42])
    assert joined[30, 32] == joined[22, 45] != joined[30, 38] == 9


def test_what_reaches_far_beyond_a_wall_is_no_piece_of_it(sheet):
    joined = walls(sheet, beside=np.s_[24:28, 50:80])
    assert joined[30, 32] == joined[22, 45] != joined[26, 60] == 9
