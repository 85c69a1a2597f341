"""The weights in the package, on scenes that they have not seen: a swapped channel would show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cvdl.datasets.simulated.scenes import SimulatedDetection, SimulatedGrasps
from cvdl.detection import load_detector as load_object_detector
from cvdl.detection.models.segnet.detector import SegNetDetector
from cvdl.evaluation.detection import score_detector
from cvdl.evaluation.grasping import score_grasp_detector
from cvdl.evaluation.semantic import score_class_maps
from cvdl.grasping import load_grasp_detector

pytestmark = pytest.mark.usefixtures("one_thread")

UNSEEN, VIEWS = 10_000, 6


@pytest.fixture(scope="module")
def grasps():
    data = SimulatedGrasps(UNSEEN, VIEWS)
    return [data[index] for index in range(VIEWS)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("rgbd_rcnn", 0.8), ("yolo", 0.6)])
def test_the_detectors_detect_objects(name, least):
    data = SimulatedDetection(UNSEEN, VIEWS)
    views = [data[index] for index in range(VIEWS)]
    scored = score_detector(load_object_detector(name, device="cpu"), views, data.classes)
    assert scored.scores.report().ap50 > least


@pytest.mark.slow
def test_segnet_predicts_the_class_of_pixels():
    """Of which there are 24; 95 % of the pixels are of none."""
    data = SimulatedDetection(UNSEEN, VIEWS)
    views = [data[index] for index in range(VIEWS)]
    segnet = load_object_detector("segnet", device="cpu")
    assert isinstance(segnet, SegNetDetector)
    figures = score_class_maps(segnet.class_map, views, data.classes).figures()
    assert figures["class_accuracy"] > 0.4
    assert figures["pixel_accuracy"] > 0.95


@pytest.mark.slow
def test_the_cascade_finds_grasps(grasps):
    detector = load_grasp_detector("cascade", device="cpu")
    results = score_grasp_detector(detector, grasps).results
    assert np.mean([result.overlap > 0.25 for result in results]) >= 0.5


@pytest.mark.parametrize("name", ["cascade", "lenz2014"])
def test_both_grasp_detectors_score_good_grasps_higher_than_bad_ones(grasps, name):
    detector: Any = load_grasp_detector(name, device="cpu")
    good, bad = (
        np.concatenate([detector.judge(view.frame, rectangles(view)) for view in grasps])
        for rectangles in (lambda view: view.good, lambda view: view.bad)
    )
    # How often a good one has the higher score: the area under the ROC curve.
    assert (good[:, None] > bad).mean() > 0.7
