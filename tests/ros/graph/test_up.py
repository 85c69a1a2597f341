"""Where up and the region of interest are, by transforms on the graph."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from scipy.spatial.transform import Rotation

pytest.importorskip("tf2_msgs", reason="needs tf2_msgs: cvdl live --setup, or a ROS installation")

from cvdl.pipeline import Perception
from cvdl.ros.nodes import SegmentationNode

from .conftest import STAMP_NS, wait_until

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LOG = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def seen(monkeypatch):
    """The frames that the stages see."""
    frames = []
    original = Perception.segment

    def watch(self, frame, segmentation=None):
        frames.append(frame)
        return original(self, frame, segmentation)

    monkeypatch.setattr(Perception, "segment", watch)
    return frames


def pose(roll_deg):
    """Of a camera that looks along y of a frame with z up, turned about its axis."""
    matrix = np.eye(4)
    level = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    matrix[:3, :3] = (level * Rotation.from_euler("z", roll_deg, degrees=True)).as_matrix()
    return matrix


@pytest.mark.parametrize(
    ("topic", "qos"), [("/tf_static", LATCHED), ("/tf", QoSProfile(depth=100))]
)
@pytest.mark.parametrize(
    ("parent", "settings"), [("odom", {}), ("my_base", {"segmentation.up_frame": "my_base"})]
)
def test_up_comes_from_tf(start, wire, tabletops, seen, monkeypatch, topic, qos, parent, settings):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", lambda node, frame: None)
    start(SegmentationNode, **settings)
    wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    frames = iter(tabletops(200))
    camera = next(frames).frame_id
    wire.publish(topic, wire.factory.tf(STAMP_NS, parent, camera, pose(180)), qos)

    def knows_up():
        wire.send(wire.messages(next(frames)))
        time.sleep(0.2)
        return seen[-1].up is not None

    assert wait_until(knows_up)
    np.testing.assert_allclose(seen[-1].up, [0, 1, 0], atol=1e-9)


def test_the_regions_frame_comes_from_tf(start, wire, tabletop, seen, monkeypatch):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", lambda node, frame: None)
    box = [0.0, 5.0, -5.0, 5.0, -5.0, 5.0]  # what is right of the camera
    node = start(SegmentationNode, segmentation__region__box=box)
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    tf = wire.factory.tf(STAMP_NS, "base_link", tabletop.frame_id, pose(0))
    wire.publish("/tf_static", tf, LATCHED)
    assert wait_until(lambda: node._tf.tree.frames)
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: labels)
    np.testing.assert_allclose(seen[-1].region_pose, pose(0), atol=1e-9)
    _, columns = np.nonzero(np.array(labels[-1].data).view(np.uint16).reshape(240, 320))
    assert columns.min() >= tabletop.camera.cx


def test_tf_that_is_asked_for_and_not_known(start, wire, tabletops, caplog):
    start(SegmentationNode, segmentation__up="tf")
    labels = wire.listen("/perception/segmentation/labels", "sensor_msgs/msg/Image")
    first, second, third = tabletops(3)
    for frame in (first, second):
        wire.send(wire.messages(frame))

    def dropped():
        return wire.diagnosed().get("dropped: no up direction")

    assert wait_until(lambda: dropped() in ("1", "2"))
    assert not labels
    assert caplog.text.count("segmentation.up is tf, but tf does not connect") == 1
    tf = wire.factory.tf(STAMP_NS, "base_link", third.frame_id, pose(0))
    wire.publish("/tf_static", tf, LATCHED)
    for _ in range(3):
        wire.send(wire.messages(third))
        third = type(third)(third.color, third.depth, third.camera, third.stamp_ns + 10**8)
        if wait_until(lambda: labels, 1):
            break
    assert labels
