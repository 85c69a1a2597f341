"""What ``cvdl live`` says where a part of ROS is missing; no graph is needed for that."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from typer.testing import CliRunner

from cvdl.cli.app import app
from cvdl.ros.interfaces import message_type
from helpers.cli import error_of


@pytest.fixture
def ros(monkeypatch):
    """A function: this ROS has these packages and lacks those."""
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    message_type.cache_clear()

    def make(has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
        for name in has:
            module = ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)
        for name in lacks:
            monkeypatch.setitem(sys.modules, name, None)
            monkeypatch.setitem(sys.modules, f"{name}.msg", None)

    yield make
    message_type.cache_clear()


@pytest.fixture
def made(monkeypatch):
    """How often messages were generated."""
    times = []
    monkeypatch.setattr("cvdl.ros.interfaces.generate_messages", lambda: times.append(1))
    return times


@pytest.mark.parametrize(
    ("lacks", "options", "words"),
    [
        ("rclpy", [], "cvdl live needs ROS 2, which is not installed: pip install 'cvdl[live]'"),
        ("rclpy", ["--setup"], "cvdl live needs ROS 2"),
        ("vision_msgs", [], "the messages of vision_msgs are missing"),
    ],
)
def test_what_is_missing_is_reported_in_one_line(ros, made, monkeypatch, lacks, options, words):
    names = "rclpy", "vision_msgs"
    ros(has=tuple(name for name in names if name != lacks), lacks=(lacks,))
    message = error_of(monkeypatch, "live", *options)
    assert message.startswith(f"error: {words}")
    remedy = "source an installation (/opt/ros/*/setup.bash)"
    if lacks != "rclpy":
        remedy = "run cvdl live --setup"
    assert message.endswith(remedy)
    assert not made


@pytest.mark.parametrize("lacks", [("vision_msgs",), ("tf2_msgs",), ("vision_msgs", "tf2_msgs")])
def test_set_up_generates_the_messages_that_are_missing(ros, made, lacks):
    ros(has=tuple({"rclpy", "vision_msgs", "tf2_msgs"} - set(lacks)), lacks=lacks)
    result = CliRunner().invoke(app, ["live", "--setup"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"generating {' and '.join(lacks)} (about a minute, once)",
        "done",
    ]
    assert made == [1]


def test_setup_keeps_existing_messages(ros, made):
    ros(has=("rclpy", "vision_msgs", "tf2_msgs"), lacks=())
    result = CliRunner().invoke(app, ["live", "--setup"])
    assert (result.exit_code, result.stdout) == (0, "all messages already exist\n")
    assert not made


def test_words_that_ros_would_pass_over_are_refused(monkeypatch):
    assert error_of(monkeypatch, "live", "segmentation.up=tf").startswith(
        "error: unknown argument 'segmentation.up=tf'; accepted: options, --set K=V among them"
    )
