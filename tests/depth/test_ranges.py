"""Readings within a range."""

import numpy as np

from cvdl.depth.ranges import in_range


def test_readings_out_of_the_range_are_removed_from_a_copy():
    depth = np.array([[0.1, 0.2, 1.0], [2.0, 3.0, np.nan]], np.float32)
    given = depth.copy()
    found = in_range(depth, 0.2, 3.0)
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 1], [2, np.nan, np.nan]])
    np.testing.assert_array_equal(depth, given)
    assert found.dtype == np.float32
