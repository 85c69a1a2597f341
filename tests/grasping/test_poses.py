"""Rectangles placed by hand on known objects: poses, and what a gripper cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.poses import REASONS, grasp_poses, nearest_labels
from cvdl.grasping.rectangles import GraspRectangles

X, Y, UP = np.eye(3)


def pose_of(view, rectangles, label=2, **settings):
    """Poses of rectangles that are all of one object."""
    config = GraspConfig(enable=False, **settings)
    labels = np.full(len(rectangles), label)
    return grasp_poses(rectangles, labels, view.frame, view.labels, view.plane, config)


def why(view, rectangles, label=2, **settings):
    """Why the first rectangle is no grasp; "" if it is one."""
    (reason, *_) = pose_of(view, rectangles, label, **settings).reason
    return REASONS[reason] if reason >= 0 else ""


def assert_pose(view, poses, position, x, z):
    """Within 1 cm and 10 degrees of a pose in the world; the sign of x does not matter."""
    assert poses.reason.tolist() == [-1], poses.refused
    rotation = poses.rotation[0]
    x, z = view.direction(x), view.direction(z)
    expected = np.stack([x, np.cross(z, x), z], axis=1)
    flipped = expected * [-1, -1, 1]
    angle = min(
        Rotation.from_matrix(rotation.T @ other).magnitude() for other in (expected, flipped)
    )
    assert np.rad2deg(angle) < 10
    assert np.linalg.norm(poses.position[0] - view.point(position)) < 0.01


# --- Poses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("approach", ["surface", "plane"])
@pytest.mark.parametrize("elevation", [35, 50, 70, 89])
@pytest.mark.parametrize("yaw", [0, 30, 75])
def test_across_the_top_of_a_box(look, solid, approach, elevation, yaw):
    box = solid((0.05, 0.03, 0.05), (0.05, 0.1, 0.1), yaw)
    view = look(box, elevation=elevation)
    across = box.rotation[:, 0]
    rectangles = view.rectangle((0.05, 0.03, 0.1), across, 0.08)
    poses = pose_of(view, rectangles, approach=approach)
    assert_pose(view, poses, (0.05, 0.03, 0.08), across, -UP)
    assert poses.opening_m[0] == pytest.approx(0.08, abs=0.005)


def test_the_face_of_a_box_is_approached_along_its_normal(look, solid):
    view = look(solid((0, 0, 0.1), (0.06, 0.06, 0.2)), elevation=20)
    poses = pose_of(view, view.rectangle((0, -0.03, 0.12), X, 0.08))
    assert_pose(view, poses, (0, -0.01, 0.12), X, Y)


@pytest.mark.parametrize("elevation", [40, 70])
def test_across_an_upright_cylinder(look, solid, elevation):
    view = look(solid((0, 0, 0.06), (0.06, 0.06, 0.12), is_round=True), elevation=elevation)
    poses = pose_of(view, view.rectangle((0, 0, 0.12), X, 0.085))
    assert_pose(view, poses, (0, 0, 0.1), X, -UP)


@pytest.mark.parametrize("yaw", [0, 40, 90])
def test_across_a_lying_cylinder(look, solid, yaw):
    radius = 0.025
    tube = solid((0, 0, radius), (0.05, 0.05, 0.15), yaw, lies=True, is_round=True)
    view = look(tube, elevation=60)
    axis = tube.rotation[:, 2]
    towards = view.eye / np.linalg.norm(view.eye)
    towards = towards - (towards @ axis) * axis
    towards /= np.linalg.norm(towards)
    top = np.array(tube.center) + radius * towards
    rectangles = view.rectangle(top, np.cross(axis, towards), 0.075)
    poses = pose_of(view, rectangles, insertion=0.015)
    position = top - 0.015 * towards
    assert_pose(view, poses, position, np.cross(axis, towards), -towards)


def test_from_above_the_gripper_is_over_the_axis_of_a_lying_cylinder(look, solid):
    """The rectangle is round the outline that the camera sees from the side."""
    tube = solid((0, 0, 0.025), (0.05, 0.05, 0.15), lies=True, is_round=True)
    view = look(tube, elevation=50)
    towards = view.eye / np.linalg.norm(view.eye)
    rectangles = view.rectangle((0, 0, 0.025), np.cross(X, towards), 0.065)
    poses = pose_of(view, rectangles, approach="plane")
    assert_pose(view, poses, (0, 0, 0.03), Y, -UP)


@pytest.mark.parametrize("shift", [-0.01, 0.01])
def test_the_gripper_is_centered_on_the_object_between_its_plates(look, solid, shift):
    view = look(solid((0, 0, 0.05), (0.04, 0.08, 0.1)), elevation=60)
    poses = pose_of(view, view.rectangle((shift, 0, 0.1), X, 0.075))
    assert poses.reason.tolist() == [-1]
    assert np.linalg.norm(poses.position[0] - view.point((0, 0, 0.08))) < 0.003


def test_a_thread_is_approached_along_the_normal_of_the_table(look, solid):
    view = look(solid((0, 0, 0.009), (0.15, 0.006, 0.018)), elevation=45)
    poses = pose_of(view, view.rectangle((0, 0, 0.018), Y, 0.05))
    np.testing.assert_allclose(poses.rotation[0][:, 2], view.direction(-UP), atol=1e-9)


def test_tips_stop_above_the_table(look, solid):
    view = look(solid((0, 0, 0.01), (0.05, 0.1, 0.02)), elevation=60)
    poses = pose_of(view, view.rectangle((0, 0, 0.02), X, 0.07), approach="plane", clearance=0.006)
    assert poses.reason.tolist() == [-1]
    assert view.plane.height(poses.position[0]) == pytest.approx(0.006, abs=1e-9)


def test_the_gripper_approaches_from_above_if_it_cannot_from_the_side(look, solid):
    view = look(solid((0, 0, 0.02), (0.06, 0.06, 0.04)), elevation=20)
    high, low = (view.rectangle((0, -0.03, z), X, 0.08, plate=10) for z in (0.024, 0.012))
    from_the_side, from_above = pose_of(view, high), pose_of(view, low)
    assert from_the_side.reason.tolist() == from_above.reason.tolist() == [-1]
    assert from_the_side.rotation[0, :, 2] @ view.direction(Y) > np.cos(np.deg2rad(10))
    np.testing.assert_allclose(from_above.rotation[0, :, 2], view.direction(-UP), atol=1e-9)


def test_rotations_are_right_handed_and_match_the_image(look, solid):
    view = look(solid((0, 0, 0.05), (0.06, 0.06, 0.1)))
    camera = view.frame.camera
    middle = camera.project(view.point((0, 0, 0.1)))
    count = 24
    angle = np.linspace(-np.pi / 2, np.pi / 2, count, endpoint=False)
    rectangles = GraspRectangles(
        np.tile(middle, (count, 1)), angle, np.full(count, 60), np.full(count, 20)
    )
    poses = pose_of(view, rectangles, approach="plane", insertion=0, max_opening=0.3)
    for i in range(count):
        rotation, half = poses.rotation[i], poses.rotation[i][:, 0] * poses.opening_m[i] / 2
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)
        tips = camera.project(poses.position[i] + np.array([-half, half]))
        u, v = tips[1] - tips[0]
        assert np.hypot(u, v) == pytest.approx(60, abs=3)
        assert np.rad2deg(np.arctan2(v, u) - angle[i]) == pytest.approx(0, abs=3)


# --- Refusals -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(look, solid):
    """A box of 5 x 8 x 10 cm."""
    return look(solid((0, 0, 0.05), (0.05, 0.08, 0.1)))


@pytest.fixture
def good(view):
    return view.rectangle((0, 0, 0.1), X, 0.075)


def test_a_good_rectangle_is_accepted(view, good):
    assert why(view, good) == ""


def test_a_rectangle_without_an_object_is_refused(view, good):
    assert why(view, good, label=0) == "no object"


def test_a_rectangle_without_depth_is_refused(view, good):
    depth = view.frame.depth.copy()
    u, v = good.center[0].round().astype(int)
    depth[v - 12 : v + 13, u - 12 : u + 13] = np.nan
    blind = replace(view, frame=replace(view.frame, depth=depth))
    assert why(blind, good) == "no depth between the plates"
    everywhere = replace(view.frame, depth=np.full_like(depth, np.nan))
    assert why(replace(view, frame=everywhere), good) == "no depth between the plates"


def test_a_few_holes_in_the_depth_are_tolerated(view, good):
    depth = view.frame.depth.copy()
    depth[np.random.default_rng(0).random(depth.shape) < 0.3] = np.nan
    holed = replace(view, frame=replace(view.frame, depth=depth))
    whole = pose_of(view, good)
    poses = pose_of(holed, good)
    assert poses.reason.tolist() == [-1]
    np.testing.assert_allclose(poses.position, whole.position, atol=0.003)


def test_an_object_larger_than_the_gripper_is_refused(view, good):
    assert why(view, good, max_opening=0.045) == "opening out of reach"
    assert why(view, view.rectangle((0, 0, 0.1), Y, 0.1), max_opening=0.07) == (
        "opening out of reach"
    )


def test_an_opening_below_the_smallest_is_refused(view, good):
    assert why(view, good, min_opening=0.08) == "opening out of reach"
    assert why(view, good, min_opening=0.07) == ""


def test_a_rectangle_wider_than_the_gripper_is_narrowed(view, good):
    poses = pose_of(view, good, max_opening=0.06)
    assert poses.reason.tolist() == [-1]
    assert poses.opening_m[0] == 0.06
    assert poses.share[0] == pytest.approx(0.06 / 0.075, abs=0.03)
    wide = pose_of(view, good, max_opening=0.2)
    assert wide.share[0] == 1
    np.testing.assert_allclose(poses.position, wide.position, atol=0.001)


@pytest.mark.parametrize("elevation", [30, 60])
@pytest.mark.parametrize("thickness", [0.002, 0.02])
def test_collisions_of_plates_of_any_thickness_are_found(look, solid, elevation, thickness):
    box = solid((0, 0, 0.05), (0.05, 0.08, 0.1))
    view = look(box, solid((0.06, 0, 0.05), (0.05, 0.08, 0.1), label=3), elevation=elevation)
    settings = {"plate_thickness": thickness, "clearance": 0, "approach": "plane"}
    narrow, wide = (view.rectangle((0, 0, 0.1), X, length) for length in (0.03, 0.08))
    assert why(view, narrow, **settings) == "gripper meets the object"
    assert why(view, wide, **settings) == "gripper meets a neighbor"


def test_plates_that_collide_with_the_table_are_refused(look, solid):
    low = look(solid((0, 0, 0.003), (0.05, 0.1, 0.006)), elevation=60)
    rectangles = low.rectangle((0, 0, 0.006), X, 0.07)
    assert why(low, rectangles, approach="plane") == "plates meet the table"
    assert why(low, rectangles, approach="plane", clearance=0) == ""


def test_a_plate_from_the_side_that_collides_with_the_table_is_refused(look, solid):
    view = look(solid((0, 0, 0.1), (0.06, 0.06, 0.2)), elevation=20)
    assert why(view, view.rectangle((0, -0.03, 0.03), X, 0.08)) == ""
    assert why(view, view.rectangle((0, -0.03, 0.01), X, 0.08)) == "plates meet the table"


@pytest.mark.parametrize(("gap", "expected"), [(0.012, "gripper meets a neighbor"), (0.04, "")])
def test_a_plate_must_not_collide_with_a_neighbor(look, solid, gap, expected):
    """The plates stand 5 mm beside the box, are 10 mm thick and keep 4 mm."""
    box = solid((0, 0, 0.05), (0.05, 0.08, 0.1))
    other = solid((0.025 + gap + 0.03, 0, 0.05), (0.06, 0.08, 0.1), label=3)
    view = look(box, other, elevation=60)
    assert why(view, view.rectangle((0, 0, 0.1), X, 0.06), approach="plane") == expected


def test_unsegmented_objects_are_neighbors_too(look, solid):
    box = solid((0, 0, 0.05), (0.05, 0.08, 0.1))
    view = look(box, solid((0.067, 0, 0.05), (0.06, 0.08, 0.1), label=0), elevation=60)
    assert why(view, view.rectangle((0, 0, 0.1), X, 0.06)) == "gripper meets a neighbor"


def test_the_palm_must_not_collide_with_a_neighbor(look, solid):
    """A tall box stands behind, out of the plates' way, not out of that of a wide palm."""
    box = solid((0, 0, 0.025), (0.03, 0.06, 0.05))
    wall = solid((0, 0.05, 0.1), (0.02, 0.02, 0.2), label=3)
    view = look(box, wall)
    rectangles = view.rectangle((0, 0, 0.05), X, 0.05)
    assert why(view, rectangles, approach="plane") == ""
    assert why(view, rectangles, approach="plane", plate_width=0.1) == "gripper meets a neighbor"


def test_plates_that_collide_with_the_object_are_refused(view):
    assert why(view, view.rectangle((0, 0, 0.1), X, 0.03)) == "gripper meets the object"
    assert why(view, view.rectangle((0, 0, 0.1), X, 0.049)) == ""  # blurred outlines are forgiven


def test_a_palm_that_collides_with_the_object_is_refused(look, solid):
    """A jug's handle, from above, too near to its high body."""
    handle = solid((0, 0, 0.02), (0.03, 0.08, 0.04))
    view = look(handle, solid((0, 0.09, 0.1), (0.03, 0.1, 0.2)))
    close, far = ((0, y, 0.04) for y in (0.025, -0.02))
    for place, expected in ((close, "gripper meets the object"), (far, "")):
        rectangles = view.rectangle(place, X, 0.05)
        assert why(view, rectangles, approach="plane", plate_width=0.04) == expected


@pytest.mark.parametrize("u", [-60, 2, 639, 700])
def test_rectangles_outside_of_the_image_and_across_its_edge(view, u):
    rectangles = GraspRectangles([[u, 240]], [0.3], [50], [20])
    assert why(view, rectangles) == "no depth between the plates"


def test_the_visible_part_of_a_rectangle_at_the_edge_counts():
    camera = Camera(320, 240, 262.5, 262.5, 159.5, 119.5)
    depth = np.full((240, 320), 1.0, np.float32)
    depth[100:140, :40] = 0.9
    labels = np.where(depth < 1, 2, 1).astype(np.uint16)
    frame = RgbdFrame(np.zeros((240, 320, 3), np.uint8), depth, camera)
    rectangles = GraspRectangles([[5, 119.5]], [np.pi / 2], [50], [20])
    config = GraspConfig(enable=False, max_opening=0.2)
    plane = Plane(np.array([0.0, 0, -1]), 1.0)
    poses = grasp_poses(rectangles, np.array([2]), frame, labels, plane, config)
    assert poses.reason.tolist() == [-1]
    assert poses.position[0, 2] == pytest.approx(0.92, abs=1e-6)
    assert poses.opening_m[0] == pytest.approx(50 / 262.5 * 0.9, abs=1e-6)


def test_no_rectangles_have_no_poses(view):
    poses = pose_of(view, GraspRectangles.none())
    assert len(poses.position) == len(poses.rotation) == len(poses.opening_m) == 0
    assert poses.refused == {}


def test_refusals_are_counted_by_reason(view):
    rectangles = [view.rectangle((0, 0, 0.1), X, length) for length in (0.075, 0.03, 0.01, 0.01)]
    together = GraspRectangles(
        np.concatenate([each.center for each in rectangles]),
        *(
            np.concatenate([getattr(each, name) for each in rectangles])
            for name in ("angle", "opening", "plate")
        ),
    )
    assert pose_of(view, together, min_opening=0.02).refused == {
        "opening out of reach": 2,
        "gripper meets the object": 1,
    }


def test_the_poses_of_several_rectangles_are_those_of_each(view):
    rng = np.random.default_rng(3)
    pixels = np.argwhere(view.labels == 2)[:, ::-1]
    many = GraspRectangles(
        pixels[rng.integers(0, len(pixels), 40)],
        rng.uniform(-1.5, 1.5, 40),
        rng.uniform(20, 70, 40),
        rng.uniform(10, 30, 40),
    )
    together = pose_of(view, many)
    assert len(together.refused) >= 2
    for i in range(len(many)):
        alone = pose_of(view, many[[i]])
        assert alone.reason[0] == together.reason[i]
        np.testing.assert_array_equal(alone.position[0], together.position[i])


# --- Labels of rectangles -----------------------------------------------------------------------


def test_the_nearest_label_within_reach_is_returned():
    labels = np.ones((20, 30), np.uint16)
    labels[5:10, 5:10] = 2
    labels[5:10, 14:20] = 3
    centers = np.array([[7, 7], [11.4, 7], [12.6, 7], [7, 13], [7, 14.1], [-2, 7], [99, 99]])
    assert nearest_labels(centers, labels, 4).tolist() == [2, 2, 3, 2, 0, 0, 0]
    assert nearest_labels(np.empty((0, 2)), labels, 4).shape == (0,)
