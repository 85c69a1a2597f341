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
