"""What is said against a frame's results."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.doubts import depth_doubts, support_doubts
from cvdl.frame import Plane


def facing(tilt_deg):
    """A plane whose normal is turned by an angle from the upper side of the image to the viewer."""
    tilt = np.deg2rad(tilt_deg)
    return Plane(np.array([0, -np.cos(tilt), -np.sin(tilt)]), 0.7)


def causes(*arguments):
    return [cause for cause, _ in support_doubts(*arguments)]


@pytest.mark.parametrize(("off", "said"), [(10, []), (20, ["tilted support"])])
def test_a_support_that_is_not_level(off, said):
    up = facing(45).normal
    assert causes(facing(45 + off), up, "auto") == said
    assert causes(facing(45 + off), up, "tf") == said
    # A side of the image that the settings name is taken before up.
    assert causes(facing(45 + off), up, "top") == []


@pytest.mark.parametrize(
    ("tilt", "setting", "said"),
    [
        (45, "auto", []),
        (100, "auto", []),
        (135, "auto", ["support faces down"]),
        (135, "bottom", []),
        (45, "bottom", ["support faces down"]),
    ],
)
def test_a_support_that_faces_the_lower_side_of_the_image(tilt, setting, said):
    assert causes(facing(tilt), None, setting) == said


def test_without_a_support_nothing_is_said_of_it():
    assert causes(None, facing(45).normal, "tf") == []


@pytest.mark.parametrize(
    ("empty", "small_gaps", "said"),
    [
        (0.2, 0.0, []),
        (0.6, 0.0, ["little depth"]),
        (0.2, 0.3, ["gaps in the depth"]),
        (0.75, 0.7, ["gaps in the depth"]),
        (1.0, 0.0, []),
    ],
)
def test_depth_of_which_much_is_missing(empty, small_gaps, said):
    depth = np.ones((10, 100), np.float32)
    depth[:, : round(100 * empty)] = np.nan
    found = list(depth_doubts(depth, small_gaps))
    assert [cause for cause, _ in found] == said
    assert all(f"{empty:.0%} of the pixels" in sentence for _, sentence in found)
