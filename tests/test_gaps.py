"""Small gaps in the depth."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.camera import Camera
from cvdl.gaps import bridge_gaps

CAMERA = Camera(64, 48, 60.0, 60.0, 31.5, 23.5)


@pytest.mark.parametrize("value", [np.nan, 20.0])
def test_where_nothing_is_seen_no_gap_is_small(value):
    depth = np.full((48, 64), value, np.float32)
    depth[10] = np.nan
    _, share = bridge_gaps(depth, CAMERA, 3.0)
    assert share == 0


@pytest.mark.parametrize("turn", [lambda depth: depth, np.transpose])
def test_a_dead_block_of_lines_is_filled_and_a_shadow_as_wide_is_not(turn):
    camera = Camera(640, 640, 600.0, 600.0, 319.5, 319.5)
    plane = np.tile(1 / np.linspace(0.8, 1.2, 640, dtype=np.float32)[:, None], (1, 640))
    depth = turn(plane).copy()
    depth[300:310, :200] = np.nan
    whole, _ = bridge_gaps(depth, camera, 3.0)
    assert whole is depth
    depth[300:310] = np.nan
    bridged, _ = bridge_gaps(depth, camera, 3.0)
    np.testing.assert_allclose(bridged, turn(plane), rtol=1e-3)
    depth[300:330] = np.nan
    assert np.isnan(bridge_gaps(depth, camera, 3.0)[0][300:330]).all()
