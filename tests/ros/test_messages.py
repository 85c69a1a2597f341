"""Messages to frames, and scenes to messages."""

from __future__ import annotations

import array
import struct
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cvdl.bags.typestore import message_type
from cvdl.camera import Camera
from cvdl.frame import RgbdFrame, Scene
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.ros.messages import (
    COLOR_ENCODINGS,
    SCENE_TOPICS,
    MessageError,
    MessageFactory,
    doubts,
    image_kind,
    image_size,
    read_camera,
    read_color,
    read_depth,
    read_frame,
    stamp_ns,
)

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
MILLIMETRES = np.random.default_rng(2).integers(1, 65536, (6, 8)).astype(np.uint16)


@pytest.fixture
def factory():
    return MessageFactory(message_type)


def image(pixels, encoding, padding=0, big_endian=False):
    """An Image without any class of ROS: whatever has the fields can be read."""
    if big_endian:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return SimpleNamespace(
        header=header(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=rows.reshape(-1),
    )


def compressed(data, form):
    return SimpleNamespace(header=header(), format=form, data=np.frombuffer(data, np.uint8))


def header(frame_id="optical"):
    return SimpleNamespace(stamp=SimpleNamespace(sec=3, nanosec=7), frame_id=frame_id)


def camera_info(width=8, height=6, fx=50.0, d=()):
    k = [fx, 0, 3.5, 0, 51.0, 2.5, 0, 0, 1]
    return SimpleNamespace(header=header(), width=width, height=height, k=k, d=list(d))


def encoded(extension, pixels):
    return cv2.imencode(extension, pixels)[1].tobytes()


# Colour


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, RGB[..., 0]])),
        ("bgra8", np.dstack([RGB[..., ::-1], RGB[..., 0]])),
    ],
)
def test_colour_in_any_order_of_channels(encoding, pixels, padding):
    color = read_color(image(pixels, encoding, padding))
    np.testing.assert_array_equal(color, RGB)
    assert color.flags.c_contiguous
    assert color.flags.writeable


def test_grey_is_the_same_in_all_channels():
    grey = RGB[..., 0]
    np.testing.assert_array_equal(read_color(image(grey, "mono8", 3)), np.dstack([grey] * 3))


def test_yuy2_with_a_known_colour():
    # Pure red in studio-range BT.601: Y 81, U 90, V 240; two pixels share U and V.
    pixels = np.tile(np.array([[81, 90], [81, 240]], np.uint8), (6, 4, 1))
    color = read_color(image(pixels, "yuv422_yuy2", 4))
    np.testing.assert_allclose(color, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=2)


@pytest.mark.parametrize("form", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8"])
def test_compressed_colour_is_taken_for_what_transports_write(form):
    message = compressed(encoded(".png", RGB[..., ::-1]), form)
    np.testing.assert_array_equal(read_color(message), RGB)
    assert image_kind(message) == "color"
    assert image_size(message) == (8, 6)


def test_compressed_colour_by_an_encoder_that_was_handed_rgb():
    message = compressed(encoded(".png", RGB), "rgb8; png compressed rgb8")
    np.testing.assert_array_equal(read_color(message), RGB)


def test_jpeg():
    smooth = cv2.resize(RGB[:2, :2], (64, 48), interpolation=cv2.INTER_LINEAR)
    message = compressed(encoded(".jpg", smooth[..., ::-1]), "rgb8; jpeg compressed bgr8")
    np.testing.assert_allclose(read_color(message), smooth, atol=12)


# Depth


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
def test_depth_in_millimetres(padding, big_endian):
    raw = MILLIMETRES.copy()
    raw[0, 0] = 0
    depth = read_depth(image(raw, "16UC1", padding, big_endian))
    assert depth.dtype == np.float32
    assert np.isnan(depth[0, 0])
    np.testing.assert_allclose(depth.ravel()[1:], raw.ravel()[1:] / 1000, rtol=1e-6)


@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_metres_and_all_that_is_no_reading(big_endian):
    raw = np.array([[0.5, 1.25, 3.0, np.nan], [0, -1, np.inf, -np.inf]], np.float32)
    depth = read_depth(image(raw, "32FC1", 4, big_endian))
    np.testing.assert_array_equal(depth[0, :3], raw[0, :3])
    assert np.isnan([*depth[0, 3:], *depth[1]]).all()


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_depth_without_any_reading_is_all_nan(value):
    assert np.isnan(read_depth(image(np.full((6, 8), value, np.float32), "32FC1"))).all()


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_compressed_depth_in_millimetres(form):
    message = compressed(struct.pack("<iff", 0, 0, 0) + encoded(".png", MILLIMETRES), form)
    np.testing.assert_array_equal(read_depth(message), (MILLIMETRES / 1000).astype(np.float32))
    assert image_kind(message) == "depth"
    assert image_size(message) == (8, 6)


def test_depth_as_a_plain_png():
    message = compressed(encoded(".png", MILLIMETRES), "16UC1; png compressed ")
    np.testing.assert_array_equal(read_depth(message), (MILLIMETRES / 1000).astype(np.float32))
    assert image_kind(message) == "depth"


def test_compressed_depth_in_metres_is_quantised_inverse_depth():
    # As compressed_depth_image_transport writes it: a = z0 (z0 + 1), b = 1 - a / z_max.
    quantisation, farthest = 100.0, 10.0
    a = quantisation * (quantisation + 1)
    b = 1 - a / farthest
    metres = np.linspace(0.4, 9.5, 48).astype(np.float32).reshape(6, 8)
    raw = (a / metres + b).astype(np.uint16)
    raw[2, 3] = 0
    data = struct.pack("<iff", 0, a, b) + encoded(".png", raw)
    depth = read_depth(compressed(data, "32FC1; compressedDepth png"))
    assert np.isnan(depth[2, 3])
    depth[2, 3] = metres[2, 3]
    # One step of the quantisation is z^2 / a metres.
    assert (np.abs(depth - metres) <= 1.05 * metres**2 / a).all()


@given(st.integers(0, 65535))
def test_every_millimetre_comes_back_through_the_depth_image(value):
    raw = np.full((1, 2), value, np.uint16)
    frame = RgbdFrame(
        np.zeros((1, 2, 3), np.uint8), read_depth(image(raw, "16UC1")), Camera(2, 1, 1, 1, 0, 0)
    )
    message = MessageFactory(message_type).depth(frame)
    np.testing.assert_array_equal(message.data.view(np.uint16), raw[0])


# Bad images


def test_an_unknown_encoding_is_named_with_those_accepted():
    with pytest.raises(
        MessageError, match=r"unknown colour encoding: 'bayer_rggb8'; accepted: rgb8"
    ):
        read_color(image(RGB[..., 0], "bayer_rggb8"))
    with pytest.raises(
        MessageError, match=r"unknown depth encoding: 'mono16'; accepted: 16UC1, 32"
    ):
        read_depth(image(MILLIMETRES, "mono16"))
    assert image_kind(image(MILLIMETRES, "mono16")) == ""
    with pytest.raises(MessageError, match="16UC1; compressedDepth rvl"):
        read_depth(compressed(b"x" * 40, "16UC1; compressedDepth rvl"))


def test_a_colour_picture_is_no_depth():
    with pytest.raises(MessageError, match=r"uint8 \(6, 8, 3\); accepted: one channel of 16 bits"):
        read_depth(compressed(encoded(".png", RGB), "16UC1; png compressed "))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"step": 23}, "wrong image step: 23 bytes, but 8 pixels rgb8 need at least 24"),
        ({"step": 32}, "wrong image data length: 144 bytes, but step 32 times height 6 is 192"),
        ({"height": 7}, "wrong image data length"),
        ({"data": np.zeros(0, np.uint8)}, "wrong image data length: 0 bytes"),
        ({"width": 0}, "empty image: 0x6"),
        ({"height": 0}, "empty image: 8x0"),
    ],
)
def test_sizes_that_disagree(changes, cause):
    message = image(RGB, "rgb8")
    vars(message).update(changes)
    with pytest.raises(MessageError, match=cause):
        read_color(message)


@pytest.mark.parametrize("data", [b"", b"junk", encoded(".png", RGB)[:40]])
def test_compressed_data_that_is_no_picture(data):
    message = compressed(data, "rgb8; jpeg compressed bgr8")
    for read in (read_color, image_size):
        with pytest.raises(MessageError, match="unreadable compressed image: format 'rgb8; jpeg"):
            read(message)


def test_errors_of_one_cause_share_it():
    causes = set()
    for length in (1, 2, 3):
        message = image(RGB, "rgb8")
        message.data = message.data[:length]
        with pytest.raises(MessageError) as caught:
            read_color(message)
        causes.add(caught.value.cause)
    assert causes == {"wrong image data length"}


# Camera and frame


def test_camera():
    assert read_camera(camera_info()) == Camera(8, 6, 50.0, 51.0, 3.5, 2.5)


@pytest.mark.parametrize(
    ("info", "found"),
    [
        (camera_info(fx=0.0), "fx=0.0 fy=51.0; is the camera calibrated"),
        (camera_info(fx=float("nan")), "finite"),
        (camera_info(width=0), "width=0"),
    ],
)
def test_a_camera_that_is_not_calibrated(info, found):
    with pytest.raises(MessageError, match=f"unusable camera_info: .*{found}"):
        read_camera(info)


def test_frame_takes_stamp_and_frame_id_from_colour():
    depth = image(MILLIMETRES, "16UC1")
    depth.header = header("depth")
    frame = read_frame(image(RGB, "rgb8"), depth, camera_info())
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_007, "optical")
    assert frame.camera == read_camera(camera_info())


@pytest.mark.parametrize(
    ("color", "depth", "info"),
    [
        (RGB[:5], MILLIMETRES, camera_info()),
        (RGB, MILLIMETRES[:, :7], camera_info()),
        (RGB, MILLIMETRES, camera_info(16, 12)),
    ],
)
def test_different_sizes_are_all_named(color, depth, info):
    with pytest.raises(MessageError, match=r"sizes differ: colour \d+x\d, depth .*, camera_info"):
        read_frame(image(color, "rgb8"), image(depth, "16UC1"), info)


def test_doubts():
    color, depth = image(RGB, "rgb8"), image(MILLIMETRES, "16UC1")
    assert list(doubts(color, depth, camera_info(d=[0, 0, 0]))) == []
    ((cause, sentence),) = doubts(color, depth, camera_info(d=[0.1, -0.2]))
    assert cause == "distortion"
    assert "(0.1, -0.2), which are not applied" in sentence
    depth.header = header("depth")
    assert [cause for cause, _ in doubts(color, depth, camera_info())] == ["frame ids differ"]


# Scenes to messages


def test_a_frame_comes_back_from_its_messages(factory, frame):
    back = read_frame(factory.color(frame), factory.depth(frame), factory.camera_info(frame))
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


def test_every_message_carries_the_stamp_and_the_frame_id(factory, frame, scene):
    messages = factory.scene(frame, scene, frame.color)
    assert set(messages) == set(SCENE_TOPICS)
    for name, message in messages.items():
        assert message.__msgtype__ == SCENE_TOPICS[name]
    carriers = [
        messages[name] for name in ("segmentation/labels", "segmentation/objects", "overlay")
    ]
    carriers += messages["markers"].markers
    carriers += messages["segmentation/objects"].detections
    carriers += [factory.boxes(frame, scene), *factory.boxes(frame, scene).detections]
    for name in ("detection/boxes", "detection/tracks", "grasp/rectangles", "grasp/detections"):
        carriers += [messages[name], *messages[name].detections]
    carriers += [messages["grasp/poses"]]
    carriers += [factory.camera_info(frame), factory.label_info(frame, ["a"])]
    for message in carriers:
        assert (stamp_ns(message), message.header.frame_id) == (frame.stamp_ns, "optical")


def test_labels_are_mono16(factory, frame, scene):
    message = factory.labels(frame, scene)
    assert (message.encoding, message.step) == ("mono16", 128)
    np.testing.assert_array_equal(message.data.view(np.uint16).reshape(48, 64), scene.labels)


def test_objects_are_oriented_boxes_with_their_label_numbers(factory, frame, scene):
    message = factory.objects(frame, scene)
    assert [detection.id for detection in message.detections] == ["2", "3"]
    for detection, item in zip(message.detections, scene.objects, strict=True):
        center, size = detection.bbox.center, detection.bbox.size
        q = center.orientation
        rotation = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
        np.testing.assert_allclose(rotation, item.box3d.rotation, atol=1e-9)
        position = center.position
        assert [position.x, position.y, position.z] == pytest.approx(item.box3d.center)
        assert [size.x, size.y, size.z] == pytest.approx(item.box3d.size)
    nameless, named = message.detections
    assert nameless.results == []
    assert named.results[0].hypothesis.class_id == "can"
    assert named.results[0].hypothesis.score == 0.75


def test_boxes_in_the_picture(factory, frame, scene):
    first, second = factory.boxes(frame, scene).detections
    assert (first.id, second.id) == ("2", "3")
    box = second.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (40, 32, 0)
    assert (box.size_x, box.size_y) == (20, 16)


def test_detections_carry_their_object_where_they_are_one(factory, frame, scene):
    mug, can = factory.detections(frame, scene).detections
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


def test_tracked_detections_have_the_tracks_number(factory, frame, scene):
    mug, can = factory.tracks(frame, scene).detections
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
    detections = factory.grasp_rectangles(frame, scene).detections
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
    (detection,) = factory.grasp_rectangles(frame, replace(scene, grasps=(grasp,))).detections
    theta = detection.bbox.center.theta
    assert theta == pytest.approx(np.pi / 4)
    np.testing.assert_allclose([np.cos(theta), np.sin(theta)], along / np.linalg.norm(along))


def test_grasp_poses_in_the_order_of_the_rectangles(factory, frame, scene):
    poses = factory.grasp_poses(frame, scene).poses
    detections = factory.grasp_detections(frame, scene).detections
    for pose, detection, grasp in zip(poses, detections, scene.grasps, strict=True):
        for each in (pose, detection.bbox.center, detection.results[0].pose.pose):
            position, rotation, length = pose_arrays(each)
            np.testing.assert_allclose(position, grasp.position)
            np.testing.assert_allclose(rotation, grasp.rotation, atol=1e-9)
            assert length == pytest.approx(1)
        size = detection.bbox.size
        assert (size.x, size.y, size.z) == pytest.approx((0.06, 0.03, 0))
        assert detection.id == str(grasp.label)
        assert detection.results[0].hypothesis.score == grasp.score


def test_markers_show_grippers_the_best_of_each_object_opaque(factory, frame, scene):
    markers = [m for m in factory.markers(frame, scene).markers if m.ns == "grasps"]
    assert [(marker.id, marker.color.a) for marker in markers] == [
        (0, 1),
        (1, 1),
        (2, pytest.approx(0.4)),
    ]
    for marker, grasp in zip(markers, scene.grasps, strict=True):
        assert marker.type == marker.LINE_LIST
        ends = np.array([[p.x, p.y, p.z] for p in marker.points])
        np.testing.assert_allclose(ends.reshape(-1, 2, 3), grasp.wireframe())


def test_plane_coefficients_give_the_height_above_it(factory, scene):
    a, b, c, d = factory.plane(scene.plane).coef
    point = np.array([0.1, 0.2, 0.7])
    assert a * 0.1 + b * 0.2 + c * 0.7 + d == pytest.approx(scene.plane.height(point))


def test_label_info(factory, frame):
    message = factory.label_info(frame, ["cup", "plate"], 0.5)
    assert [(c.class_id, c.class_name) for c in message.class_map] == [(0, "cup"), (1, "plate")]
    assert message.threshold == 0.5


def test_markers(factory, frame, scene):
    clear, plane, *items = factory.markers(frame, replace(scene, grasps=())).markers
    assert clear.action == clear.DELETEALL
    assert plane.type == plane.TRIANGLE_LIST
    assert 0 < plane.color.a < 1
    corners = np.array([[p.x, p.y, p.z] for p in plane.points])
    assert len(corners) >= 6
    np.testing.assert_allclose(scene.plane.height(corners), 0, atol=1e-9)
    u, v = frame.camera.project(corners).T
    assert (u.min(), u.max(), v.min(), v.max()) == pytest.approx((0, 56, 16, 40))
    for box, text, item in zip(items[::2], items[1::2], scene.objects, strict=True):
        assert (box.type, box.id, len(box.points)) == (box.LINE_LIST, item.label, 24)
        ends = np.array([[p.x, p.y, p.z] for p in box.points])
        expected = {tuple(corner.round(9)) for corner in item.box3d.corners()}
        assert {tuple(end.round(9)) for end in ends} == expected
        lengths = np.linalg.norm(ends[::2] - ends[1::2], axis=1)
        assert sorted(lengths) == pytest.approx(sorted([*item.box3d.size] * 4))
        assert text.type == text.TEXT_VIEW_FACING
        place = np.array([text.pose.position.x, text.pose.position.y, text.pose.position.z])
        assert scene.plane.height(place) > scene.plane.height(ends).max()
    assert [text.text for text in items[1::2]] == ["2", "3 can 0.75"]


def test_a_scene_without_a_plane_or_with_one_seen_edge_on(factory, frame, scene):
    empty = Scene(np.zeros_like(scene.labels), None)
    messages = factory.scene(frame, empty, frame.color)
    assert "segmentation/plane" not in messages
    assert messages["segmentation/objects"].detections == []
    assert "detection/tracks" not in messages
    for name in ("detection/boxes", "grasp/rectangles"):
        assert messages[name].detections == []
    assert messages["grasp/poses"].poses == []
    assert messages["grasp/detections"].detections == []
    assert len(messages["markers"].markers) == 1
    hidden = Scene(np.zeros_like(scene.labels), scene.plane)
    assert factory.markers(frame, hidden).markers[1].points == []


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


def test_classes_of_ros_get_arrays_that_they_take_without_checking(frame):
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
    back = read_frame(color, factory.depth(frame), info)
    np.testing.assert_array_equal(back.depth, frame.depth)


def test_the_encodings_accepted_are_those_of_the_design():
    assert COLOR_ENCODINGS == ("rgb8", "bgr8", "rgba8", "bgra8", "mono8", "yuv422_yuy2")
