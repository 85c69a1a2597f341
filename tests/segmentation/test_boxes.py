"""Boxes around points of known boxes."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cvdl.core.scene import Plane
from cvdl.segmentation.boxes import plane_axes, standing_box

TILTED = Plane(np.array([0.0, -np.sin(0.7), -np.cos(0.7)]), 0.8)


def faces(plane, size, yaw_degrees, base=0.0, count=600, seed=0):
    """Points on the front, the left side and the top of a box over the plane, and its center."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.5, 0.5, (count, 3))
    side = rng.integers(0, 3, count)
    points[np.arange(count), side] = np.where(side == 2, 0.5, -0.5)
    yaw = np.deg2rad(yaw_degrees)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    axes = plane_axes(plane)
    middle = axes @ np.array([0.1, -0.05, base + size[2] / 2 - plane.offset])
    return middle + points * size @ (axes @ turn).T, middle


@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9), st.sampled_from([0, -1]))
@example(x=-1, y=0, z=0)  # a camera on its side that looks along the table
def test_axes_of_a_plane(x, y, z):
    assume(np.linalg.norm([x, y, z]) > 1e-3)
    normal = np.array([x, y, z]) / np.linalg.norm([x, y, z])
    axes = plane_axes(Plane(normal, 1.0))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    np.testing.assert_allclose(axes[:, 2], normal)


@given(st.floats(0.03, 0.4), st.floats(0.03, 0.4), st.floats(0.03, 0.4), st.floats(-90, 90))
def test_box_around_its_three_visible_faces(width, depth, height, yaw):
    size = np.array([width, depth, height])
    points, middle = faces(TILTED, size, yaw)
    box = standing_box(points, TILTED, is_lowest=False)
    np.testing.assert_allclose(box.rotation[:, 2], TILTED.normal)
    assert np.linalg.det(box.rotation) == pytest.approx(1)
    np.testing.assert_allclose(box.center, middle, atol=0.03 * size.max() + 1e-3)
    np.testing.assert_allclose(sorted(box.size[:2]), sorted(size[:2]), atol=0.06 * size.max())
    assert box.size[2] == pytest.approx(height, rel=0.05)


def test_stray_points_do_not_stretch_a_box():
    points, middle = faces(TILTED, np.array([0.2, 0.1, 0.1]), 0)
    points[:2] += [[0.3, 0, 0], [0, 0, 0.4]]
    box = standing_box(points, TILTED, is_lowest=False)
    np.testing.assert_allclose(sorted(box.size), [0.1, 0.1, 0.2], atol=0.01)
    np.testing.assert_allclose(box.center, middle, atol=0.01)


def test_box_of_points_slightly_above_the_plane_extends_down_to_it():
    points, _ = faces(TILTED, np.array([0.1, 0.1, 0.05]), 0, base=0.02)
    box = standing_box(points, TILTED, is_lowest=False)
    assert box.size[2] == pytest.approx(0.07, abs=0.002)
    assert TILTED.height(box.corners()).min() == pytest.approx(0, abs=1e-9)


def test_box_of_an_object_on_another_object_does_not():
    points, middle = faces(TILTED, np.array([0.1, 0.1, 0.05]), 0, base=0.1)
    box = standing_box(points, TILTED, is_lowest=False)
    assert box.size[2] == pytest.approx(0.05, abs=0.002)
    np.testing.assert_allclose(box.center, middle, atol=0.005)


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.outer([1.0, 2, 3], [0.01, 0, 0])])
def test_points_without_extent(points):
    box = standing_box(points - TILTED.offset * TILTED.normal, TILTED, is_lowest=False)
    assert np.isfinite(box.corners()).all()
    assert (box.size >= 0).all()
