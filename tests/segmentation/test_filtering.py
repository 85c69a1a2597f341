"""What is kept as an object, on small pictures drawn by hand."""

import numpy as np
import pytest

from cvdl.segmentation.filtering import keep_objects, remove_lifted_plane, remove_smears
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.plane_color import plane_color

from .drawings import SHAPE, TABLE, painted, thing


def remains(sheet, height, difference, curvature=0.0, regions=None):
    regions = thing() if regions is None else regions
    surface = sheet(
        *SHAPE,
        depth=np.where(regions > 0, 1.1 - height, 1.1),
        lab=painted(difference, regions > 0),
        curvature=np.full(SHAPE, curvature, np.float32),
    )
    return remove_lifted_plane(
        regions, surface, TABLE, plane_color(surface.lab, regions == 0)
    ).any()


@pytest.mark.parametrize(
    ("height", "difference", "kept"),
    [(0.012, 0, False), (0.012, 20, True), (0.05, 0, True), (0.05, 20, True)],
)
def test_what_is_low_and_of_the_planes_colour_is_the_plane(sheet, height, difference, kept):
    assert remains(sheet, height, difference) == kept


@pytest.mark.parametrize(("curvature", "kept"), [(-5, False), (5, True)])
def test_a_small_concave_smear_of_the_planes_colour_is_none(sheet, curvature, kept):
    small = np.zeros(SHAPE, np.int32)
    small[20:30, 30:40] = 1
    assert remains(sheet, 0.05, 0, curvature, small) == kept
    assert remains(sheet, 0.05, 0, curvature)  # four times as large
    assert remains(sheet, 0.05, 20, curvature, small)


def test_a_plates_bottom_does_not_tell_the_planes_colour(sheet):
    """It is wider than what is looked at for the plane's colour, and lies on the plane."""
    rim = np.zeros((120, 160), np.int32)
    rim[20:100, 40:120] = 1
    plate = rim > 0
    rim[25:95, 45:115] = 0
    lab = np.full((120, 160, 3), 50, np.float32)
    lab[plate] += 12
    surface = sheet(120, 160, depth=np.where(rim > 0, 1.088, 1.1), lab=lab)
    assert (remove_lifted_plane(rim, surface, TABLE, plane_color(lab, rim == 0)) == rim).all()


@pytest.mark.parametrize(
    ("difference", "left", "right", "kept"),
    [(5, 50, 54, False), (20, 50, 54, True), (5, 50, 60, True), (5, 54, 58, True)],
    ids=["smear", "of another colour", "wide", "apart"],
)
def test_a_narrow_strip_of_the_planes_colour_along_an_object_is_none(
    sheet, difference, left, right, kept
):
    groups = thing()
    groups[22:38, left:right] = 2
    lab = np.where(groups[..., None] == 1, painted(40), painted(difference, groups == 2))
    remaining = remove_smears(groups, sheet(*SHAPE, lab=lab), plane_color(lab, groups == 0))
    assert (remaining == 2).any() == kept
    assert ((remaining == 1) == (groups == 1)).all()


def test_without_regions_none_is_removed(sheet):
    none = np.zeros(SHAPE, np.int32)
    surface = sheet(*SHAPE)
    plane_lab = plane_color(surface.lab, none == 0)
    assert not remove_smears(none, surface, plane_lab).any()
    assert not remove_lifted_plane(none, surface, TABLE, plane_lab).any()


def test_the_planes_colour_is_that_round_the_region(sheet):
    """A table half in the shade: the thing has the colour of its other half."""
    labels = np.zeros((60, 240), np.int32)
    labels[20:40, 20:40] = 1
    lab = np.full((60, 240, 3), 50, np.float32)
    lab[:, 120:] += 20
    lab[20:40, 20:40] += 20
    surface = sheet(60, 240, depth=np.where(labels > 0, 1.088, 1.1), lab=lab)
    assert remove_lifted_plane(labels, surface, TABLE, plane_color(surface.lab, labels == 0)).any()
    lab[20:40, 20:40] -= 20
    assert not remove_lifted_plane(
        labels, surface, TABLE, plane_color(surface.lab, labels == 0)
    ).any()


def kept(sheet, height, columns):
    """Whether a thing in columns 30 to 49 stays on a table that is seen in the given columns.

    Beside these, something below the table is seen.
    """
    surface = sheet(*SHAPE, depth=np.where(thing() > 0, 1.1 - height, 1.1))
    footprint = np.zeros(SHAPE, bool)
    footprint[:, columns] = True
    support = SupportPlane(TABLE, footprint, 1, ~footprint)
    groups = keep_objects(thing(7), surface, support, surface.camera, min_height=0.01)
    assert set(np.unique(groups)) <= {0, 7}
    return groups.any()


def test_objects_lower_than_asked_for_are_removed(sheet):
    assert kept(sheet, 0.012, slice(None))
    assert not kept(sheet, 0.008, slice(None))


def test_what_stands_beside_the_plane_is_removed(sheet):
    assert kept(sheet, 0.03, slice(0, 60))
    assert not kept(sheet, 0.03, slice(60, 80))
    assert not kept(sheet, 0.03, slice(0, 30))


def test_what_hangs_over_the_edge_by_half_is_kept(sheet):
    assert kept(sheet, 0.03, slice(0, 40))
    assert not kept(sheet, 0.03, slice(0, 34))
