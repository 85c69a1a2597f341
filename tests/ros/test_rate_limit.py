"""The highest rate of frames."""

import numpy as np
import pytest

from cvdl.ros.rate_limit import RateLimit


@pytest.mark.parametrize(("camera_hz", "expected"), [(15, 15), (30, 15), (10, 10)])
def test_jitter_of_the_camera_does_not_lower_the_rate(camera_hz, expected):
    limit, seconds = RateLimit(), 20
    count = camera_hz * seconds
    jitter = np.random.default_rng(0).normal(0, 1e-3, count)
    taken = sum(limit(1000 + now, 15.0) for now in np.arange(count) / camera_hz + jitter)
    assert taken / seconds == pytest.approx(expected, abs=0.1)


def test_frames_after_a_pause_are_not_a_burst():
    limit = RateLimit()
    assert limit(1000, 2.0)
    # At 0, a quarter and three quarters of a second.
    assert sum(limit(1010 + i / 30, 2.0) for i in range(30)) == 3


def test_without_a_limit_all_frames_are_taken():
    limit = RateLimit()
    assert all(limit(1000, 0.0) for _ in range(9))


def test_after_a_restart_the_next_frame_is_taken():
    limit = RateLimit()
    assert limit(1000, 0.01)
    assert not limit(1001, 10.0)
    limit.restart()
    assert sum(limit(1002 + i / 30, 10.0) for i in range(30)) == pytest.approx(10, abs=1)
