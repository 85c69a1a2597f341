"""Classes of detectors and data sets, matched by name; detectors run on samples."""

from __future__ import annotations

import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.evaluation.detection import score_detector
from cvdl.evaluation.shared_classes import SharedClasses


def view(labels: list[int]) -> DetectionSample:
    frame = RgbdFrame(
        np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), Camera(4, 4, 4, 4, 2, 2)
    )
    boxes = np.array([[i, i, i + 1, i + 1] for i in range(len(labels))], float)
    masks = np.zeros((len(labels), 4, 4), bool)
    crowd = np.arange(len(labels)) == 1
    return DetectionSample("view", frame, boxes, np.array(labels), crowd, masks)


def test_classes_are_matched_by_name():
    shared = SharedClasses.between(["Wine glass", "cup", "dog"], ["bowl", "cup", "wine-glass"])
    assert shared.names == ("cup", "wine-glass")
    assert shared.unknown == ("bowl",)
    sample = shared.sample(view([2, 0, 1]))
    assert sample.labels.tolist() == [1, 0]
    assert sample.boxes[:, 0].tolist() == [0, 2]
    assert sample.crowd.tolist() == [False, False]
    assert sample.masks.shape == (2, 4, 4)
    found = shared.found(
        Detections(np.zeros((3, 4)), np.array([2, 0, 1]), np.array([0.9, 0.8, 0.7]))
    )
    assert found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == [0.8, 0.7]


def test_no_common_class_is_an_error():
    classes = [f"thing{number}" for number in range(9)]
    with pytest.raises(
        InputError, match=r"thing5 and 3 more; the data set has object\. .*agnostic"
    ):
        SharedClasses.between(classes, ["object"])


def test_the_detector_gets_frames_and_proposals():
    class Echo:
        """Detects every proposal as a cup."""

        classes = ("dog", "cup")

        def __init__(self):
            self.calls = 0

        def __call__(self, frames, proposals=None):
            self.calls += 1
            (boxes,) = proposals
            return [Detections(boxes, np.ones(len(boxes), int), np.ones(len(boxes)))]

    detector, views = Echo(), [view([1]), view([1])]
    scored = score_detector(
        detector, views, ("bowl", "cup"), proposer=lambda frame: np.array([[0, 0, 1, 1.0]])
    )
    assert scored.scores.report().ap50 == 1
    assert scored.unknown == ("bowl",)
    assert set(scored.latency_ms) == {"propose", "detect"}
    assert detector.calls == 3  # the first image is used twice
