"""Frames brought to the size that the networks have learned from."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.networks.working_size import to_working_size


def frame_of(width, height, focal):
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    depth = rng.uniform(0.5, 1, (height, width)).astype(np.float32)
    camera = Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    return RgbdFrame(color, depth, camera, 7, "optical")


@pytest.mark.parametrize("focal", [525, 575, 615])
def test_a_frame_of_about_the_right_size_is_not_resized(focal):
    frame = frame_of(640, 480, focal)
    same, factors = to_working_size(frame)
    assert same is frame
    np.testing.assert_array_equal(factors, 1)


@pytest.mark.parametrize(
    ("width", "height", "focal", "expected"),
    [
        (1280, 720, 910, (802, 451)),
        (1920, 1080, 1370, (799, 449)),
        (320, 240, 285, (640, 480)),
        (64, 48, 10, (640, 480)),  # an unlikely focal length enlarges no further than this
        (640, 480, 1e9, (85, 64)),
        (3, 50, 100, (17, 285)),
    ],
)
def test_resized_frames_have_the_expected_size(width, height, focal, expected):
    resampled, factors = to_working_size(frame_of(width, height, focal))
    assert (resampled.camera.width, resampled.camera.height) == expected
    np.testing.assert_allclose(factors, np.array(expected) / [width, height])
    assert (resampled.stamp_ns, resampled.frame_id) == (7, "optical")


def test_a_point_projects_to_the_same_place():
    frame = frame_of(1280, 720, 900)
    resampled, factors = to_working_size(frame)
    point = np.array([0.1, -0.2, 0.9])
    before, after = frame.camera.project(point), resampled.camera.project(point)
    np.testing.assert_allclose(after + 0.5, (before + 0.5) * factors)


def test_depth_is_not_interpolated():
    frame = frame_of(1280, 720, 900)
    resampled, _ = to_working_size(frame)
    assert np.isin(resampled.depth, frame.depth).all()
