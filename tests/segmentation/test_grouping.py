"""Which regions are parts of one object, on small hand-drawn images.

A camera looks straight down from 1.1 m; sheets at a depth of 1 m are 10 cm above the table.
"""

import numpy as np
import pytest

from cvdl.segmentation.borders import find_borders
from cvdl.segmentation.grouping import join_parts

from .drawings import tabletop

SHAPE = (60, 100)
ON_TABLE = 1.1


def drawn(*parts):
    """Labels and depth (60, 100) of parts (slices, depth), labeled 1... in that order."""
    labels, depth = np.zeros(SHAPE, np.int32), np.full(SHAPE, ON_TABLE, np.float32)
    for label, (where, z) in enumerate(parts, start=1):
        labels[where], depth[where] = label, z
    return labels, depth


def stepped(labels, depth):
    """Steps (60, 100, 2) wherever the depth jumps between two regions."""
    steps = np.zeros((*SHAPE, 2), np.int8)
    steps[:, :-1, 0] = np.sign(np.round(np.diff(depth, axis=1), 3))
    steps[:-1, :, 1] = np.sign(np.round(np.diff(depth, axis=0), 3))
    return steps


def joined(labels, surface):
    return join_parts(labels, find_borders(labels, surface), tabletop(surface, labels == 0))


def group(sheet, parts, **fields):
    """The number of objects, and their labels."""
    labels, depth = drawn(*parts)
    surface = sheet(*SHAPE, depth=depth, steps=stepped(labels, depth), **fields)
    groups = joined(labels, surface)
    return len(set(np.unique(groups)) - {0}), groups


def test_two_large_regions_stay_separate(sheet):
    parts = (np.s_[10:50, 10:50], 1.0), (np.s_[10:50, 50:90], 0.9)
    count, groups = group(sheet, parts)
    assert count == 2
    np.testing.assert_array_equal(groups > 0, drawn(*parts)[0] > 0)


def test_no_regions(sheet):
    assert group(sheet, ())[0] == 0


def test_a_scrap_belongs_to_the_neighbor_with_the_longest_border(sheet):
    parts = (
        (np.s_[10:50, 10:50], 1.0),
        (np.s_[10:50, 54:94], 0.9),
        (np.s_[20:28, 50:54], 1.0),
        (np.s_[28:30, 50:53], 1.0),
    )
    count, groups = group(sheet, parts)
    assert count == 2
    assert groups[29, 51] == groups[30, 30]


def test_a_strip_along_a_neighbor_is_its_rim(sheet):
    count, _ = group(sheet, ((np.s_[10:50, 10:50], 1.0), (np.s_[10:50, 50:52], 0.96)))
    assert count == 1


def test_a_flat_part_above_the_plane_is_a_handle(sheet):
    body, handle = (np.s_[10:50, 10:50], 1.0), np.s_[25:37, 50:62]
    assert group(sheet, (body, (handle, 1.02)))[0] == 1
    # A part of that size and another color that rises further is another object.
    rising = np.linspace(1.0, 1.09, 12)[None]
    assert group(sheet, (body, (handle, rising)), lab=painted(handle))[0] == 2


def painted(where):
    """(h, w, 3) float32: one color, and a clearly different color there."""
    lab = np.full((*SHAPE, 3), 50, np.float32)
    lab[where] += (0, 60, 0)
    return lab


@pytest.mark.parametrize(("size", "count"), [(12, 1), (24, 2)])
def test_a_small_part_belongs_to_a_neighbor_of_its_color(sheet, size, count):
    rising = np.linspace(1.0, 1.16, size)[None]
    parts = (np.s_[10:50, 10:50], 1.0), (np.s_[10 : 10 + size, 50 : 50 + size], rising)
    assert group(sheet, parts)[0] == count
    assert group(sheet, parts, lab=painted(parts[1][0]))[0] == 2


@pytest.mark.parametrize(("bottom", "count"), [(1.05, 1), (0.9, 2)])
def test_an_enclosed_region_is_a_part_unless_it_is_in_front(sheet, bottom, count):
    """A bowl's bottom, or a ball on a plate."""
    parts = (np.s_[10:50, 30:70], 1.0), (np.s_[20:40, 40:60], bottom)
    assert group(sheet, parts)[0] == count


def test_a_hollow_behind_a_rim_of_its_color_is_the_inside(sheet):
    parts = (np.s_[10:28, 20:80], 1.0), (np.s_[28:50, 20:80], 1.0)
    concavity = np.zeros(SHAPE, np.float32)
    curvature = np.zeros(SHAPE, np.float32)
    curvature[10:28] = -6  # the inside bends inwards
    curvature[28:50] = 8
    assert group(sheet, parts, curvature=curvature, concavity=concavity)[0] == 1
    assert group(sheet, parts, curvature=curvature, lab=painted(np.s_[28:50]))[0] == 2


LEFT, MIDDLE, RIGHT = np.s_[20:40, 5:35], np.s_[5:55, 35:65], np.s_[20:40, 65:95]


def test_parts_of_one_surface_on_both_sides_of_an_occluder_are_joined(sheet):
    count, groups = group(sheet, ((LEFT, 1.0), (RIGHT, 1.0), (MIDDLE, 0.8)))
    assert count == 2
    assert groups[30, 20] == groups[30, 80] != groups[30, 50]


def test_the_shadow_of_an_occluder_may_lie_between_the_parts(sheet):
    labels, depth = drawn((LEFT, 1.0), (RIGHT, 1.0), (np.s_[5:55, 45:65], 0.8))
    depth[:, 35:45] = np.nan
    surface = sheet(*SHAPE, depth=depth, steps=np.zeros((*SHAPE, 2), np.int8))
    groups = joined(labels, surface)
    assert groups[30, 20] == groups[30, 80] != groups[30, 50]


@pytest.mark.parametrize("between", [ON_TABLE, np.nan])
def test_two_objects_with_a_gap_between_them_stay_separate(sheet, between):
    labels, depth = drawn((LEFT, 1.0), (RIGHT, 1.0))
    depth[MIDDLE] = between
    surface = sheet(*SHAPE, depth=depth, steps=np.zeros((*SHAPE, 2), np.int8))
    assert len(np.unique(joined(labels, surface))) == 3


def test_surfaces_of_two_heights_stay_separate(sheet):
    assert group(sheet, ((LEFT, 1.0), (RIGHT, 1.03), (MIDDLE, 0.8)))[0] == 3


HEAD = np.s_[15:45, 50:70]


@pytest.mark.parametrize(
    ("handle", "height", "count"),
    [
        (np.s_[27:33, 10:50], 1.0, 1),
        (np.s_[27:33, 10:50], 1.04, 2),  # the head is too low
        (np.s_[15:21, 10:50], 1.0, 2),  # not in line with its middle
        (np.s_[15:45, 10:50], 1.0, 2),  # not long
        (np.s_[45:51, 50:90], 1.0, 2),  # along it, not at its end
    ],
)
def test_a_long_part_that_ends_at_the_center_of_another_is_its_handle(sheet, handle, height, count):
    """A hammer of two colors, or a pen beside a box."""
    assert group(sheet, ((HEAD, 1.0), (handle, height)), lab=painted(HEAD))[0] == count
