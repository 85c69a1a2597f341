"""``cvdl live`` in a process of its own, over the wire."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from cvdl.messages.reading import read_frame
from cvdl.messages.sync import Match
from cvdl.pipeline import Perception, PerceptionConfig

from .conftest import TOPICS, deserialized, is_stamped, stamp_of, wait_until

COMMAND = [sys.executable, "-c", "import typer, cvdl.cli.live as l; typer.run(l.command)"]


@pytest.fixture
def live(graph):
    """A function: the process of ``cvdl live`` with these arguments."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def are_of(heard, frame):
    """Whether the last messages are of the frame; a plane does not say."""
    last = {topic: messages[-1] for topic, messages in heard.items() if messages}
    stamps = {stamp_of(last[topic]) for topic in last if is_stamped(topic)}
    return sorted(last) == sorted(TOPICS) and stamps == {frame.stamp_ns}


def test_a_live_result_is_the_offline_one(live, wire, tabletops):
    process = live(
        *("--color-topic", "/eye/color", "--depth-topic", "/eye/depth"),
        *("--camera-info-topic", "/eye/camera_info", "--namespace", "/seen"),
        *("--set", "detector.enable=false", "--set", "grasp.max_grasps=7"),
    )
    heard = wire.listen_to_scene("/seen", TOPICS)
    *early, first, second = tabletops(42)
    wire.patience = 60  # a process that loads networks takes a while to come
    for frame in early:  # until both sides know of each other's topics
        wire.send(wire.messages(frame), camera="/eye")
        if wait_until(lambda: all(heard[topic] for topic in TOPICS), 0.5):
            break
    perception = Perception(PerceptionConfig(detector={"enable": False}, grasp={"max_grasps": 7}))
    for frame in (first, second):
        messages = wire.messages(frame)
        read = read_frame(Match(*messages))
        scene = perception(read)
        for made in heard.values():
            made.clear()
        wire.send(messages, camera="/eye")
        # Those of earlier frames may still come before.
        assert wait_until(lambda: are_of(heard, frame))  # noqa: B023
        expected = wire.results(read, scene)
        for topic in TOPICS:
            assert heard[topic][-1] == deserialized(expected[topic]), topic
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert time.monotonic() - begin < 5
    assert "Traceback" not in said


def test_errors_are_one_line(live, tmp_path):
    weights = tmp_path / "none.safetensors"
    process = live("--set", "detector.enable=false", "--set", f"grasp.weights={weights}")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no such file; expected weights of CascadeDetector" in said
    assert "Traceback" not in said


def test_arguments_that_ros_rejects_are_reported(live):
    said, _ = (process := live("--color-topic", "no topic!")).communicate(timeout=60)
    assert process.returncode == 1
    assert "error: ROS rejects the command line: " in said
    assert "no topic!" in said
    assert "Traceback" not in said


def test_a_log_that_cannot_be_written_is_reported(live, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("ROS_LOG_DIR", str(file / "log"))
    said, _ = (process := live("--set", "detector.enable=false")).communicate(timeout=60)
    assert process.returncode == 1
    assert "error: ROS cannot write its log: " in said
    assert "set ROS_LOG_DIR to use another folder" in said


def test_parameters_may_be_given_as_ros_has_them(live):
    """One of a wrong type is refused, so it was not passed over."""
    process = live("--namespace", "seen", "--", "--ros-args", "-p", "slop:=1")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "slop" in said
    assert "Traceback" not in said


def test_a_parameter_file_of_the_robot_is_read_for_the_node(live, tmp_path):
    """Its namespace is that of the command line; the weights that it names are not there."""
    robot = tmp_path / "robot.yaml"
    robot.write_text(
        "/other/grasp_server: {ros__parameters: {grasp: {timeout: 3.0, weights: other}}}\n"
        "seen: {perception_node: {ros__parameters: {grasp.weights: ours, detector.enable: false}}}"
    )
    by_us = live("--namespace", "seen", "--config", str(robot))
    by_ros = live("--namespace", "seen", "--", "--ros-args", "--params-file", str(robot))
    gone = ("-p", "detector.enable:=false", "-p", "grasp.weights:=gone")
    elsewhere = live("--", "--ros-args", "--params-file", str(robot), *gone)
    for process in (by_us, by_ros):
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "ours: no such file; expected weights of CascadeDetector" in said
        assert "no section" not in said
    said, _ = elsewhere.communicate(timeout=60)
    assert "robot.yaml: no section applies to the node /perception/perception_node" in said
    assert "/other/grasp_server, /seen/perception_node" in said
