from __future__ import annotations

import numpy as np
import pytest

from cvdl.segmentation.halos import find_halos

from .drawings import SHAPE, drawn, painted, tabletop

# Parts of the object; its rows are 20 to 39, its columns 30 to 49.
NARROW, STRIP, INSIDE = np.s_[20:40, 30:31], np.s_[20:40, 30:33], np.s_[24:36, 33:36]


def halos(sheet, lab, labels=None):
    labels = drawn() if labels is None else labels
    return find_halos(labels, tabletop(sheet(*SHAPE, lab=lab), labels == 0))


def repainted(where, difference):
    """An object whose color differs by 40 from the table, and a part by another difference."""
    lab = painted(40)
    lab[where] = painted(difference, where)[where]
    return lab


@pytest.mark.parametrize(
    ("where", "difference", "found"),
    [
        (STRIP, 0, True),
        (STRIP, 5, True),
        (STRIP, 20, False),
        (NARROW, 0, False),
        (INSIDE, 0, False),
    ],
    ids=["plane", "shaded", "another color", "narrow", "inside"],
)
def test_a_strip_with_the_color_of_the_plane_along_the_outline_is_a_halo(
    sheet, where, difference, found
):
    expected = np.zeros(SHAPE, bool)
    expected[where] = found
    assert (halos(sheet, repainted(where, difference)) == expected).all()


def test_an_object_with_the_color_of_the_plane_has_no_halo(sheet):
    assert not halos(sheet, painted(0)).any()
    assert not halos(sheet, painted(8)).any()


def test_parts_cut_off_by_a_halo_belong_to_it(sheet):
    lab = repainted(np.s_[20:40, 32:35], 0)
    lab[20:40, 30:32] = painted(15)[20:40, 30:32]
    expected = np.zeros(SHAPE, bool)
    expected[20:40, 30:35] = True
    assert (halos(sheet, lab) == expected).all()


def test_a_thin_object_keeps_its_pixels(sheet):
    labels = np.zeros(SHAPE, np.int32)
    labels[20:40, 30:37] = 1
    assert not halos(sheet, repainted(STRIP, 0), labels).any()


def test_no_halos_without_objects_or_without_a_plane(sheet):
    assert not halos(sheet, painted(0), np.zeros(SHAPE, np.int32)).any()
    assert not halos(sheet, painted(0), np.ones(SHAPE, np.int32)).any()


@pytest.mark.parametrize("gap", [0, 2])
def test_an_object_with_the_color_of_the_plane_has_no_halo_beside_another_object(sheet, gap):
    """The color of the other object does not matter for its pixels."""
    labels = drawn()
    labels[20:40, 50 + gap : 70] = 2
    assert not halos(sheet, painted(40, labels == 2), labels).any()
