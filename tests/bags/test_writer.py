"""Written bags, read with independent readers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from cvdl.bags import BagError, BagReader, BagWriter, Topic, message_type, prepare_output
from cvdl.messages.factory import MessageFactory
from cvdl.messages.topics import Results, scene_messages

FACTORY = MessageFactory(message_type)


def plain(message):
    """A message of either library as nested dictionaries, lists and numbers."""
    if hasattr(message, "__slots__") or hasattr(message, "__dataclass_fields__"):
        names = getattr(message, "__dataclass_fields__", None) or message.__slots__
        return {n: plain(getattr(message, n)) for n in names if n[0] != "_" and n.islower()}
    if isinstance(message, bytes | bytearray | memoryview):
        return list(message)
    if isinstance(message, np.ndarray):
        return [plain(item) for item in message.tolist()]
    if isinstance(message, float):
        return np.float32(message)  # the precision of some fields
    if isinstance(message, list | tuple):
        return [plain(item) for item in message]
    return message


def test_another_reader_reads_every_message_type(tmp_path, frame, scene):
    messages = {
        "/camera/color/image_raw": FACTORY.color(frame),
        "/camera/depth/image_raw": FACTORY.depth(frame),
        "/camera/color/camera_info": FACTORY.camera_info(frame),
        "/detection/label_info": FACTORY.label_info(frame.stamp_ns, "optical", ["cup", "plate"]),
        "/tf_static": FACTORY.tf(frame.stamp_ns, "map", "camera", np.eye(4)),
        "/diagnostics": FACTORY.diagnostics(frame.stamp_ns, "cvdl", "fine", {"rate": "30"}),
        **scene_messages(FACTORY, Results(frame, scene)),
    }
    with BagWriter(tmp_path / "bag") as bag:
        for topic, message in messages.items():
            bag.write(topic, frame.stamp_ns, message)
    with (tmp_path / "bag" / "bag.mcap").open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        back = {channel.topic: rest for _, channel, *rest in reader.iter_decoded_messages()}
        types = {
            c.topic: reader.get_summary().schemas[c.schema_id].name
            for c in reader.get_summary().channels.values()
        }
    assert types == {topic: message.__msgtype__ for topic, message in messages.items()}
    for topic, message in messages.items():
        record, decoded = back[topic]
        assert record.log_time == frame.stamp_ns
        assert plain(decoded) == plain(message), topic


def test_metadata_has_counts_times_and_qos(tmp_path, frame):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/tf_static", 5, FACTORY.tf(5, "a", "b", np.eye(4)), latched=True)
        bag.write("/color", 7, FACTORY.color(frame))
        bag.write("/color", 9, FACTORY.color(frame))
    content = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())
    info = content["rosbag2_bagfile_information"]
    assert info["version"] == 8  # Humble reads it
    assert (info["storage_identifier"], info["message_count"]) == ("mcap", 3)
    assert info["starting_time"]["nanoseconds_since_epoch"] == 5
    assert info["duration"]["nanoseconds"] == 4
    topics = {t["topic_metadata"]["name"]: t for t in info["topics_with_message_count"]}
    (offered,) = yaml.safe_load(topics["/tf_static"]["topic_metadata"]["offered_qos_profiles"])
    assert (offered["durability"], offered["reliability"]) == (1, 1)  # transient local, reliable
    assert topics["/color"]["topic_metadata"]["offered_qos_profiles"] == ""
    with (tmp_path / "bag" / "bag.mcap").open("rb") as file:
        channels = make_reader(file).get_summary().channels.values()
    profiles = {c.topic: c.metadata["offered_qos_profiles"] for c in channels}
    assert yaml.safe_load(profiles["/tf_static"]) == [offered]


def test_serialized_messages_are_copied_unchanged_with_their_definition(tmp_path):
    topic = Topic("/odd", "my_msgs/msg/Odd", "uint8[3] data\n", "")
    with BagWriter(tmp_path / "bag") as bag:
        bag.copy(topic, 1, b"\0\1\0\0abc")
        bag.copy(topic, 2, memoryview(b"\0\1\0\0xyz"))
    with (tmp_path / "bag" / "bag.mcap").open("rb") as file:
        found = [(s.data, m.log_time, m.data) for s, _, m in make_reader(file).iter_messages()]
    definition = b"uint8[3] data\n"
    assert found == [(definition, 1, b"\0\1\0\0abc"), (definition, 2, b"\0\1\0\0xyz")]
    with AnyReader([tmp_path / "bag"]) as reader:  # compares hashes, if any
        ((connection, _, data), _) = reader.messages()
        message: Any = reader.deserialize(data, connection.msgtype)
        assert message.data.tolist() == list(b"abc")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_a_complete_bag(tmp_path, frame, error):
    def write() -> None:
        with BagWriter(tmp_path / "bag") as bag:
            bag.write("/color", 1, FACTORY.color(frame))
            raise error

    with pytest.raises(error):
        write()
    with BagReader(tmp_path / "bag") as bag:
        assert [topic.count for topic in bag.topics] == [1]


def test_the_queue_for_a_slow_disk_is_bounded(tmp_path, frame, monkeypatch):
    started = []

    def slow(path):  # runs before each message is written
        started.append(path)
        sleep(0.001)
        return SimpleNamespace(free=2**40)

    monkeypatch.setattr(shutil, "disk_usage", slow)
    waiting = []
    with BagWriter(tmp_path / "bag") as bag:
        for stamp in range(150):
            bag.write("/color", stamp, FACTORY.color(frame))
            waiting.append(stamp + 1 - len(started))
    assert len(started) == 150
    assert 16 < max(waiting) <= 33


def test_a_bag_without_messages_is_complete(tmp_path):
    with BagWriter(tmp_path / "bag"):
        pass
    with BagReader(tmp_path / "bag") as bag:
        assert (bag.topics, bag.duration_ns) == ((), 0)


def test_a_full_disk_is_an_error_and_leaves_a_complete_bag(tmp_path, frame, monkeypatch):
    """The disk counts as full while there is still space for the index."""
    free = [100 * 2**20] * 4 + [2**20] * 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free.pop(0)))

    def write() -> None:
        with BagWriter(tmp_path / "bag") as bag:
            for stamp in range(500):
                bag.write("/color", stamp, FACTORY.color(frame))

    with pytest.raises(
        BagError, match=r"the disk is full: .*bag holds the messages written before"
    ):
        write()
    with BagReader(tmp_path / "bag") as bag:
        assert [topic.count for topic in bag.topics] == [4]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs /dev/full")
def test_a_write_error_is_reported(tmp_path, frame, monkeypatch):
    """Like a quota or a broken disk: writing itself fails."""
    from rosbags.rosbag2.storage_mcap import McapWriter

    original = McapWriter.__init__

    def on_full_device(self, path, compression):
        original(self, path, compression)
        self.bio.close()
        self.bio = open("/dev/full", "wb")  # noqa: SIM115

    monkeypatch.setattr(McapWriter, "__init__", on_full_device)

    def write() -> None:
        with BagWriter(tmp_path / "bag") as bag:
            for stamp in range(500):
                bag.write("/color", stamp, FACTORY.color(frame))

    with pytest.raises(BagError, match="the disk is full"):
        write()


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")

    def write() -> None:
        with BagWriter(tmp_path / "file" / "bag"):
            pass

    with pytest.raises(BagError, match=r"cannot write .*file/bag"):
        write()


def test_an_older_bag_is_replaced_only_with_overwrite(bag):
    with pytest.raises(BagError, match=r"input already exists; use --overwrite to replace it"):
        prepare_output(bag, overwrite=False)
    assert (bag / "metadata.yaml").exists()
    prepare_output(bag, overwrite=True)
    assert not bag.exists()
    prepare_output(bag, overwrite=False)


def test_an_empty_folder_is_accepted_but_not_the_working_folder_or_a_link(tmp_path, monkeypatch):
    empty, link = tmp_path / "empty", tmp_path / "link"
    empty.mkdir()
    link.symlink_to(empty)
    with pytest.raises(BagError, match=r"cannot write .*link: it is a link"):
        prepare_output(link, overwrite=True)
    monkeypatch.chdir(empty)
    with pytest.raises(BagError, match=r"cannot write \.: it is the working folder"):
        prepare_output(Path(), overwrite=True)
    monkeypatch.chdir(tmp_path)
    prepare_output(empty, overwrite=False)
    with BagWriter(empty):
        pass
    assert (empty / "metadata.yaml").is_file()


def test_files_that_are_not_a_bag_are_never_removed(tmp_path):
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "metadata.yaml").write_text("")
    (precious / "chapter.tex").write_text("")
    file = tmp_path / "notes"
    file.write_text("")
    recordings = tmp_path / "recordings"  # several bags in one folder
    recordings.mkdir()
    (recordings / "monday.mcap").write_bytes(b"")
    for path, words in [
        (precious, "it holds chapter.tex"),
        (file, "it exists and is not a bag"),
        (recordings, "it holds monday.mcap"),
    ]:
        with pytest.raises(BagError, match=words):
            prepare_output(path, overwrite=True)
    assert (precious / "chapter.tex").exists()
    assert (recordings / "monday.mcap").exists()


def test_a_truncated_bag_can_be_replaced(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "out.mcap").write_bytes(b"")
    prepare_output(out, overwrite=True)
    assert not out.exists()


def test_an_older_bag_of_several_files_can_be_replaced(bag):
    """Their names are in the metadata, as rosbag2 splits a bag."""
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("input.mcap", "part_3.mcap"))
    (bag / "input.mcap").rename(bag / "part_3.mcap")
    prepare_output(bag, overwrite=True)
    assert not bag.exists()


def test_an_output_file_name_is_an_error(tmp_path):
    with pytest.raises(BagError, match="the output is a folder"):
        prepare_output(tmp_path / "out.mcap", overwrite=False)
