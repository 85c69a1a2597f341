"""The runner of live nodes and replays: which stages run, what is dropped, and the diagnostics."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from cvdl.bags import message_type
from cvdl.core.scene import Hypothesis, Scene
from cvdl.messages.factory import MessageFactory
from cvdl.messages.images import MessageError
from cvdl.messages.segments import Segmented, read_names, read_segmentation
from cvdl.messages.source import RgbdSource
from cvdl.messages.sync import Match
from cvdl.messages.target_frame import TransformMissingError, transformed
from cvdl.messages.topics import (
    BOXES_TOPIC,
    LABELS_TOPIC,
    OBJECTS_TOPIC,
    SCENE_TOPICS,
    SUPPORT_TOPIC,
    TOPICS,
    Results,
    scene_messages,
)
from cvdl.messages.transform_tree import TransformTree
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.runner import NEWER_FRAME, Runner
from cvdl.segmentation.doubts import tilt_deg
from cvdl.simulation import SimulationConfig, simulate_scene

FACTORY = MessageFactory(message_type)
WITHOUT = PerceptionConfig(detector={"enable": False})
LOOK_DOWN = np.array([[0, -1.0, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.3], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def table():
    config = SimulationConfig(width=320, height=240, min_objects=3, max_objects=4)
    return simulate_scene(3, 0, config=config).frame


def runner_of(perceive, **options):
    source = RgbdSource("/color", "/depth", "/info", "", TransformTree())
    return Runner(perceive, source, FACTORY, **options)


def match_of(frame):
    return Match(FACTORY.color(frame), FACTORY.depth(frame), FACTORY.camera_info(frame))


def written(runner, frame, *arguments):
    """The messages that a runner writes for a frame, and the scene."""
    outputs = []
    runner(match_of(frame), lambda *output: outputs.append(output), *arguments)
    ((messages, results),) = outputs
    return messages, results.scene


def segmented_of(messages, **names):
    """The messages of a scene as another node hears them."""
    return Segmented(*(messages[t] for t in (LABELS_TOPIC, OBJECTS_TOPIC, SUPPORT_TOPIC)), **names)


def values_of(report):
    return {value.key: value.value for value in report.status[0].values}


def test_all_stages_are_the_pipeline(table):
    _, scene = written(runner_of(Perception(WITHOUT)), table)
    expected = Perception(WITHOUT)(table)
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
        ("markers", ["segment", "detect", "grasp"]),
        ("overlay", ["segment", "detect", "grasp", "draw"]),
    ],
)
def test_only_wanted_stages_run(table, quick_detector, topic, stages):
    runner = runner_of(Perception())
    messages, _ = written(runner, table, {topic})
    assert list(messages) == [topic]
    assert list(runner.tally.latency_ms()) == ["read", *stages, "write", "total"]


def test_the_steps_of_frames_may_alternate(table):
    """A frame that fails is dropped, at whatever step; the latency includes the wait."""
    outputs = []

    class Fails(Perception):
        def recognize(self, frame, *arguments):
            if frame.stamp_ns == 2:
                raise IndexError("broken")
            return super().recognize(frame, *arguments)

    runner = runner_of(Fails(WITHOUT))
    matches = [match_of(replace(table, stamp_ns=stamp)) for stamp in range(5)]
    matches[1] = replace(matches[1], depth=matches[1].camera_info)
    steps = [runner.steps(match, lambda *output: outputs.append(output)) for match in matches]
    begin = perf_counter()
    for each in steps:
        next(each, None)
    first_ms = 1e3 * (perf_counter() - begin)
    for each in steps:
        next(each, None)
    assert not outputs
    assert [next(each, "end") for each in steps] == ["end"] * 5
    assert [results.frame.stamp_ns for _, results in outputs] == [0, 3, 4]
    expected, scene = written(runner_of(Perception(WITHOUT)), table)
    for messages, results in outputs:
        assert results.scene.refused == scene.refused
        same = messages["segmentation/labels"].data == expected["segmentation/labels"].data
        assert same.all()
    assert runner.tally.frames == 3
    assert runner.dropped == {"IndexError in a stage": 1, "AttributeError in a stage": 1}
    total, _ = runner.tally.latency_ms()["total"]
    assert total > first_ms


def test_messages_of_some_topics(frame, scene):
    results = Results(frame, scene)
    everything = scene_messages(FACTORY, results)
    assert list(everything) == list(SCENE_TOPICS)
    for topic, message in everything.items():
        assert {topic: str(message)} == {
            name: str(found) for name, found in scene_messages(FACTORY, results, [topic]).items()
        }


def test_class_names_are_written_when_they_change(frame, scene):
    scenes = iter([scene, scene, replace(scene, classes=("cup",)), replace(scene, classes=())])
    runner = runner_of(lambda frame: next(scenes))
    infos = [written(runner, frame)[0].get("detection/label_info") for _ in range(4)]
    names = [info and [each.class_name for each in info.class_map] for info in infos]
    assert names == [["mug", "can"], None, ["cup"], []]


def test_a_segmentation_crosses_the_wire(table):
    runner = runner_of(Perception(WITHOUT))
    messages, scene = written(runner, table)
    segmented = segmented_of(messages)
    found, frame_id = read_segmentation(segmented)
    assert frame_id == table.frame_id
    np.testing.assert_array_equal(found.labels, scene.labels)
    np.testing.assert_allclose(found.plane.normal, scene.plane.normal, atol=1e-6)
    assert found.plane.offset == pytest.approx(scene.plane.offset, abs=1e-6)
    for item, expected in zip(found.objects, scene.objects, strict=True):
        assert (item.label, item.area) == (expected.label, expected.area)
        assert item.box2d.tolist() == expected.box2d.tolist()
        assert item.objectness == expected.objectness
        assert 0.45 <= item.objectness < 1
        np.testing.assert_allclose(item.box3d.corners(), expected.box3d.corners(), atol=1e-9)
    _, again = written(runner, table, {"grasp/poses"}, segmented)
    assert list(again.latency_ms) == ["grasp"]
    assert len(again.grasps) == len(scene.grasps)


def test_an_unlikely_object_of_another_node_gets_no_grasps(table):
    messages, scene = written(runner_of(Perception(WITHOUT)), table)
    objects = messages[OBJECTS_TOPIC]
    label = scene.grasps[0].label
    (best,) = (each for each in objects.detections if each.id == str(label))
    best.results[0].hypothesis.score = 0.5
    segmented = segmented_of(messages)
    _, again = written(runner_of(Perception(WITHOUT)), table, {"grasp/poses"}, segmented)
    assert label in {item.label for item in again.objects}
    assert label not in {grasp.label for grasp in again.grasps}


def test_objects_without_an_objectness_are_likely(frame, scene):
    """Those with a class, and those of older bags."""
    objects = tuple(replace(item, objectness=0.6) for item in scene.objects)
    messages = scene_messages(FACTORY, Results(frame, replace(scene, objects=objects)))
    found, _ = read_segmentation(segmented_of(messages))
    read = [(item.class_name, item.score, item.objectness) for item in found.objects]
    assert read == [("", 1, 0.6), ("can", 0.75, 1)]
    messages[OBJECTS_TOPIC].detections[0].results = []
    found, _ = read_segmentation(segmented_of(messages))
    assert (found.objects[0].class_name, found.objects[0].objectness) == ("", 1)


def test_a_taught_name_crosses_the_wire_with_what_the_detector_says(frame, scene):
    box, can = scene.objects
    detected = Hypothesis("bottle", 0.5)
    can = replace(can, class_name="my can", score=0.75, is_taught=True, detected=detected)
    messages = scene_messages(FACTORY, Results(frame, replace(scene, objects=(box, can))))
    found, _ = read_segmentation(segmented_of(messages))
    assert not found.objects[0].is_taught
    read = found.objects[1]
    assert (read.class_name, read.score, read.is_taught) == ("my can", 0.75, True)
    assert read.detected == detected


def test_notices_are_on_the_overlay(frame, scene):
    runner = runner_of(lambda frame: scene)
    plain, _ = written(runner, frame)
    runner.notices = ("mug is taught",)
    messages, found = written(runner, frame)
    assert found.notices == ("mug is taught",)
    assert bytes(messages["overlay"].data) != bytes(plain["overlay"].data)


def test_taught_names_are_counted(frame, scene):
    taught = tuple(replace(item, class_name="my can", is_taught=True) for item in scene.objects)
    unnamed = {"like mug and like cup": 1}
    runner = runner_of(lambda frame: replace(scene, objects=taught, unnamed=unnamed))
    written(runner, frame)
    assert runner.found.taught == {"my can": 2}
    values = values_of(runner.report(0, 0, "test", more={"gallery": "my can"}))
    assert values["objects named by the gallery"] == "2"
    assert values["not named by the gallery: like mug and like cup"] == "1"
    assert values["gallery"] == "my can"


def test_a_segmentation_that_does_not_fit_is_refused(frame, scene):
    messages = scene_messages(FACTORY, Results(frame, scene))
    labels, objects = messages[LABELS_TOPIC], messages[OBJECTS_TOPIC]
    objects.detections[0].id = "77"
    with pytest.raises(MessageError, match="id '77' is not a label"):
        read_segmentation(segmented_of(messages))
    labels.encoding = "mono8"
    with pytest.raises(MessageError, match=r"mono8.*accepted: mono16"):
        read_segmentation(segmented_of(messages))


def test_names_of_another_node_are_on_objects_detections_and_pictures(frame, scene):
    """As where one node segments, another one names, and a third one draws."""
    unnamed = tuple(replace(item, class_name="", score=1.0) for item in scene.objects)
    messages = scene_messages(FACTORY, Results(frame, replace(scene, objects=unnamed)))
    taught = replace(scene.detections[0], is_taught=True, detected=Hypothesis("cup", 0.2))
    named = replace(scene, detections=(taught, *scene.detections[1:]))
    boxes = scene_messages(FACTORY, Results(frame, named))[BOXES_TOPIC]
    segmented = segmented_of(messages, boxes=boxes, classes=("mug", "can"))
    found, _ = read_segmentation(segmented)
    assert {item.class_name for item in found.objects} == {""}
    found = read_names(segmented, found)
    assert found.classes == ("mug", "can")
    for each, expected in zip(found.detections, named.detections, strict=True):
        assert replace(each, box2d=None, track=0) == replace(expected, box2d=None, track=0)
        np.testing.assert_allclose(each.box2d, expected.box2d)
    of_label = {each.label: each for each in named.detections if each.label}
    for item in found.objects:
        detection = of_label.get(item.label)
        assert item.class_name == (detection.class_name if detection else "")
    assert any(item.class_name for item in found.objects)
    runner = runner_of(Perception(WITHOUT))
    drawn, seen = written(runner, frame, {"markers", "overlay"}, segmented)
    assert seen.classes[:2] == ("mug", "can")
    texts = [marker.text for marker in drawn["markers"].markers if marker.ns == "names"]
    assert texts == [seen.caption(item) for item in seen.objects]
    assert any("can" in text for text in texts)


def test_a_segmentation_without_a_plane_has_a_support_without_points(frame, scene):
    bare = Scene(np.zeros_like(scene.labels), None)
    messages = scene_messages(FACTORY, Results(frame, bare))
    assert len(messages[SUPPORT_TOPIC].polygon.points) == 0
    found, _ = read_segmentation(segmented_of(messages))
    assert found.plane is None


def test_the_support_of_a_target_frame_is_the_plane_there(frame, scene):
    messages = scene_messages(FACTORY, Results(frame, scene).in_frame("base", LOOK_DOWN))
    assert messages[SUPPORT_TOPIC].header.frame_id == "base"
    found, frame_id = read_segmentation(segmented_of(messages))
    assert frame_id == "base"
    expected = transformed(scene, LOOK_DOWN).plane
    np.testing.assert_allclose(found.plane.normal, expected.normal, atol=1e-6)
    assert found.plane.offset == pytest.approx(expected.offset, abs=1e-6)


def test_spatial_topics_are_in_the_target_frame(frame, scene):
    runner = runner_of(lambda frame: scene, target_frame="base", to_target=lambda frame: LOOK_DOWN)
    messages, _ = written(runner, frame)
    frames = {
        name: message.header.frame_id
        for name, message in messages.items()
        if hasattr(message, "header")
    }
    assert set(frames.values()) == {"base", "optical"}
    assert {name for name, frame_id in frames.items() if frame_id == "base"} == {
        name for name in frames if TOPICS[name].spatial
    }
    position = messages["grasp/poses"].poses[0].position
    x, y, z = scene.grasps[0].position
    assert [position.x, position.y, position.z] == pytest.approx([-y + 0.1, x + 0.2, z + 0.3])


def test_without_the_transform_only_spatial_topics_are_missing(frame, scene):
    def unknown(frame):
        raise TransformMissingError("optical to base: no such frame")

    runner = runner_of(lambda frame: scene, target_frame="base", to_target=unknown)
    messages, _ = written(runner, frame)
    assert set(messages) == {name for name, topic in TOPICS.items() if not topic.spatial}
    assert runner.dropped == {"no transform": 1}


def test_an_error_may_end_the_run(frame, scene):
    def fail(messages, results):
        raise OSError("disk full")

    runner = runner_of(lambda frame: scene)
    runner(match_of(frame), fail)
    assert runner.dropped == {"OSError in a stage": 1}
    runner = runner_of(lambda frame: scene, ends_run=lambda error: isinstance(error, OSError))
    with pytest.raises(OSError, match="disk full"):
        runner(match_of(frame), fail)


@pytest.mark.parametrize(("without", "is_wrong"), [(1, False), (5, False), (6, True), (10, True)])
def test_frames_without_a_plane_are_reported(frame, scene, without, is_wrong):
    bare = Scene(np.zeros_like(scene.labels), None)
    scenes = [bare] * without + [scene] * (10 - without)
    runner = runner_of(lambda frame: scenes.pop())
    for _ in range(10):
        written(runner, frame)
    report = runner.report(0, 0, "test")
    (status,) = report.status
    assert values_of(report)["frames without a support plane (%)"] == str(10 * without)
    assert (status.level == status.WARN) == is_wrong
    words = f"no support plane in {without * 10}% of the frames: no grasps there"
    assert status.message == (words if is_wrong else "no frame dropped")
    (status,) = runner.report(0, 0, "test", idle=True).status
    assert (status.level, status.message) == (status.OK, "idle")


def test_a_run_without_segmentation_reports_no_planes():
    report = runner_of(Perception(WITHOUT)).report(0, 0, "test")
    assert not any("plane" in key for key in values_of(report))
    assert report.status[0].level == report.status[0].OK


def test_problems_of_the_input_are_reported():
    runner = runner_of(Perception(WITHOUT))
    report = runner.report(0, 0, "test", doubt="the stamps are 0")
    (status,) = report.status
    assert status.message == values_of(report)["input"] == "the stamps are 0"
    assert status.level == status.WARN
    (status,) = runner.report(0, 0, "test", silence="no messages on /c").status
    assert (status.message, status.level) == ("no frame: no messages on /c", status.WARN)


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


def test_frames_skipped_for_newer_ones_are_no_reason_to_warn(frame, scene):
    """Of a camera that is faster than the node."""
    runner = runner_of(lambda frame: scene)
    written(runner, frame)
    for _ in range(3):
        runner.tally.count(NEWER_FRAME)
    (status,) = runner.report(0, 0, "test").status
    assert (status.level, status.message) == (status.OK, "75% of the frames skipped for newer ones")
    (status,) = runner.report(1, 1, "test").status  # since the last report
    assert (status.level, status.message) == (status.OK, "no frame dropped")
    runner.tally.count(NEWER_FRAME)
    runner.tally.count("sizes differ")
    (status,) = runner.report(2, 2, "test").status
    assert (status.level, status.message) == (status.WARN, "1 dropped: sizes differ")
    assert values_of(runner.report(3, 3, "test"))[f"dropped: {NEWER_FRAME}"] == "4"


@pytest.mark.parametrize(("bound_s", "is_wrong"), [(0.0, False), (1.0, False), (0.2, True)])
def test_late_results_are_a_reason_to_warn_where_there_is_a_bound(bound_s, is_wrong):
    runner = runner_of(Perception(WITHOUT))
    for milliseconds in (10.0, 300.0, 5000.0):
        runner.tally.add({"total": milliseconds})
    (status,) = runner.report(0, 0, "test", max_latency_s=bound_s).status
    assert (status.level == status.WARN) == is_wrong
    words = "results are 0.3 s old; max_latency is 0.2 s"
    assert status.message == (words if is_wrong else "no frame dropped")
    assert runner.report(0, 0, "test", max_latency_s=bound_s, idle=True).status[0].message == "idle"
