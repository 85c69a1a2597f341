"""The stages on demand, and on another node's segmentation."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.bags import message_type
from cvdl.messages.factory import SCENE_TOPICS, MessageFactory
from cvdl.messages.reading import MessageError
from cvdl.messages.segments import read_segmentation
from cvdl.messages.topics import scene_messages
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.ros.stages import Stages
from cvdl.ros.transforms import transformed
from cvdl.segmentation.doubts import tilt_deg
from cvdl.simulation import SimulationConfig, simulate_scene
from cvdl.viz.pictures import overlay

FACTORY = MessageFactory(message_type)
WITHOUT = PerceptionConfig(detector={"enable": False})


@pytest.fixture(scope="module")
def table():
    config = SimulationConfig(width=320, height=240, min_objects=3, max_objects=4)
    return simulate_scene(3, 0, config=config).frame


def test_all_stages_are_the_pipeline(table):
    scene, expected = Stages(WITHOUT)(table, SCENE_TOPICS), Perception(WITHOUT)(table)
    assert list(scene.latency_ms) == list(expected.latency_ms)
    np.testing.assert_array_equal(scene.labels, expected.labels)
    assert [g.score for g in scene.grasps] == [g.score for g in expected.grasps]
    assert scene.refused == expected.refused


@pytest.mark.parametrize(
    ("topic", "stages"),
    [
        ("segmentation/labels", ["segment"]),
        ("detection/boxes", ["segment", "detect"]),
        ("segmentation/objects", ["segment", "detect"]),
        ("grasp/poses", ["segment", "grasp"]),
        ("overlay", ["segment", "detect", "grasp"]),
    ],
)
def test_only_what_is_wanted_runs(table, quick_detector, topic, stages):
    assert list(Stages(PerceptionConfig())(table, [topic]).latency_ms) == stages


def test_new_settings_take_the_loaded_networks_over(monkeypatch):
    loaded = Stages(WITHOUT)
    monkeypatch.setattr("cvdl.grasping.stage.load_grasp_detector", None)  # would fail
    changed = WITHOUT.model_copy(
        update={"grasp": WITHOUT.grasp.model_copy(update={"max_grasps": 3})}
    )
    assert Stages(changed, loaded).config.grasp.max_grasps == 3


def test_a_segmentation_crosses_the_wire(table):
    scene = Perception(WITHOUT)(table)
    labels, objects = FACTORY.labels(table, scene), FACTORY.objects(table, scene)
    found, frame_id = read_segmentation(labels, objects)
    assert frame_id == table.frame_id
    np.testing.assert_array_equal(found.labels, scene.labels)
    np.testing.assert_allclose(found.plane.normal, scene.plane.normal, atol=1e-9)
    assert found.plane.offset == pytest.approx(scene.plane.offset, abs=1e-9)
    for item, expected in zip(found.objects, scene.objects, strict=True):
        assert (item.label, item.area) == (expected.label, expected.area)
        assert item.box2d.tolist() == expected.box2d.tolist()
        np.testing.assert_allclose(item.box3d.corners(), expected.box3d.corners(), atol=1e-9)
    again = Stages(WITHOUT)(table, ["grasp/poses"], found)
    assert list(again.latency_ms) == ["grasp"]
    assert len(again.grasps) == len(scene.grasps)


def test_a_segmentation_that_does_not_fit_is_refused(frame, scene):
    labels, objects = FACTORY.labels(frame, scene), FACTORY.objects(frame, scene)
    objects.detections[0].id = "77"
    with pytest.raises(MessageError, match="id '77' is not a label"):
        read_segmentation(labels, objects)
    labels.encoding = "mono8"
    with pytest.raises(MessageError, match=r"mono8.*accepted: mono16"):
        read_segmentation(labels, objects)


def test_messages_of_some_topics(frame, scene):
    picture = overlay(frame, scene)
    expected = FACTORY.scene(frame, scene, picture)
    found = scene_messages(FACTORY, frame, scene, SCENE_TOPICS)
    assert {topic: str(message) for topic, message in found.items()} == {
        topic: str(message) for topic, message in expected.items()
    }
    assert list(scene_messages(FACTORY, frame, scene, ["overlay"])) == ["overlay"]


def test_a_scene_in_another_frame(scene):
    # The camera looks along the world's x axis, tilted down by 60 degrees, 1 m up.
    down = np.deg2rad(60)
    forward = np.array([np.cos(down), 0, -np.sin(down)])
    right = np.array([0, -1.0, 0])
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    matrix[:3, 3] = 0, 0, 1
    turned = transformed(scene, matrix)
    for new, old in zip(turned.objects, scene.objects, strict=True):
        expected = old.box3d.corners() @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(new.box3d.corners(), expected, atol=1e-12)
        height = turned.plane.height(new.box3d.center)
        assert height == pytest.approx(scene.plane.height(old.box3d.center))
    for new, old in zip(turned.grasps, scene.grasps, strict=True):
        expected = old.wireframe() @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(new.wireframe(), expected, atol=1e-12)
    assert tilt_deg(turned.plane, np.array([0, 0, 1])) == pytest.approx(0, abs=1e-5)
