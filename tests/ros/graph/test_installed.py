"""`ros2 launch cvdl perception.launch.py`: the nodes themselves, and a camera at 15 Hz."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from helpers.paths import DATA, ROOT

pytest.importorskip("ros2launch", reason="needs a full ROS 2 installation: ros2 launch")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.datasets.image_folder import ImageFolder
from cvdl.messages.reading import read_frame
from cvdl.messages.sync import Match
from cvdl.messages.topics import LABEL_INFO_TOPIC, SCENE_TOPICS
from cvdl.pipeline import Perception, PerceptionConfig

from .background import background, ros2
from .conftest import PATIENCE_S, PERIOD_NS, TOPICS, deserialized, is_stamped, stamp_of, wait_until

RECORDED = DATA / "tabletop_demo"
SEPARATE = ("segmentation_node", "detection_node", "grasp_node")
LABEL_INFO = "vision_msgs/msg/LabelInfo"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """cvdl where ros2 looks for packages: what colcon makes, but with the code at hand."""
    launch_files, executables = tmp_path / "share/cvdl/launch", tmp_path / "lib/cvdl"
    index = tmp_path / "share/ament_index/resource_index/packages"
    for folder in (launch_files, executables, index):
        folder.mkdir(parents=True)
    (index / "cvdl").touch()
    name = "perception.launch.py"
    (launch_files / name).symlink_to(ROOT / "launch" / name)
    for name in ("perception_node", *SEPARATE):
        file = executables / name
        start = name.removesuffix("_node")
        code = f"from cvdl.ros.executables import {start}\n{start}()\n"
        file.write_text(f"#!{sys.executable}\n{code}")
        file.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))


@pytest.fixture
def frames(tabletop):
    """Two; recorded ones where they are there."""
    if RECORDED.is_dir():
        recorded = ImageFolder(RECORDED)
        return [recorded[0], recorded[1]]
    return [tabletop, replace(tabletop, color=tabletop.color[:, :, ::-1].copy())]


def publish(wire, frames, done, launch):
    """Send the frames in turn, 15 a second, until it is done; the frame's number by its stamp."""
    end = time.monotonic() + 6 * PATIENCE_S
    sent = {}
    while not done(sent):
        assert launch.alive, launch.said
        assert time.monotonic() < end, f"some topic stays silent\n{launch.said}"
        start = time.monotonic()
        number = len(sent) % len(frames)
        stamp = time.time_ns()
        sent[stamp] = number
        messages = wire.messages(replace(frames[number], stamp_ns=stamp))
        for topic, message in zip(
            (COLOR_TOPIC, DEPTH_TOPIC, CAMERA_INFO_TOPIC), messages, strict=True
        ):
            wire.publish(topic, message)
        time.sleep(max(0.0, start + PERIOD_NS / 1e9 - time.monotonic()))
    return sent


def everywhere(heard):
    """The stamps for which every topic has a message; a plane has none."""
    stamps = [{stamp_of(m) for m in heard[topic]} for topic in TOPICS if is_stamped(topic)]
    return set.intersection(*stamps)


def assert_alike(found, expected, where):
    """Equal but for what the way through another node's messages rounds."""
    if hasattr(expected, "get_fields_and_field_types"):
        for name in expected.get_fields_and_field_types():
            assert_alike(getattr(found, name), getattr(expected, name), f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_alike(one, other, f"{where}[{i}]")
    elif isinstance(expected, float | np.ndarray):
        assert found == pytest.approx(expected, abs=1e-5), where
    elif where.endswith("overlay.data"):  # lines may go through a neighboring pixel
        assert len(found) == len(expected)
        assert np.mean(np.array(found) != np.array(expected)) < 1e-3, where
    else:
        assert found == expected, where


@pytest.mark.parametrize("composed", [True, False], ids=["composed", "separate"])
def test_launched_nodes_publish_what_the_offline_pipeline_finds(installed, wire, frames, composed):
    nodes = 1 if composed else len(SEPARATE)
    command = (*ros2("launch"), "cvdl", "perception.launch.py")
    arguments = (f"composed:={str(composed).lower()}", "device:=cpu")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

    def done(sent):
        """Whether a result of each frame has come on every topic."""
        return len(frames) == len({sent[stamp] for stamp in everywhere(heard)}) and names

    with background(*command, *arguments, OVERRIDE_LAUNCH_PROCESS_OUTPUT="screen") as launch:
        # Processes that load networks take a while to come.
        assert wait_until(
            lambda: wire.node.count_subscribers(COLOR_TOPIC) == nodes or not launch.alive,
            3 * PATIENCE_S,
        )
        heard = wire.listen_to_scene(topics=TOPICS)
        names = wire.listen(f"/perception/{LABEL_INFO_TOPIC}", LABEL_INFO, latched)
        sent = publish(wire, frames, done, launch)
        offers = {
            topic: wire.node.get_publishers_info_by_topic(f"/perception/{topic}")
            for topic in (*TOPICS, LABEL_INFO_TOPIC)
        }
        launch.interrupt()
        begin = time.monotonic()
        assert launch.end(PATIENCE_S) == 0, launch.said
        assert time.monotonic() - begin < 5
        assert launch.said.count("process has finished cleanly") == nodes
        assert "Traceback" not in launch.said

    for topic, (offer,) in offers.items():
        assert offer.topic_type == SCENE_TOPICS.get(topic, LABEL_INFO)
        assert offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        is_latched = offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert is_latched == (topic == LABEL_INFO_TOPIC)
    whole = Perception(PerceptionConfig())
    assert tuple(each.class_name for each in names[0].class_map) == whole.classes
    # Of separate nodes, the one that segments has no names for things, and pictures have none
    # before the first ones have come from the node that recognizes.
    nameless = whole if composed else Perception(PerceptionConfig(detector={"enable": False}))
    named = 0
    unstamped = {topic: [] for topic in TOPICS if not is_stamped(topic)}
    for stamp in everywhere(heard):
        frame = read_frame(Match(*wire.messages(replace(frames[sent[stamp]], stamp_ns=stamp))))
        expected = {}
        (markers,) = (m for m in heard["markers"] if stamp_of(m) == stamp)
        scenes = {"segmentation": nameless(frame), "": whole(frame)}
        captions = {scenes[""].caption(item) for item in scenes[""].objects}
        is_named = captions == {m.text for m in markers.markers if m.ns == "names"}
        named += is_named
        scenes["pictures"] = scenes["" if is_named else "segmentation"]
        made = {kind: wire.results(frame, scene) for kind, scene in scenes.items()}
        for topic in made[""].keys() & set(TOPICS):
            kind = "segmentation" if topic.startswith("segmentation") else ""
            kind = "pictures" if topic in ("markers", "overlay") else kind
            expected[topic] = deserialized(made[kind][topic])
        for topic, messages in unstamped.items():
            messages.append(expected.pop(topic))
        for topic, message in expected.items():
            (found,) = (m for m in heard[topic] if stamp_of(m) == stamp)
            if composed or topic.startswith("segmentation"):
                assert found == message, topic
            else:
                assert_alike(found, message, topic)
    assert named
    for topic, messages in unstamped.items():
        assert all(message in messages for message in heard[topic])
