"""Normals, creases and steps of known surfaces."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.depth.noise import depth_noise
from cvdl.segmentation.surface import full_size, height_classes, height_factors, surface_of

SMALL = Camera(320, 240, 262.5, 262.5, 159.5, 119.5)  # not reduced
LARGE = Camera(641, 479, 525.0, 525.0, 320.0, 239.0)  # reduced by 2, without the last pixels


def rays(camera):
    return camera.deproject(np.ones((camera.height, camera.width), np.float32))


def plane_depth(camera, plane):
    """Depth (H, W) of a plane that fills the view."""
    return (-plane.offset / (rays(camera) @ plane.normal)).astype(np.float32)


def tilted(degrees, turn=0.0, distance=0.8):
    """A plane at a distance along the axis, tilted about a line in the image."""
    tilt, turn = np.deg2rad([degrees, turn])
    normal = np.array([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), -np.cos(tilt)])
    return Plane(normal, -normal[2] * distance)


def surface(camera, depth, color=None):
    whole = slice(0, camera.height), slice(0, camera.width)
    if color is None:
        color = np.full((camera.height, camera.width, 3), 128, np.uint8)
    return surface_of(color, depth, np.isfinite(depth), camera, whole)


def degrees_between(normals, normal):
    return np.rad2deg(np.arccos(np.clip(normals @ normal, -1, 1)))


@pytest.mark.parametrize("camera", [SMALL, LARGE], ids=["full", "reduced"])
@pytest.mark.parametrize(("degrees", "turn"), [(0, 0), (30, 0), (45, 70), (40, 200)])
def test_normals_of_a_tilted_plane(camera, degrees, turn):
    plane = tilted(degrees, turn)
    found = surface(camera, plane_depth(camera, plane))
    assert found.valid.all()
    assert degrees_between(found.normals, plane.normal).max() < 1
    assert np.abs(plane.height(found.points)).max() < 1e-4
    assert found.concavity.max() < 1
    assert np.abs(found.curvature).max() < 1
    assert not found.steps.any()


def test_normals_under_the_noise_of_a_kinect_are_correct_on_average():
    plane = tilted(40, 90)
    inverse = 1 / plane_depth(LARGE, plane)
    noise = np.random.default_rng(0).normal(0, 0.3, inverse.shape)
    depth = 1 / (np.rint(inverse / 2.85e-3 + noise) * 2.85e-3)
    found = surface(LARGE, depth.astype(np.float32))
    assert degrees_between(found.normals.mean(axis=(0, 1)), plane.normal) < 1
    assert np.median(degrees_between(found.normals, plane.normal)) < 8
    assert not found.steps.any()


def test_a_window_has_the_geometry_of_the_whole_image():
    plane = tilted(40, 30)
    depth = plane_depth(LARGE, plane)
    whole = surface(LARGE, depth)
    window = slice(100, 300), slice(40, 240)
    color = np.zeros((479, 641, 3), np.uint8)
    part = surface_of(color, depth, np.ones(depth.shape, bool), LARGE, window)
    np.testing.assert_allclose(part.points, whole.points[50:150, 20:120], atol=1e-5)
    columns = np.broadcast_to(np.arange(641), (479, 641))
    np.testing.assert_array_equal(part.reduce(columns)[0], np.arange(41, 240, 2))


def edge(toward):
    """Two faces that meet at a right angle in the middle column, which lies 0.8 m away.

    Their common edge is nearest (toward = 1) or farthest (toward = -1).
    """
    return (0.8 / (1 - toward * np.abs(rays(SMALL)[..., 0]))).astype(np.float32)


def test_a_concave_crease_is_sharp():
    found = surface(SMALL, edge(toward=-1))
    assert found.concavity[20:-20, 158:162].min() > 70
    assert found.curvature[20:-20, 158:162].max() < -30
    assert found.concavity[20:-20, 20:140].max() < 1
    assert not found.steps.any()


def test_a_convex_edge_is_not_a_concave_crease():
    found = surface(SMALL, edge(toward=1))
    assert found.concavity.max() < 1
    assert found.curvature[20:-20, 158:162].min() > 30
    assert not found.steps.any()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("first", "second", "sign"), [(0.7, 0.8, 1), (0.8, 0.7, -1)])
def test_a_step_lies_between_its_two_pixels(axis, first, second, sign):
    depth = np.full((240, 320), first, np.float32)
    if axis == 0:
        depth[:, 100:] = second
        where = np.s_[:, 99, 0]
    else:
        depth[100:] = second
        where = np.s_[99, :, 1]
    found = surface(SMALL, depth)
    assert (found.steps[where] == sign).all()
    found.steps[where] = 0
    assert not found.steps.any()
    assert found.concavity.max() < 1


def test_pixels_without_a_reading_are_not_valid():
    depth = plane_depth(SMALL, tilted(20)).copy()
    depth[50:100, 50:100] = np.nan
    found = surface(SMALL, depth)
    hole = np.zeros(depth.shape, bool)
    hole[50:100, 50:100] = True
    np.testing.assert_array_equal(found.valid == 0, hole)
    assert np.isnan(found.points[hole]).all()
    assert (found.normals[hole] == 0).all()


def test_surfaces_that_rays_only_graze_are_not_valid():
    """A smear between two surfaces, along the line of sight."""
    column = np.arange(320)
    depth = np.float32(0.4 + 0.0095 * np.clip(column - 150, 0, 12))  # 80 degrees steep
    found = surface(SMALL, np.broadcast_to(depth, (240, 320)))
    assert not found.valid[:, 153:160].any()
    assert found.valid[:, :145].all()
    assert found.valid[:, 175:].all()


def test_color_is_reduced_to_lab():
    color = np.zeros((479, 641, 3), np.uint8)
    color[:, 320:] = (255, 0, 0)
    lab = surface(LARGE, plane_depth(LARGE, tilted(0)), color).lab
    assert lab.shape == (239, 320, 3)
    # Red in CIE L*a*b*: (53.2, 80.1, 67.2); the 8-bit form adds 128 to the last two.
    np.testing.assert_allclose(lab[100, 300], [0.3 * 53.2, 208, 195], atol=1)
    np.testing.assert_allclose(lab[100, 20], [0, 128, 128], atol=1)


def test_foreground_by_height():
    """A camera 1 m above a table that fills the view, looking straight down."""
    table = Plane(np.array([0.0, 0.0, -1.0]), 1.0)
    heights = [0.0, 0.004, 0.02, 0.3, 0.7, -0.005, -0.05, np.nan, np.inf]
    depth = np.repeat(1 - np.array(heights, np.float32)[None], 2, axis=0)
    camera = Camera(len(heights), 2, 500.0, 500.0, 4.0, 0.5)
    mask = height_classes(depth, camera, table, 0.005, 0.6)
    assert mask.tolist() == [[1, 1, 2, 2, 0, 1, 0, 0, 0]] * 2


def test_heights_of_depth_by_factors():
    plane = tilted(40, 70)
    depth = np.random.default_rng(0).uniform(0.5, 1.5, (240, 320)).astype(np.float32)
    of_col, of_row, offset = height_factors(SMALL, plane)
    height = depth * (of_col + of_row[:, None]) + offset
    np.testing.assert_allclose(height, plane.height(SMALL.deproject(depth)), atol=1e-5)


def test_regions_in_full_size():
    """Within a mask; a pixel beside a region without a label of its own gets that of the region."""
    found = surface(LARGE, plane_depth(LARGE, tilted(0)))
    regions = np.zeros((239, 320), np.int32)
    regions[50:60, 50:60] = 7
    regions[80, 80] = -1
    mask = np.ones((479, 641), bool)
    mask[:110] = False
    full = full_size(regions, found, mask)
    expected = np.zeros((479, 641), int)
    expected[110:122, 98:122] = 7
    np.testing.assert_array_equal(full, expected)


def test_noise_is_not_above_the_plane():
    """At 2.5 m one standard deviation is 9 mm: a height of 15 mm may be the plane."""
    table = Plane(np.array([0.0, 0.0, -1.0]), 2.5)
    assert depth_noise(np.array([2.5]))[0] == pytest.approx(1.425e-3 * 2.5**2, rel=0.01)
    depth = np.array([[2.485, 2.47]], np.float32)
    camera = Camera(2, 1, 500.0, 500.0, 0.5, 0.0)
    assert height_classes(depth, camera, table, 0.005, 0.6).tolist() == [[1, 2]]
