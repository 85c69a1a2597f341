from __future__ import annotations

import numpy as np
import pytest

from cvdl.segmentation.halos import find_halos

from .drawings import SHAPE, painted, thing

# Columns of the thing; its rows are 20 to 39, its columns 30 to 49.
NARROW, STRIP, INSIDE = np.s_[20:40, 30:31], np.s_[20:40, 30:33], np.s_[24:36, 33:36]


def halos(sheet, lab, groups=None):
    groups = thing() if groups is None else groups
    return find_halos(groups, sheet(*SHAPE, lab=lab), groups == 0)


def repainted(where, difference):
    """A thing that differs by 40 from the table, a part of it by another difference."""
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
    ids=["plane", "shaded", "another colour", "narrow", "inside"],
)
def test_a_strip_of_the_planes_colour_along_the_outline_is_a_halo(sheet, where, difference, found):
    expected = np.zeros(SHAPE, bool)
    expected[where] = found
    assert (halos(sheet, repainted(where, difference)) == expected).all()


def test_a_thing_of_the_planes_colour_has_none(sheet):
    assert not halos(sheet, painted(0)).any()
    assert not halos(sheet, painted(8)).any()


def test_what_a_halo_cuts_off_goes_with_it(sheet):
    lab = repainted(np.s_[20:40, 32:35], 0)
    lab[20:40, 30:32] = painted(15)[20:40, 30:32]
    expected = np.zeros(SHAPE, bool)
    expected[20:40, 30:35] = True
    assert (halos(sheet, lab) == expected).all()


def test_a_thin_thing_keeps_its_pixels(sheet):
    groups = np.zeros(SHAPE, np.int32)
    groups[20:40, 30:37] = 1
    assert not halos(sheet, repainted(STRIP, 0), groups).any()


def test_without_objects_or_without_a_plane_there_are_none(sheet):
    assert not halos(sheet, painted(0), np.zeros(SHAPE, np.int32)).any()
    assert not halos(sheet, painted(0), np.ones(SHAPE, np.int32)).any()


@pytest.mark.parametrize("gap", [0, 2])
def test_a_thing_of_the_planes_colour_has_none_beside_another(sheet, gap):
    """The other's colour is not what its own pixels should have."""
    groups = thing()
    groups[20:40, 50 + gap : 70] = 2
    assert not halos(sheet, painted(40, groups == 2), groups).any()
