"""Pieces of objects: cut by geometry and by the network."""

import numpy as np
import pytest

from cvdl.segmentation.instances.pieces import cut_pieces

EVERYWHERE = np.ones((30, 40), bool)


def halves(left, right, border=20):
    values = np.full((30, 40), left, np.int32)
    values[:, border:] = right
    return values


def test_a_region_is_cut_where_another_group_begins():
    pieces = cut_pieces(halves(1, 1), halves(3, 7), EVERYWHERE)
    np.testing.assert_array_equal(pieces, halves(1, 2))


def test_a_group_is_cut_where_another_region_begins():
    pieces = cut_pieces(halves(1, 2), halves(3, 3), EVERYWHERE)
    np.testing.assert_array_equal(pieces, halves(1, 2))


def test_pixels_without_a_surface_are_pieces_by_their_groups():
    pieces = cut_pieces(halves(0, 0), halves(3, 7), EVERYWHERE)
    np.testing.assert_array_equal(pieces, halves(1, 2))


def test_parts_that_do_not_touch_are_two_pieces():
    regions = halves(1, 1)
    regions[:, 18:22] = 2
    pieces = cut_pieces(regions, halves(3, 3), EVERYWHERE)
    assert pieces[0, 0] != pieces[0, -1]


def test_a_scrap_becomes_a_part_of_the_nearest_piece():
    regions = halves(1, 2)
    regions[10:13, 5:8] = 3
    pieces = cut_pieces(regions, halves(3, 3), EVERYWHERE)
    np.testing.assert_array_equal(pieces, halves(1, 2))


@pytest.mark.parametrize("side", [2, 12])
def test_what_is_not_wanted_has_no_piece_and_a_lone_scrap_neither(side):
    wanted = np.zeros((30, 40), bool)
    wanted[4 : 4 + side, 4 : 4 + side] = True
    pieces = cut_pieces(halves(1, 1), halves(3, 3), wanted)
    np.testing.assert_array_equal(pieces > 0, wanted & (side > 2))
