"""Why a frame has no support plane."""

import numpy as np
import pytest

from cvdl.segmentation.missing_plane import missing_plane

NAN = np.float32(np.nan)


@pytest.mark.parametrize(
    ("median", "share", "cause"),
    [
        (1.0, 0.0, "no depth"),
        (1200.0, 0.9, "wrong unit of depth, perhaps millimeters"),
        (0.0012, 0.9, "wrong unit of depth, perhaps meters"),
        (0.0012, 0.01, "wrong unit of depth, perhaps meters"),
        (6.0, 0.9, "too far, most of it beyond segmentation.max_range, 3 m"),
        (0.12, 0.9, "too near"),
        (0.8, 0.03, "too few depth readings"),
        (0.8, 0.9, "nothing flat and large enough in view"),
    ],
)
def test_the_likeliest_cause(median, share, cause):
    rng = np.random.default_rng(0)
    depth = (median * rng.uniform(0.95, 1.05, (48, 64))).astype(np.float32)
    depth[rng.permutation(48 * 64).reshape(48, 64) >= share * 48 * 64] = NAN
    found = missing_plane(depth, 3.0)
    assert found.cause.startswith(cause)
    assert found.share == pytest.approx(share, abs=0.001)
    assert not share or found.median == pytest.approx(median, rel=0.02)
    assert found.cause in found.sentence
    assert f"{share:.0%} of its pixels have a depth" in found.sentence


def test_range_of_the_settings():
    assert missing_plane(np.full((48, 64), 6, np.float32), 8.0).cause.startswith("nothing flat")
