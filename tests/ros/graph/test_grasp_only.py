"""Grasps by name on a real graph: by the topic grasp_only, and by the parameter."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from cvdl.detection import Detections
from cvdl.messages.topics import SCENE_TOPICS
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import DetectionNode, GraspNode, PerceptionNode, SegmentationNode

from .conftest import wait_until


class NamesInTurn:
    """A stand-in for a detector: every second segmented object is a mug, the others are drills."""

    classes = ("mug", "drill", "fork")

    def __call__(self, frames, proposals):
        return [
            Detections(boxes, np.arange(len(boxes)) % 2, np.full(len(boxes), 0.9))
            for boxes in proposals
        ]


@pytest.fixture
def names_in_turn(monkeypatch):
    monkeypatch.setattr("cvdl.detection.stage.load_detector", lambda *_: NamesInTurn())


def test_the_topic_chooses_the_objects(names_in_turn, start, wire, tabletops, caplog):
    """Nobody listens to names: they are found for the grasps alone."""
    node = start(PerceptionNode, detector__enable=True, grasp__only="mug")
    heard = wire.listen("/perception/grasp/detections", SCENE_TOPICS["grasp/detections"])
    frames = iter(tabletops(6))

    def grasped():
        count = len(heard)
        wire.send(wire.messages(next(frames)))
        assert wait_until(lambda: len(heard) > count)
        return {int(grasp.id) for grasp in heard[-1].detections}

    def ask(names):
        message = message_type("std_msgs/msg/String")(data=names)
        wire.publish("/perception/grasp_only", message, QoSProfile(depth=10))
        assert wait_until(lambda: node.get_parameter("grasp.only").value == names)

    mugs = grasped()
    ask("drill")
    drills = grasped()
    ask("")
    everything = grasped()
    assert mugs
    assert drills
    assert not mugs & drills
    assert everything == mugs | drills
    ask("spoon")
    assert grasped() == set()
    said = "grasp.only asks for 'spoon', which is no known name; known: mug, drill, fork"
    assert wait_until(lambda: said in caplog.text)
    (result,) = node.set_parameters([Parameter("grasp.only", value=["mug", "drill"])])
    assert result.successful
    assert grasped() == everything


def test_another_node_names_the_objects(names_in_turn, start, wire, tabletops, caplog):
    start(SegmentationNode)
    start(DetectionNode, detector__enable=True)
    start(GraspNode, grasp__only="mug")
    heard = wire.listen("/perception/grasp/detections", SCENE_TOPICS["grasp/detections"])
    boxes = wire.listen("/perception/detection/boxes", SCENE_TOPICS["detection/boxes"])
    assert wait_until(lambda: wire.node.count_subscribers("/perception/detection/boxes") == 2)
    frames = iter(tabletops(3))
    wire.send(wire.messages(next(frames)))
    assert wait_until(lambda: heard)
    named = {int(d.id): d.results[0].hypothesis.class_id for d in boxes[0].detections if d.id}
    assert set(named.values()) == {"mug", "drill"}
    grasped = {int(grasp.id) for grasp in heard[0].detections}
    assert grasped
    assert {named[label] for label in grasped} == {"mug"}
    # All names that the other node can give are known.
    wire.publish(
        "/perception/grasp_only",
        message_type("std_msgs/msg/String")(data="fork"),
        QoSProfile(depth=10),
    )
    time.sleep(0.2)
    wire.send(wire.messages(next(frames)))
    assert wait_until(lambda: len(heard) == 2)
    assert heard[1].detections == []
    assert "no known name" not in caplog.text


def test_a_node_without_a_detector_says_so(start, wire, tabletop, caplog):
    start(GraspNode, grasp__only=["mug"])
    heard = wire.listen("/perception/grasp/poses", SCENE_TOPICS["grasp/poses"])
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: heard)
    assert heard[0].poses == []
    said = "grasp.only asks for mug, but nothing names the objects here"
    assert wait_until(lambda: said in caplog.text)
