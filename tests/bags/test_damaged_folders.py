"""Bags of killed recorders and failed copies: SQLite logs, compressed files, missing files."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
from contextlib import closing

import pytest
import yaml
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from cvdl.bags import BagError, BagReader, message_type
from cvdl.bags.members import zstd
from cvdl.bags.typestore import typestore
from cvdl.messages.factory import MessageFactory
from helpers.bags import write_rosbag2

STRING = "std_msgs/msg/String"
COUNT = 30
MESSAGES = [
    (10**9 + i, bytes(typestore().serialize_cdr(message_type(STRING)(f"{i} " * 50), STRING)))
    for i in range(COUNT)
]


@pytest.fixture(autouse=True)
def _all_warnings(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


def write(path, messages=MESSAGES, storage=StoragePlugin.MCAP, compression=CompressionMode.NONE):
    return write_rosbag2(path, "/words", STRING, messages, storage, compression)


def contents(path):
    with BagReader(path) as bag:
        counts = sum(topic.count for topic in bag.topics)
        found = [(stamp, bytes(data)) for _, stamp, data in bag.messages()]
    assert counts == len(found)
    return found


def state(folder):
    """Names, contents and modification times, which must not change."""
    return {
        file.name: (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in folder.iterdir()
    }


def killed(path, in_file, journal="WAL", with_metadata=False):
    """A SQLite bag of a killed recorder, with ``in_file`` messages in the file itself.

    The others are in the log (WAL), or were about to be written (a rollback journal).
    """
    whole = write(path.with_name("whole"), storage=StoragePlugin.SQLITE3)
    with closing(sqlite3.connect(next(whole.glob("*.db3")))) as source:
        lines = [line for line in source.iterdump() if not line.startswith(("BEGIN", "COMMIT"))]
    rows = [line for line in lines if line.startswith('INSERT INTO "messages"')]
    others = [line for line in lines if line not in rows]
    path.mkdir()
    process = os.fork()
    if not process:
        database = sqlite3.connect(path / "bag_0.db3", isolation_level=None)
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("PRAGMA cache_size=1")
        if in_file or journal != "WAL":
            for line in others + rows[:in_file]:
                database.execute(line)
            database.execute("PRAGMA wal_checkpoint(FULL)")
            others = []
        if journal != "WAL":
            database.execute("BEGIN")
            database.execute("UPDATE messages SET timestamp = 0, data = zeroblob(100000)")
        for line in others + rows[in_file:]:
            database.execute(line)
        os._exit(9)
    os.waitpid(process, 0)
    if with_metadata:
        text = (whole / "metadata.yaml").read_text()
        (path / "metadata.yaml").write_text(text.replace("whole.db3", "bag_0.db3"))
    return path


@pytest.mark.parametrize("in_file", [0, 10])
@pytest.mark.parametrize("with_metadata", [False, True])
def test_rows_in_the_log_of_a_killed_recorder_are_read(tmp_path, caplog, in_file, with_metadata):
    path = killed(tmp_path / "bag", in_file, with_metadata=with_metadata)
    before = state(path)
    assert {"bag_0.db3", "bag_0.db3-wal"} <= set(before)
    assert contents(path) == MESSAGES
    assert contents(path / "bag_0.db3") == MESSAGES
    assert state(path) == before
    assert "with its SQLite log it holds 30 messages" in caplog.text


def test_the_bag_of_a_killed_recorder_is_read_in_a_read_only_folder(tmp_path):
    path = killed(tmp_path / "bag", 10)
    (path / "bag_0.db3-shm").unlink()
    path.chmod(0o555)
    try:
        assert contents(path) == MESSAGES
        assert not (path / "bag_0.db3-shm").exists()
    finally:
        path.chmod(0o755)


def test_the_log_of_an_empty_file_is_read(tmp_path):
    path = killed(tmp_path / "bag", 0)
    (path / "bag_0.db3").write_bytes(b"")
    assert contents(path) == MESSAGES


def test_a_truncated_log_is_read_up_to_its_end(tmp_path):
    path = killed(tmp_path / "bag", 10)
    log = path / "bag_0.db3-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    found = contents(path)
    assert 10 <= len(found) < COUNT
    assert found == MESSAGES[: len(found)]


def test_the_log_of_a_compressed_file_is_read(tmp_path):
    path = killed(tmp_path / "bag", 10)
    file = path / "bag_0.db3"
    (path / "bag_0.db3.zstd").write_bytes(zstd.compress(file.read_bytes()))
    file.unlink()
    assert contents(path) == MESSAGES


def test_an_invalid_log_is_ignored(tmp_path):
    path = write(tmp_path / "bag", storage=StoragePlugin.SQLITE3)
    (path / "bag.db3-wal").write_bytes(b"no log" * 1000)
    assert contents(path) == MESSAGES


def test_uncommitted_changes_of_a_killed_recorder_are_rolled_back(tmp_path):
    path = killed(tmp_path / "bag", 10, journal="DELETE")
    before = state(path)
    assert before.keys() == {"bag_0.db3", "bag_0.db3-journal"}
    assert contents(path) == MESSAGES[:10]
    assert state(path) == before


def test_temporary_copies_are_removed(tmp_path, monkeypatch):
    path = killed(tmp_path / "bag", 10)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with BagReader(path):
        assert list((tmp_path / "temporary").iterdir())
    assert not list((tmp_path / "temporary").iterdir())
    (path / "bag_0.db3").write_bytes(b"nothing")
    with pytest.raises(BagError, match=r"bag_0.db3 holds no readable ROS 2 message"):
        BagReader(path)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_full_temporary_folder_is_an_error(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    path = killed(tmp_path / "bag", 10)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(BagError, match=r"copy of .*bag_0.db3 in .*No space left.*TMPDIR"):
        BagReader(path)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_bags_are_read_without_metadata(tmp_path, storage, mode):
    path = write(tmp_path / "bag", storage=storage, compression=mode)
    (path / "metadata.yaml").unlink()
    (file,) = path.iterdir()
    assert (file.suffix == ".zstd") == (mode == CompressionMode.FILE)
    assert contents(path) == MESSAGES
    assert contents(file) == MESSAGES
    with BagReader(file) as bag:
        assert bag.kind == f"rosbag2 ({'MCAP' if storage == StoragePlugin.MCAP else 'SQLite'})"


def test_a_truncated_compressed_file_is_read_up_to_its_end(tmp_path):
    noise = [(stamp, data[:8] + os.urandom(200_000)) for stamp, data in MESSAGES]
    path = write(tmp_path / "bag", noise, compression=CompressionMode.FILE)
    (path / "metadata.yaml").unlink()
    (file,) = path.iterdir()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    found = contents(path)
    assert 0 < len(found) < COUNT
    assert found == noise[: len(found)]


def test_a_compressed_copy_next_to_its_file_is_skipped(tmp_path):
    """A recorder that is killed while it compresses leaves both."""
    path = write(tmp_path / "bag")
    (path / "metadata.yaml").unlink()
    whole = zstd.compress((path / "bag.mcap").read_bytes())
    (path / "bag.mcap.zstd").write_bytes(whole[: len(whole) // 2])
    assert contents(path) == MESSAGES


def in_parts(path, storage=StoragePlugin.MCAP, with_metadata=True):
    """A bag of three files of ten messages."""
    path.mkdir()
    suffix = "mcap" if storage == StoragePlugin.MCAP else "db3"
    for number in range(3):
        part = write(
            path.with_name(f"bag_{number}"), MESSAGES[number * 10 : number * 10 + 10], storage
        )
        shutil.copy(part / f"bag_{number}.{suffix}", path)
    if with_metadata:
        text = (path.with_name("bag_0") / "metadata.yaml").read_text()
        lines = "".join(f"\n  - bag_{number}.{suffix}" for number in range(3))
        (path / "metadata.yaml").write_text(
            text.replace(f"\n  - bag_0.{suffix}", lines).replace("count: 10", "count: 30")
        )
    return path


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("with_metadata", [True, False])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_the_other_files_are_read_if_one_is_damaged(tmp_path, caplog, storage, with_metadata, kept):
    path = in_parts(tmp_path / "bag", storage, with_metadata)
    assert contents(path) == MESSAGES
    (file,) = path.glob("bag_1.*")
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with BagReader(path) as bag:
        found = [(stamp, bytes(data)) for _, stamp, data in bag.messages()]
    assert found == MESSAGES[:10] + found[10:-10] + MESSAGES[20:]
    assert found[10:-10] == MESSAGES[10 : 10 + len(found) - 20]
    assert file.name in caplog.text


def test_the_next_file_is_read_after_damage_in_an_indexed_one(tmp_path):
    path = tmp_path / "bag"
    path.mkdir()
    for number in range(2):
        part = write(
            path.with_name(f"bag_{number}"),
            MESSAGES[number * 10 : number * 10 + 10],
            compression=CompressionMode.STORAGE,
        )
        shutil.copy(part / f"bag_{number}.mcap", path)
    text = (path.with_name("bag_0") / "metadata.yaml").read_text()
    (path / "metadata.yaml").write_text(
        text.replace("\n  - bag_0.mcap", "\n  - bag_0.mcap\n  - bag_1.mcap")
    )
    assert contents(path) == MESSAGES[:20]
    file = path / "bag_0.mcap"
    data = file.read_bytes()
    place = data.index(b"\x28\xb5\x2f\xfd") + 20
    file.write_bytes(data[:place] + bytes(50) + data[place + 50 :])
    with BagReader(path) as bag:
        found = [(stamp, bytes(data)) for _, stamp, data in bag.messages()]
        assert found == MESSAGES[10:20]
        assert bag.unread == 10


def test_files_that_differ_from_the_metadata(tmp_path, caplog):
    """The folder was renamed, or a file was added."""
    path = write(tmp_path / "bag")
    (path / "bag.mcap").rename(path / "monday.mcap")
    assert contents(path) == MESSAGES
    (path / "monday.mcap").rename(path / "bag.mcap")
    shutil.copy(write(tmp_path / "other") / "other.mcap", path)
    caplog.clear()
    assert contents(path) == MESSAGES
    assert "other.mcap is skipped: metadata.yaml does not list it" in caplog.text


def test_topics_that_are_only_in_the_metadata_are_listed(tmp_path):
    """An MCAP does not list topics without messages."""
    path = write(tmp_path / "bag")
    metadata = path / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    topics = content["rosbag2_bagfile_information"]["topics_with_message_count"]
    topics.append({**topics[0], "message_count": 0})
    topics[1]["topic_metadata"] = {**topics[0]["topic_metadata"], "name": "/silent"}
    metadata.write_text(yaml.safe_dump(content))
    with BagReader(path) as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
        assert counts == {"/words": 30, "/silent": 0}
        assert not list(bag.messages(["/silent"]))
        assert len(list(bag.messages())) == 30
        assert all(topic.digest for topic in bag.topics)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("indexed", [True, False])
def test_mcap_without_an_index_and_with_unordered_times(tmp_path, chunked, indexed):
    """As several publishers and the storage profile fastwrite write it."""
    path = tmp_path / "bag.mcap"
    order = [MESSAGES[i ^ 1] for i in range(COUNT)]
    with path.open("wb") as file:
        writer = McapWriter(
            file,
            compression=CompressionType.NONE,
            use_chunking=chunked,
            use_statistics=indexed,
            use_summary_offsets=indexed,
            repeat_channels=indexed,
            repeat_schemas=indexed,
        )
        writer.start(profile="ros2", library="test")
        definition, _ = typestore().generate_msgdef(STRING, ros_version=2)
        schema = writer.register_schema(STRING, "ros2msg", definition.encode())
        channels = [writer.register_channel(name, "cdr", schema) for name in ("/a", "/b")]
        for number, (stamp, data) in enumerate(order):
            writer.add_message(channels[number % 2], stamp, data, stamp)
        writer.finish()
    with BagReader(path) as bag:
        assert sorted((stamp, bytes(data)) for _, stamp, data in bag.messages()) == MESSAGES
        # Two topics can be read at the same time.
        pairs = zip(bag.messages(["/a"]), bag.messages(["/b"]), strict=True)
        assert len([(a[1], b[1]) for a, b in pairs]) == COUNT // 2
        assert bag.unread == 0


def test_the_error_for_a_folder_of_ros1_bags_names_one(tmp_path):
    (tmp_path / "b.bag").write_bytes(b"")
    with pytest.raises(BagError, match=r"holds no bag: give the ROS 1 bag itself, .*b.bag"):
        BagReader(tmp_path)


def test_a_rosbag2_folder_with_the_name_of_a_ros1_bag(tmp_path, frame):
    path = write(tmp_path / "x.bag_out", storage=StoragePlugin.SQLITE3)
    with BagReader(path) as bag:
        assert bag.kind == "rosbag2 (SQLite)"
    (path / "metadata.yaml").unlink()
    with BagReader(path) as bag:
        assert bag.kind == "rosbag2 (SQLite)"
    assert MessageFactory(message_type).color(frame).encoding == "rgb8"


def test_missing_metadata_is_reported(tmp_path, caplog):
    path = write(tmp_path / "bag")
    (path / "metadata.yaml").unlink()
    assert contents(path) == MESSAGES
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{path}: there is no metadata.yaml; its files are read one by one"
    )
