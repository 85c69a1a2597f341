"""The detection stage: what it asks the detector, and what it makes of the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvdl.core.errors import InputError
from cvdl.core.scene import OrientedBox, Region, Scene
from cvdl.detection import DETECTORS, Detections
from cvdl.detection.config import DetectionConfig
from cvdl.detection.stage import DetectionStage

CAN, BOX, MUG = range(3)
#: Of the objects 2 and 3 of the scene, and of a place where nothing is segmented.
SECOND, THIRD, ELSEWHERE = (10, 20, 20, 30), (30, 24, 50, 40), (2, 2, 8, 9)


class Answer:
    """A detector that always finds the same, and remembers what it was asked."""

    classes = ("can", "box", "mug")

    def __init__(self, *rows, masks=None):
        boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
        self._found = Detections(
            np.array(boxes, float).reshape(-1, 4),
            np.array(labels, np.int64),
            np.array(scores, float),
            masks,
        )
        self.calls: list[tuple] = []

    def __call__(self, frames, proposals=None):
        self.calls.append((frames, proposals))
        return [self._found]


@pytest.fixture
def nameless(scene):
    """The scene's objects as the segmentation gives them."""
    return tuple(replace(item, class_name="", score=1.0) for item in scene.objects)


def run(detector, frame, scene, objects, **settings):
    """Detections and objects of a scene without a plane: the depth does not matter."""
    stage = DetectionStage(DetectionConfig(**settings), detector)
    result = stage(frame, Scene(scene.labels, None, objects))
    return result.detections, result.objects


def test_each_object_gets_its_class_and_each_detection_its_object(frame, scene, nameless):
    detector = Answer((THIRD, CAN, 0.9), (SECOND, BOX, 0.8), (ELSEWHERE, MUG, 0.7))
    detections, objects = run(detector, frame, scene, nameless)
    assert [(d.class_name, d.score, d.label) for d in detections] == [
        ("can", 0.9, 3),
        ("box", 0.8, 2),
        ("mug", 0.7, 0),
    ]
    assert [tuple(d.box2d) for d in detections] == [THIRD, SECOND, ELSEWHERE]
    assert [d.track for d in detections] == [-1, -1, -1]
    assert [(o.label, o.class_name, o.score) for o in objects] == [(2, "box", 0.8), (3, "can", 0.9)]
    for item, before in zip(objects, nameless, strict=True):
        assert item.box3d is before.box3d
        assert item.area == before.area


def test_an_object_without_a_detection_has_no_class(frame, scene, nameless):
    detections, objects = run(Answer((THIRD, CAN, 0.9)), frame, scene, nameless)
    assert [d.label for d in detections] == [3]
    assert objects[0] is nameless[0]
    assert objects[1].class_name == "can"


def test_an_object_with_two_detections_has_one_class(frame, scene, nameless):
    """Two names for one thing: the better. Two boxes on it: the one that fits."""
    part = (30, 24, 42, 40)
    twice = Answer((part, BOX, 0.95), ((30, 24, 50, 39), CAN, 0.9), (THIRD, MUG, 0.8))
    detections, objects = run(twice, frame, scene, nameless)
    assert [(d.class_name, d.label) for d in detections] == [("box", 0), ("can", 3)]
    assert (objects[1].class_name, objects[1].score) == ("can", 0.9)


def test_the_detector_gets_the_boxes_of_the_objects(frame, scene, nameless):
    detector = Answer()
    assert run(detector, frame, scene, nameless) == ((), nameless)
    run(detector, frame, scene, ())
    run(detector, frame, scene, nameless, use_segments=False)
    (frames, (boxes,)), (_, (none,)), (_, without) = detector.calls
    assert frames == [frame]
    assert boxes.tolist() == [list(SECOND), list(THIRD)]
    assert none.shape == (0, 4)
    assert without is None


def test_masks_are_used_if_the_detector_predicts_them(frame, scene, nameless):
    masks = np.stack([scene.labels == 2, scene.labels == 3])
    detector = Answer((THIRD, CAN, 0.9), (SECOND, BOX, 0.8), masks=masks)
    _, objects = run(detector, frame, scene, nameless)
    assert [item.class_name for item in objects] == ["can", "box"]


def test_settings_reach_the_stage(frame, scene, nameless):
    wide = (28, 20, 54, 44)  # 320 of 624 pixels are the object's: an overlap of 0.51
    detector = Answer((wide, CAN, 0.6), (SECOND, BOX, 0.3))
    detections, _ = run(detector, frame, scene, nameless)
    assert [(d.class_name, d.label) for d in detections] == [("can", 3)]
    detections, objects = run(detector, frame, scene, nameless, min_overlap=0.52, min_score=0.3)
    assert [(d.class_name, d.label) for d in detections] == [("can", 0), ("box", 2)]
    assert [item.class_name for item in objects] == ["box", ""]


def test_tracks_continue_while_the_score_is_low(frame, scene, nameless):
    pytest.importorskip("trackforge", reason="needs the extra cvdl[tracking]")
    sure = Answer((THIRD, CAN, 0.9), (ELSEWHERE, MUG, 0.7))
    stage = DetectionStage(DetectionConfig(track=True), sure)
    tracks = []
    for i, score in enumerate((0.9, 0.3, 0.8)):
        stage.detector = Answer((ELSEWHERE, MUG, 0.95), (THIRD, CAN, score))
        at = replace(frame, stamp_ns=frame.stamp_ns + i)
        detections = stage(at, Scene(scene.labels, None, nameless)).detections
        tracks.append({d.class_name: d.track for d in detections})
    assert tracks[0] == tracks[2] == {"mug": tracks[0]["mug"], "can": tracks[0]["can"]}
    assert tracks[0]["mug"] != tracks[0]["can"]
    assert tracks[1] == {"mug": tracks[0]["mug"]}


def test_a_frame_without_depth_and_plane_has_detections(frame, scene):
    blind = replace(frame, depth=np.full_like(frame.depth, np.nan))
    labels = np.zeros_like(scene.labels)
    stage = DetectionStage(DetectionConfig(), Answer((THIRD, CAN, 0.9)))
    result = stage(blind, Scene(labels, None))
    (detection,) = result.detections
    assert (detection.class_name, detection.label, result.objects) == ("can", 0, ())
    assert result.refused_detections == {}


def test_settings_accept_the_registered_detectors_only():
    for name in DETECTORS.names:
        assert DetectionConfig(detector=name).detector == name
    with pytest.raises(ValueError, match="accepted: rgbd_rcnn, "):
        DetectionConfig(detector="yolov0")


def test_missing_weights_are_an_error_at_construction(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors"):
        DetectionStage(DetectionConfig(weights=str(tmp_path / "none.safetensors"), device="cpu"))


def test_the_detector_of_the_settings_is_loaded(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "cvdl.detection.stage.load_detector", lambda *call: calls.append(call) or Answer()
    )
    stage = DetectionStage(DetectionConfig(detector="hog", weights="x", device="cpu"))
    assert calls == [("hog", "x", "cpu", "auto")]
    assert stage.classes == Answer.classes


@pytest.mark.parametrize(
    ("rectangle", "box", "names"),
    [
        ((0, 0, 25, 48), None, ["box", "mug"]),
        ((0, 10, 64, 48), None, ["can", "box"]),
        # The middle of the third is at (40, 32), at a depth of 1 m; the others have another depth.
        ((0, 0, 64, 48), (0.14, 0.14, 1.0), ["can"]),
        ((0, 0, 64, 48), (0.14, 0.14, 0.8), []),
    ],
)
def test_detections_outside_of_the_region_are_refused(
    frame, scene, nameless, rectangle, box, names
):
    depth = np.full_like(frame.depth, 2)
    depth[20:, 25:] = 1
    if box is not None:
        box = OrientedBox(np.array(box), np.eye(3), np.full(3, 0.1))
    seen = Scene(scene.labels, None, nameless, region=Region(rectangle, box))
    detector = Answer((THIRD, CAN, 0.9), (SECOND, BOX, 0.8), (ELSEWHERE, MUG, 0.7), (THIRD, MUG, 0))
    result = DetectionStage(DetectionConfig(), detector)(replace(frame, depth=depth), seen)
    assert [detection.class_name for detection in result.detections] == names
    assert result.refused_detections == {"outside the region": 3 - len(names)}


def test_without_a_reading_a_detection_is_where_the_support_is(frame, scene):
    """As a glass; without a support, nobody knows where it is."""
    empty = replace(frame, depth=np.full_like(frame.depth, np.nan))
    ray = frame.camera.deproject_pixels(np.array([40.0, 32.0]), np.ones(()))
    at = ray * (-scene.plane.offset / (ray @ scene.plane.normal))
    region = Region((0, 0, 64, 48), OrientedBox(at, np.eye(3), np.full(3, 0.01)))
    for plane, count in ((scene.plane, 1), (None, 0)):
        seen = Scene(np.zeros_like(scene.labels), plane, region=region)
        detector = Answer((THIRD, CAN, 0.9))
        result = DetectionStage(DetectionConfig(), detector)(empty, seen)
        assert len(result.detections) == count
