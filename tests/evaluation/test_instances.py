"""Scores of the instance network on hand-made predictions."""

from math import isnan

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationSample
from cvdl.evaluation.instances import InstanceScores, ViewScore, worst_views
from cvdl.evaluation.segmentation import evaluate_segmentation

CLASSES = ("cup", "can")


def sample(name="view"):
    """48 x 64: a can of 10 x 20 pixels, an unnamed object of 10 x 10, and an unknown corner."""
    labels = np.ones((48, 64), np.uint16)
    labels[:8] = 0
    labels[40:, 60:] = UNLABELED
    labels[10:20, 10:30], labels[30:40, 40:50] = 3, 4
    frame = RgbdFrame(
        np.full((48, 64, 3), 120, np.uint8),
        np.ones((48, 64), np.float32),
        Camera(64, 48, 60.0, 60.0, 31.5, 23.5),
    )
    return SegmentationSample(name, frame, labels, np.array([0, 1, -1]))


def half(labels):
    """As the network gives them."""
    return np.where(labels == UNLABELED, 9, labels).astype(np.uint8)[::2, ::2]


def test_a_perfect_prediction():
    view = ViewScore.of(sample(), half(sample().labels))
    figures = InstanceScores(CLASSES, (view,)).figures()
    assert set(figures.values()) == {1.0}
    assert {"found", "overlap_f", "iou_nothing", "iou_support", "iou_object"} <= figures.keys()


def test_an_object_is_found_from_an_iou_of_three_quarters_on():
    predicted = half(sample().labels)
    predicted[5:10, 5:7], predicted[19:20, 20:25] = 1, 1  # 160 of 200 pixels, and 80 of 100
    predicted[15:16, 20:25] = 1  # 60 of 100
    view = ViewScore.of(sample(), predicted)
    assert view.found.tolist() == [True, False]
    assert view.classes.tolist() == [1, -1]
    report = InstanceScores(CLASSES, (view,)).report()
    assert report["found"] == 0.5
    assert report["classes"] == {"can": {"objects": 1, "found": 1.0}}
    assert report["iou_object"] == pytest.approx(220 / 300)
    assert report["iou_nothing"] == 1
    known = 48 * 64 - 8 * 4
    assert view.pixels.sum() == known
    assert report["iou_support"] == pytest.approx(1 - 80 / (known - 8 * 64 - 220))


def test_scores_add_up():
    right = ViewScore.of(sample("right"), half(sample().labels))
    wrong = ViewScore.of(sample("wrong"), np.zeros((24, 32), np.uint8))
    scores = InstanceScores(CLASSES, (right,)) + InstanceScores(CLASSES, (wrong,))
    assert scores.objects == 4
    assert scores.figures()["found"] == 0.5
    assert scores.figures()["overlap_f"] == 0.5
    assert [view["name"] for view in scores.report()["scenes"]] == ["right", "wrong"]
    assert isnan(InstanceScores(CLASSES, ()).figures()["found"])


def test_the_sheet_begins_with_the_worst_view():
    views = {name: sample(name) for name in ("good", "bad")}
    scores = InstanceScores(
        CLASSES,
        (
            ViewScore.of(views["good"], half(sample().labels)),
            ViewScore.of(views["bad"], np.ones((24, 32), np.uint8)),
        ),
    )

    class Data(list):
        names = tuple(views)

    sheet = worst_views(Data(views.values()), scores, 1)
    assert sheet.shape[1] == 2 * 484 + 4
    truth, predicted = sheet[26:386, 4:484], sheet[26:386, 488:968]
    assert np.ptp(truth.astype(int)[150:300], axis=(0, 1)).max() > 50  # an object
    assert (cv2.absdiff(truth, predicted) > 20).any()


def test_the_iou_of_an_object_follows_from_its_f():
    truth, predicted = np.ones((20, 20), np.uint16), np.ones((20, 20), np.uint16)
    truth[:10], predicted[4:12] = 2, 2
    (match,) = evaluate_segmentation(truth, predicted).matches
    assert match.f / (2 - match.f) == pytest.approx(120 / 240)
