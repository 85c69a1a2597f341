"""Class maps with known figures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.evaluation.semantic import score_class_maps
from cvdl.evaluation.semantic_pictures import class_picture, worst_views

CLASSES = ("mug", "box", "fork")
SHAPE = (60, 80)


class Views(list):
    classes = CLASSES

    @property
    def names(self):
        return [view.name for view in self]


def view(name, *things):
    """Objects: class index, rows, columns."""
    masks = np.zeros((len(things), *SHAPE), bool)
    for row, (_, rows, columns) in enumerate(things):
        masks[row, rows, columns] = True
    frame = RgbdFrame(
        np.full((*SHAPE, 3), 100, np.uint8),
        np.full(SHAPE, np.nan, np.float32),
        Camera(SHAPE[1], SHAPE[0], 80.0, 80.0, 40.0, 30.0),
    )
    labels = np.array([label for label, *_ in things], np.int64)
    return DetectionSample(
        name, frame, np.zeros((len(things), 4)), labels, np.zeros(len(things), bool), masks
    )


def test_counts_and_figures():
    """20 x 20 pixels of a mug, of which 100 are predicted as no class and 40 as a box."""
    truth = view("a", (0, slice(10, 30), slice(10, 30)))
    predicted = np.full(SHAPE, 3)
    predicted[10:25, 10:30] = 0
    predicted[10:12, 10:30] = 1
    report = score_class_maps(lambda frame: predicted, [truth], CLASSES)
    assert report.classes == CLASSES
    expected = np.zeros((4, 4), int)
    expected[0] = [260, 40, 0, 100]
    expected[3, 3] = 4800 - 400
    np.testing.assert_array_equal(report.pixels, expected)
    np.testing.assert_allclose(report.iou, [260 / 400, 0, np.nan, 4400 / 4500])
    np.testing.assert_allclose(report.accuracy, [260 / 400, np.nan, np.nan, 1])
    figures = report.figures()
    assert figures["mean_iou"] == pytest.approx((260 / 400 + 0 + 4400 / 4500) / 3)
    assert figures["class_accuracy"] == pytest.approx((260 / 400 + 1) / 2)
    assert figures["pixel_accuracy"] == pytest.approx((260 + 4400) / 4800)
    assert report.views["a"][0] == pytest.approx(260 / 400)


def test_perfect_maps_score_one():
    truth = view("a", (0, slice(10, 30), slice(10, 30)), (2, slice(40, 44), slice(5, 70)))
    predicted = np.full(SHAPE, 3)
    predicted[10:30, 10:30], predicted[40:44, 5:70] = 0, 2
    figures = score_class_maps(lambda frame: predicted, [truth], CLASSES).figures()
    assert set(figures.values()) == {1.0}


def test_outlines_agree_within_the_tolerance():
    """0.75 % of a diagonal of 100 pixels: one pixel."""
    truth = view("a", (0, slice(10, 30), slice(10, 30)))
    for shift, expected in ((1, 1.0), (2, 0.5)):
        predicted = np.full(SHAPE, 3)
        predicted[10:30, 10 + shift : 30 + shift] = 0
        report = score_class_maps(lambda frame, predicted=predicted: predicted, [truth], CLASSES)
        assert report.figures()["outline_f"] == pytest.approx(expected, abs=0.08)
        if shift == 1:
            assert report.figures()["outline_f"] == 1.0


def test_a_class_without_prediction_has_an_outline_f_of_zero():
    truth = view("a", (0, slice(10, 30), slice(10, 30)))
    report = score_class_maps(lambda frame: np.full(SHAPE, 3), [truth], CLASSES)
    assert report.figures()["outline_f"] == 0
    assert report.figures()["mean_iou"] == pytest.approx(4400 / 4800 / 2)


def test_crowds_do_not_count_and_images_without_labels_have_no_figures():
    crowd = view("crowd", (0, slice(10, 30), slice(10, 30)))
    crowd = replace(crowd, crowd=np.array([True]))
    wrong_there = np.full(SHAPE, 3)
    wrong_there[10:30, 10:30] = 1
    report = score_class_maps(lambda frame: wrong_there, [crowd], CLASSES)
    assert report.pixels.sum() == 4400
    assert report.figures()["mean_iou"] == 1
    assert np.isnan(report.views["crowd"]).all()
    assert report.report()["outline_f"] is None
    assert report.report()["classes"]["mug"] == {"pixels": 0, "accuracy": None, "iou": None}
    assert report.report()["no_class"] == {"pixels": 4400, "accuracy": 1, "iou": 1}


def test_predictions_inside_a_crowd_have_no_outline():
    views = view("a", (0, slice(10, 30), slice(10, 30)), (0, slice(35, 55), slice(40, 70)))
    views = replace(views, crowd=np.array([False, True]))
    predicted = np.full(SHAPE, 3)
    predicted[10:30, 10:30], predicted[40:50, 45:60] = 0, 0
    report = score_class_maps(lambda frame: predicted, [views], CLASSES)
    assert report.figures()["outline_f"] == 1
    assert report.figures()["mean_iou"] == 1


def test_classes_without_an_outline_have_no_outline_f():
    """A class that fills the image, and an object that another one hides."""
    everywhere = view("a", (1, slice(0, 60), slice(0, 80)))
    report = score_class_maps(lambda frame: np.full(SHAPE, 1), [everywhere], CLASSES)
    assert np.isnan(report.figures()["outline_f"])
    assert report.figures()["mean_iou"] == 1
    hidden = view("b", (0, slice(10, 30), slice(10, 30)), (1, slice(10, 30), slice(10, 30)))
    predicted = np.full(SHAPE, 3)
    predicted[10:30, 10:30] = 1
    report = score_class_maps(lambda frame: predicted, [hidden], CLASSES)
    assert set(report.figures().values()) == {1.0}


def test_the_worst_images_come_first_and_show_both_maps():
    good = view("good", (0, slice(10, 30), slice(10, 30)))
    bad = view("bad", (0, slice(30, 50), slice(40, 60)))
    predicted = np.full(SHAPE, 3)
    predicted[10:30, 10:30] = 0
    views = Views([good, bad, view("empty")])
    report = score_class_maps(lambda frame: predicted, views, CLASSES)
    sheet = worst_views(lambda frame: predicted, views, report, 1)
    labeled = class_picture(bad.frame.color, np.where(bad.masks[0], 0, 3), CLASSES)
    both = worst_views(lambda frame: predicted, views, report, 8)
    assert both.shape[1] > sheet.shape[1]  # the empty view is not shown
    assert (labeled[35:38, 42:58] != 100).any()
    assert (labeled[:5] == 100).all()
    shown = cv2.resize(labeled, (480, 360), interpolation=cv2.INTER_AREA)
    for some in (sheet, both):  # bars of 22 pixels, gaps of 4
        np.testing.assert_array_equal(some[26:386, 4:484], shown)
