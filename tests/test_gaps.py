"""Which share of the surfaces seen small gaps hide."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.camera import Camera
from cvdl.gaps import bridge_gaps

CAMERA = Camera(64, 48, 60, 60, 32, 24)
MAX_RANGE = 3.0


def every_other(values):
    """A surface 1 m away, with something else in every other column."""
    depth = np.ones((48, 64), np.float32)
    depth[:, 1:-1:2] = values
    return depth


def test_empty_columns_are_gaps():
    bridged, share = bridge_gaps(every_other(np.nan), CAMERA, MAX_RANGE)
    assert share == pytest.approx(31 / 64)
    np.testing.assert_allclose(bridged, 1)


@pytest.mark.parametrize(
    "depth",
    [np.full((48, 64), np.nan, np.float32), np.full((48, 64), 8, np.float32), every_other(8)],
    ids=["nothing", "all too far", "far between near"],
)
def test_what_is_seen_beyond_the_range_is_no_gap(depth):
    depth[0, 0] = np.nan
    bridged, share = bridge_gaps(depth, CAMERA, MAX_RANGE)
    assert share < 0.01
    np.testing.assert_array_equal(bridged, depth)
