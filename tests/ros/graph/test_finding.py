"""Objects by phrase on a real graph: a phrase in, its objects and grasps out."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.qos import QoSProfile

from cvdl.core.errors import InputError
from cvdl.language.aligner import Finding
from cvdl.language.vocabulary import Vocabulary
from cvdl.messages.topics import SCENE_TOPICS
from cvdl.ros.interfaces import message_type
from cvdl.ros.nodes import PerceptionNode

from .conftest import wait_until

OBJECTS, GRASPS = "segmentation/objects", "grasp/poses"


class Largest:
    """In place of an aligner: "the largest" is the object with the most pixels."""

    vocabulary = Vocabulary(("the", "largest"))

    def read(self, phrase):
        if phrase == "?!":
            raise InputError(f"{phrase!r} has no words")
        return phrase

    def see(self, frame, scene):
        return max(scene.objects, key=lambda item: item.area).label

    def place(self, regions):
        return regions

    def find(self, phrase, regions, labels):
        chances = [0.9 if label == regions and phrase == "the largest" else 0.1 for label in labels]
        found = [Finding(label, chance) for label, chance in zip(labels, chances, strict=True)]
        return sorted(found, key=lambda each: -each.score)


@pytest.fixture
def aligner(monkeypatch):
    monkeypatch.setattr("cvdl.ros.finding.load_aligner", Largest)


def test_a_phrase_finds_an_object_and_its_grasps(aligner, start, wire, tabletops):
    log = wire.listen("/rosout", "rcl_interfaces/msg/Log")
    start(PerceptionNode)
    objects = wire.listen("/perception/find/objects", SCENE_TOPICS[OBJECTS])
    grasps = wire.listen("/perception/find/grasps", SCENE_TOPICS[GRASPS])
    frames = iter(tabletops(5))

    def ask(phrase):
        message = message_type("std_msgs/msg/String")(data=phrase)
        wire.publish("/perception/find", message, QoSProfile(depth=10))

    def said(text):
        return wait_until(lambda: any(text in each.msg for each in log))

    def look():
        count = len(grasps)
        wire.send(wire.messages(next(frames)))
        assert wait_until(lambda: len(grasps) > count and len(objects) == len(grasps))
        return objects[-1], grasps[-1]

    ask("the largest thing")
    assert said("looking for 'the largest thing'; unknown: thing")
    ask("the largest")
    assert wait_until(lambda: any(each.msg == "looking for 'the largest'" for each in log))
    found, poses = look()
    (item,) = found.detections
    assert item.results[0].hypothesis.class_id == "the largest"
    assert item.results[0].hypothesis.score == pytest.approx(0.9)
    assert found.header == poses.header
    middle = item.bbox.center.position
    for pose in poses.poses:
        offset = np.subtract(
            [pose.position.x, pose.position.y, pose.position.z], [middle.x, middle.y, middle.z]
        )
        size = item.bbox.size
        assert np.linalg.norm(offset) < np.linalg.norm([size.x, size.y, size.z])
    assert said("'the largest': object")

    ask("a largest")
    assert said("looking for 'a largest'; unknown: a")
    found, poses = look()
    assert found.detections == poses.poses == []
    assert said("nothing fits 'a largest': the likeliest is object")

    ask("?!")
    assert said("'?!' has no words")
    ask("  ")
    assert said("nothing is looked for")
