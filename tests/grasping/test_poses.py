"""Rectangles placed by hand on known objects: where on the surface they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.poses import nearest_labels, rectangle_hands
from cvdl.grasping.rectangles import GraspRectangles

X, Y, UP = np.eye(3)


def hands_of(view, rectangles, label=2, **settings):
    """Hands of rectangles that are all of one object."""
    config = GraspConfig(enable=False, **settings)
    labels = np.full(len(rectangles), label)
    return rectangle_hands(rectangles, labels, view.frame, view.labels, view.plane, config)


def assert_hand(view, hands, position, x, z):
    """Within 1 cm and 10 degrees of a pose in the world; the sign of x does not matter."""
    assert len(hands) == 1
    rotation = hands.rotation[0]
    x, z = view.direction(x), view.direction(z)
    expected = np.stack([x, np.cross(z, x), z], axis=1)
    flipped = expected * [-1, -1, 1]
    angle = min(
        Rotation.from_matrix(rotation.T @ other).magnitude() for other in (expected, flipped)
    )
    assert np.rad2deg(angle) < 10
    assert np.linalg.norm(hands.position[0] - view.point(position)) < 0.01


# --- Directions and places ----------------------------------------------------------------------


@pytest.mark.parametrize("approach", ["surface", "plane"])
@pytest.mark.parametrize("elevation", [35, 50, 70, 89])
@pytest.mark.parametrize("yaw", [0, 30, 75])
def test_across_the_top_of_a_box(look, solid, approach, elevation, yaw):
    box = solid((0.05, 0.03, 0.05), (0.05, 0.1, 0.1), yaw)
    view = look(box, elevation=elevation)
    across = box.rotation[:, 0]
    rectangles = view.rectangle((0.05, 0.03, 0.1), across, 0.08)
    hands = hands_of(view, rectangles, approach=approach)
    assert_hand(view, hands, (0.05, 0.03, 0.1), across, -UP)
    assert hands.opening[0] == pytest.approx(0.08, abs=0.005)
    assert hands.label.tolist() == [2]


def test_the_face_of_a_box_is_approached_along_its_normal(look, solid):
    view = look(solid((0, 0, 0.1), (0.06, 0.06, 0.2)), elevation=20)
    rectangles = view.rectangle((0, -0.03, 0.12), X, 0.08)
    assert_hand(view, hands_of(view, rectangles), (0, -0.03, 0.12), X, Y)
    from_above = hands_of(view, rectangles, approach="plane")
    np.testing.assert_allclose(from_above.rotation[0, :, 2], view.direction(-UP), atol=1e-9)


@pytest.mark.parametrize("elevation", [40, 70])
def test_across_an_upright_cylinder(look, solid, elevation):
    view = look(solid((0, 0, 0.06), (0.06, 0.06, 0.12), shape="cylinder"), elevation=elevation)
    hands = hands_of(view, view.rectangle((0, 0, 0.12), X, 0.085))
    assert_hand(view, hands, (0, 0, 0.12), X, -UP)


@pytest.mark.parametrize("yaw", [0, 40, 90])
def test_across_a_lying_cylinder(look, solid, yaw):
    radius = 0.025
    tube = solid((0, 0, radius), (0.05, 0.05, 0.15), yaw, lies=True, shape="cylinder")
    view = look(tube, elevation=60)
    axis = tube.rotation[:, 2]
    towards = view.eye / np.linalg.norm(view.eye)
    towards = towards - (towards @ axis) * axis
    towards /= np.linalg.norm(towards)
    top = np.array(tube.center) + radius * towards
    hands = hands_of(view, view.rectangle(top, np.cross(axis, towards), 0.075))
    assert_hand(view, hands, top, np.cross(axis, towards), -towards)


def test_a_thread_is_approached_along_the_normal_of_the_table(look, solid):
    view = look(solid((0, 0, 0.009), (0.15, 0.006, 0.018)), elevation=45)
    hands = hands_of(view, view.rectangle((0, 0, 0.018), Y, 0.05))
    np.testing.assert_allclose(hands.rotation[0][:, 2], view.direction(-UP), atol=1e-9)


def test_rotations_are_right_handed_and_match_the_image(look, solid):
    view = look(solid((0, 0, 0.05), (0.06, 0.06, 0.1)))
    camera = view.frame.camera
    middle = camera.project(view.point((0, 0, 0.1)))
    count = 24
    angle = np.linspace(-np.pi / 2, np.pi / 2, count, endpoint=False)
    rectangles = GraspRectangles(
        np.tile(middle, (count, 1)), angle, np.full(count, 60), np.full(count, 20)
    )
    hands = hands_of(view, rectangles, approach="plane")
    for i in range(count):
        rotation, half = hands.rotation[i], hands.rotation[i][:, 0] * hands.opening[i] / 2
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)
        tips = camera.project(hands.position[i] + np.array([-half, half]))
        u, v = tips[1] - tips[0]
        assert np.hypot(u, v) == pytest.approx(60, abs=3)
        assert np.rad2deg(np.arctan2(v, u) - angle[i]) == pytest.approx(0, abs=3)


# --- Depth --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(look, solid):
    """A box of 5 x 8 x 10 cm."""
    return look(solid((0, 0, 0.05), (0.05, 0.08, 0.1)))


@pytest.fixture
def good(view):
    return view.rectangle((0, 0, 0.1), X, 0.075)


def test_a_rectangle_without_an_object_has_no_hand(view, good):
    assert len(hands_of(view, good, label=0)) == 0
    assert len(hands_of(view, GraspRectangles.none())) == 0


def test_a_rectangle_without_depth_has_no_hand(view, good):
    depth = view.frame.depth.copy()
    u, v = good.center[0].round().astype(int)
    depth[v - 12 : v + 13, u - 12 : u + 13] = np.nan
    for gaps in (depth, np.full_like(depth, np.nan)):
        blind = replace(view, frame=replace(view.frame, depth=gaps))
        assert len(hands_of(blind, good)) == 0


def test_a_few_holes_in_the_depth_are_tolerated(view, good):
    depth = view.frame.depth.copy()
    depth[np.random.default_rng(0).random(depth.shape) < 0.3] = np.nan
    holed = replace(view, frame=replace(view.frame, depth=depth))
    whole, hands = hands_of(view, good), hands_of(holed, good)
    np.testing.assert_allclose(hands.position, whole.position, atol=0.003)


@pytest.mark.parametrize("u", [-60, 2, 639, 700])
def test_rectangles_outside_of_the_image_and_across_its_edge(view, u):
    assert len(hands_of(view, GraspRectangles([[u, 240]], [0.3], [50], [20]))) == 0


def test_the_visible_part_of_a_rectangle_at_the_edge_counts():
    camera = Camera(320, 240, 262.5, 262.5, 159.5, 119.5)
    depth = np.full((240, 320), 1.0, np.float32)
    depth[100:140, :40] = 0.9
    labels = np.where(depth < 1, 2, 1).astype(np.uint16)
    frame = RgbdFrame(np.zeros((240, 320, 3), np.uint8), depth, camera)
    rectangles = GraspRectangles([[5, 119.5]], [np.pi / 2], [50], [20])
    plane = Plane(np.array([0.0, 0, -1]), 1.0)
    hands = rectangle_hands(
        rectangles, np.array([2]), frame, labels, plane, GraspConfig(enable=False)
    )
    assert hands.position[0, 2] == pytest.approx(0.9, abs=1e-6)
    assert hands.opening[0] == pytest.approx(50 / 262.5 * 0.9, abs=1e-6)


def test_the_hands_of_several_rectangles_are_those_of_each(view):
    rng = np.random.default_rng(3)
    pixels = np.argwhere(view.labels == 2)[:, ::-1]
    many = GraspRectangles(
        pixels[rng.integers(0, len(pixels), 40)],
        rng.uniform(-1.5, 1.5, 40),
        rng.uniform(20, 70, 40),
        rng.uniform(10, 30, 40),
    )
    together = hands_of(view, many)
    alone = [hands_of(view, many[[i]]) for i in range(len(many))]
    np.testing.assert_array_equal(
        together.position, np.concatenate([each.position for each in alone])
    )
    assert len(together) > 30


# --- Labels of rectangles -----------------------------------------------------------------------


def test_the_nearest_label_within_reach_is_returned():
    labels = np.ones((20, 30), np.uint16)
    labels[5:10, 5:10] = 2
    labels[5:10, 14:20] = 3
    centers = np.array([[7, 7], [11.4, 7], [12.6, 7], [7, 13], [7, 14.1], [-2, 7], [99, 99]])
    assert nearest_labels(centers, labels, 4).tolist() == [2, 2, 3, 2, 0, 0, 0]
    assert nearest_labels(np.empty((0, 2)), labels, 4).shape == (0,)
