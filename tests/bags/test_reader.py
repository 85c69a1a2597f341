"""Bags of every kind, complete and damaged."""

from __future__ import annotations

import logging
import shutil
from typing import Any

import numpy as np
import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from cvdl.bags import BagError, BagReader, message_type
from cvdl.bags.typestore import new_typestore, typestore
from cvdl.messages.camera_info import read_camera
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError, read_color, read_depth
from helpers.bags import write_rosbag2

IMAGE = "sensor_msgs/msg/Image"
FACTORY = MessageFactory(message_type)
COUNT = 30


def serialised(frames):
    """(stamp, bytes) of color images of 110 kB: a few megabytes, and as many chunks."""
    for frame in frames:
        color = np.tile(frame.color, (4, 3, 1))
        message = FACTORY.image(frame, color, "rgb8")
        yield frame.stamp_ns, bytes(typestore().serialize_cdr(message, IMAGE))


def write(path, messages, storage=StoragePlugin.MCAP, compression=CompressionMode.NONE):
    return write_rosbag2(path, "/color", IMAGE, messages, storage, compression)


def contents(path):
    with BagReader(path) as bag:
        return bag.kind, [(topic.name, stamp, bytes(data)) for topic, stamp, data in bag.messages()]


@pytest.fixture
def messages(frames):
    return list(serialised(frames(COUNT)))


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
def test_rosbag2_of_every_storage_and_compression(tmp_path, messages, storage, compression):
    path = write(tmp_path / "bag", messages, storage, compression)
    kind, found = contents(path)
    assert kind == f"rosbag2 ({'MCAP' if storage == StoragePlugin.MCAP else 'SQLite'})"
    assert found == [("/color", stamp, data) for stamp, data in messages]
    with BagReader(path) as bag:
        (topic,) = bag.topics
        assert (topic.type, topic.count) == (IMAGE, COUNT)
        assert bag.start_ns == messages[0][0]
        assert bag.duration_ns == messages[-1][0] - messages[0][0]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_single_file(tmp_path, messages, storage):
    (file,) = set(write(tmp_path / "bag", messages, storage).glob("bag.*"))
    _, found = contents(shutil.move(file, tmp_path / file.name))
    assert len(found) == COUNT


@pytest.mark.parametrize("compression", list(CompressionType))
def test_mcap_of_another_writer(tmp_path, messages, compression):
    path = tmp_path / "other.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file, compression=compression)
        writer.start(profile="ros2", library="test")
        definition, _ = typestore().generate_msgdef(IMAGE, ros_version=2)
        schema = writer.register_schema(IMAGE, "ros2msg", definition.encode())
        channel = writer.register_channel("/color", "cdr", schema)
        for stamp, data in messages:
            writer.add_message(channel, stamp, data, stamp)
        writer.finish()
    assert contents(path)[1] == [("/color", stamp, data) for stamp, data in messages]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("described", [True, False])
def test_messages_of_other_encodings_in_an_mcap_are_skipped(
    tmp_path, messages, caplog, encoding, described
):
    path = tmp_path / "mixed.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file)
        writer.start(profile="ros2", library="test")
        other = writer.register_schema("Log", f"{encoding}schema", b"\xff\xfe") if described else 0
        log = writer.register_channel("/log", encoding, other)
        definition, _ = typestore().generate_msgdef(IMAGE, ros_version=2)
        schema = writer.register_schema(IMAGE, "ros2msg", definition.encode())
        channel = writer.register_channel("/color", "cdr", schema)
        for stamp, data in messages:
            writer.add_message(channel, stamp, data, stamp)
            writer.add_message(log, stamp, b"{}", stamp)
        writer.finish()
    assert contents(path)[1] == [("/color", stamp, data) for stamp, data in messages]
    assert len(caplog.records) == 1


def test_messages_of_some_topics(bag):
    with BagReader(bag) as reader:
        names = {topic.name for topic, _, _ in reader.messages(["/camera/color/camera_info"])}
        assert names == {"/camera/color/camera_info"}
        assert list(reader.messages([])) == []


def test_a_topic_of_unknown_type_does_not_affect_others(tmp_path, messages):
    """A SQLite bag of Humble has no definitions."""
    path = tmp_path / "bag"
    with Writer2(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        color = writer.add_connection("/color", IMAGE, typestore=typestore())
        odd = writer.add_connection("/odd", "my_msgs/msg/Odd", msgdef="not a type!", rihs01="x")
        writer.write(odd, 1, b"1234")
        for stamp, data in messages:
            writer.write(color, stamp, data)
    with BagReader(path) as bag:
        assert {topic.name: topic.type for topic in bag.topics}["/odd"] == "my_msgs/msg/Odd"
        assert next(bytes(data) for topic, _, data in bag.messages(["/odd"])) == b"1234"


def test_data_that_does_not_match_its_type_is_an_error(bag):
    with BagReader(bag) as reader:
        topic = next(topic for topic in reader.topics if topic.type == IMAGE)
        for data in (b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40):
            with pytest.raises(MessageError, match=f"undecodable message: {IMAGE}"):
                reader.decode(topic, data)


# ROS 1


def write_ros1(path, frames, compression=None):
    """Color, depth, camera_info, and a latched topic of an unknown type."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(
        get_types_from_msg("Header header\nsensor_msgs/Image[] pictures", "my_msgs/msg/Album")
    )
    types = store.types
    header_type, time_type = types["std_msgs/msg/Header"], types["builtin_interfaces/msg/Time"]

    def header(frame):
        seconds, nanoseconds = divmod(frame.stamp_ns, 10**9)
        stamp = time_type(sec=seconds, nanosec=nanoseconds)
        return header_type(seq=77, stamp=stamp, frame_id=frame.frame_id)

    def image(frame, pixels, encoding):
        return types[IMAGE](
            header(frame),
            *pixels.shape[:2],
            encoding,
            0,
            pixels.strides[0],
            pixels.view("u1").ravel(),
        )

    info_type = types["sensor_msgs/msg/CameraInfo"]
    roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    writer = Writer1(path)
    if compression is not None:
        writer.set_compression(compression)
    with writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store, latching=latching)
            for topic, kind, latching in [
                ("/rgb/image", IMAGE, 0),
                ("/depth/image", IMAGE, 0),
                ("/rgb/camera_info", info_type.__msgtype__, 0),
                ("/albums", "my_msgs/msg/Album", 1),
            ]
        }

        def write(topic, frame, message):
            data = store.serialize_ros1(message, message.__msgtype__)
            writer.write(connections[topic], frame.stamp_ns, data)

        for frame in frames:
            camera = frame.camera
            k = camera.matrix.ravel()
            info = info_type(
                header(frame), camera.height, camera.width, "plumb_bob", np.zeros(5), k,
                np.eye(3).ravel(), np.zeros(12), 0, 0, roi,
            )  # fmt: skip
            millimeters = np.nan_to_num(frame.depth * 1000).round().astype(np.uint16)
            color = image(frame, frame.color, "rgb8")
            write("/rgb/camera_info", frame, info)
            write("/rgb/image", frame, color)
            write("/depth/image", frame, image(frame, millimeters, "16UC1"))
            write("/albums", frame, types["my_msgs/msg/Album"](header(frame), [color, color]))
    return path


@pytest.fixture
def ros1_bag(tmp_path, frames):
    return write_ros1(tmp_path / "old.bag", frames(3))


@pytest.mark.parametrize("compression", [None, *Writer1.CompressionFormat])
def test_ros1_bags_are_converted_to_ros2_messages(tmp_path, frame, frames, compression):
    path = write_ros1(tmp_path / "old.bag", frames(3), compression)
    with BagReader(path) as bag:
        assert bag.kind == "ROS 1 bag"
        assert [topic.count for topic in bag.topics] == [3] * 4
        by_topic = {topic.name: (topic, data) for topic, _, data in bag.messages()}
        messages = {
            name: bag.decode(topic, data)
            for name, (topic, data) in by_topic.items()
            if topic.type.startswith("sensor_msgs")
        }
        albums, album = by_topic["/albums"]
    np.testing.assert_array_equal(read_color(messages["/rgb/image"]), frame.color)
    np.testing.assert_array_equal(read_depth(messages["/depth/image"]), frame.depth)
    assert read_camera(messages["/rgb/camera_info"]) == frame.camera
    assert messages["/rgb/image"].header.frame_id == "optical"
    # ROS 2 tools get the definition of the unknown type.
    assert albums.qos[0].durability.name == "TRANSIENT_LOCAL"
    store = new_typestore()
    store.register(get_types_from_msg(albums.definition, albums.type))
    message: Any = store.deserialize_cdr(album, albums.type)
    np.testing.assert_array_equal(read_color(message.pictures[1]), frame.color)


def test_ros1_types_with_other_fields_in_ros2_are_migrated(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = "std_msgs/msg/Header"
    array_type = store.types["visualization_msgs/msg/MarkerArray"]
    path = tmp_path / "markers.bag"
    with Writer1(path) as writer:
        connection = writer.add_connection("/markers", array_type.__msgtype__, typestore=store)
        writer.write(connection, 5, store.serialize_ros1(array_type([]), array_type.__msgtype__))
        old = get_types_from_msg(f"{kind.replace('/msg', '')}[] transforms", "tf/msg/tfMessage")
        store.register(old)
        tf = store.types["tf/msg/tfMessage"]
        connection = writer.add_connection("/tf", tf.__msgtype__, typestore=store)
        writer.write(connection, 6, store.serialize_ros1(tf([]), tf.__msgtype__))
    with BagReader(path) as bag:
        found = {topic.name: bag.decode(topic, data) for topic, _, data in bag.messages()}
    assert found["/markers"].markers == []
    assert type(found["/tf"]) is message_type("tf2_msgs/msg/TFMessage")


def test_a_faulty_ros1_message_is_skipped(tmp_path, caplog):
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = "std_msgs/msg/String"
    good = store.serialize_ros1(store.types[kind]("good"), kind)
    with Writer1(tmp_path / "old.bag") as writer:
        connection = writer.add_connection("/words", kind, typestore=store)
        for stamp, data in enumerate([good, b"\xff", b"\xff", good], start=1):
            writer.write(connection, stamp, data)
    with BagReader(tmp_path / "old.bag") as bag:
        found = [(stamp, bag.decode(topic, data).data) for topic, stamp, data in bag.messages()]
    assert found == [(1, "good"), (4, "good")]
    (record,) = caplog.records
    assert record.getMessage().startswith("/words: messages that cannot be converted are skipped")


# Damage


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("with_metadata", [True, False])
@pytest.mark.parametrize("share", [0.35, 0.7, 0.999])
def test_a_truncated_file_is_read_up_to_its_end(
    tmp_path, messages, storage, with_metadata, share, caplog
):
    """A full disk, a lost connection or a killed recorder leaves such a file."""
    path = write(tmp_path / "bag", messages, storage)
    (file,) = path.glob("bag.*")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    if not with_metadata:
        (path / "metadata.yaml").unlink()
    kind, found = contents(path)
    assert kind.startswith("rosbag2")
    assert found == [("/color", stamp, data) for stamp, data in messages][: len(found)]
    assert share * COUNT - 10 <= len(found) <= share * COUNT + 1  # a chunk has ten messages
    assert found
    *_, warning = (record.getMessage() for record in caplog.records)
    assert (
        f"{len(found)} ROS 2 messages are found" in warning
        or f"cannot be read beyond message {len(found)}" in warning
    )


def test_a_folder_without_metadata_is_read_file_by_file(tmp_path, messages):
    folder = tmp_path / "bag"
    folder.mkdir()
    for number in (2, 10):
        part = messages[:20] if number == 2 else messages[20:]
        whole = write(tmp_path / f"part_{number}", part)
        shutil.copy(whole / f"part_{number}.mcap", folder / f"bag_{number}.mcap")
    with BagReader(folder) as bag:
        assert [topic.count for topic in bag.topics] == [COUNT]
        assert [stamp for _, stamp, _ in bag.messages()] == [stamp for stamp, _ in messages]
        assert bag.duration_ns == messages[-1][0] - messages[0][0]


def test_an_indexed_file_is_read_up_to_the_damage(tmp_path, messages, caplog):
    path = write(tmp_path / "bag", messages, compression=CompressionMode.STORAGE)
    file = path / "bag.mcap"
    data = bytearray(file.read_bytes())
    half, quarter = len(data) // 2, len(data) // 4
    data[half : half + quarter] = b"\xff" * quarter
    file.write_bytes(data)
    _, found = contents(path)
    assert len(found) < COUNT
    assert "cannot be read beyond message" in caplog.text


def test_the_error_for_a_truncated_ros1_bag_names_its_tool(ros1_bag):
    data = ros1_bag.read_bytes()
    ros1_bag.write_bytes(data[: len(data) // 2])
    with pytest.raises(BagError, match=r"old.bag cannot be read: .*rosbag reindex"):
        BagReader(ros1_bag)
    active = ros1_bag.rename(ros1_bag.with_name("old.bag.active"))  # of a killed recorder
    with pytest.raises(BagError, match=r"old.bag.active cannot be read: .*rosbag reindex"):
        BagReader(active)


@pytest.mark.parametrize("name", ["bag.mcap", "bag.db3", "bag.bag"])
@pytest.mark.parametrize("content", [b"", b"nothing like a bag", b"\x89MCAP0\r\n"])
def test_files_without_messages_are_errors(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=name):
        BagReader(tmp_path / name)


def test_paths_that_are_not_bags_are_errors(tmp_path):
    with pytest.raises(BagError, match=r"there is no bag .*absent"):
        BagReader(tmp_path / "absent")
    (tmp_path / "film.mp4").write_bytes(b"")
    accepted = "accepted: a rosbag2 folder, a .mcap or .db3 file, or a ROS 1 .bag file"
    with pytest.raises(BagError, match=rf"film.mp4 is not a bag: .*'.mp4'; {accepted}"):
        BagReader(tmp_path / "film.mp4")
    with pytest.raises(BagError, match=rf"{tmp_path} holds no bag: .*cvdl bag from-images"):
        BagReader(tmp_path)


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_an_unknown_compression_is_an_error(tmp_path, messages, mode):
    path = write(tmp_path / "bag", messages, compression=mode)
    metadata = path / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("format: zstd", "format: lz4"))
    with pytest.raises(BagError, match="'lz4' is not supported"):
        BagReader(path)


@pytest.fixture(autouse=True)
def _all_warnings(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")
