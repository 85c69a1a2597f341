"""Replays of bags whose topics lie far apart, or whose stamps tell nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin, Writer

from cvdl.bags import BagReader, BagWriter, message_type
from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.bags.typestore import typestore
from cvdl.messages.factory import MessageFactory
from cvdl.messages.reading import stamp_ns
from cvdl.replay import NAMESPACE, ReplayOptions, replay

FACTORY = MessageFactory(message_type)
LABELS = f"{NAMESPACE}/segmentation/labels"
COUNT = 150  # more than the synchroniser keeps


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


@pytest.fixture
def stage(scene):
    """A perception that sees the same scene in every frame, and remembers color and depth."""

    class Stage:
        def __init__(self):
            self.frames = []

        def __call__(self, frame):
            depth = round(1000 * frame.depth[9, 9])
            self.frames.append((frame.stamp_ns, frame.color[0, 0, 0], depth))
            return scene

    return Stage()


def numbered(frame, number, stamp_ns):
    """A small frame whose color and depth tell its number."""
    return replace(
        frame,
        color=np.full_like(frame.color, number),
        depth=np.full_like(frame.depth, (1000 + number) / 1000),
        stamp_ns=stamp_ns,
    )


def messages_of(frame):
    return {
        CAMERA_INFO_TOPIC: FACTORY.camera_info(frame),
        COLOR_TOPIC: FACTORY.color(frame),
        DEPTH_TOPIC: FACTORY.depth(frame),
    }


@pytest.fixture
def numbers(frame):
    """Messages of `COUNT` numbered frames, 30 a second."""
    return [messages_of(numbered(frame, i, frame.stamp_ns + i * 33_333_333)) for i in range(COUNT)]


def write(path, messages):
    """A bag of (topic, reception, message)."""
    with BagWriter(path) as bag:
        for topic, received_ns, message in messages:
            bag.write(topic, received_ns, message)
    return path


def write_sqlite(path, messages):
    with Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {}
        for topic, received_ns, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=typestore())
            data = typestore().serialize_cdr(message, kind)
            writer.write(connections[topic], received_ns, data)
    return path


def write_without_chunks(path, messages):
    path = path.with_suffix(".mcap")
    with path.open("wb") as file:
        writer = McapWriter(file, use_chunking=False)
        writer.start(profile="ros2", library="test")
        channels = {}
        for topic, received_ns, message in messages:
            kind = message.__msgtype__
            if topic not in channels:
                definition, _ = typestore().generate_msgdef(kind, ros_version=2)
                schema = writer.register_schema(kind, "ros2msg", definition.encode())
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            data = bytes(typestore().serialize_cdr(message, kind))
            writer.add_message(channels[topic], received_ns, data, received_ns)
        writer.finish()
    return path


def one_after_the_other(numbers, order):
    place = iter(range(10**9, 2 * 10**9))
    return [(topic, next(place), each[topic]) for topic in order for each in numbers]


def expected(numbers):
    stamps = [stamp_ns(each[COLOR_TOPIC]) for each in numbers]
    return [(stamp, number, 1000 + number) for number, stamp in enumerate(stamps)]


def raw(path):
    found = {}
    with BagReader(path) as bag:
        for topic, stamp, data in bag.messages():
            found.setdefault(topic.name, []).append((stamp, bytes(data)))
    return found


FORWARDS = (COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC)
BACKWARDS = (CAMERA_INFO_TOPIC, DEPTH_TOPIC, COLOR_TOPIC)


@pytest.mark.parametrize(
    ("writer", "order", "only_results"),
    [
        (write, FORWARDS, False),
        (write, BACKWARDS, True),
        (write_sqlite, FORWARDS, True),
        (write_without_chunks, BACKWARDS, False),
    ],
)
@pytest.mark.slow
def test_topics_one_after_the_other(tmp_path, numbers, stage, writer, order, only_results):
    path = writer(tmp_path / "in", one_after_the_other(numbers, order))
    summary = replay(path, tmp_path / "out", stage, ReplayOptions(only_results=only_results))
    assert (summary.frames, summary.dropped) == (COUNT, {})
    assert stage.frames == expected(numbers)
    before, after = raw(path), raw(tmp_path / "out")
    assert len(after[LABELS]) == COUNT
    if only_results:
        assert not set(before) & set(after)
    else:
        assert {topic: after[topic] for topic in before} == before


@pytest.mark.parametrize("phase_ns", [11_000_000, -11_000_000])
@pytest.mark.slow
def test_topics_one_after_the_other_at_different_phases(tmp_path, numbers, stage, phase_ns):
    for each in numbers:
        header = each[DEPTH_TOPIC].header
        total = stamp_ns(each[DEPTH_TOPIC]) + phase_ns
        header.stamp = replace(header.stamp, sec=total // 10**9, nanosec=total % 10**9)
    path = write(tmp_path / "in", one_after_the_other(numbers, FORWARDS))
    assert replay(path, tmp_path / "out", stage).frames == COUNT
    assert stage.frames == expected(numbers)


@pytest.mark.parametrize("late_ns", [0, 10**10])
@pytest.mark.slow
def test_a_camera_info_that_comes_at_the_end(tmp_path, numbers, stage, late_ns):
    info = numbers[-1][CAMERA_INFO_TOPIC]
    info.header.stamp = replace(info.header.stamp, sec=info.header.stamp.sec + late_ns // 10**9)
    messages = [
        (topic, stamp_ns(each[topic]), each[topic])
        for each in numbers
        for topic in (COLOR_TOPIC, DEPTH_TOPIC)
    ]
    messages.append((CAMERA_INFO_TOPIC, messages[-1][1] + 1, info))
    path = write(tmp_path / "in", messages)
    summary = replay(path, tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (COUNT, {})
    assert stage.frames == expected(numbers)
    # Results are at the time of their frames, not at that of the camera_info.
    received = [received for received, _ in raw(tmp_path / "out")[LABELS]]
    assert received == [stamp for stamp, _, _ in stage.frames]


@pytest.mark.slow
def test_a_topic_that_falls_back_in_the_middle(tmp_path, numbers, stage):
    """Twenty frames as they should be, the others topic by topic: none comes twice."""
    beginning = [
        (topic, 1000 + i, message)
        for i, each in enumerate(numbers[:20])
        for topic, message in each.items()
    ]
    order = (COLOR_TOPIC, CAMERA_INFO_TOPIC, DEPTH_TOPIC)
    path = write(tmp_path / "in", beginning + one_after_the_other(numbers[20:], order))
    summary = replay(path, tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (COUNT, {})
    assert stage.frames == expected(numbers)


def test_depth_that_is_missing_for_seconds_is_counted_once(tmp_path, numbers, stage):
    messages = [
        (topic, stamp_ns(each[topic]), each[topic])
        for i, each in enumerate(numbers)
        for topic in each
        if topic != DEPTH_TOPIC or not 10 <= i < 130
    ]
    with BagWriter(tmp_path / "in") as bag:
        for topic, received_ns, message in messages:
            bag.write(topic, received_ns, message)
        some = write(tmp_path / "depth", [(DEPTH_TOPIC, 0, numbers[0][DEPTH_TOPIC])])
        with BagReader(some) as reader:
            (topic,) = reader.topics
        bag.copy(topic, messages[40][1], b"\0\1\0\0junk")
    summary = replay(tmp_path / "in", tmp_path / "out", stage)
    assert summary.frames == 30
    assert summary.dropped == {"color without depth": 120, "undecodable message": 1}
    assert [number for _, number, _ in stage.frames] == [*range(10), *range(130, 150)]


@pytest.mark.slow
def test_two_runs_of_a_camera_topic_by_topic(tmp_path, numbers, stage):
    """Stamps begin anew in each topic."""
    some = numbers[:110]
    path = write(tmp_path / "in", one_after_the_other(some + some, FORWARDS))
    summary = replay(path, tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (220, {})
    assert stage.frames == expected(some) * 2


def test_a_limit_holds_for_a_second_pass_too(tmp_path, numbers, stage):
    path = write(tmp_path / "in", one_after_the_other(numbers, FORWARDS))
    assert replay(path, tmp_path / "out", stage, ReplayOptions(limit=7)).frames == 7


# Stamps


def with_stamps(numbers, stamp_of, topics=(COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC)):
    """The same messages, recorded at the times of their stamps, with other stamps."""
    messages = []
    for each in numbers:
        for topic, message in each.items():
            received_ns = stamp_ns(message)
            if topic in topics:
                seconds, rest = divmod(stamp_of(received_ns), 10**9)
                message.header.stamp = replace(message.header.stamp, sec=seconds, nanosec=rest)
            messages.append((topic, received_ns, message))
    return messages


@pytest.mark.parametrize(
    "stamp_of",
    [
        lambda time: 0,
        lambda time: 1_700_000_000_000_000_000,
        lambda time: time // 10**9 * 10**9,
    ],
    ids=["zero", "still", "seconds"],
)
@pytest.mark.parametrize("topics", [(COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC), (DEPTH_TOPIC,)])
@pytest.mark.parametrize("count", [2, 3, 40])
def test_useless_stamps(tmp_path, numbers, stage, caplog, stamp_of, topics, count):
    path = write(tmp_path / "in", with_stamps(numbers[:count], stamp_of, topics))
    summary = replay(path, tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (count, {})
    assert [entry[1:] for entry in stage.frames] == [(i, 1000 + i) for i in range(count)]
    (record,) = caplog.records
    assert "paired by the time of recording" in record.getMessage()
    assert " and ".join(topics[:2]) in record.getMessage()
    # What is written carries the stamps of the input.
    with BagReader(tmp_path / "out") as bag:
        labels = [stamp_ns(bag.decode(topic, data)) for topic, _, data in bag.messages([LABELS])]
    assert labels == [stamp_ns(each[COLOR_TOPIC]) for each in numbers[:count]]


@pytest.mark.parametrize(("last", "lost"), [(20, 118), (60, 38)])
def test_stamps_that_stop_on_the_way_are_reported(tmp_path, numbers, stage, caplog, last, lost):
    newest = stamp_ns(numbers[last][COLOR_TOPIC])
    path = write(tmp_path / "in", with_stamps(numbers[:80], partial(min, newest)))
    summary = replay(path, tmp_path / "out", stage)
    assert summary.frames == last + 1
    assert summary.dropped == {"duplicate stamp": lost}
    (record,) = caplog.records
    assert f"{lost} images are skipped, because another image of their topic" in record.getMessage()


def test_messages_that_are_recorded_twice_are_no_stamps_that_stand_still(
    tmp_path, numbers, stage, caplog
):
    twice = [each for each in numbers[:20] for _ in range(2)]
    messages = [(t, 1000 + i, m) for i, each in enumerate(twice) for t, m in each.items()]
    summary = replay(write(tmp_path / "in", messages), tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (20, {"duplicate stamp": 40})
    assert "recording" not in caplog.text


def test_without_stamps_the_times_of_recording_may_scatter(tmp_path, numbers, stage):
    """Depth arrives 25 to 45 ms after color, at ten frames a second."""
    messages = []
    for i, each in enumerate(numbers[:40]):
        for topic, message in each.items():
            message.header.stamp = replace(message.header.stamp, sec=0, nanosec=0)
            delay = (25 + i % 3 * 10) * 1_000_000 if topic == DEPTH_TOPIC else 0
            messages.append((topic, 10**9 + i * 100_000_000 + delay, message))
    summary = replay(write(tmp_path / "in", messages), tmp_path / "out", stage)
    assert (summary.frames, summary.dropped) == (40, {})
    assert [entry[1:] for entry in stage.frames] == [(i, 1000 + i) for i in range(40)]
