"""Registration of depth to color, on a plane and a box of known depth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.core.camera import Camera
from cvdl.depth.registration import register

DEPTH_CAMERA = Camera(160, 120, 95.0, 96.0, 78.0, 61.0)
BOX = np.array([[-0.1, -0.1, 0.9], [0.1, 0.1, 1.1]])
PLANE = np.array([0, 0.8, 0.6])  # the dot product with a point on it is 1


def to_color(angles=(0.6, 0.3, -0.5)):
    """The pose of a depth camera 5 cm beside the color camera."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    pose[:3, 3] = 0.05, 0.002, 0.003
    return pose


def render(camera, pose):
    """(H, W) float32: the exact depth of the box and the plane, seen from a pose (4, 4)."""
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)])
    rays = np.einsum("ij,jvu->vui", pose[:3, :3], rays)
    eye = pose[:3, 3]
    plane = (1 - eye @ PLANE) / (rays @ PLANE)
    plane[plane <= 0] = np.inf
    with np.errstate(divide="ignore"):
        ends = (BOX[:, None, None] - eye) / rays
    enters, leaves = ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)
    depth = np.where(enters < leaves, np.minimum(enters, plane), plane)
    return np.where(depth < 4, depth, np.nan).astype(np.float32)


def as_seen(camera, depth, points):
    """Distance of points (..., 3) behind the surface that the depth camera sees."""
    pixels = np.nan_to_num(camera.project(points), nan=-1).round().astype(int)
    inside = ((pixels >= 1) & (pixels < [camera.width - 1, camera.height - 1])).all(axis=-1)
    u, v = np.where(inside[..., None], pixels, 0)[..., 0], np.where(inside, pixels[..., 1], 0)
    return np.where(inside, points[..., 2] - depth[v, u], np.nan)


@pytest.mark.parametrize("angles", [(0.6, 0.3, -0.5), (0, 0, 90), (0, 0, 45)])
@pytest.mark.parametrize(
    "color_camera",
    [
        Camera(80, 60, 75.0, 75.0, 40.0, 30.0),
        Camera(160, 120, 150.0, 150.0, 80.0, 60.0),
        Camera(640, 360, 460.0, 460.0, 320.0, 180.0),
    ],
    ids=["fewer pixels", "as many", "more"],
)
def test_registered_depth_matches_the_view_of_the_color_camera(color_camera, angles):
    pose = to_color(angles)
    depth, truth = render(DEPTH_CAMERA, pose), render(color_camera, np.eye(4))
    registered = register(depth, DEPTH_CAMERA, color_camera, pose)
    assert registered.dtype == np.float32
    points = (color_camera.deproject(truth) - pose[:3, 3]) @ pose[:3, :3]
    behind = as_seen(DEPTH_CAMERA, depth, points)
    seen, hidden = np.abs(behind) < 0.01, behind > 0.1
    filled = np.isfinite(registered)
    assert seen.sum() > 0.3 * truth.size
    # No gaps, although each reading covers up to 23 pixels; occluded surfaces stay empty.
    assert (seen & ~filled).sum() <= 1e-4 * seen.sum()
    assert hidden.sum() > 20
    # Rotated pixels are drawn as their bounding boxes: wider by up to half a pixel.
    assert (filled & hidden).sum() <= (0.1 if max(angles) < 1 else 0.5) * hidden.sum()
    error = np.abs(registered - truth)[seen & filled]
    # No steps: half a pixel of the sloping plane would be centimeters.
    assert np.median(error) < 0.001
    assert np.percentile(error, 95) < (0.005 if max(angles) < 1 else 0.02)


def test_the_nearest_reading_wins():
    camera = Camera(4, 1, 10.0, 10.0, 0.0, 0.0)
    pose = np.eye(4)
    pose[0, 3] = 0.1  # at 1 m one pixel, at 0.5 m two to the right
    depth = np.array([[0.5, 1.0, np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(
        register(depth, camera, camera, pose), np.array([[np.nan, np.nan, 0.5, np.nan]], np.float32)
    )


def test_registration_to_the_same_camera_changes_nothing():
    camera = Camera(64, 48, 60.0, 61.0, 31.5, 23.5)
    depth = np.random.default_rng(0).uniform(0.5, 3, (48, 64)).astype(np.float32)
    depth[::3, ::5] = np.nan
    np.testing.assert_array_equal(register(depth, camera, camera, np.eye(4)), depth)


def test_a_camera_facing_the_other_way_gives_no_depth():
    away = np.diag([-1.0, 1, -1, 1])
    depth = np.full((120, 160), 1, np.float32)
    assert np.isnan(register(depth, DEPTH_CAMERA, DEPTH_CAMERA, away)).all()


def test_a_reading_close_to_the_color_camera_does_not_cover_its_image():
    pose = np.eye(4)
    pose[2, 3] = -0.499
    depth = np.full((120, 160), np.nan, np.float32)
    depth[60, 80] = 0.5  # 1 mm before the color camera
    assert np.isnan(register(depth, DEPTH_CAMERA, DEPTH_CAMERA, pose)).all()


def test_wrong_shapes_are_errors():
    with pytest.raises(ValueError, match="depth is 4x3, its camera 160x120"):
        register(np.ones((3, 4), np.float32), DEPTH_CAMERA, DEPTH_CAMERA, np.eye(4))
    with pytest.raises(ValueError, match=r"\(4, 4\), got \(3, 4\)"):
        register(np.ones((120, 160), np.float32), DEPTH_CAMERA, DEPTH_CAMERA, np.eye(4)[:3])
