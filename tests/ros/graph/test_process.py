"""The end of a node's process while a frame is under way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest

from cvdl.messages.topics import SCENE_TOPICS

from .background import background
from .conftest import PATIENCE_S, wait_until

# The pipeline, slowed down by work in compiled code that comes and goes from Python. A frame of
# one stamp is spared: the one that a node makes up while it is configured has 0.
SLOW = """
import time
import torch
import cvdl.pipeline

segment = cvdl.pipeline.Perception.segment

def slow(self, frame, segmentation=None):
    if frame.stamp_ns == {spared}:
        return segment(self, frame, segmentation)
    print("a frame is under way", flush=True)
    picture, kernel = torch.zeros(1, 8, 64, 64), torch.zeros(8, 8, 3, 3)
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        torch.nn.functional.conv2d(picture, kernel)
    return segment(self, frame, segmentation)

cvdl.pipeline.Perception.segment = slow
"""
NODE = "from cvdl.ros.executables import perception\nperception()\n"
LIVE = "import typer\nimport cvdl.cli.live\ntyper.run(cvdl.cli.live.command)\n"
AS_NODE = [
    *("--ros-args", "-r", "__ns:=/node", "-p", "detector.enable:=false", "-p", "overlap:=true"),
    *("-r", "color:=/eye/color", "-r", "depth:=/eye/depth", "-r", "camera_info:=/eye/camera_info"),
]
AS_LIVE = [
    *("--namespace", "/live", "--set", "detector.enable=false"),
    *("--color-topic", "/eye/color", "--depth-topic", "/eye/depth"),
    *("--camera-info-topic", "/eye/camera_info"),
]


HUMBLE = """
import sys
from types import ModuleType
import rclpy.node

old = ModuleType("rclpy.qos_event")
old.SubscriptionEventCallbacks = "of Humble"
sys.modules |= {"rclpy.event_handler": None, "rclpy.qos_event": old}
from cvdl.ros.subscriptions import SubscriptionEventCallbacks
assert SubscriptionEventCallbacks == "of Humble"
"""


def test_the_name_of_the_event_callbacks_in_humble_is_accepted():
    """It has them where no later ROS has them."""
    subprocess.run([sys.executable, "-c", HUMBLE], check=True)


EARLY = """
import sys
from importlib.abc import MetaPathFinder

class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "cvdl.pipeline":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
"""


def test_ctrl_c_during_imports_is_quiet():
    command = [sys.executable, "-c", EARLY + NODE]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


WITHOUT_EXTRAS = """
import sys
from cvdl.core.extras import EXTRAS

missing = {module for extra in EXTRAS.values() for module in extra} - {"rclpy"}
sys.modules.update(dict.fromkeys(missing))
"""


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("grasp.device:=cpu", ["configured in"]),
        ("grasp.engine:=torch", ["engine torch needs PyTorch, ", "pip install 'cvdl[torch]'"]),
    ],
)
def test_a_node_on_a_cpu_needs_no_extra_and_says_what_does(parameter, words):
    command = (sys.executable, "-c", WITHOUT_EXTRAS + NODE, *AS_NODE, "-p", parameter)
    with background(*command) as node:
        assert wait_until(lambda: all(each in node.said for each in words), 3 * PATIENCE_S), (
            node.said
        )
        assert "Traceback" not in node.said
        end_by_signal([node])


def end_by_signal(processes, number=signal.SIGINT):
    """Within 5 s and with status 0."""
    begin = time.monotonic()
    for process in processes:
        process.interrupt(number)
    for process in processes:
        assert process.end(PATIENCE_S) == 0, process.said
        assert time.monotonic() - begin < 5
        assert "Traceback" not in process.said
        assert "Failed to publish log message" not in process.said


MAKING = """
import signal
import rclpy
from cvdl.ros.nodes import PerceptionNode
from cvdl.ros.process import run

def make():
    signal.raise_signal(signal.SIGTERM)
    while rclpy.ok():
        pass
    return PerceptionNode()

run(make)
"""


def test_a_signal_while_the_node_is_made_ends_it_quietly():
    command = [sys.executable, "-c", MAKING]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


BETWEEN_STEPS = """
import signal
from cvdl.ros.nodes import SegmentationNode
from cvdl.ros.process import run

class Node(SegmentationNode):
    configured = False

    def on_activate(self, state):
        self.configured = True
        return super().on_activate(state)

    def add_waitable(self, waitable):
        # rclpy holds the subscription already, and not yet its event handlers.
        if self.configured:
            signal.raise_signal(signal.SIGINT)
        super().add_waitable(waitable)

run(Node)
"""


def test_ctrl_c_between_two_steps_of_rclpy_ends_a_node_quietly():
    command = [sys.executable, "-c", BETWEEN_STEPS, "--ros-args", "--log-level", "error"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


REPEATED = """
import os
import subprocess
from cvdl.ros.process import run
from cvdl.ros.nodes import SegmentationNode

class Node(SegmentationNode):
    def on_activate(self, state):
        # Once it is being spun.
        again = f"sleep 0.3; while kill -INT {os.getpid()}; do :; done"
        subprocess.Popen(["sh", "-c", again], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        return super().on_activate(state)

run(Node)
"""


def test_a_ctrl_c_that_comes_more_than_once_ends_a_node_quietly():
    """As it does below ros2 launch."""
    command = [sys.executable, "-c", REPEATED, "--ros-args", "--log-level", "error"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_node_that_ends_is_not_in_the_graph_any_more(wire):
    """One that did not take leave would stay for 10 s."""
    with background(sys.executable, "-c", NODE, *AS_NODE) as node:
        assert wait_until(lambda: ("perception_node", "/node") in wire.nodes(), 3 * PATIENCE_S)
        # News of a node that ends as it begins may reach a busy listener in the wrong order.
        assert wait_until(lambda: "configured" in node.said, 3 * PATIENCE_S)
        end_by_signal([node])
    assert wait_until(lambda: ("perception_node", "/node") not in wire.nodes(), 5)


def test_ctrl_c_ends_processes_that_are_at_work(wire, tabletop):
    """One whose frame comes to its end, and one whose frame does not."""
    python = (sys.executable, "-c")
    with (
        background(*python, SLOW.format(seconds=0.5, spared=0) + LIVE, *AS_LIVE) as live,
        background(*python, SLOW.format(seconds=3600, spared=0) + NODE, *AS_NODE) as node,
    ):
        processes = (live, node)
        there = partial(wire.node.count_subscribers, "/eye/color")
        assert wait_until(lambda: there() == 2 or not (live.alive and node.alive), 3 * PATIENCE_S)
        for namespace in ("live", "node"):
            wire.listen(f"/{namespace}/segmentation/labels", SCENE_TOPICS["segmentation/labels"])
        begin = time.monotonic()
        while not all("under way" in process.said for process in processes):
            stamp = time.time_ns()
            assert time.monotonic() < begin + PATIENCE_S, [process.said for process in processes]
            wire.send(wire.messages(replace(tabletop, stamp_ns=stamp)), camera="/eye")
            time.sleep(0.1)
        end_by_signal(processes)
        assert "a stage did not end within" in node.said
    ours = {("perception_node", "/live"), ("perception_node", "/node")}
    assert wait_until(lambda: not ours & wire.nodes(), 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_processes_that_are_being_configured(wire, number):
    """Compiling takes half a minute where it has not been done before."""
    ours = {("perception_node", "/live"), ("perception_node", "/node")}
    python = (sys.executable, "-c")
    slow = SLOW.format(seconds=3600, spared=-1)
    with (
        background(*python, slow + LIVE, *AS_LIVE) as live,
        background(*python, slow + NODE, *AS_NODE) as node,
    ):
        processes = (live, node)
        assert wait_until(lambda: all("under way" in p.said for p in processes), 3 * PATIENCE_S)
        assert wait_until(lambda: ours <= wire.nodes(), PATIENCE_S)
        end_by_signal(processes, number)
    assert wait_until(lambda: not ours & wire.nodes(), 5)
