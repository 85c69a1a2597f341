"""What the camera does not see of simple solids, guessed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from cvdl.core.scene import Scene
from cvdl.grasping.completion import complete_scene

CAN = {"center": (0.02, 0.01, 0.06), "size": (0.07, 0.07, 0.12), "shape": "cylinder"}


def completed(view, label=2):
    """The seen and the guessed points (N, 3) of an object, in the world."""
    cloud = complete_scene(view.frame, view.scene)
    own = cloud.label == label
    points = view.world(cloud.points)
    return points[own & cloud.seen], points[own & ~cloud.seen]


def farthest(points, others):
    """Largest distance of 99 % of the points (N, 3) from the nearest of others, meters."""
    return np.quantile(KDTree(others).query(points)[0], 0.99)


def upright(outline, top, lowest=0.01):
    """Points (N, 3) of an upright wall over an outline (K, 2)."""
    heights = np.arange(lowest, top, 0.005)
    return np.concatenate([np.insert(outline, 2, height, axis=1) for height in heights])


def circle(center, diameter):
    angle = np.linspace(0, 2 * np.pi, 72)
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return center[:2] + around * diameter / 2


# --- Shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("elevation", [20, 45, 70])
def test_a_half_seen_can_is_completed_within_a_centimeter(look, solid, elevation):
    can = solid(**CAN)
    seen, guessed = completed(look(can, elevation=elevation))
    side = upright(circle(can.center, 0.07), 0.12)
    assert farthest(side, seen) > 0.03
    assert farthest(side, np.concatenate([seen, guessed])) < 0.01
    assert np.abs(can.depth(guessed)).max() < 0.01


def test_a_can_is_round_also_with_a_patch_of_what_is_behind_it(look, solid):
    """Masks often have some readings of the background at their edges."""
    can = solid(**CAN)
    view = look(can, elevation=20)
    depth = view.frame.depth.copy()
    rows, cols = np.nonzero(view.labels == 2)
    edge = (cols > cols.max() - 5) & (rows > rows.min() + 20) & (rows < rows.min() + 30)
    depth[rows[edge], cols[edge]] += 0.2
    seen, guessed = completed(replace(view, frame=replace(view.frame, depth=depth)))
    back = circle(can.center, 0.07)
    back = back[(back[:, 1] > can.center[1] + 0.01) & (back[:, 0] < can.center[0] + 0.015)]
    assert farthest(upright(back, 0.12), np.concatenate([seen, guessed])) < 0.01
    assert np.abs(can.depth(guessed)).max() < 0.01


def test_a_cup_stays_hollow(look, solid):
    cup = solid((0, 0, 0.05), (0.08, 0.08, 0.1), shape="cup")
    seen, guessed = completed(look(cup, elevation=50))
    side = upright(circle(cup.center, 0.08), 0.1)
    assert farthest(side, np.concatenate([seen, guessed])) < 0.01
    assert np.abs(cup.depth(guessed)).max() < 0.01


@pytest.mark.parametrize("diameter", [0.04, 0.07, 0.12])
def test_a_ball_is_a_sphere_on_the_support(look, solid, diameter):
    ball = solid((0, 0, diameter / 2), (diameter,) * 3, shape="ball")
    _, guessed = completed(look(ball, elevation=40))
    assert np.abs(ball.depth(guessed)).max() < 0.005
    back = [[0, diameter / 2, diameter / 2], [0, 0, 0]]
    assert farthest(back, guessed) < 0.01


@pytest.mark.parametrize("yaw", [0, 25, 60])
@pytest.mark.parametrize("elevation", [30, 60])
def test_a_box_has_a_back(look, solid, elevation, yaw):
    box = solid((0, 0, 0.05), (0.1, 0.06, 0.1), yaw)
    seen, guessed = completed(look(box, elevation=elevation))
    x, y = np.meshgrid(np.linspace(-0.05, 0.05, 21), [-0.03, 0.03])
    long_sides = np.stack([x.ravel(), y.ravel()], axis=1) @ box.rotation[:2, :2].T
    walls = upright(long_sides, 0.1)
    assert farthest(walls, seen) > 0.03
    assert farthest(walls, np.concatenate([seen, guessed])) < 0.01
    assert box.depth(guessed).min() > -0.01  # a few are inside


def test_a_box_on_a_box_reaches_down_to_it(look, solid):
    lower = solid((0, 0, 0.04), (0.15, 0.15, 0.08))
    upper = solid((0, 0, 0.11), (0.06, 0.06, 0.06), label=3)
    seen, guessed = completed(look(lower, upper), label=3)
    back = upright(np.stack([np.linspace(-0.03, 0.03, 13), np.full(13, 0.03)], axis=1), 0.14, 0.09)
    assert farthest(back, np.concatenate([seen, guessed])) < 0.01
    assert guessed[:, 2].min() > 0.07


# --- What the camera sees -----------------------------------------------------------------------


@pytest.mark.parametrize("elevation", [35, 60])
def test_only_what_is_hidden_is_guessed(look, solid, elevation):
    """Half a turn of an L would fill its open corner, through which the camera sees the table."""
    back = solid((0, 0.04, 0.03), (0.12, 0.04, 0.06))
    left = solid((-0.04, -0.02, 0.03), (0.04, 0.08, 0.06))
    view = look(back, left, elevation=elevation)
    _, guessed = completed(view)
    assert len(guessed) > 100
    away = view.point(guessed)
    column, row = view.frame.camera.project(away).round().astype(int).T
    assert (away[:, 2] > view.frame.depth[row, column]).all()
    corner = solid((0.03, -0.03, 0.04), (0.05, 0.05, 0.06))
    assert corner.depth(guessed).max() < 0


def test_gaps_in_the_depth_of_an_object_are_filled(look, solid):
    view = look(solid((0, 0, 0.05), (0.1, 0.06, 0.1)), elevation=70)
    front = view.point([[-0.03, -0.03, 0.05], [0.03, -0.03, 0.05]])
    (left, row), (right, _) = view.frame.camera.project(front).round().astype(int)
    depth = view.frame.depth.copy()
    depth[row - 8 : row + 9, left:right] = np.nan
    seen, guessed = completed(replace(view, frame=replace(view.frame, depth=depth)))
    gap = view.world(front.mean(axis=0, keepdims=True))
    assert farthest(gap, seen) > 0.01
    assert farthest(gap, guessed) < 0.01


def test_an_object_at_the_edge_of_the_image_goes_on_beyond_it(look, solid):
    """The camera sees the left two thirds of a can."""
    can = solid(**CAN | {"center": (0.48, 0, 0.06)})
    view = look(can, elevation=45)
    _, guessed = completed(view)
    width = view.frame.camera.width
    assert view.frame.camera.project(view.point(guessed))[:, 0].max() > width + 5
    assert np.abs(can.depth(guessed)).max() < 0.01


@pytest.mark.parametrize("left", [0, 3])
def test_an_object_without_depth_has_no_points(look, solid, left):
    """Three readings have no neighbors and count as errors."""
    view = look(solid(**CAN), solid((0.15, 0, 0.03), (0.05, 0.05, 0.06), label=3))
    depth = view.frame.depth.copy()
    rows, cols = np.nonzero(view.labels == 2)
    kept = np.linspace(0, len(rows) - 1, left).astype(int)
    values = depth[rows[kept], cols[kept]]
    depth[rows, cols] = np.nan
    depth[rows[kept], cols[kept]] = values
    blind = replace(view, frame=replace(view.frame, depth=depth))
    seen, guessed = completed(blind)
    assert len(seen) == len(guessed) == 0
    seen, guessed = completed(blind, label=3)
    assert min(len(seen), len(guessed)) > 100


def test_noise_stays_where_it_is(look, solid):
    """Readings at random within 5 cm are no surface: what is guessed is finite, and near them."""
    view = look(solid(**CAN))
    depth = view.frame.depth.copy()
    own = view.labels == 2
    depth[own] += np.random.default_rng(0).uniform(-0.05, 0.05, own.sum()).astype(np.float32)
    seen, guessed = completed(replace(view, frame=replace(view.frame, depth=depth)))
    assert np.isfinite(guessed).all()
    assert farthest(guessed, seen) < 0.2


def test_what_is_no_object_is_an_obstacle_but_for_the_support(look, solid):
    view = look(solid(**CAN), solid((0.12, 0, 0.05), (0.05, 0.05, 0.1), label=0))
    cloud = complete_scene(view.frame, view.scene)
    obstacle = view.world(cloud.points[cloud.label == 0])
    assert farthest([[0.12, -0.025, 0.05], [0.12, 0, 0.1]], obstacle) < 0.01
    assert obstacle[:, 2].min() > 0
    assert set(cloud.label) == {0, 2}


def test_a_label_of_no_object_is_only_an_obstacle(look, solid):
    view = look(solid(**CAN), solid((0.15, 0, 0.03), (0.05, 0.05, 0.06), label=3))
    view = replace(view, objects=view.objects[1:])
    assert len(completed(view)[0]) > 100
    assert len(completed(view)[1]) == 0
    assert len(completed(view, label=3)[1]) > 100


def test_without_objects_there_is_nothing(look):
    view = look()
    cloud = complete_scene(view.frame, Scene(view.labels, view.plane))
    assert len(cloud.points) == len(cloud.label) == len(cloud.seen) == 0
