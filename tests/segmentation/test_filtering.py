"""Which regions are kept as objects, on small hand-drawn images."""

import numpy as np
import pytest

from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears

from .drawings import SHAPE, drawn, painted, tabletop


def remains(sheet, height, difference, curvature=0.0, labels=None):
    labels = drawn() if labels is None else labels
    surface = sheet(
        *SHAPE,
        depth=np.where(labels > 0, 1.1 - height, 1.1),
        lab=painted(difference, labels > 0),
        curvature=np.full(SHAPE, curvature, np.float32),
    )
    return remove_lifted_plane(labels, tabletop(surface, labels == 0)).any()


@pytest.mark.parametrize(
    ("height", "difference", "kept"),
    [(0.012, 0, False), (0.012, 20, True), (0.05, 0, True), (0.05, 20, True)],
)
def test_low_regions_with_the_color_of_the_plane_are_removed(sheet, height, difference, kept):
    assert remains(sheet, height, difference) == kept


@pytest.mark.parametrize(("curvature", "kept"), [(-5, False), (5, True)])
def test_small_concave_smears_with_the_color_of_the_plane_are_removed(sheet, curvature, kept):
    small = np.zeros(SHAPE, np.int32)
    small[20:30, 30:40] = 1
    assert remains(sheet, 0.05, 0, curvature, small) == kept
    assert remains(sheet, 0.05, 0, curvature)  # four times as large
    assert remains(sheet, 0.05, 20, curvature, small)


def test_bottom_of_a_plate_does_not_define_the_color_of_the_plane(sheet):
    """It is wider than the window of the plane's color, and lies on the plane."""
    rim = np.zeros((120, 160), np.int32)
    rim[20:100, 40:120] = 1
    plate = rim > 0
    rim[25:95, 45:115] = 0
    lab = np.full((120, 160, 3), 50, np.float32)
    lab[plate] += 12
    surface = sheet(120, 160, depth=np.where(rim > 0, 1.088, 1.1), lab=lab)
    assert (remove_lifted_plane(rim, tabletop(surface, rim == 0)) == rim).all()


@pytest.mark.parametrize(
    ("difference", "left", "right", "kept"),
    [(5, 50, 54, False), (20, 50, 54, True), (5, 50, 60, True), (5, 54, 58, True)],
    ids=["smear", "another color", "wide", "apart"],
)
def test_narrow_strips_with_the_color_of_the_plane_along_an_object_are_removed(
    sheet, difference, left, right, kept
):
    labels = drawn()
    labels[22:38, left:right] = 2
    lab = np.where(labels[..., None] == 1, painted(40), painted(difference, labels == 2))
    remaining = remove_smears(labels, tabletop(sheet(*SHAPE, lab=lab), labels == 0))
    assert (remaining == 2).any() == kept
    assert ((remaining == 1) == (labels == 1)).all()


def test_an_image_without_regions(sheet):
    none = np.zeros(SHAPE, np.int32)
    table = tabletop(sheet(*SHAPE), none == 0)
    assert not remove_smears(none, table).any()
    assert not remove_lifted_plane(none, table).any()
    assert not keep_objects(none, table).any()


def test_color_of_the_plane_is_local(sheet):
    """Half of the table is in the shade: the object has the color of the other half."""
    labels = np.zeros((60, 240), np.int32)
    labels[20:40, 20:40] = 1
    lab = np.full((60, 240, 3), 50, np.float32)
    lab[:, 120:] += 20
    lab[20:40, 20:40] += 20
    surface = sheet(60, 240, depth=np.where(labels > 0, 1.088, 1.1), lab=lab)
    assert remove_lifted_plane(labels, tabletop(surface, labels == 0)).any()
    lab[20:40, 20:40] -= 20
    assert not remove_lifted_plane(labels, tabletop(surface, labels == 0)).any()


def kept(sheet, height, columns):
    """Whether an object in columns 30 to 49 is kept on a table that covers the given columns.

    In the other columns, a surface below the table is visible.
    """
    labels = drawn(7)
    surface = sheet(*SHAPE, depth=np.where(labels > 0, 1.1 - height, 1.1))
    footprint = np.zeros(SHAPE, bool)
    footprint[:, columns] = True
    remaining = keep_objects(labels, tabletop(surface, labels == 0, footprint, min_height=0.01))
    assert set(np.unique(remaining)) <= {0, 7}
    return remaining.any()


def test_objects_lower_than_the_minimum_height_are_removed(sheet):
    assert kept(sheet, 0.012, slice(None))
    assert not kept(sheet, 0.008, slice(None))


def test_objects_beside_the_plane_are_removed(sheet):
    assert kept(sheet, 0.03, slice(0, 60))
    assert not kept(sheet, 0.03, slice(60, 80))
    assert not kept(sheet, 0.03, slice(0, 30))


def test_objects_half_over_the_edge_are_kept(sheet):
    assert kept(sheet, 0.03, slice(0, 40))
    assert not kept(sheet, 0.03, slice(0, 34))
