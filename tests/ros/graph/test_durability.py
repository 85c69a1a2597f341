"""Publishers that keep what they have sent, and those that do not: both are heard."""

from __future__ import annotations

import time

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

from cvdl.messages.reading import stamp_ns
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import SegmentationNode

from .conftest import wait_until

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
VOLATILE = QoSProfile(depth=5)
OBJECTS = "vision_msgs/msg/Detection3DArray"
NAMES = ("color", "depth", "camera_info")


@pytest.fixture
def offer(wire):
    """A function: publishes one message on a topic, whoever listens."""
    made = {}

    def publish(name, message, qos):
        if name not in made:
            made[name] = wire.node.create_publisher(type(message), f"/perception/{name}", qos)
        made[name].publish(message)
        return made[name]

    yield publish
    for publisher in made.values():
        wire.node.destroy_publisher(publisher)


@pytest.fixture
def labels(wire):
    """The label images that come; nodes may start before or after it."""
    heard = []
    kind = message_type("sensor_msgs/msg/Image")
    wire.node.create_subscription(kind, "/perception/segmentation/labels", heard.append, 10)
    return heard


def by_name(wire, frame):
    return dict(zip(NAMES, wire.messages(frame), strict=True))


@pytest.mark.parametrize("comes_first", ["camera_info", "node"])
def test_camera_info_that_is_sent_once(start, wire, offer, labels, tabletops, comes_first):
    """As drivers do that latch it: before the node is there, or after."""
    first, *frames = [by_name(wire, frame) for frame in tabletops(4)]
    if comes_first == "node":
        start(SegmentationNode)
    offer("camera_info", first["camera_info"], LATCHED)
    if comes_first == "camera_info":
        time.sleep(0.5)  # so that a live subscription could not get it
        start(SegmentationNode)
    for count, messages in enumerate(frames, start=1):
        for name in ("color", "depth"):
            wire.publish(f"/perception/{name}", messages[name])
        assert wait_until(lambda count=count: len(labels) == count)


@pytest.mark.parametrize("comes_first", ["picture", "node"])
def test_a_single_frame_that_is_sent_once(start, wire, offer, labels, tabletop, comes_first):
    """As one who publishes a file does: it is worked on, once."""
    messages = by_name(wire, tabletop)
    if comes_first == "node":
        start(SegmentationNode)
    for name, message in messages.items():
        offer(name, message, LATCHED)
    if comes_first == "picture":
        time.sleep(0.5)
        start(SegmentationNode)
    assert wait_until(lambda: labels)
    time.sleep(2.5)
    assert len(labels) == 1


def test_a_single_frame_waits_for_a_subscriber_of_its_results(start, wire, offer, tabletop):
    start(SegmentationNode)
    for name, message in by_name(wire, tabletop).items():
        offer(name, message, LATCHED)
    assert wait_until(lambda: wire.diagnosed().get("pairs") == "1")
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    assert wait_until(lambda: labels)
    time.sleep(1.2)
    assert len(labels) == 1


def test_in_a_stream_a_frame_that_nobody_wanted_is_not_processed_later(start, wire, tabletops):
    start(SegmentationNode)
    first, second = tabletops(2)
    wire.send(wire.messages(first))
    time.sleep(0.5)  # so that it comes before the listener
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    wire.send(wire.messages(second))
    assert wait_until(lambda: labels)
    time.sleep(3)  # longer than a single frame waits
    assert [stamp_ns(message) for message in labels] == [second.stamp_ns]


def test_a_stream_of_a_latching_publisher_is_received_once(start, wire, offer, labels, tabletops):
    start(SegmentationNode, segmentation__method="geometry")  # fast enough for every frame
    count = 40
    # Longer than a tick, at which the second subscription comes.
    for sent, frame in enumerate(tabletops(count), start=1):
        for name, message in by_name(wire, frame).items():
            offer(name, message, LATCHED)
        time.sleep(0.06)
        wait_until(lambda sent=sent: len(labels) >= sent, 1)  # where the machine is busy
    assert wait_until(lambda: int(wire.diagnosed().get("pairs", 0)) >= count - 5)
    time.sleep(1.2)
    assert int(wire.diagnosed()["pairs"]) <= count
    assert not [key for key in wire.diagnosed() if key.startswith("dropped")]  # as duplicates are
    # The second ones are gone again: each message comes over the wire once.
    assert wait_until(
        lambda: all(wire.node.count_subscribers(f"/perception/{name}") == 1 for name in NAMES)
    )


def test_a_driver_that_comes_back_with_another_durability(start, wire, labels, tabletops):
    start(SegmentationNode)
    count = 0
    frames = iter(by_name(wire, frame) for frame in tabletops(6))
    for qos in (VOLATILE, LATCHED, VOLATILE):
        messages = next(frames)
        made = [
            wire.node.create_publisher(type(messages[name]), f"/perception/{name}", qos)
            for name in NAMES
        ]
        for publisher in made:
            assert wait_until(publisher.get_subscription_count)
        for each in (messages, next(frames)):
            for publisher, name in zip(made, NAMES, strict=True):
                publisher.publish(each[name])
            count += 1
            assert wait_until(lambda: len(labels) == count)  # noqa: B023
        for publisher in made:
            wire.node.destroy_publisher(publisher)


@pytest.mark.parametrize(
    ("durability", "is_heard"), [("transient_local", True), ("volatile", False)]
)
def test_an_override_of_the_durability_takes_effect(
    start, wire, offer, labels, tabletop, durability, is_heard
):
    messages = by_name(wire, tabletop)
    offer("camera_info", messages["camera_info"], LATCHED)
    time.sleep(0.5)
    name = "qos_overrides./perception/camera_info.subscription.durability"
    start(SegmentationNode, **{name: durability})
    policies = {
        topic: {
            info.qos_profile.durability.name.lower()
            for info in wire.node.get_subscriptions_info_by_topic(f"/perception/{topic}")
        }
        for topic in ("camera_info", "color")
    }
    assert policies == {"camera_info": {durability}, "color": {"volatile"}}
    for topic in ("color", "depth"):
        wire.publish(f"/perception/{topic}", messages[topic])
    if is_heard:
        assert wait_until(lambda: labels)
    else:
        time.sleep(2)
        assert not labels


def test_results_that_are_kept_reach_late_subscribers(start, wire, tabletop):
    name = "qos_overrides./perception/segmentation/objects.publisher.durability"
    start(SegmentationNode, **{name: "transient_local"})
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    early = wire.listen("/perception/segmentation/objects", OBJECTS)
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: labels and early)
    late = []
    topic = "/perception/segmentation/objects"
    wire.node.create_subscription(message_type(OBJECTS), topic, late.append, LATCHED)
    assert wait_until(lambda: late)


def test_an_override_changes_one_topic_only(start, wire):
    name = "qos_overrides./perception/color.subscription"
    start(SegmentationNode, **{f"{name}.reliability": "reliable", f"{name}.depth": 3})

    def reliability(topic):
        infos = wire.node.get_subscriptions_info_by_topic(f"/perception/{topic}")
        return [info.qos_profile.reliability for info in infos]

    assert wait_until(lambda: all(reliability(topic) for topic in NAMES))
    best_effort = [ReliabilityPolicy.BEST_EFFORT]
    assert reliability("color") == [ReliabilityPolicy.RELIABLE]
    assert reliability("depth") == reliability("camera_info") == best_effort
    # Nor that of others in this process.
    assert qos_profile_sensor_data.reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos_profile_sensor_data.depth == 5
