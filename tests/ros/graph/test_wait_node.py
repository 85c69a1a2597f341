"""Waiting for managed nodes, on a real graph."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[live]'")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import LifecycleNode  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from cvdl.ros import wait_node  # noqa: E402


def wait(*arguments):
    """Exit status of the program, in a process as it is used, and what it says."""
    command = [sys.executable, "-m", "cvdl.ros.wait_node", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


@pytest.fixture
def managed(monkeypatch):
    """A managed node /here/managed, in another context, spinning."""
    domain = random.randrange(1, 100)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = LifecycleNode("managed", namespace="here", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_an_active_node_ends_the_waiting(managed):
    managed.trigger_configure()
    timer = threading.Timer(0.5, managed.trigger_activate)
    timer.start()
    status, _ = wait("/here/managed", "--timeout", "20")
    timer.join()
    assert status == 0


def test_a_node_that_is_not_active_is_reported(managed):
    managed.trigger_configure()
    told = "/here/managed is inactive; expected active\n"
    assert wait("/here/managed", "--timeout", "3") == (1, told)


def test_a_missing_node_is_reported(managed):
    told = "/here/other is not available; expected active\n"
    assert wait("/here/other", "--timeout", "0.3") == (1, told)


def test_it_prints_what_it_waits_for(managed, monkeypatch, capsys):
    monkeypatch.setattr(wait_node, "_WORD_S", 0.2)
    context = rclpy.Context()
    rclpy.init(context=context)
    waiting = rclpy.create_node("waiting", context=context)
    executor = SingleThreadedExecutor(context=context)
    monkeypatch.setattr(
        rclpy, "spin_once", lambda node, timeout_sec: executor.spin_once(timeout_sec)
    )
    monkeypatch.setattr(rclpy, "ok", lambda: True)
    executor.add_node(waiting)
    wait_node.wait_until_active(waiting, ["/here/other"], timeout_s=0.5)
    assert "waiting for /here/other, which is not available\n" in capsys.readouterr().out
    waiting.destroy_node()
    rclpy.shutdown(context=context)


INTERRUPTED = """
import signal
from threading import Timer
from cvdl.ros.wait_node import main

Timer(1, signal.raise_signal, [signal.SIGINT]).start()
raise SystemExit(main())
"""


def test_ctrl_c_ends_the_waiting_quietly():
    command = [sys.executable, "-c", INTERRUPTED, "/here/other"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "")


def test_a_recorder_is_waited_for(managed):
    managed.trigger_configure()
    managed.trigger_activate()
    result = "/here/segmentation/labels"
    publisher = managed.create_publisher(Image, result, 10)
    command = [sys.executable, "-m", "cvdl.ros.wait_node", "/here/managed", "--recorded"]
    everybody = managed.create_subscription(Image, result, lambda _: None, 10)
    with subprocess.Popen(command) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):  # somebody else listens
            waiting.wait(4)
        recorder = rclpy.create_node("rosbag2_recorder_42", context=managed.context)
        recorder.create_subscription(Image, result, lambda _: None, 10)
        assert waiting.wait(20) == 0
    recorder.destroy_node()
    managed.destroy_subscription(everybody)
    managed.destroy_publisher(publisher)
