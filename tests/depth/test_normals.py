"""Normals of surfaces whose normals are known."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.depth.normals import surface_normals

CAMERA = Camera(64, 48, 60.0, 61.0, 31.5, 23.5)


def plane_depth(normal, offset):
    """Depth of the plane normal . p + offset = 0."""
    rows, cols = np.mgrid[:48, :64]
    rays = np.stack([(cols - 31.5) / 60, (rows - 23.5) / 61, np.ones(rows.shape)], axis=-1)
    return (-offset / (rays @ normal)).astype(np.float32)


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.4, -0.2), (-0.3, 0.5)])
def test_the_normals_of_a_plane_are_constant(tilt):
    normal = np.array([*tilt, -1.0])
    normal /= np.linalg.norm(normal)
    found = surface_normals(plane_depth(normal, 0.8), CAMERA)
    np.testing.assert_allclose(found, np.broadcast_to(normal, found.shape), atol=2e-3)


def test_holes_do_not_change_the_normals_around_them():
    normal = np.array([0.3, -0.5, -1.0])
    normal /= np.linalg.norm(normal)
    depth = plane_depth(normal, 0.8)
    depth[np.random.default_rng(0).random(depth.shape) < 0.4] = np.nan
    found = surface_normals(depth, CAMERA)
    known = np.isfinite(found[..., 0])
    assert not known[np.isnan(depth)].any()
    assert known[np.isfinite(depth)].mean() > 0.9
    wanted = np.broadcast_to(normal, found[known].shape)
    np.testing.assert_allclose(found[known], wanted, atol=5e-3)


def test_the_normals_of_a_sphere_are_radial():
    rows, cols = np.mgrid[:480, :640]
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    rays = np.stack([(cols - 319.5) / 525, (rows - 239.5) / 525, np.ones(rows.shape)], axis=-1)
    middle, radius = np.array([0.0, 0, 1]), 0.3
    along, square = rays @ middle, (rays**2).sum(axis=-1)
    root = along**2 - square * (middle @ middle - radius**2)
    depth = np.where(root > 0, (along - np.sqrt(np.maximum(root, 0))) / square, np.nan)
    found = surface_normals(depth.astype(np.float32), camera)
    wanted = (rays * depth[..., None] - middle) / radius
    inner = -wanted[..., 2] > 0.5
    angle = np.degrees(np.arccos(np.clip((found * wanted).sum(axis=-1)[inner], -1, 1)))
    assert angle.max() < 2


def test_few_readings_have_no_normal():
    depth = np.full((48, 64), np.nan, np.float32)
    depth[20, 20:24] = 0.8
    assert np.isnan(surface_normals(depth, CAMERA)).all()


def test_readings_on_a_line_have_no_normal():
    depth = np.full((48, 64), np.nan, np.float32)
    depth[20, :] = 0.8
    assert np.isnan(surface_normals(depth, CAMERA, window=3)).all()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="10x10, the camera 64x48"):
        surface_normals(np.ones((10, 10), np.float32), CAMERA)
    with pytest.raises(ValueError, match="window is 4"):
        surface_normals(np.ones((48, 64), np.float32), CAMERA, window=4)
