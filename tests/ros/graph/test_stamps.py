"""What a node makes and says of stamps that tell nothing, and of lost images."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import SegmentationNode

from .conftest import wait_until

LOG = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 33_000_000


@pytest.fixture
def run(start, wire, tabletop, monkeypatch):
    """A function: sends so many frames; the pairs that the node counts, and its warnings.

    It takes for each topic the stamp of a frame's number, and whether the image arrives.
    """
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)

    def stamp(message, stamp_ns):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        return message

    def send(color, depth, frames=60, keep=lambda topic, i: True, infos=1):
        start(SegmentationNode)
        said = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
        messages = wire.messages(tabletop)
        for i in range(frames):
            for k in range(infos):
                info = stamp(messages[2], START_NS + i * PERIOD_NS + k * 1_000_000)
                wire.publish("/perception/camera_info", info)
            for name, message, when in (
                ("color", messages[0], color),
                ("depth", messages[1], depth),
            ):
                if keep(name, i):
                    wire.publish(f"/perception/{name}", stamp(message, when(i)))
            time.sleep(0.033)
        return (
            lambda: int(wire.diagnosed().get("pairs", -1)),
            lambda words: [log.msg for log in said if words in log.msg],
        )

    return send


def now(i):
    return START_NS + i * PERIOD_NS


@pytest.mark.parametrize(
    ("color", "depth", "words"),
    [
        (lambda i: 0, lambda i: 0, "the stamps of /perception/color and /perception/depth are 0"),
        (now, lambda i: 0, "the stamps of /perception/depth are 0"),
    ],
)
def test_without_stamps_images_pair_by_arrival_which_is_reported_once(run, color, depth, words):
    pairs, said = run(color, depth)
    assert wait_until(lambda: pairs() >= 40)
    assert wait_until(lambda: said(words))
    (sentence,) = said(words)
    assert "color and depth are paired by the time of arrival" in sentence
    assert "raise the slop" not in sentence


@pytest.mark.parametrize("infos", [1, 3])
def test_another_clock_is_named_with_its_offset(run, infos):
    _, said = run(now, lambda i: now(i) - 7 * 10**9, infos=infos)
    words = "the stamps of /perception/depth are 7.0"
    assert wait_until(lambda: said(words))
    assert "behind those of /perception/color" in said(words)[0]
    assert not said("raise the slop")


def test_lost_images_are_named_with_the_page(run):
    rng = np.random.default_rng(1)
    kept = rng.random((2, 120)) < 0.15
    kept[1] &= ~kept[0]
    pairs, said = run(now, now, 120, lambda topic, i: bool(kept["cd".index(topic[0]), i]))
    assert wait_until(lambda: pairs() == 0)
    assert wait_until(lambda: said("images are lost in transport"))
    assert 'see "Large images" in docs/ros.md' in said("images are lost in transport")[-1]


def test_losses_of_one_topic_are_named_though_pairs_come(run):
    rng = np.random.default_rng(1)
    kept = rng.random(90) < 0.3
    pairs, said = run(now, now, 90, lambda topic, i: topic == "color" or bool(kept[i]))
    assert wait_until(lambda: pairs() > 10)
    assert wait_until(lambda: said("images are lost in transport"))
    assert len(said("images are lost in transport")) == 1


def test_losses_are_reported_once_though_a_pair_comes_now_and_then(run):
    pairs, said = run(now, now, 160, lambda topic, i: i % 40 == 20)
    assert wait_until(lambda: pairs() >= 3)
    assert wait_until(lambda: said("images are lost in transport"))
    assert len(said("images are lost in transport")) == 1


def test_publishers_that_do_not_send_yet_are_reported_once(start, wire, tabletop, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    start(SegmentationNode)
    said = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    words = "no messages on /perception/color, /perception/depth, /perception/camera_info"
    assert wait_until(lambda: any(words in log.msg for log in said))
    for name, message in zip(
        ("color", "depth", "camera_info"), wire.messages(tabletop), strict=True
    ):
        wire.node.create_publisher(type(message), f"/perception/{name}", 5)
    time.sleep(2.2)
    assert sum(words in log.msg for log in said) == 1


def test_images_that_never_arrive_though_they_are_published(start, wire, tabletop, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    start(SegmentationNode)
    said = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    color, depth, info = wire.messages(tabletop)
    wire.publish("/perception/camera_info", info)
    wire.publish("/perception/depth", depth)
    wire.node.create_publisher(type(color), "/perception/color", 5)
    words = "/perception/color: it has a publisher; if it sends images, they are lost in transport"
    assert wait_until(lambda: any(words in log.msg for log in said))


def test_clouds_that_never_arrive_though_they_are_published(start, wire, monkeypatch):
    monkeypatch.setattr("cvdl.ros.inputs.SILENCE_S", 0.5)
    start(SegmentationNode, source="points")
    said = wire.listen("/rosout", "rcl_interfaces/msg/Log", LOG)
    kind = message_type("sensor_msgs/msg/PointCloud2")
    wire.node.create_publisher(kind, "/perception/points", 5)
    words = "/perception/points: it has a publisher; if it sends clouds, they are lost in transport"
    assert wait_until(lambda: any(words in log.msg for log in said))
