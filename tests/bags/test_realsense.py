"""Recordings of the RealSense SDK, as standard messages."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from scipy.spatial.transform import Rotation

from cvdl.bags import BagReader, find_topics
from cvdl.core.camera import Camera
from cvdl.depth.registration import register
from cvdl.messages.camera_info import read_camera
from cvdl.messages.images import read_color, read_depth
from cvdl.messages.reading import stamp_ns
from cvdl.messages.transform_tree import TransformTree
from cvdl.replay import replay

from .realsense_recording import COUNT, PERIOD_NS, Recording

DEPTH = "/device_0/sensor_0/Depth_0/image/data"
INFRARED = "/device_0/sensor_0/Infrared_1/image/data"
COLOR = "/device_0/sensor_1/Color_0/image/data"
COLOR_INFO = "/device_0/sensor_1/Color_0/info/camera_info"
DEPTH_INFO = "/device_0/sensor_0/Depth_0/info/camera_info"


@pytest.fixture(autouse=True)
def _all_warnings(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


@pytest.fixture
def recording():
    """Color of 64 x 48 and depth of 40 x 30 pixels, of two cameras 15 mm apart."""
    rng = np.random.default_rng(0)
    depth_to_color = np.eye(4)
    depth_to_color[:3, :3] = Rotation.from_rotvec([0.01, -0.02, 0.03]).as_matrix()
    depth_to_color[:3, 3] = 0.015, 0.001, -0.002
    depth = rng.integers(500, 2000, (30, 40), dtype=np.uint16)
    depth[:3] = 0
    return Recording(
        color=rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),
        depth=depth,
        color_matrix=np.array([[60.0, 0, 31.5], [0, 61, 23.5], [0, 0, 1]]),
        depth_matrix=np.array([[50.0, 0, 19.5], [0, 51, 14.5], [0, 0, 1]]),
        depth_to_color=depth_to_color,
    )


def read(path):
    """Messages by topic."""
    found = {}
    with BagReader(path) as bag:
        for topic, _, data in bag.messages():
            if topic.type.split("/")[0] in ("sensor_msgs", "tf2_msgs"):
                found.setdefault(topic.name, []).append(bag.decode(topic, data))
    return found


@pytest.mark.parametrize("compression", [None, Writer1.CompressionFormat.LZ4])
@pytest.mark.parametrize("version", ["1", "0", ""])
def test_images_and_camera_infos_are_converted(tmp_path, recording, caplog, version, compression):
    recording.version, recording.compression = version, compression
    path = recording.write(tmp_path / "viewer.bag")
    found = read(path)
    assert [len(found[topic]) for topic in (COLOR, DEPTH, COLOR_INFO)] == [COUNT, COUNT, 1]
    color, depth = found[COLOR][2], found[DEPTH][2]
    np.testing.assert_array_equal(read_color(color), recording.color)
    assert depth.encoding == "16UC1"
    meters = read_depth(depth)
    np.testing.assert_allclose(np.nan_to_num(meters) * 1000, recording.depth, rtol=1e-6)
    assert np.isnan(meters[:3]).all()
    assert stamp_ns(color) - stamp_ns(depth) == recording.phase_ns
    assert stamp_ns(found[COLOR][3]) - stamp_ns(color) == PERIOD_NS
    assert stamp_ns(depth) > recording.start_ns
    for message, info, matrix in (
        (color, found[COLOR_INFO][0], recording.color_matrix),
        (depth, found[DEPTH_INFO][0], recording.depth_matrix),
    ):
        assert message.header.frame_id == info.header.frame_id
        np.testing.assert_array_equal(read_camera(info).matrix, matrix)
        np.testing.assert_array_equal(read_camera(info, is_rectified=True).matrix, matrix)
        assert info.distortion_model == "plumb_bob"
    assert color.header.frame_id == "device_0/sensor_1/Color_0"
    assert depth.header.frame_id == "device_0/sensor_0/Depth_0"
    assert not caplog.records


def test_extrinsics_map_depth_to_color(tmp_path, recording):
    found = read(recording.write(tmp_path / "viewer.bag"))
    tree = TransformTree()
    for message in found["/tf_static"]:
        tree.add(message)
    frames = [found[topic][0].header.frame_id for topic in (COLOR, DEPTH)]
    np.testing.assert_allclose(tree.lookup(*frames), recording.depth_to_color, atol=1e-9)
    with BagReader(tmp_path / "viewer.bag") as bag:
        (topic,) = (topic for topic in bag.topics if topic.name == "/tf_static")
        assert (topic.count, topic.qos[0].durability.name) == (3, "TRANSIENT_LOCAL")
        assert not [topic for topic in bag.topics if "/tf/" in topic.name or " " in topic.name]


def test_the_topics_of_a_recording_are_found(tmp_path, recording):
    with BagReader(recording.write(tmp_path / "viewer.bag")) as bag:
        topics = find_topics(bag)
        assert bag.kind == "ROS 1 bag (RealSense SDK)"
    assert (topics.color, topics.depth, topics.camera_info) == (COLOR, DEPTH, COLOR_INFO)
    assert topics.depth_info == DEPTH_INFO


def test_a_replay_registers_depth_to_color(tmp_path, recording, scene):
    frames = []

    def perceive(frame):
        frames.append(frame)
        return scene

    summary = replay(recording.write(tmp_path / "viewer.bag"), tmp_path / "out", perceive)
    assert summary.frames == COUNT
    assert f"depth of {DEPTH} is registered to color here" in summary.registration
    cameras = (
        Camera(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
        for width, height, matrix in (
            (40, 30, recording.depth_matrix),
            (64, 48, recording.color_matrix),
        )
    )
    meters = (recording.depth / 1000).astype(np.float32)
    meters[recording.depth == 0] = np.nan
    expected = register(meters, *cameras, recording.depth_to_color)
    for frame in frames:
        np.testing.assert_allclose(frame.depth, expected, atol=1e-5)


@pytest.mark.parametrize(("version", "has_option"), [("1", False), ("", True), ("1", True)])
@pytest.mark.parametrize("unit", [0.0001, 0.00025])
def test_depth_in_another_unit_is_converted_to_meters(
    tmp_path, recording, unit, version, has_option
):
    recording.unit, recording.version, recording.has_option = unit, version, has_option
    depth = read(recording.write(tmp_path / "viewer.bag"))[DEPTH][0]
    assert depth.encoding == "32FC1"
    expected = np.where(recording.depth == 0, np.nan, recording.depth * unit)
    np.testing.assert_allclose(read_depth(depth), expected, rtol=1e-6)


def test_the_default_depth_unit_is_a_millimeter(tmp_path, recording):
    recording.version, recording.has_option = "", False
    depth = read(recording.write(tmp_path / "viewer.bag"))[DEPTH][0]
    np.testing.assert_allclose(np.nan_to_num(read_depth(depth)) * 1000, recording.depth, rtol=1e-6)


def test_formats_of_the_sdk_get_ros_encodings(tmp_path, recording):
    color = recording.color
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    yuyv = np.stack([gray, np.full_like(gray, 128)], axis=-1)
    for pixels, name, expected in (
        (color[..., ::-1], "bgr8", color),
        (yuyv, "YUYV", None),
        (gray, "8UC1", np.repeat(gray[..., None], 3, axis=-1)),
    ):
        recording.color, recording.color_format = pixels, name
        message = read(recording.write(tmp_path / f"{name}.bag"))[COLOR][0]
        picture = read_color(message)
        assert picture.shape == color.shape
        if expected is not None:
            np.testing.assert_array_equal(picture, expected)


def test_infrared_is_color_only_without_color(tmp_path, recording):
    with BagReader(recording.write(tmp_path / "all.bag")) as bag:
        assert find_topics(bag).color == COLOR
    recording.has_color = False
    path = recording.write(tmp_path / "gray.bag")
    assert read_color(read(path)[INFRARED][0]).shape == (30, 40, 3)
    with BagReader(path) as bag:
        assert find_topics(bag).color == INFRARED


def test_stamps_of_two_clocks_are_replaced_by_the_time_of_recording(tmp_path, recording, caplog):
    recording.color_ahead_ns = 10**12
    found = read(recording.write(tmp_path / "viewer.bag"))
    for color, depth in zip(found[COLOR], found[DEPTH], strict=True):
        assert stamp_ns(color) - stamp_ns(depth) == recording.phase_ns
    (record,) = caplog.records
    assert "clocks of its streams differ by 1e+03 s" in record.getMessage()


def test_standard_types_need_no_definition(tmp_path, recording, caplog):
    recording.has_definitions = False
    found = read(recording.write(tmp_path / "viewer.bag"))
    np.testing.assert_array_equal(read_color(found[COLOR][0]), recording.color)
    assert len(found["/tf_static"]) == 3
    (record,) = caplog.records
    assert "realsense_msgs/msg/StreamInfo (the bag does not define" in record.getMessage()


def test_a_damaged_first_image_is_skipped(tmp_path, recording, caplog):
    path = recording.write(tmp_path / "viewer.bag")
    data = path.read_bytes()
    place = data.index(b"mono16", data.index(recording.depth.tobytes()) - 40)
    path.write_bytes(data[: place - 4] + b"\xff" * 4 + data[place:])
    found = read(path)
    assert (len(found[DEPTH]), len(found[COLOR])) == (COUNT - 1, COUNT)
    assert f"{DEPTH}: messages that cannot be converted are skipped" in caplog.text
