"""Bag in, bag out."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import sys
import threading
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rich.console import Console
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.spatial.transform import Rotation

from cvdl.bags import BagError, BagReader, BagWriter, message_type, write_frame
from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_INFO_TOPIC, DEPTH_TOPIC
from cvdl.bags.topic import LATCHED
from cvdl.bags.typestore import typestore
from cvdl.cli.replay import replay_table
from cvdl.core.errors import InputError
from cvdl.core.scene import Scene
from cvdl.datasets import ImageFolder
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import read_color
from cvdl.messages.reading import stamp_ns
from cvdl.messages.topics import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.replay import NAMESPACE, ReplayOptions, replay
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.viz.pictures import overlay
from helpers.paths import DATA

FACTORY = MessageFactory(message_type)
LABELS = f"{NAMESPACE}/segmentation/labels"
LABEL_INFO = f"{NAMESPACE}/{LABEL_INFO_TOPIC}"
OVERLAP = pytest.mark.parametrize("overlap", [False, True])
INPUTS = [COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC, DEPTH_INFO_TOPIC]


@pytest.fixture
def stage(scene):
    """A perception that sees the same scene in every frame."""
    return lambda frame: scene


@pytest.fixture
def out(tmp_path):
    return tmp_path / "output"


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, logger="cvdl")


def raw(path):
    """Topic to (reception, data) of everything in a bag."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    with BagReader(path) as bag:
        for topic, stamp, data in bag.messages():
            found.setdefault(topic.name, []).append((stamp, bytes(data)))
    return found


def decoded(path, name):
    with BagReader(path) as bag:
        return [bag.decode(topic, data) for topic, _, data in bag.messages([name])]


def write_messages(path, messages):
    """A bag of (topic, reception, message)."""
    with BagWriter(path) as bag:
        for topic, received_ns, message in messages:
            bag.write(topic, received_ns, message)
    return path


def messages_of(frame):
    return {
        COLOR_TOPIC: FACTORY.color(frame),
        DEPTH_TOPIC: FACTORY.depth(frame),
        CAMERA_INFO_TOPIC: FACTORY.camera_info(frame),
    }


# What comes out


def test_without_an_output_frames_are_only_looked_at(bag, tmp_path, scene):
    seen = []

    def look(frame):
        seen.append(frame.stamp_ns)
        return scene

    before = set(tmp_path.rglob("*"))
    summary = replay(bag, None, look)
    assert seen == [stamp_ns(message) for message in decoded(bag, COLOR_TOPIC)]
    assert (summary.frames, summary.problem) == (5, "")
    assert set(tmp_path.rglob("*")) == before


def test_the_input_is_kept_byte_for_byte_and_the_results_are_beside_it(bag, out, stage, scene):
    summary = replay(bag, out, stage, ReplayOptions(points=True))
    assert (summary.frames, summary.dropped, summary.problem) == (5, {}, "")
    before, after = raw(bag), raw(out)
    assert {topic: after[topic] for topic in INPUTS} == before
    assert set(after) == {
        *INPUTS,
        *(f"{NAMESPACE}/{name}" for name in SCENE_TOPICS),
        LABEL_INFO,
        "/diagnostics",
    }
    stamps = [stamp_ns(message) for message in decoded(bag, COLOR_TOPIC)]
    for name, kind in SCENE_TOPICS.items():
        messages = decoded(out, f"{NAMESPACE}/{name}")
        assert [message.__msgtype__ for message in messages] == [kind] * 5
        assert [received for received, _ in after[f"{NAMESPACE}/{name}"]] == stamps
        if hasattr(messages[0], "header"):
            assert [stamp_ns(message) for message in messages] == stamps
            assert {message.header.frame_id for message in messages} == {"optical"}
    for message in decoded(out, LABELS):
        np.testing.assert_array_equal(message.data.view(np.uint16).reshape(48, 64), scene.labels)
    objects = decoded(out, f"{NAMESPACE}/segmentation/objects")[0]
    assert [detection.id for detection in objects.detections] == ["2", "3"]


def test_grasps_come_back_from_the_bag(bag, out, stage, scene):
    summary = replay(bag, out, stage)
    assert (summary.found.grasps, summary.found.refused) == (15, {"opening out of reach": 10})
    rectangles = decoded(out, f"{NAMESPACE}/grasp/rectangles")[4].detections
    poses = decoded(out, f"{NAMESPACE}/grasp/poses")[4].poses
    detections = decoded(out, f"{NAMESPACE}/grasp/detections")[4].detections
    assert len(rectangles) == len(poses) == len(detections) == 3
    for grasp, rectangle, pose, detection in zip(
        scene.grasps, rectangles, poses, detections, strict=True
    ):
        box = rectangle.bbox
        assert [box.center.position.x, box.center.position.y] == grasp.center.tolist()
        assert (box.center.theta, box.size_x, box.size_y) == (
            grasp.angle,
            grasp.opening,
            grasp.plate,
        )
        assert rectangle.id == detection.id == str(grasp.label)
        assert detection.bbox.size.x == grasp.opening_m
        for each in (pose, detection.bbox.center):
            q = each.orientation
            rotation = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
            np.testing.assert_allclose(rotation, grasp.rotation, atol=1e-9)
            assert [each.position.x, each.position.y, each.position.z] == grasp.position.tolist()


def test_detections_refused_by_depth_are_summed_up(bag, out, stage):
    def marked(frame):
        scene = stage(frame)
        off = replace(scene.detections[0], off_support=True)
        return replace(
            scene,
            detections=(off, *scene.detections[1:]),
            refused_detections={"bare support": 2},
        )

    summary = replay(bag, out, marked)
    assert (summary.found.unmatched, summary.found.off_support) == (5, 5)
    assert summary.found.refused_detections == {"bare support": 10}
    (status,) = decoded(out, "/diagnostics")[0].status  # after the first frame
    values = {value.key: value.value for value in status.values}
    assert values["detections off the support"] == "1"
    assert values["detections refused: bare support"] == "2"


def test_detections_come_back_from_the_bag(bag, out, stage):
    summary = replay(bag, out, stage)
    assert summary.found.objects == {"": 5, "can": 5}
    assert summary.found.unmatched == 5
    assert summary.found.off_support == 0
    assert summary.found.refused_detections == {}
    detections = decoded(out, f"{NAMESPACE}/detection/boxes")[4].detections
    assert [detection.id for detection in detections] == ["", "3"]
    names = [detection.results[0].hypothesis.class_id for detection in detections]
    assert names == ["mug", "can"]
    tracks = decoded(out, f"{NAMESPACE}/detection/tracks")[4].detections
    assert [track.id for track in tracks] == ["7", ""]


def test_names_of_classes_are_written_once_for_late_joiners_too(bag, out, stage):
    replay(bag, out, stage)
    (info,) = decoded(out, LABEL_INFO)
    assert [(c.class_id, c.class_name) for c in info.class_map] == [(0, "mug"), (1, "can")]
    with BagReader(out) as reader:
        (topic,) = (topic for topic in reader.topics if topic.name == LABEL_INFO)
    assert topic.qos == (LATCHED,)


def test_without_a_detector_there_are_no_class_names(bag, out, scene):
    replay(bag, out, lambda frame: replace(scene, detections=(), classes=()))
    assert decoded(out, f"{NAMESPACE}/detection/boxes")[0].detections == []
    assert LABEL_INFO not in raw(out)
    values = {value.key for value in decoded(out, "/diagnostics")[0].status[0].values}
    assert "objects" in values
    assert not {"objects without a class", "detections without an object"} & values


def test_only_results(bag, out, stage):
    replay(bag, out, stage, ReplayOptions(only_results=True))
    assert not set(INPUTS) & set(raw(out))
    assert f"{NAMESPACE}/segmentation/points" not in raw(out)  # large, and not asked for
    assert len(raw(out)[LABELS]) == 5


@pytest.mark.real("osd")
@pytest.mark.usefixtures("quick_detector")
def test_results_are_those_of_the_perception_on_the_frame_itself(tmp_path, out):
    """Down to the bit, on a real view."""
    frame = ImageFolder(DATA / "osd")[0]
    with BagWriter(tmp_path / "osd") as bag:
        write_frame(bag, frame)
    perception = Perception()
    replay(tmp_path / "osd", out, perception)
    expected = perception(frame)
    (labels,) = decoded(out, LABELS)
    assert expected.objects
    np.testing.assert_array_equal(labels.data.view(np.uint16).reshape(480, 640), expected.labels)
    (picture,) = decoded(out, f"{NAMESPACE}/overlay")
    np.testing.assert_array_equal(read_color(picture), overlay(frame, expected))
    (plane,) = decoded(out, f"{NAMESPACE}/segmentation/plane")
    np.testing.assert_array_equal(plane.coef[:3], expected.plane.normal)


@pytest.fixture
def tables(tmp_path):
    """A bag of six different frames of a simulated table."""
    config = SimulationConfig(width=320, height=240, min_objects=3, max_objects=4)
    frame = simulate_scene(3, 0, config=config).frame
    with BagWriter(tmp_path / "tables") as bag:
        for number in range(6):
            color = np.roll(frame.color, number, axis=2) if number % 3 else frame.color
            depth = frame.depth[:, ::-1] if number % 2 else frame.depth
            stamp = frame.stamp_ns + number * 100_000_000
            write_frame(bag, replace(frame, color=color, depth=depth, stamp_ns=stamp))
    return tmp_path / "tables"


@pytest.mark.usefixtures("quick_detector")
def test_overlapping_frames_have_the_same_results_in_the_same_order(tables, out, tmp_path):
    stamps = [stamp_ns(message) for message in decoded(tables, COLOR_TOPIC)]
    begun = [threading.Event() for _ in range(7)]
    begun[6].set()  # nothing follows the last frame
    met = []

    class Fails(Perception):
        """Fails on two frames, one in each step."""

        def segment(self, frame, segmentation=None):
            number = stamps.index(frame.stamp_ns)
            begun[number].set()
            if number == 2:
                raise IndexError("broken")
            return super().segment(frame, segmentation)

        def recognize(self, frame, *arguments):
            if frame.stamp_ns == stamps[3]:
                raise KeyError("broken")
            return super().recognize(frame, *arguments)

    class Meets(Fails):
        """Recognizes a frame only when the next one has been begun."""

        def recognize(self, frame, *arguments):
            met.append(begun[stamps.index(frame.stamp_ns) + 1].wait(10))
            return super().recognize(frame, *arguments)

    both = replay(tables, tmp_path / "both", Meets(), ReplayOptions(overlap=True))
    assert met == [True] * 5
    one_by_one = replay(tables, out, Fails(), ReplayOptions(overlap=False))
    assert both.frames == one_by_one.frames == 4
    assert both.dropped == one_by_one.dropped
    assert both.dropped == {"IndexError in a stage": 1, "KeyError in a stage": 1}
    before, after = raw(out), raw(tmp_path / "both")
    assert len(before.pop("/diagnostics")) == len(after.pop("/diagnostics"))
    assert before == after
    assert [stamp_ns(message) for message in decoded(out, LABELS)] == [*stamps[:2], *stamps[4:]]


def test_a_bag_that_was_replayed_can_be_replayed_again(bag, out, tmp_path, stage):
    replay(bag, out, stage)
    again = tmp_path / "again"
    assert replay(out, again, stage).frames == 5
    first, second = raw(out), raw(again)
    assert len(second.pop("/diagnostics")) == len(first.pop("/diagnostics"))
    assert second == first


def test_diagnostics_of_others_go_through(tmp_path, frame, out, stage):
    own, other = (
        FACTORY.diagnostics(frame.stamp_ns, name, "well", {}, warn=False)
        for name in ("cvdl: perception", "camera: rate")
    )
    messages = [(topic, frame.stamp_ns, message) for topic, message in messages_of(frame).items()]
    messages += [("/diagnostics", frame.stamp_ns, each) for each in (own, other)]
    replay(write_messages(tmp_path / "in", messages), out, stage)
    names = [message.status[0].name for message in decoded(out, "/diagnostics")]
    assert sorted(names) == ["camera: rate", "cvdl: perception"]


def test_sqlite_and_other_topics_go_through(tmp_path, frames, out, stage):
    with Writer(tmp_path / "in", version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {}
        for frame in frames(3):
            tf = FACTORY.tf(frame.stamp_ns, "a", "b", np.eye(4))
            for topic, message in {**messages_of(frame), "/tf": tf}.items():
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=typestore())
                data = typestore().serialize_cdr(message, kind)
                writer.write(connections[topic], frame.stamp_ns, data)
    assert replay(tmp_path / "in", out, stage).frames == 3
    before = raw(tmp_path / "in")
    assert {topic: data for topic, data in raw(out).items() if topic in before} == before


@pytest.mark.parametrize(
    ("topic", "focal_lengths", "warnings"),
    [("/rgb/image_rect_color", (45, 46), 0), ("/rgb/image_raw", (60, 61), 1)],
)
def test_images_of_a_rectified_topic_use_the_projection_matrix(
    tmp_path, frame, out, scene, caplog, topic, focal_lengths, warnings
):
    """Not with the lens's own matrix; its distortion is no concern of theirs either."""
    info = FACTORY.camera_info(frame)
    info.p[:] = [45, 0, 30, 0, 0, 46, 20, 0, 0, 0, 1, 0]
    info.d[:] = [0.1, -0.2, 0, 0, 0]
    color, depth = FACTORY.color(frame), FACTORY.depth(frame)
    messages = {"/rgb/camera_info": info, topic: color, "/depth_to_rgb/image_raw": depth}
    path = write_messages(tmp_path / "in", [(t, frame.stamp_ns, m) for t, m in messages.items()])
    seen = []
    summary = replay(path, out, lambda frame: seen.append(frame) or scene)
    assert summary.topics.color == topic
    (camera,) = (frame.camera for frame in seen)
    assert (camera.fx, camera.fy) == focal_lengths
    assert len(caplog.records) == warnings


def test_diagnostics_contain_rate_latency_and_drops(tmp_path, frame, out, stage):
    """Once a second of the bag's time: 30 Hz for 2.5 s, every third frame without depth."""
    messages = []
    for i in range(75):
        each = replace(frame, stamp_ns=frame.stamp_ns + i * 33_333_333)
        messages += [
            (topic, each.stamp_ns, message)
            for topic, message in messages_of(each).items()
            if topic != DEPTH_TOPIC or i % 3
        ]
    calls = []
    bag = write_messages(tmp_path / "in", messages)
    summary = replay(bag, out, stage, on_progress=lambda *call: calls.append(call))
    assert calls[-1] == (50, 50)
    assert summary.frames == 50
    assert summary.dropped == {"color without depth": 25}
    first, second, third = (message.status[0] for message in decoded(out, "/diagnostics"))
    assert first.message == "1 dropped: color without depth"
    values = {value.key: value.value for value in second.values}
    assert float(values["rate (Hz)"]) == pytest.approx(20, abs=1)
    assert int(values["frames"]) == pytest.approx(20, abs=2)
    assert int(values["dropped: color without depth"]) == pytest.approx(10, abs=2)
    assert values["latency of segment (ms)"] == "median 1.5, 95 % 1.5"
    assert int(values["grasps"]) == 3 * int(values["frames"])
    assert int(values["objects"]) == 2 * int(values["frames"])
    assert values["objects without a class"] == values["frames"]
    assert values["detections without an object"] == values["frames"]
    assert int(values["no grasp: opening out of reach"]) == 2 * int(values["frames"])
    assert third.level == third.WARN


def test_progress_and_summary(bag, out, stage):
    calls = []
    summary = replay(bag, out, stage, on_progress=lambda *call: calls.append(call))
    assert calls == [(i, 5) for i in range(1, 6)]
    assert set(summary.latency_ms) == {"read", "segment", "draw", "write", "total"}
    assert summary.latency_ms["segment"] == (1.5, 1.5)
    assert summary.topics.color == COLOR_TOPIC


def test_limit(bag, out, stage):
    calls = []
    options = ReplayOptions(limit=2)
    assert replay(bag, out, stage, options, lambda *call: calls.append(call)).frames == 2
    assert calls == [(1, 2), (2, 2)]
    assert len(raw(out)[LABELS]) == 2


# Bad input


def broken(frame):
    """Faults, each with the cause that it is counted under."""
    color, depth = FACTORY.color(frame), FACTORY.depth(frame)
    small = replace(depth, height=24, data=depth.data[: 24 * depth.step])
    uncalibrated = FACTORY.camera_info(frame)
    uncalibrated.k[:] = uncalibrated.p[:] = 0
    return [
        ({DEPTH_TOPIC: small}, "sizes differ"),
        ({COLOR_TOPIC: replace(color, encoding="jpeg")}, "unknown color encoding"),
        ({DEPTH_TOPIC: replace(depth, encoding="8UC1")}, "unknown depth encoding"),
        ({COLOR_TOPIC: replace(color, step=100)}, "wrong image step"),
        ({DEPTH_TOPIC: replace(depth, data=depth.data[:-2])}, "wrong image data length"),
        ({CAMERA_INFO_TOPIC: uncalibrated}, "unusable camera_info"),
    ]


@pytest.mark.parametrize("fault", range(6))
def test_bad_frames_are_dropped_and_counted_and_reported_once(
    tmp_path, frames, out, stage, caplog, fault
):
    messages = []
    for i, frame in enumerate(frames(8)):
        faulty, cause = broken(frame)[fault]
        changed = faulty if i % 2 else {}
        ordered = {CAMERA_INFO_TOPIC: None, **messages_of(frame), **changed}
        messages += [(topic, frame.stamp_ns, message) for topic, message in ordered.items()]
    summary = replay(write_messages(tmp_path / "in", messages), out, stage)
    assert summary.frames == 4
    assert summary.dropped == {cause: 4}
    (record,) = caplog.records
    assert cause in record.getMessage()
    assert COLOR_TOPIC in record.getMessage()
    assert len(raw(out)[LABELS]) == 4


def test_a_camera_without_focal_length_is_an_error_without_output(tmp_path, frame, out, stage):
    info = FACTORY.camera_info(frame)
    info.k[:] = info.p[:] = 0
    messages = {**messages_of(frame), CAMERA_INFO_TOPIC: info}
    path = write_messages(tmp_path / "in", [(t, frame.stamp_ns, m) for t, m in messages.items()])
    summary = replay(path, out, stage)
    assert summary.frames == 0
    assert "focal lengths must be positive, got fx=0.0 fy=0.0" in summary.problem
    assert not out.exists()


@pytest.mark.parametrize(
    ("depth", "cause"),
    [
        (np.nan, "no depth"),
        (800, "wrong unit of depth, perhaps millimeters in 32FC1, which is in meters"),
        (0.0008, "wrong unit of depth, perhaps meters in 16UC1, which is in millimeters"),
        (12, "too far, most of it beyond segmentation.max_range, 3 m"),
    ],
)
def test_frames_without_a_plane_are_counted_and_reported_once(
    tmp_path, frames, out, caplog, depth, cause
):
    messages = []
    for frame in frames(3):
        values = np.full_like(frame.depth, depth)
        changed = {DEPTH_TOPIC: FACTORY.image(frame, values, "32FC1")}
        messages += [(t, frame.stamp_ns, m) for t, m in {**messages_of(frame), **changed}.items()]
    perception = Perception(PerceptionConfig().segmentation_only())
    summary = replay(write_messages(tmp_path / "in", messages), out, perception)
    assert summary.frames == 3
    said = f"a frame shows no support plane, so it has no grasps: {cause} ("
    assert sum(record.getMessage().startswith(said) for record in caplog.records) == 1
    assert summary.found.plane_causes == {cause: 3}
    assert np.isnan(depth) or list(summary.found.planeless_depths) == pytest.approx([depth] * 3)
    output = StringIO()
    Console(width=200, file=output).print(replay_table(summary))
    text = output.getvalue()
    assert re.search(r"frames without a support plane +3 \(100%\)", text)
    assert re.search(rf"likely cause: {re.escape(cause)} +3", text)
    assert np.isnan(depth) or re.search(rf"their median depth \(m\) +{depth:g}", text)


# Where up is


def optical(roll_deg=0.0, height=1.0):
    """A camera that looks down at 45 degrees, turned about its axis: its pose in a frame z up."""
    pose = np.eye(4)
    level = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # looks along y, down is -z
    tilt = Rotation.from_euler("x", -45, degrees=True)
    pose[:3, :3] = (level * tilt * Rotation.from_euler("z", roll_deg, degrees=True)).as_matrix()
    pose[2, 3] = height
    return pose


def ups_of(tmp_path, frames, out, links, config=None, **options):
    """The up of each frame that the stages see, in a replay with transforms."""
    seen = []

    class Watched(Perception):
        def segment(self, frame, segmentation=None):
            seen.append(frame.up)
            return frame, Scene(np.zeros(frame.depth.shape, np.uint16), None)

    some = frames(3)
    start = some[0].stamp_ns
    messages = [
        (topic, start - 1, FACTORY.tf(start, parent, child, pose))
        for topic, parent, child, pose in links
    ]
    messages += [(t, frame.stamp_ns, m) for frame in some for t, m in messages_of(frame).items()]
    settings = PerceptionConfig(segmentation=config or {}).segmentation_only()
    bag = write_messages(tmp_path / "in", messages)
    return seen, replay(bag, out, Watched(settings), ReplayOptions(**options))


@pytest.mark.parametrize("roll", [0, 90, 180, -30])
@pytest.mark.parametrize("only_results", [False, True])
def test_up_comes_from_the_bags_transforms(tmp_path, frames, out, roll, only_results):
    links = [("/tf_static", "base_link", "optical", optical(roll))]
    seen, _ = ups_of(tmp_path, frames, out, links, only_results=only_results)
    turn = np.deg2rad(roll)
    # Of a camera the right way up: half up in the picture (-y), half towards the viewer (-z).
    expected = np.sqrt(0.5) * np.array([-np.sin(turn), -np.cos(turn), -1])
    np.testing.assert_allclose(seen, [expected] * 3, atol=1e-6)


def test_up_is_not_looked_up_where_a_side_of_the_image_is_up(tmp_path, frames, out):
    links = [("/tf_static", "base_link", "optical", optical())]
    assert ups_of(tmp_path, frames, out, links, {"up": "bottom"})[0] == [None] * 3


def test_up_is_the_z_axis_of_the_frame_named(tmp_path, frames, out, caplog):
    links = [
        ("/tf_static", "base_link", "optical", optical()),
        ("/tf_static", "wall", "base_link", np.diag([1.0, -1, -1, 1])),
    ]
    seen, _ = ups_of(tmp_path, frames, out, links, {"up_frame": "wall"})
    np.testing.assert_allclose(seen[0], np.sqrt(0.5) * np.array([0, 1, 1]), atol=1e-6)
    assert "segmentation.up" not in caplog.text


def test_an_up_frame_that_is_not_connected_is_reported_once(tmp_path, frames, out, caplog):
    links = [("/tf_static", "base_link", "optical", optical())]
    seen, _ = ups_of(tmp_path, frames, out, links, {"up_frame": "bse_link"})
    assert seen == [None] * 3
    (said,) = [
        record.getMessage() for record in caplog.records if "up_frame" in record.getMessage()
    ]
    assert "'optical' with bse_link; frames in tf: base_link, optical" in said


def test_without_a_known_up_frames_are_dropped_where_tf_is_asked_for(tmp_path, frames, out):
    seen, summary = ups_of(tmp_path, frames, out, [], {"up": "tf"})
    assert seen == []
    assert summary.dropped == {"no up direction": 3}
    assert "segmentation.up is tf, but tf does not connect the camera's frame" in summary.problem
    assert "map or odom or world or base_footprint or base_link; frames in tf: none" in (
        summary.problem
    )


def test_data_that_is_no_message_is_dropped(tmp_path, frames, out, stage, caplog):
    first, second, third = frames(3)
    with BagWriter(tmp_path / "in") as bag:
        write_frame(bag, first)
        with BagReader(write_messages(tmp_path / "x", [("/x", 1, FACTORY.color(first))])) as reader:
            topic = replace(reader.topics[0], name=COLOR_TOPIC)
        bag.copy(topic, second.stamp_ns, b"\0\1\0\0junk")
        write_frame(bag, third)
    summary = replay(tmp_path / "in", out, stage)
    assert summary.frames == 2
    assert summary.dropped == {"undecodable message": 1}
    assert f"{COLOR_TOPIC}: undecodable message" in caplog.text
    assert (second.stamp_ns, b"\0\1\0\0junk") in raw(out)[COLOR_TOPIC]


@pytest.mark.usefixtures("quick_detector")
@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_depth_without_any_reading_gives_frames_without_a_plane(tmp_path, frame, out, value):
    depth = FACTORY.image(frame, np.full((48, 64), value, np.float32), "32FC1")
    messages = {**messages_of(frame), DEPTH_TOPIC: depth}
    path = write_messages(tmp_path / "in", [(t, frame.stamp_ns, m) for t, m in messages.items()])
    summary = replay(path, out)  # the real perception
    assert (summary.frames, summary.dropped) == (1, {})
    (labels,) = decoded(out, LABELS)
    assert not labels.data.any()
    assert f"{NAMESPACE}/segmentation/plane" not in raw(out)


def test_a_stage_that_fails_on_a_frame_does_not_end_the_others(bag, out, scene, caplog):
    numbers = iter(range(5))

    def stage(frame) -> Scene:
        if next(numbers) in (1, 3):
            raise ZeroDivisionError("edge-on plane")
        return scene

    summary = replay(bag, out, stage)
    assert summary.frames == 3
    assert summary.dropped == {"ZeroDivisionError in a stage": 2}
    (record,) = caplog.records
    assert "edge-on plane" in record.getMessage()


def test_stamps_out_of_order_or_equal(tmp_path, frames, out, stage):
    a, b, c, d = frames(4)
    order = [a, a, c, b, d]
    messages = [
        (topic, a.stamp_ns + i, message)
        for i, frame in enumerate(order)
        for topic, message in messages_of(frame).items()
    ]
    summary = replay(write_messages(tmp_path / "in", messages), out, stage)
    assert summary.frames == 3  # b comes too late
    assert summary.dropped == {"duplicate stamp": 2, "stamp out of order": 2}


def test_depth_that_the_recorder_got_long_after_its_color(tmp_path, frames, out, stage):
    some = frames(40)
    delay = 20 * (some[1].stamp_ns - some[0].stamp_ns)
    messages = [
        (topic, frame.stamp_ns + (delay if topic == DEPTH_TOPIC else 0), message)
        for frame in some
        for topic, message in messages_of(frame).items()
    ]
    messages.sort(key=lambda each: each[1])
    summary = replay(write_messages(tmp_path / "in", messages), out, stage)
    assert summary.frames == 40
    assert summary.dropped == {}


def test_depth_whose_stamps_never_fit_is_named(tmp_path, frames, out, stage):
    messages = []
    for frame in frames(4):
        late = replace(frame, stamp_ns=frame.stamp_ns + 500_000_000)
        both = {**messages_of(frame), DEPTH_TOPIC: FACTORY.depth(late)}
        messages += [(topic, frame.stamp_ns, message) for topic, message in both.items()]
    path = write_messages(tmp_path / "in", messages)
    summary = replay(path, out, stage)
    assert summary.frames == 0
    assert f"no stamps of {COLOR_TOPIC} and {DEPTH_TOPIC} within 0.02 s" in summary.problem
    assert summary.dropped == {"color without depth": 4, "depth without color": 4}
    # The last color image is the nearest to the first of depth, 0.4 s later.
    assert replay(path, out, stage, ReplayOptions(slop_s=0.45, overwrite=True)).frames == 1


def test_a_missing_topic_is_reported_before_anything_is_written(tmp_path, frame, out, stage):
    messages = messages_of(frame)
    messages.pop(CAMERA_INFO_TOPIC)
    path = write_messages(tmp_path / "in", [(t, frame.stamp_ns, m) for t, m in messages.items()])
    with pytest.raises(BagError, match="there is no camera_info topic in it"):
        replay(path, out, stage)
    assert not out.exists()


@pytest.mark.slow
def test_a_bag_that_was_cut_off_is_replayed_as_far_as_it_goes(tmp_path, frames, out, stage, caplog):
    with BagWriter(tmp_path / "in") as bag:
        for frame in frames(400):
            write_frame(bag, frame)
    file = tmp_path / "in" / "in.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])
    summary = replay(tmp_path / "in", out, stage)
    assert 150 < summary.frames < 300
    assert len(raw(out)[LABELS]) == summary.frames
    assert "is read without its index" in caplog.text


def test_doubts_are_reported_once(tmp_path, frames, out, stage, caplog):
    messages = []
    for frame in frames(3):
        info = FACTORY.camera_info(frame)
        info.d[:] = [0.1, -0.2, 0, 0, 0]
        both = {**messages_of(frame), CAMERA_INFO_TOPIC: info}
        messages += [(topic, frame.stamp_ns, message) for topic, message in both.items()]
    assert replay(write_messages(tmp_path / "in", messages), out, stage).frames == 3
    (record,) = caplog.records
    assert "distortion coefficients (0.1, -0.2, 0, 0, 0), which are ignored" in record.getMessage()


# Outputs in the way, and ends before the end


def test_nothing_is_overwritten_unless_asked(bag, out, stage):
    replay(bag, out, stage)
    content = raw(out)
    with pytest.raises(BagError, match="output already exists; use --overwrite"):
        replay(bag, out, stage, ReplayOptions(limit=1))
    assert raw(out) == content
    replay(bag, out, stage, ReplayOptions(limit=1, overwrite=True))
    assert len(raw(out)[LABELS]) == 1


def test_the_input_is_never_overwritten(bag, stage):
    content = raw(bag)
    for source, target in [(bag, bag), (bag / "input.mcap", bag), (bag, bag / ".." / "input")]:
        with pytest.raises(BagError, match="would overwrite its own input"):
            replay(source, target, stage, ReplayOptions(overwrite=True))
    assert raw(bag) == content


def test_no_output_takes_the_place_of_the_input_or_of_another(bag, out, tmp_path, stage):
    content = raw(bag)
    for options, words in [
        (ReplayOptions(rerun=bag / "input.mcap"), "would overwrite its own input"),
        (ReplayOptions(pictures=bag), "would overwrite its own input"),
        (ReplayOptions(pictures=out / "pictures"), "is inside the output bag"),
        (ReplayOptions(rerun=out / "it.rrd"), "is inside the output bag"),
    ]:
        with pytest.raises(InputError, match=words):
            replay(bag, out, stage, replace(options, overwrite=True))
        assert not out.exists()
    assert raw(bag) == content


def test_a_recording_cannot_go_where_a_folder_is(bag, out, tmp_path, stage):
    pytest.importorskip("rerun", reason="needs the extra cvdl[rerun]")
    with pytest.raises(InputError, match="is a folder; expected a file"):
        replay(bag, out, stage, ReplayOptions(rerun=tmp_path, overwrite=True))
    assert not out.exists()


def test_pictures_cannot_go_where_a_file_is(bag, out, tmp_path, stage):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="file is a file; expected a folder for pictures"):
        replay(bag, out, stage, ReplayOptions(pictures=file))
    with pytest.raises(
        BagError, match="both cannot be both the recording and the folder of pictures"
    ):
        replay(bag, out, stage, ReplayOptions(pictures=tmp_path / "both", rerun=tmp_path / "both"))
    assert not out.exists()


def test_older_pictures_outlive_a_refusal(bag, out, tmp_path, stage):
    folder = tmp_path / "pictures"
    replay(bag, out, stage, ReplayOptions(pictures=folder))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("")
    with pytest.raises(BagError, match="it holds chapter"):
        replay(bag, tmp_path / "thesis", stage, ReplayOptions(pictures=folder, overwrite=True))
    assert len(list(folder.iterdir())) == 5


@OVERLAP
def test_ctrl_c_leaves_a_whole_bag(bag, out, stage, overlap):
    def interrupt(done, expected):
        if done == 3:
            raise KeyboardInterrupt

    summary = replay(bag, out, stage, ReplayOptions(overlap=overlap), interrupt)
    assert summary.interrupted
    assert summary.frames == 3
    assert (out / "metadata.yaml").exists()
    assert len(raw(out)[LABELS]) == 3


@pytest.fixture
def ctrl_c():
    """What Ctrl-C does, also to a process in the background, which is deaf to it at first."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield partial(signal.raise_signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@OVERLAP
def test_ctrl_c_waits_for_the_frame_under_way(bag, out, scene, ctrl_c, overlap):
    handler = signal.getsignal(signal.SIGINT)
    numbers = iter(range(5))

    def stage(frame) -> Scene:
        if next(numbers) == 2:
            ctrl_c()  # no exception here
        return scene

    summary = replay(bag, out, stage, ReplayOptions(overlap=overlap))
    assert summary.interrupted
    assert summary.frames == 3
    assert len(raw(out)[LABELS]) == 3
    assert signal.getsignal(signal.SIGINT) is handler


@OVERLAP
def test_a_second_ctrl_c_does_not_wait(bag, out, scene, ctrl_c, overlap):
    def stage(frame) -> Scene:
        ctrl_c()
        ctrl_c()
        return scene

    summary = replay(bag, out, stage, ReplayOptions(overlap=overlap))
    assert (summary.interrupted, summary.frames) == (True, 0)


@OVERLAP
def test_ctrl_c_in_compiled_code_is_an_interruption_too(bag, out, scene, overlap):
    """Python turns it into a SystemError there, of which it is the cause."""
    numbers = iter(range(5))

    def stage(frame) -> Scene:
        if next(numbers) == 3:
            raise SystemError("returned a result with an exception set") from KeyboardInterrupt()
        return scene

    summary = replay(bag, out, stage, ReplayOptions(overlap=overlap))
    assert summary.interrupted
    assert summary.frames == 2 if overlap else 3  # the frame before is under way as well
    assert summary.dropped == {}


@pytest.mark.slow
def test_a_full_disk_ends_the_replay_with_a_whole_bag(bag, out, stage, monkeypatch):
    free = [2**30] * 20 + [2**20] * 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free.pop(0)))
    with pytest.raises(BagError, match="the disk is full"):
        replay(bag, out, stage)
    assert sum(map(len, raw(out).values())) == 20


# Pictures and recordings


def test_pictures(bag, out, tmp_path, stage, frame, scene):
    folder = tmp_path / "pictures"
    options = ReplayOptions(pictures=folder)
    replay(bag, out, stage, options)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"frame-{i:06d}.png" for i in range(5)]
    picture = cv2.imread(str(files[4]))[..., ::-1]
    np.testing.assert_array_equal(picture, overlay(frame, scene))

    shutil.rmtree(out)
    with pytest.raises(InputError, match=r"frame-000000.png already exists; use --overwrite"):
        replay(bag, out, stage, options)
    assert not out.exists()
    (folder / "other.png").write_bytes(b"")
    replay(bag, out, stage, replace(options, overwrite=True, limit=2))
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["frame-000000.png", "frame-000001.png", "other.png"]


def test_rerun_recording(bag, out, tmp_path, stage):
    pytest.importorskip("rerun", reason="needs the extra cvdl[rerun]")
    path = tmp_path / "deep" / "recording.rrd"
    options = ReplayOptions(rerun=path)
    replay(bag, out, stage, options)
    content = path.read_bytes()
    assert content[:4] == b"RRF2"
    for entity in (
        b"color",
        b"depth",
        b"labels",
        b"boxes",
        b"points",
        b"overlay",
        b"grasps",
        b"detections",
    ):
        assert entity in content
    with pytest.raises(InputError, match=r"recording.rrd already exists; use --overwrite"):
        replay(bag, out, stage, replace(options, overwrite=False))


def test_a_recording_that_cannot_start_is_reported(bag, out, stage):
    pytest.importorskip("rerun", reason="needs the extra cvdl[rerun]")
    with pytest.raises(OSError, match="/dev/full"):
        replay(bag, out, stage, ReplayOptions(rerun=Path("/dev/full"), overwrite=True))
    assert not out.exists()


def test_a_recording_that_cannot_be_completed_is_reported(bag, out, tmp_path, stage, monkeypatch):
    rerun = pytest.importorskip("rerun", reason="needs the extra cvdl[rerun]")

    def fail(self):
        raise RuntimeError("no space left")

    monkeypatch.setattr(rerun.RecordingStream, "flush", fail)
    with pytest.raises(OSError, match=r"it.rrd: no space left"):
        replay(bag, out, stage, ReplayOptions(rerun=tmp_path / "it.rrd"))
    assert len(raw(out)[LABELS]) == 5


def test_rerun_that_is_not_installed_is_reported(bag, out, tmp_path, stage, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InputError, match=r"recording needs rerun, .*: pip install 'cvdl\[rerun\]'"):
        replay(bag, out, stage, ReplayOptions(rerun=tmp_path / "recording.rrd"))
    assert not out.exists()
