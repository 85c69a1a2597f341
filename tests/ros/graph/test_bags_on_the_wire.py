"""Bags between cvdl and ROS 2's own player, recorder and echo."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack

import pytest

pytest.importorskip("rosbag2_py", reason="needs a full ROS 2 installation: ros2 bag")

from rclpy.duration import Duration
from rclpy.serialization import deserialize_message
from rosbag2_interfaces.srv import IsPaused, Resume
from rosidl_runtime_py import message_to_yaml

from cvdl.bags import BagReader, BagWriter, write_frame
from cvdl.bags.frames import CAMERA_INFO_TOPIC, COLOR_TOPIC, DEPTH_TOPIC
from cvdl.messages.topics import SCENE_TOPICS
from cvdl.replay import ReplayOptions, replay
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import PerceptionNode
from cvdl.simulation import SimulationConfig, simulate_scenes
from cvdl.simulation.export import BagExport

from .background import background, ros2
from .conftest import PATIENCE_S, wait_until

SCENES = 3
FRAME_PERIOD_S = 1 / 15  # of a simulated bag
INPUTS = {COLOR_TOPIC: "color", DEPTH_TOPIC: "depth", CAMERA_INFO_TOPIC: "camera_info"}


def results(bag):
    """The messages of the perception by topic, in the order of the bag, as ROS has them."""
    found = defaultdict(list)
    with BagReader(bag) as reader:
        for topic, _, data in reader.messages():
            if topic.name.startswith("/perception/"):
                message = deserialize_message(bytes(data), message_type(topic.type))
                found[topic.name].append(message)
    return dict(found)


def test_what_is_recorded_of_a_played_bag_is_what_a_replay_writes(
    quick_detector, start, wire, tmp_path
):
    """Through `ros2 bag play`, the node and `ros2 bag record`: every frame, every message."""
    with BagExport(tmp_path / "bag", overwrite=False, seed=3) as export:
        for scene in simulate_scenes(3, SCENES, config=SimulationConfig(width=320, height=240)):
            export.add(scene)
    options = ReplayOptions(only_results=True, points=True)
    summary = replay(tmp_path / "bag", tmp_path / "offline", options=options)
    assert summary.frames == SCENES
    expected = results(tmp_path / "offline")

    # Images larger than a socket's buffer may get lost unless they are asked for again.
    reliably = {
        f"qos_overrides./perception/{name}.subscription.reliability".replace(".", "__"): "reliable"
        for name in INPUTS.values()
    }
    node = start(PerceptionNode, detector__enable=True, **reliably)
    pictures = wire.listen("/perception/overlay", SCENE_TOPICS["overlay"])
    with ExitStack() as stack:
        recorder = stack.enter_context(
            background(
                *(*ros2("bag record"), "--output", tmp_path / "live"),
                *("--regex", "^/perception/.*/.*|/perception/(markers|overlay)$"),
                "--disable-keyboard-controls",
            )
        )
        publishers = [p for p in node.publishers if p.topic_name.startswith("/perception/")]
        publishers = [p for p in publishers if "transition_event" not in p.topic_name]
        assert len(publishers) == len(SCENE_TOPICS) + 1
        assert wait_until(lambda: all(p.get_subscription_count() for p in publishers))
        usual_s = summary.latency_ms["total"][0] / 1e3
        remaps = [f"{topic}:=/perception/{name}" for topic, name in INPUTS.items()]
        stack.enter_context(
            background(
                *(*ros2("bag play"), tmp_path / "bag", "--start-paused"),
                *("--rate", min(1.0, FRAME_PERIOD_S / (4 * usual_s))),
                *("--remap", *remaps, "--disable-keyboard-controls"),
            )
        )
        # A player that answers has found this process, and with it the node's subscriptions.
        assert wire.call(IsPaused, "/rosbag2_player/is_paused").paused
        wire.call(Resume, "/rosbag2_player/resume")
        assert wait_until(lambda: len(pictures) == SCENES, 2 * PATIENCE_S)
        assert all(p.wait_for_all_acked(Duration(seconds=PATIENCE_S)) for p in publishers)
        for _ in range(SCENES):  # it takes a message of each topic before it answers
            wire.call(IsPaused, "/rosbag2_recorder/is_paused")
        recorder.interrupt()
        assert recorder.end(PATIENCE_S) in (0, 2), recorder.said

    recorded = results(tmp_path / "live")
    assert sorted(recorded) == sorted(expected)
    assert len(expected) == len(SCENE_TOPICS)  # no tracks; the names of the classes
    for topic, messages in expected.items():
        assert recorded[topic] == messages, topic


def test_ros2_topic_echo_prints_a_bag_that_a_replay_wrote(quick_detector, tabletops, tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for frame in tabletops(2):  # the player makes nothing of a bag of no duration
            write_frame(writer, frame)
    replay(tmp_path / "bag", tmp_path / "results")
    expected = results(tmp_path / "results")
    echo_command = ros2("topic echo")
    echoed = ("segmentation/objects", "detection/boxes", "grasp/poses", "markers", "overlay")
    with ExitStack() as stack:
        stack.enter_context(
            background(
                *(*ros2("bag play"), tmp_path / "results", "--loop", "--delay", 0.2),
                "--disable-keyboard-controls",
            )
        )
        echoes = {
            f"/perception/{topic}": stack.enter_context(
                background(
                    *(*echo_command, "--once", "--no-daemon"),
                    *(f"/perception/{topic}", SCENE_TOPICS[topic]),
                )
            )
            for topic in echoed
        }
        for topic, echo in echoes.items():
            status = echo.end(2 * PATIENCE_S)
            assert status == 0, echo.said
            texts = [message_to_yaml(m, truncate_length=128) for m in expected[topic]]
            assert echo.said in [f"{text}---\n" for text in texts], topic
