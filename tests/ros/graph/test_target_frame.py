"""Results in another frame than the camera's."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.messages.reading import read_frame, stamp_ns
from cvdl.messages.sync import Match
from cvdl.messages.target_frame import TransformMissingError
from cvdl.messages.topics import SCENE_TOPICS
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.ros.nodes import GraspNode, PerceptionNode, SegmentationNode

from .conftest import STAMP_NS, wait_until

SPATIAL = ("segmentation/objects", "grasp/poses", "grasp/detections")
CHECKED = (*SPATIAL, "segmentation/plane", "markers")
POSE = np.array([[0, -1.0, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1]])


class KnownTransform:
    """A stand-in for tf2, which comes only with a ROS installation."""

    known = True

    def __init__(self, node, target_frame):
        self.target_frame = target_frame

    def __call__(self, source_frame, stamp, timeout_s):
        if not self.known:
            raise TransformMissingError(f"{source_frame} to {self.target_frame}: no such frame")
        return POSE

    def close(self):
        pass


def check(wire, heard, tabletop):
    """What is in space is in the target frame, what is to be shown in the camera's."""
    messages = wire.messages(tabletop)
    wire.send(messages)
    assert wait_until(lambda: all(heard.values()))
    frame = read_frame(Match(*messages))
    scene = Perception(PerceptionConfig(detector={"enable": False}))(frame)
    for topic in SPATIAL:
        assert heard[topic][0].header.frame_id == "base"
        assert stamp_ns(heard[topic][0]) == STAMP_NS
    for pose, grasp in zip(heard["grasp/poses"][0].poses, scene.grasps, strict=True):
        x, y, z = grasp.position
        expected = [-y + 0.1, x + 0.2, z + 0.3]
        found = [pose.position.x, pose.position.y, pose.position.z]
        assert found == pytest.approx(expected, abs=1e-6)  # the support has 32 bits
    # The plane: as far from a grasp as it was, by its coefficients in the target frame.
    *normal, offset = heard["segmentation/plane"][0].coef
    x, y, z = scene.plane.normal
    assert normal == pytest.approx([-y, x, z])
    height = np.dot(normal, expected) + offset
    assert height == pytest.approx(scene.plane.height(grasp.position))
    markers = heard["markers"][0].markers
    assert {marker.header.frame_id for marker in markers} == {tabletop.frame_id}
    grippers = [[(p.x, p.y, p.z) for p in m.points] for m in markers if m.ns == "grasps"]
    for points, grasp in zip(grippers, scene.grasps, strict=True):
        np.testing.assert_allclose(points, grasp.wireframe().reshape(-1, 3), atol=1e-6)


def test_results_are_turned(start, wire, tabletop, monkeypatch):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", KnownTransform)
    start(PerceptionNode, target_frame="base")
    heard = wire.listen_to_scene(topics=(*CHECKED, "segmentation/labels"))
    check(wire, heard, tabletop)
    assert heard["segmentation/labels"][0].header.frame_id == tabletop.frame_id


def test_single_nodes_with_a_target_frame_make_the_same(start, wire, tabletop, monkeypatch):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", KnownTransform)
    for kind in (SegmentationNode, GraspNode):
        start(kind, target_frame="base")
    check(wire, wire.listen_to_scene(topics=CHECKED), tabletop)


def test_objects_in_an_unknown_frame_are_refused(start, wire, tabletop, monkeypatch, caplog):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", KnownTransform)
    start(SegmentationNode, target_frame="base")
    start(GraspNode)
    poses = wire.listen("/perception/grasp/poses", SCENE_TOPICS["grasp/poses"])
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: "objects in another frame" in caplog.text or poses)
    assert "'base'; accepted: the camera's" in caplog.text
    assert not poses


def test_a_missing_transform_is_counted(start, wire, tabletop, monkeypatch):
    monkeypatch.setattr("cvdl.ros.base_node.Transformer", KnownTransform)
    monkeypatch.setattr(KnownTransform, "known", False)
    start(PerceptionNode, target_frame="base")
    heard = wire.listen_to_scene(topics=("segmentation/objects", "segmentation/labels"))
    wire.send(wire.messages(tabletop))
    assert wait_until(lambda: heard["segmentation/labels"])
    assert wait_until(lambda: wire.diagnosed().get("dropped: no transform") == "1")
    assert not heard["segmentation/objects"]


def test_tf2(start, wire, tabletop):
    pytest.importorskip("tf2_ros", reason="tf2 comes only with a ROS installation")
    from tf2_ros import StaticTransformBroadcaster

    start(PerceptionNode, target_frame="base", transform_timeout=5.0)
    broadcaster = StaticTransformBroadcaster(wire.node)
    tf = wire.factory.tf(STAMP_NS, "base", tabletop.frame_id, POSE)
    broadcaster.sendTransform(tf.transforms)
    heard = wire.listen_to_scene(topics=CHECKED)
    check(wire, heard, tabletop)
