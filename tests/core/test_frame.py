"""What passes between the stages."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.scene import Detection, Grasp, OrientedBox, Plane

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("color", np.zeros((48, 64), np.uint8), r"color must be uint8 \(48, 64, 3\)"),
        ("color", np.zeros((48, 64, 3), np.float32), "got float32"),
        ("color", np.zeros((48, 64, 4), np.uint8), r"got uint8 \(48, 64, 4\)"),
        ("depth", np.zeros((64, 48), np.float32), r"got float32 \(64, 48\)"),
        ("depth", np.zeros((48, 64), np.uint16), "depth must be float32"),
        ("depth", np.zeros((48, 64), np.float64), "got float64"),
    ],
)
def test_arrays_of_another_shape_or_dtype_are_refused(frame, field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(frame, **{field: value})


@pytest.mark.parametrize("value", [0, -1, np.inf, -np.inf, 3e38, 65_535])
def test_invalid_depth_becomes_nan_in_the_frame_only(frame, value):
    depth = np.full(frame.depth.shape, 0.5, np.float32)
    depth[3, 4] = value
    kept = replace(frame, depth=depth).depth
    assert np.isnan(kept[3, 4])
    assert np.isnan(kept).sum() == 1
    assert depth[3, 4] == np.float32(value)


def test_valid_depth_is_not_copied(frame):
    assert replace(frame, depth=frame.depth).depth is frame.depth


def test_views_of_other_arrays_are_accepted(frame):
    flipped = replace(frame, color=frame.color[..., ::-1], depth=frame.depth[::-1])
    assert flipped.color.flags.c_contiguous
    assert flipped.depth.flags.c_contiguous
    np.testing.assert_array_equal(flipped.color, frame.color[..., ::-1])
    np.testing.assert_array_equal(flipped.depth, frame.depth[::-1])


def test_read_only_arrays_are_copied(frame):
    color, depth = frame.color.copy(), frame.depth.copy()
    color.flags.writeable = depth.flags.writeable = False
    copied = replace(frame, color=color, depth=depth)
    assert copied.color.flags.writeable
    assert copied.depth.flags.writeable
    np.testing.assert_array_equal(copied.color, frame.color)
    np.testing.assert_array_equal(copied.depth, frame.depth)


@given(seeds)
def test_height_is_positive_on_the_cameras_side(seed):
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=3)
    normal /= np.linalg.norm(normal)
    plane = Plane(normal, rng.uniform(0.1, 3))
    across = np.cross(normal, rng.normal(size=3))
    foot = across - plane.offset * normal  # a point of the plane
    above = rng.uniform(0.01, 1)
    np.testing.assert_allclose(
        plane.height(foot + np.outer([0, above, -above], normal)), [0, above, -above], atol=1e-12
    )
    assert plane.height(np.zeros(3)) == pytest.approx(plane.offset)  # the camera itself


def test_height_keeps_shape_and_type():
    plane = Plane(np.array([0.0, 0.0, -1.0]), 2.0)
    points = np.zeros((4, 5, 3), np.float32)
    assert plane.height(points).shape == (4, 5)
    assert plane.height(points).dtype == np.float32


def test_corners_of_an_axis_aligned_box():
    box = OrientedBox(np.array([1.0, 2, 3]), np.eye(3), np.array([0.2, 0.4, 0.6]))
    corners = box.corners()
    np.testing.assert_allclose(corners[0], [0.9, 1.8, 2.7])
    np.testing.assert_allclose(corners[0b001], [1.1, 1.8, 2.7])
    np.testing.assert_allclose(corners[0b010], [0.9, 2.2, 2.7])
    np.testing.assert_allclose(corners[0b100], [0.9, 1.8, 3.3])


@given(seeds)
def test_corners_of_a_rotated_box_are_half_its_size_from_the_center(seed):
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    box = OrientedBox(rng.normal(size=3), rotation, rng.uniform(0.01, 1, 3))
    local = (box.corners() - box.center) @ rotation
    np.testing.assert_allclose(np.abs(local), np.tile(box.size / 2, (8, 1)), atol=1e-12)
    assert len(np.unique(np.sign(local), axis=0)) == 8


def test_a_mask_contains_the_pixels_of_one_object(scene):
    first, second = scene.objects
    assert scene.mask(first).sum() == 100
    assert scene.mask(second)[30, 40]
    assert not (scene.mask(first) & scene.mask(second)).any()


def test_a_gripper_is_drawn_at_its_pose():
    turn = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # x to y, y to z, z to x
    at = np.array([1.0, 2, 3])
    grasp = Grasp(np.zeros(2), 0.0, 10.0, 5.0, 1.0, 2, at, turn, 0.08, 0.02)
    left, right, palm, wrist = grasp.wireframe(0.04) - at
    np.testing.assert_allclose(left, [[0, -0.04, 0], [-0.04, -0.04, 0]])
    np.testing.assert_allclose(right, [[0, 0.04, 0], [-0.04, 0.04, 0]])
    np.testing.assert_allclose(palm, [left[1], right[1]])
    np.testing.assert_allclose(wrist, [[-0.04, 0, 0], [-0.08, 0, 0]])


def test_the_best_grasp_of_an_object_is_its_first(scene):
    first, second, _ = scene.grasps
    assert scene.best_grasps() == {3: first, 2: second}
    assert list(replace(scene, grasps=scene.grasps[::-1]).best_grasps()) == [3, 2]


def test_captions_contain_what_is_known(scene):
    nameless, can = scene.objects
    assert [scene.caption(item) for item in (nameless, can)] == ["2", "3 can 0.75"]
    assert scene.caption(replace(can, score=1.0)) == "3 can"
    elsewhere = Detection(np.zeros(4), "mug", 0.876)
    assert scene.caption(elsewhere) == "mug 0.88"
    found = Detection(can.box2d, "can", 0.75, label=3, track=0), replace(elsewhere, track=12)
    tracked = replace(scene, detections=found)
    assert [tracked.caption(item) for item in (nameless, can)] == ["2", "3 can 0.75 #0"]
    assert [tracked.caption(item) for item in found] == ["3 can 0.75 #0", "mug 0.88 #12"]


def test_a_derived_result_is_computed_once_for_each_argument_and_not_copied(frame):
    calls = []

    def half(of, factor):
        calls.append(factor)
        return of.depth * factor

    first = frame.derived(half, 0.5)
    assert frame.derived(half, 0.5) is first
    assert frame.derived(half, 0.25) is not first
    assert calls == [0.5, 0.25]
    np.testing.assert_array_equal(replace(frame, stamp_ns=1).derived(half, 0.5), first)
    assert calls == [0.5, 0.25, 0.5]
