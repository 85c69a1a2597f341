"""The pinhole camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.camera import Camera

cameras = st.builds(
    Camera,
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    fx=st.floats(10, 1000),
    fy=st.floats(10, 1000),
    cx=st.floats(-10, 50),
    cy=st.floats(-10, 50),
)


def pixel_grid(camera: Camera) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), axis=-1)


@given(cameras, st.floats(0.1, 20))
def test_projection_is_the_inverse_of_deprojection(camera, z):
    depth = np.full((camera.height, camera.width), z, np.float32)
    pixels = camera.project(camera.deproject(depth))
    np.testing.assert_allclose(pixels, pixel_grid(camera), atol=1e-2)


@given(cameras, st.integers(0, 2**32 - 1))
def test_an_image_and_its_pixels_deproject_to_the_same_points(camera, seed):
    depth = np.random.default_rng(seed).uniform(0.1, 20, (camera.height, camera.width))
    depth = depth.astype(np.float32)
    np.testing.assert_allclose(
        camera.deproject(depth),
        camera.deproject_pixels(pixel_grid(camera), depth),
        rtol=1e-5,
        atol=1e-6,
    )


@given(cameras, st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 20))
def test_deprojection_is_the_inverse_of_projection(camera, x, y, z):
    point = np.array([x, y, z])
    np.testing.assert_allclose(
        camera.deproject_pixels(camera.project(point), z), point, rtol=1e-9, atol=1e-9
    )


def test_directions_of_the_optical_frame():
    camera = Camera(3, 3, 1.0, 2.0, 1.0, 1.0)
    points = camera.deproject(np.full((3, 3), 2.0, np.float32))
    assert points[1, 1].tolist() == [0, 0, 2]
    assert points[1, 2].tolist() == [2, 0, 2]  # one pixel to the right
    assert points[2, 1].tolist() == [0, 1, 2]  # one pixel down


def test_the_matrix_projects_like_the_camera():
    camera = Camera(640, 480, 525.0, 530.0, 319.5, 240.0)
    point = np.array([0.3, -0.2, 1.5])
    u, v, w = camera.matrix @ point
    np.testing.assert_allclose(camera.project(point), [u / w, v / w])


def test_pixels_without_a_reading_have_no_point():
    depth = np.array([[np.nan, 1.0]], np.float32)
    points = Camera(2, 1, 1.0, 1.0, 0.0, 0.0).deproject(depth)
    assert np.isnan(points[0, 0]).all()
    assert np.isfinite(points[0, 1]).all()


@pytest.mark.parametrize("z", [0.0, -1.0, np.nan])
def test_points_behind_the_camera_have_no_pixel(z):
    camera = Camera(4, 4, 1.0, 1.0, 0.0, 0.0)
    assert np.isnan(camera.project(np.array([0.1, 0.1, z]))).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 480, 500, 500, 320, 240), "width=0 height=480"),
        ((640, -1, 500, 500, 320, 240), "width=640 height=-1"),
        ((640, 480, 0, 500, 320, 240), "fx=0 fy=500"),
        ((640, 480, 500, -500, 320, 240), "fx=500 fy=-500"),
        ((640, 480, np.nan, 500, 320, 240), "must be finite"),
        ((640, 480, 500, 500, np.inf, 240), "must be finite"),
    ],
)
def test_bad_intrinsics(values, message):
    with pytest.raises(ValueError, match=message):
        Camera(*values)


def test_depth_of_another_size_is_refused():
    with pytest.raises(ValueError, match="depth is 5x4, the camera 4x5"):
        Camera(4, 5, 1.0, 1.0, 0.0, 0.0).deproject(np.zeros((4, 5), np.float32))


@given(cameras, st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_a_point_projects_to_the_same_place_in_crops_and_reduced_images(camera, factor, top, left):
    rows, cols = slice(top, top + 4 * factor - 1), slice(left, left + 2 * factor)
    part = camera.cropped(rows, cols)
    assert (part.height, part.width) == (4 * factor - 1, 2 * factor)
    small = part.reduced(factor)
    assert (small.height, small.width) == (3, 2)
    u, v = camera.project(np.array([0.1, -0.2, 0.8]))
    # The middle of the first block has pixels to both sides of it.
    expected = (np.array([u - left, v - top]) - (factor - 1) / 2) / factor
    np.testing.assert_allclose(small.project(np.array([0.1, -0.2, 0.8])), expected, atol=1e-9)
