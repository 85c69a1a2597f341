"""The support plane: which plane it is, and where it lies."""

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.scene import Plane
from cvdl.evaluation.scene_scores import plane_error
from cvdl.segmentation.plane import SupportPlane, find_support_plane
from cvdl.simulation import simulate_scene

SMALL = Camera(80, 60, 65.6, 65.6, 39.5, 29.5)
ABOVE = Plane(np.array([0.0, 0.0, -1.0]), 1.0)  # 1 m below a camera that looks straight down


def find(view, min_area=0.04):
    return find_support_plane(view.frame.depth, view.frame.camera, min_area)


@pytest.mark.parametrize("elevation", [15, 25, 40, 60, 75, 90])
def test_a_bare_table_from_every_elevation(cast, elevation):
    view = cast(elevation=elevation)
    found = find(view)
    angle, offset = plane_error(view.plane, found.plane)
    assert angle < 0.5
    assert offset < 5
    assert found.plane.offset > 0
    assert np.linalg.norm(found.plane.normal) == pytest.approx(1)


@pytest.mark.parametrize("elevation", [25, 40, 60])
def test_footprint_covers_the_visible_table(cast, room, elevation):
    view = cast(elevation=elevation, room=room)
    found = find(view)
    footprint = np.kron(found.footprint, np.ones((found.stride, found.stride)))[:480, :640] > 0
    table = view.labels == 1
    assert footprint[table].mean() > 0.99
    assert (footprint & table).sum() / (footprint | table).sum() > 0.7


@pytest.mark.parametrize("seed", range(5))
def test_the_plane_does_not_depend_on_the_noise(cast, block, room, seed):
    view = cast(block(0, 0, (0.1, 0.1, 0.1)), elevation=35, room=room, seed=seed)
    found = find(view)
    angle, offset = plane_error(view.plane, found.plane)
    assert angle < 0.5
    assert offset < 5


def test_the_lid_of_a_large_box_is_not_the_table(cast, block):
    view = cast(block(0.1, 0, (0.3, 0.25, 0.15)), elevation=40)
    found = find(view)
    assert plane_error(view.plane, found.plane)[1] < 5


@pytest.mark.parametrize(
    ("seed", "index"), [(0, 66), (0, 96), (7, 40), (7, 82), (31, 29), (33, 9), (33, 134)]
)
def test_neither_floor_nor_wall_nor_cupboard_wins(seed, index):
    """Scenes in which these are large and objects stand on them or in front of them."""
    scene = simulate_scene(seed, index)
    found = find_support_plane(scene.frame.depth, scene.frame.camera, 0.04)
    angle, offset = plane_error(scene.truth.plane, found.plane)
    assert angle < 0.5
    assert offset < 5


def test_planes_below_the_minimum_area_are_ignored(cast, block):
    small = block(0, 0, (0.3, 0.3, 0.03), z=-0.03)
    view = cast(table=small, elevation=60)
    seen = find(view, 0.08)
    assert plane_error(view.plane, seen.plane)[1] < 5
    assert find(view, 0.1) is None


def test_no_plane_without_readings():
    assert find_support_plane(np.full((60, 80), np.nan, np.float32), SMALL, 0.04) is None


def test_a_ball_has_no_plane():
    rays = SMALL.deproject(np.ones((60, 80), np.float32)).astype(np.float64)
    length = np.linalg.norm(rays, axis=-1)
    # Radius 0.35 m, 0.8 m away: |t r - c| = R, the nearer t.
    middle = np.array([0, 0, 0.8])
    half = rays @ middle / length**2
    inside = half**2 - (0.8**2 - 0.35**2) / length**2
    depth = np.where(inside > 0, half - np.sqrt(np.maximum(inside, 0)), np.nan)
    assert find_support_plane(depth.astype(np.float32), SMALL, 0.04) is None


@pytest.mark.parametrize(("steepest", "seen"), [(6, False), (25, True)])
def test_a_plane_seen_edge_on_is_not_found(steepest, seen):
    """A table 15 cm below a level camera, visible only at small angles."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    down = camera.deproject(np.ones((480, 640), np.float32))[..., 1]
    shown = (down > np.tan(np.deg2rad(2))) & (down < np.tan(np.deg2rad(steepest)))
    depth = np.full(down.shape, np.nan, np.float32)
    depth[shown] = 0.15 / down[shown]
    assert (find_support_plane(depth, camera, 0.04) is not None) == seen


def test_a_foot_just_outside_the_image_is_not_carried():
    support = SupportPlane(ABOVE, np.ones((6, 8), bool), 10, np.zeros((6, 8), bool))
    feet = SMALL.deproject_pixels(np.array([[-3.0, 25], [25, -3.0], [0, 0]]), np.ones(3))
    assert support.carries(feet, SMALL).tolist() == [False, False, True]


def test_points_that_the_plane_carries():
    """Feet inside and outside of the footprint, at any height above it."""
    footprint = np.zeros((6, 8), bool)
    footprint[2:4, 3:6] = True  # rows 20 to 39, columns 30 to 59
    support = SupportPlane(ABOVE, footprint, 10, ~footprint)
    feet = SMALL.deproject_pixels(
        np.array([[35.0, 25], [55, 39.4], [29.6, 25], [25, 25], [35, 45], [-9, 25], [500, 25]]),
        np.ones(7),
    )
    expected = [True, True, True, False, False, False, False]
    assert support.carries(feet, SMALL).tolist() == expected
    assert support.carries(feet + 0.3 * ABOVE.normal, SMALL).tolist() == expected
