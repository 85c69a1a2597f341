"""Where the watershed cuts."""

import cv2
import numpy as np
import pytest

from cvdl.segmentation.watershed import watershed_regions

SHAPE = (60, 80)


def regions_of(labels):
    return set(np.unique(labels).tolist()) - {0}


def crease(*rows, angle=90.0):
    """Concavity (60, 80): a crease three pixels wide in the middle, in the given rows."""
    concavity = np.zeros(SHAPE, np.float32)
    for part in rows or (slice(None),):
        concavity[part, 39:42] = angle
    return concavity


def test_a_smooth_sheet_is_one_region(sheet):
    assert (watershed_regions(sheet(*SHAPE)) == 1).all()


def test_an_empty_image_has_no_region(sheet):
    assert not watershed_regions(sheet(*SHAPE, depth=np.nan)).any()


@pytest.mark.parametrize("angle", [45, 90])
def test_a_sharp_crease_cuts_along_itself(sheet, angle):
    labels = watershed_regions(sheet(*SHAPE, concavity=crease(angle=angle)))
    assert len(regions_of(labels)) == 2
    assert len(regions_of(labels[:, :39])) == 1
    assert len(regions_of(labels[:, 42:])) == 1
    assert (labels > 0).all()


def test_a_shallow_crease_does_not_cut(sheet):
    assert len(regions_of(watershed_regions(sheet(*SHAPE, concavity=crease(angle=20))))) == 1


def test_a_gap_in_a_crease_does_not_leak(sheet):
    gap = crease(slice(0, 26), slice(34, 60))
    assert len(regions_of(watershed_regions(sheet(*SHAPE, concavity=gap)))) == 2


def test_a_wide_gap_joins(sheet):
    gap = crease(slice(0, 10), slice(50, 60))
    assert len(regions_of(watershed_regions(sheet(*SHAPE, concavity=gap)))) == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_a_step_cuts_between_its_two_pixels(sheet, axis):
    steps = np.zeros((*SHAPE, 2), np.int8)
    if axis == 0:
        steps[:, 39, 0] = 1
    else:
        steps[29, :, 1] = -1
    labels = watershed_regions(sheet(*SHAPE, steps=steps))
    first, second = (labels[:, :40], labels[:, 40:]) if axis == 0 else (labels[:30], labels[30:])
    assert len(regions_of(first)) == len(regions_of(second)) == 1
    assert regions_of(first) != regions_of(second)


def test_a_step_cuts_strips_that_are_too_thin_for_a_marker(sheet):
    depth = np.full(SHAPE, np.nan, np.float32)
    depth[:, 38:42] = 1
    steps = np.zeros((*SHAPE, 2), np.int8)
    steps[:, 39, 0] = 1
    labels = watershed_regions(sheet(*SHAPE, depth=depth, steps=steps))
    assert labels[0].tolist() == [0] * 38 + [1, 1, 2, 2] + [0] * 38


@pytest.mark.parametrize(("difference", "count"), [(2, 1), (20, 2)])
def test_a_clear_color_edge_cuts(sheet, difference, count):
    lab = np.zeros((*SHAPE, 3), np.float32)
    lab[:, 40:, 1] = difference
    assert len(regions_of(watershed_regions(sheet(*SHAPE, lab=lab)))) == count


@pytest.mark.parametrize(("blur", "size"), [(1, 8), (3, 10)])
def test_a_small_patch_of_another_color_is_a_region_despite_blur(sheet, blur, size):
    lab = np.zeros((*SHAPE, 3), np.float32)
    patch = np.s_[20 : 20 + size, 30 : 30 + size]
    lab[patch] = (0, 40, 0)
    labels = watershed_regions(sheet(*SHAPE, lab=cv2.blur(lab, (blur, blur))))
    assert len(regions_of(labels)) == 2
    # A blur rounds the corners.
    assert ((labels == labels[25, 34]) != (lab[..., 1] > 0)).sum() <= 4


def test_a_thin_strip_is_a_region_and_a_speck_is_not(sheet):
    depth = np.full(SHAPE, np.nan, np.float32)
    depth[10:12, 10:70] = 1
    depth[40:42, 40:42] = 1
    labels = watershed_regions(sheet(*SHAPE, depth=depth))
    assert (labels[10:12, 10:70] == 1).all()
    assert not labels[40:42, 40:42].any()
