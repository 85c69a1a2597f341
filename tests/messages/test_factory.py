"""Scenes and frames to messages."""

from __future__ import annotations

import array
from dataclasses import fields, replace
from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cvdl.bags.typestore import message_type
from cvdl.core.scene import Hypothesis, Scene
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.messages.factory import MessageFactory
from cvdl.messages.points import images_of
from cvdl.messages.reading import read_frame, stamp_ns
from cvdl.messages.sync import Match
from cvdl.messages.topics import SCENE_TOPICS, TOPICS, Results, scene_messages
from cvdl.ros import interfaces


@pytest.fixture
def factory():
    return MessageFactory(message_type)


def built(topic, factory, frame, scene):
    """The message of a topic."""
    return scene_messages(factory, Results(frame, scene))[topic]


def test_a_frame_comes_back_from_its_messages(factory, frame):
    back = read_frame(Match(factory.color(frame), factory.depth(frame), factory.camera_info(frame)))
    np.testing.assert_array_equal(back.color, frame.color)
    np.testing.assert_array_equal(back.depth, frame.depth)
    assert (back.camera, back.stamp_ns, back.frame_id) == (
        frame.camera,
        frame.stamp_ns,
        frame.frame_id,
    )


def test_depth_that_fits_no_16_bits_becomes_no_reading(factory, frame):
    frame.depth[10, :5] = [70, np.inf, -np.inf, -1, 65.5349]
    raw = factory.depth(frame).data.view(np.uint16).reshape(48, 64)
    assert raw[10, :5].tolist() == [0, 0, 0, 0, 65535]


def test_labeled_points_are_an_organized_cloud_of_the_frame(factory, frame, scene):
    message = built("segmentation/points", factory, frame, scene)
    assert (message.height, message.width, message.point_step) == (48, 64, 20)
    names = [(field.name, field.offset, field.datatype) for field in message.fields]
    assert names == [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("rgb", 12, 7), ("label", 16, 6)]
    points = message.data.view(np.float32).reshape(48, 64, 5)
    np.testing.assert_array_equal(points[..., :3], frame.camera.deproject(frame.depth))
    assert np.isnan(points[:4, :, :3]).all()
    labels = message.data.view(np.uint32).reshape(48, 64, 5)[..., 4]
    np.testing.assert_array_equal(labels, scene.labels)
    # A replay can take them for its input.
    match = images_of(message)
    np.testing.assert_array_equal(match.color.data.reshape(48, 64, 3), frame.color)
    depth = match.depth.data.view(np.float32).reshape(48, 64)
    np.testing.assert_array_equal(depth, frame.depth)


def test_every_message_carries_the_stamp_and_the_frame_id(factory, frame, scene):
    messages = scene_messages(factory, Results(frame, scene))
    assert set(messages) == set(SCENE_TOPICS)
    for name, message in messages.items():
        assert message.__msgtype__ == SCENE_TOPICS[name]
    carriers = [
        messages[name] for name in ("segmentation/labels", "segmentation/objects", "overlay")
    ]
    carriers += messages["markers"].markers
    carriers += messages["segmentation/objects"].detections
    carriers += [messages["segmentation/support"], messages["segmentation/points"]]
    for name in ("detection/boxes", "detection/tracks", "grasp/rectangles", "grasp/detections"):
        carriers += [messages[name], *messages[name].detections]
    carriers += [messages["grasp/poses"]]
    carriers += [factory.camera_info(frame)]
    carriers += [factory.label_info(frame.stamp_ns, "optical", ["a"])]
    for message in carriers:
        assert (stamp_ns(message), message.header.frame_id) == (frame.stamp_ns, "optical")


def test_no_detection_is_without_a_hypothesis(factory, frame, scene):
    """RViz's displays of vision_msgs read the first one without a look."""
    unknown = tuple(replace(item, class_name="") for item in scene.objects)
    messages = scene_messages(factory, Results(frame, replace(scene, objects=unknown)))
    found = [each for m in messages.values() for each in getattr(m, "detections", [])]
    assert len(found) > 6
    assert all(len(each.results) > 0 for each in found)


def test_labels_are_mono16(factory, frame, scene):
    message = built("segmentation/labels", factory, frame, scene)
    assert (message.encoding, message.step) == ("mono16", 128)
    np.testing.assert_array_equal(message.data.view(np.uint16).reshape(48, 64), scene.labels)


def test_objects_are_oriented_boxes_with_their_label_numbers(factory, frame, scene):
    message = built("segmentation/objects", factory, frame, scene)
    assert [detection.id for detection in message.detections] == ["2", "3"]
    for detection, item in zip(message.detections, scene.objects, strict=True):
        center, size = detection.bbox.center, detection.bbox.size
        q = center.orientation
        rotation = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
        np.testing.assert_allclose(rotation, item.box3d.rotation, atol=1e-9)
        position = center.position
        assert [position.x, position.y, position.z] == pytest.approx(item.box3d.center)
        assert [size.x, size.y, size.z] == pytest.approx(item.box3d.size)


def test_an_object_has_its_class_or_its_objectness(factory, frame, scene):
    box, can = scene.objects
    objects = replace(box, objectness=0.6), replace(can, objectness=0.9)
    message = built("segmentation/objects", factory, frame, replace(scene, objects=objects))
    hypotheses = [each.hypothesis for item in message.detections for each in item.results]
    assert [(each.class_id, each.score) for each in hypotheses] == [("object", 0.6), ("can", 0.75)]


def test_a_taught_name_comes_first_and_is_never_less_likely(factory, frame, scene):
    box, can = scene.objects
    taught = {"class_name": "my can", "score": 0.7, "is_taught": True}
    said = [
        ([("my can", 0.7), ("bottle", 0.7)], Hypothesis("bottle", 0.9)),
        ([("my can", 0.7), ("bottle", 0.5)], Hypothesis("bottle", 0.5)),
        ([("my can", 0.7)], Hypothesis("my can", 0.9)),
        ([("my can", 0.7)], None),
    ]
    for expected, detected in said:
        objects = box, replace(can, **taught, detected=detected)
        message = built("segmentation/objects", factory, frame, replace(scene, objects=objects))
        found = [each.hypothesis for each in message.detections[1].results]
        assert [(each.class_id, each.score) for each in found] == expected
        detections = (replace(scene.detections[1], **taught, detected=detected),)
        message = built("detection/boxes", factory, frame, replace(scene, detections=detections))
        found = [each.hypothesis for each in message.detections[0].results]
        assert [(each.class_id, each.score) for each in found] == expected


def test_detections_carry_their_object_where_they_are_one(factory, frame, scene):
    mug, can = built("detection/boxes", factory, frame, scene).detections
    assert (mug.id, can.id) == ("", "3")
    for message, name, score in ((mug, "mug", 0.8), (can, "can", 0.75)):
        (result,) = message.results
        assert (result.hypothesis.class_id, result.hypothesis.score) == (name, score)
    position, rotation, _ = pose_arrays(can.results[0].pose.pose)
    np.testing.assert_allclose(position, scene.objects[1].box3d.center)
    np.testing.assert_allclose(rotation, scene.objects[1].box3d.rotation, atol=1e-9)
    position, rotation, _ = pose_arrays(mug.results[0].pose.pose)
    assert not position.any()
    np.testing.assert_array_equal(rotation, np.eye(3))
    box = can.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (40, 33, 0)
    assert (box.size_x, box.size_y) == (20, 16)


def test_detections_off_the_support_say_so(factory, frame, scene):
    off = replace(scene.detections[0], off_support=True)
    found = built(
        "detection/boxes", factory, frame, replace(scene, detections=(off, scene.detections[1]))
    )
    assert [detection.id for detection in found.detections] == ["off_support", "3"]


def test_tracked_detections_have_the_tracks_number(factory, frame, scene):
    mug, can = built("detection/tracks", factory, frame, scene).detections
    assert can.id == ""
    assert (mug.id, mug.results[0].hypothesis.class_id) == ("7", "mug")
    assert (mug.bbox.center.position.x, mug.bbox.size_x, mug.bbox.size_y) == (5, 6, 7)


def pose_arrays(pose):
    """Position (3,), rotation (3, 3) and the quaternion's length of a Pose."""
    p, q = pose.position, pose.orientation
    quaternion = [q.x, q.y, q.z, q.w]
    rotation = Rotation.from_quat(quaternion).as_matrix()
    return np.array([p.x, p.y, p.z]), rotation, np.linalg.norm(quaternion)


def test_grasp_rectangles_are_turned_boxes_best_first(factory, frame, scene):
    detections = built("grasp/rectangles", factory, frame, scene).detections
    assert [detection.id for detection in detections] == ["3", "2", "3"]
    for detection, grasp in zip(detections, scene.grasps, strict=True):
        box = detection.bbox
        assert [box.center.position.x, box.center.position.y] == grasp.center.tolist()
        assert (box.center.theta, box.size_x, box.size_y) == (grasp.angle, 12, 6)
        (result,) = detection.results
        assert (result.hypothesis.class_id, result.hypothesis.score) == ("grasp", grasp.score)


def test_theta_turns_from_right_to_down(factory, frame, scene):
    """Clockwise to the eye: a gripper that closes along (1, 1), right and down, has theta > 0."""
    along = np.array([1.0, 1.0])
    rectangles = GraspRectangles.from_corners([[[0, 0], [8, 8], [5, 11], [-3, 3]]])
    grasp = replace(scene.grasps[0], angle=float(rectangles.angle[0]))
    (detection,) = built(
        "grasp/rectangles", factory, frame, replace(scene, grasps=(grasp,))
    ).detections
    theta = detection.bbox.center.theta
    assert theta == pytest.approx(np.pi / 4)
    np.testing.assert_allclose([np.cos(theta), np.sin(theta)], along / np.linalg.norm(along))


def test_grasp_poses_in_the_order_of_the_rectangles(factory, frame, scene):
    poses = built("grasp/poses", factory, frame, scene).poses
    detections = built("grasp/detections", factory, frame, scene).detections
    for pose, detection, grasp in zip(poses, detections, scene.grasps, strict=True):
        for each in (pose, detection.bbox.center, detection.results[0].pose.pose):
            position, rotation, length = pose_arrays(each)
            np.testing.assert_allclose(position, grasp.position)
            np.testing.assert_allclose(rotation, grasp.rotation, atol=1e-9)
            assert length == pytest.approx(1)
        size = detection.bbox.size
        assert (size.x, size.y, size.z) == pytest.approx((0.06, 0.02, 0))
        assert detection.id == str(grasp.label)
        assert detection.results[0].hypothesis.score == grasp.score


def test_markers_show_grippers_the_best_of_each_object_opaque(factory, frame, scene):
    markers = [m for m in built("markers", factory, frame, scene).markers if m.ns == "grasps"]
    assert [(marker.id, marker.color.a) for marker in markers] == [
        (0, 1),
        (1, 1),
        (2, pytest.approx(0.4)),
    ]
    for marker, grasp in zip(markers, scene.grasps, strict=True):
        assert marker.type == marker.LINE_LIST
        ends = np.array([[p.x, p.y, p.z] for p in marker.points])
        np.testing.assert_allclose(ends.reshape(-1, 2, 3), grasp.wireframe())


def test_plane_coefficients_give_the_height_above_it(factory, frame, scene):
    a, b, c, d = built("segmentation/plane", factory, frame, scene).coef
    point = np.array([0.1, 0.2, 0.7])
    assert a * 0.1 + b * 0.2 + c * 0.7 + d == pytest.approx(scene.plane.height(point))


def test_label_info(factory, frame):
    message = factory.label_info(frame.stamp_ns, frame.frame_id, ["cup", "plate"])
    assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, "cup"), (1, "plate")]
    assert message.threshold == 0


def test_markers(factory, frame, scene):
    clear, plane, *items = built("markers", factory, frame, replace(scene, grasps=())).markers
    assert clear.action == clear.DELETEALL
    assert plane.type == plane.TRIANGLE_LIST
    assert 0 < plane.color.a < 1
    corners = np.array([[p.x, p.y, p.z] for p in plane.points])
    assert len(corners) >= 6
    np.testing.assert_allclose(scene.plane.height(corners), 0, atol=1e-9)
    u, v = frame.camera.project(corners).T
    assert (u.min(), u.max(), v.min(), v.max()) == pytest.approx((0, 63, 16, 47))
    # Viewers light the side from which the corners turn counterclockwise.
    a, b, c = corners.reshape(-1, 3, 3).transpose(1, 0, 2)
    assert (np.cross(b - a, c - a) @ scene.plane.normal > 0).all()
    for box, text, item in zip(items[::2], items[1::2], scene.objects, strict=True):
        assert (box.type, box.id, len(box.points)) == (box.LINE_LIST, item.label, 24)
        ends = np.array([[p.x, p.y, p.z] for p in box.points])
        expected = {tuple(corner.round(9)) for corner in item.box3d.corners()}
        assert {tuple(end.round(9)) for end in ends} == expected
        lengths = np.linalg.norm(ends[::2] - ends[1::2], axis=1)
        assert sorted(lengths) == pytest.approx(sorted([*item.box3d.size] * 4))
        assert text.type == text.TEXT_VIEW_FACING
        # Of a width of 0, RViz makes spaces many times wider than letters.
        assert text.scale.x == pytest.approx(0.6 * text.scale.z)
        place = np.array([text.pose.position.x, text.pose.position.y, text.pose.position.z])
        assert scene.plane.height(place) > scene.plane.height(ends).max()
    assert [text.text for text in items[1::2]] == ["2", "3 can 0.75"]


def test_a_scene_without_a_plane_or_with_one_seen_edge_on(factory, frame, scene):
    empty = Scene(np.zeros_like(scene.labels), None)
    messages = scene_messages(factory, Results(frame, empty))
    assert "segmentation/plane" not in messages
    assert messages["segmentation/objects"].detections == []
    assert "detection/tracks" not in messages
    for name in ("detection/boxes", "grasp/rectangles"):
        assert messages[name].detections == []
    assert messages["grasp/poses"].poses == []
    assert messages["grasp/detections"].detections == []
    assert len(messages["markers"].markers) == 1
    hidden = Scene(np.zeros_like(scene.labels), scene.plane)
    assert built("markers", factory, frame, hidden).markers[1].points == []
    for each in (empty, hidden):
        support = built("segmentation/support", factory, frame, each)
        assert len(support.polygon.points) == 0


def test_the_support_is_a_convex_outline_of_what_is_visible_of_it(factory, frame, scene):
    message = built("segmentation/support", factory, frame, scene)
    corners = np.array([[p.x, p.y, p.z] for p in message.polygon.points])
    np.testing.assert_allclose(scene.plane.height(corners), 0, atol=1e-6)
    arms = np.roll(corners, -1, axis=0) - corners
    turns = np.cross(arms, np.roll(arms, -1, axis=0)) @ scene.plane.normal
    assert (turns > 0).all()  # counterclockwise for the camera
    outline = frame.camera.project(corners).astype(np.float32)
    for v, u in np.argwhere(scene.labels == 1):
        assert cv2.pointPolygonTest(outline, (float(u), float(v)), True) > -1.5


def test_transform(factory):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    pose[:3, 3] = [1, 2, 3]
    (transform,) = factory.tf(5_000_000_006, "map", "camera", pose).transforms
    assert (stamp_ns(transform), transform.header.frame_id) == (5_000_000_006, "map")
    assert transform.child_frame_id == "camera"
    assert transform.transform.translation.y == 2
    assert transform.transform.rotation.z == pytest.approx(np.sqrt(0.5))


def test_diagnostics(factory):
    (status,) = factory.diagnostics(7, "cvdl", "fine", {"rate": "30"}).status
    assert (status.level, status.name, status.message) == (status.OK, "cvdl", "fine")
    assert [(value.key, value.value) for value in status.values] == [("rate", "30")]
    (status,) = factory.diagnostics(7, "cvdl", "bad", {}, warn=True).status
    assert status.level == status.WARN


def test_messages_of_ros_get_arrays_that_need_no_checking(frame):
    """rclpy's classes are told by their method; sequences must come as array.array."""

    def types(name):
        return type(
            name.rpartition("/")[2],
            (SimpleNamespace,),
            {"get_fields_and_field_types": classmethod(lambda cls: {})},
        )

    factory = MessageFactory(types)
    color = factory.color(frame)
    assert isinstance(color.data, array.array)
    assert color.data.typecode == "B"
    assert color.data.tobytes() == frame.color.tobytes()
    info = factory.camera_info(frame)
    assert isinstance(info.d, array.array)
    assert info.d.typecode == "d"
    assert info.k.dtype == np.float64
    back = read_frame(Match(color, factory.depth(frame), info))
    np.testing.assert_array_equal(back.depth, frame.depth)


@pytest.mark.skipif(find_spec("rclpy") is None, reason="there is no ROS 2")
@pytest.mark.parametrize("kind", sorted({topic.type for topic in TOPICS.values()}))
def test_ros_has_the_same_message_as_bags(kind):
    found = interfaces.message_type(kind)
    package, _, name = kind.split("/")
    assert (found.__module__.partition(".")[0], found.__name__) == (package, name)
    ours = [field.name for field in fields(message_type(kind)) if field.name != "__msgtype__"]
    assert list(found.get_fields_and_field_types()) == ours
