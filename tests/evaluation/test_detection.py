"""COCO's figures, confusion and mistakes on hand-made detections."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.detections import Detections
from cvdl.evaluation.detection import DetectionScores

from .reports import report_of

CLASSES = ("box", "mug", "bowl")
SIZE = (48, 64)


def frame() -> RgbdFrame:
    camera = Camera(SIZE[1], SIZE[0], 60, 60, 31.5, 23.5)
    return RgbdFrame(np.zeros((*SIZE, 3), np.uint8), np.full(SIZE, np.nan, np.float32), camera)


def sample(boxes, labels, crowd=None, name="view", masks=None) -> DetectionSample:
    crowd = [False] * len(boxes) if crowd is None else crowd
    boxes = np.array(boxes, float).reshape(-1, 4)
    return DetectionSample(
        name, frame(), boxes, np.array(labels, int), np.array(crowd, bool), masks
    )


def found(boxes, labels, scores, masks=None) -> Detections:
    boxes = np.array(boxes, float).reshape(-1, 4)
    return Detections(boxes, np.array(labels, int), np.array(scores, float), masks)


A, B, C = [0, 0, 10, 10], [20, 20, 40, 40], [50, 5, 60, 45]


def test_perfect_detections_score_one():
    report = report_of([sample([A, B], [0, 1])], [found([B, A], [1, 0], [0.9, 0.4])], CLASSES)
    assert (report.ap50, report.ap, report.ar, report.f1) == (1, 1, 1, 1)
    assert (report.images, report.boxes) == (1, 2)
    assert report.class_boxes.tolist() == [1, 1, 0]
    np.testing.assert_array_equal(report.class_ap50, [1, 1, np.nan])
    assert report.threshold == 0.4
    assert report.mistakes == ()
    assert np.diag(report.confusion).tolist() == [1, 1, 0, 0]
    assert report.mask is None


def test_a_false_alarm_with_the_highest_score_lowers_the_precision():
    # One class with two boxes; detections wrong, right, right. Precision 1/2 at recall 1/2 and
    # 2/3 at 1; interpolated to 2/3 everywhere.
    report = report_of(
        [sample([A, B], [0, 0])], [found([C, A, B], [0, 0, 0], [0.9, 0.8, 0.7])], CLASSES
    )
    assert report.ap50 == pytest.approx(2 / 3)
    assert report.ar == 1
    np.testing.assert_allclose(report.precision[0], 2 / 3)
    assert report.f1 == pytest.approx(2 * 2 / 5)
    (alarm,) = report.mistakes
    assert (alarm.truth, alarm.found, alarm.score) == (-1, 0, 0.9)
    assert alarm.box.tolist() == C


def test_the_overlap_decides_at_which_thresholds_a_detection_is_right():
    shifted = [0, 0, 10, 7.2]  # overlap 0.72: right at 0.50 ... 0.70, five of ten
    report = report_of([sample([A], [0])], [found([shifted], [0], [1])], CLASSES)
    assert (report.ap50, report.ap, report.ar) == pytest.approx((1, 0.5, 0.5))


def test_a_second_detection_of_an_object_is_a_false_alarm():
    report = report_of(
        [sample([A, B], [0, 0])], [found([A, A, B], [0, 0, 0], [0.9, 0.8, 0.7])], CLASSES
    )
    assert report.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert report.confusion[:, 0].tolist() == [2, 0, 0, 1]


def test_confusion_and_mistakes():
    report = report_of(
        [sample([A, B], [0, 1], name="first"), sample([C], [2], name="second")],
        [found([A, B, C], [0, 2, 0], [0.9, 0.8, 0.7]), Detections.none()],
        CLASSES,
    )
    # The best F1 is at 0.9: one right, none wrong, two missed.
    assert report.threshold == 0.9
    assert report.confusion.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    assert [(m.name, m.truth, m.found) for m in report.mistakes] == [
        ("first", 1, -1),
        ("second", 2, -1),
    ]
    report = report_of(
        [sample([A, B], [0, 1])],
        [found([A, B, C], [0, 2, 0], [0.9, 0.9, 0.9])],
        CLASSES,
    )
    assert report.confusion.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0] * 4, [1, 0, 0, 0]]
    assert [(m.truth, m.found, m.box.tolist()) for m in report.mistakes] == [
        (1, 2, B),
        (-1, 0, C),
    ]


def test_false_alarms_report_the_nearest_object_of_their_class():
    loose = [A[0], A[1], A[2], A[1] + (A[3] - A[1]) * 0.4]
    alarms = report_of(
        [sample([A, B], [0, 1])],
        [found([A, A, loose, B, B], [0, 0, 0, 1, 0], [0.9] * 5)],
        CLASSES,
    ).mistakes
    assert [None if m.near is None else m.near.tolist() for m in alarms] == [A, A, None]
    assert [m.overlap for m in alarms] == pytest.approx([1, 0.4, 0])


def test_crowds_are_neither_missed_nor_false_alarms():
    crowd = sample([A, B], [0, 1], [False, True])
    inside = found([A, [20, 20, 30, 30], [25, 25, 35, 35]], [0, 1, 1], [0.5, 0.9, 0.8])
    for detections in (inside, inside[:1]):
        report = report_of([crowd], [detections], CLASSES)
        assert report.boxes == 1
        assert report.ap50 == 1
        assert report.f1 == 1
        assert report.mistakes == ()


def test_class_agnostic_scores_ignore_class_names():
    samples = [sample([A, B], [0, 1])]
    # One object detected as two classes counts once.
    detections = [found([A, A, B], [0, 1, 0], [0.9, 0.8, 0.7])]
    assert report_of(samples, detections, CLASSES).ap50 < 1
    report = report_of(samples, detections, CLASSES, class_agnostic=True)
    assert report.classes == ("object",)
    assert (report.ap50, report.f1) == (1, 1)
    assert report.confusion.tolist() == [[2, 0], [0, 0]]


def test_masks_have_their_own_figures():
    masks = np.zeros((1, *SIZE), bool)
    masks[0, :10, :10] = True
    less = masks.copy()
    less[0, :4] = False  # overlap 0.6: right at 0.50, 0.55 and 0.60
    views = [sample([A], [0], masks=masks)]
    report = report_of(views, [found([A], [0], [1], less)], CLASSES)
    assert report.ap == 1
    assert (report.mask.ap50, report.mask.ap, report.mask.ar) == pytest.approx((1, 0.3, 0.3))
    assert report.figures()["mask_ap"] == report.mask.ap
    assert report_of(views, [found([A], [0], [1])], CLASSES).mask is None


def test_figures_equal_those_of_plain_pycocotools(capsys):
    rng = np.random.default_rng(0)
    samples, detections = [], []
    for _ in range(30):
        low = rng.uniform(0, 30, (4, 2))
        boxes = np.concatenate([low, low + rng.uniform(5, 15, (4, 2))], axis=1)
        labels = rng.integers(0, 3, 4)
        samples.append(sample(boxes, labels, rng.random(4) < 0.1))
        moved = np.concatenate([boxes, boxes]) + rng.normal(0, 1.5, (8, 4))
        names = np.where(rng.random(8) < 0.2, rng.integers(0, 3, 8), np.tile(labels, 2))
        scores = np.sort(rng.random(8))[::-1]
        detections.append(found(moved, names, scores))
    report = report_of(samples, detections, CLASSES)
    assert capsys.readouterr().out == ""

    def xywh(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    truth = COCO()
    truth.dataset = {
        "info": {},  # some releases copy it
        "images": [{"id": i} for i in range(30)],
        "categories": [{"id": i} for i in range(3)],
        "annotations": [
            {"id": 10 * i + j + 1, "image_id": i, "category_id": int(s.labels[j])}
            | {"bbox": xywh(s.boxes[j]), "area": 1, "iscrowd": int(s.crowd[j])}
            for i, s in enumerate(samples)
            for j in range(4)
        ],
    }
    truth.createIndex()
    rows = [
        [i, *xywh(d.boxes[j]), d.scores[j], d.labels[j]]
        for i, d in enumerate(detections)
        for j in range(8)
    ]
    reference = COCOeval(truth, truth.loadRes(np.array(rows)), "bbox")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    expected = reference.stats[[1, 0, 8]]
    np.testing.assert_allclose([report.ap50, report.ap, report.ar], expected, atol=1e-9)
    assert 0.1 < report.ap < 0.9


def test_no_detections_and_no_labels():
    report = report_of([sample([A], [0])], [Detections.none()], CLASSES)
    assert (report.ap50, report.ap, report.ar, report.f1) == (0, 0, 0, 0)
    assert report.confusion[0].tolist() == [0, 0, 0, 1]
    assert len(report.mistakes) == 1
    report = report_of([sample([], [])], [found([A], [0], [1])], CLASSES)
    assert np.isnan([report.ap50, report.ap, report.ar, report.f1]).all()
    assert json.loads(json.dumps(report.report(), allow_nan=False))["ap50"] is None
    assert report_of([], [], CLASSES).images == 0


def test_class_indices_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"labels \[3\] of 3 classes"):
        report_of([sample([A], [0])], [found([A], [3], [1])], CLASSES)


def test_added_scores_cover_the_images_of_both():
    first, second = DetectionScores(CLASSES), DetectionScores(CLASSES)
    first.add(sample([A], [0]), found([A], [0], [0.9]))
    second.add(sample([B], [0]), Detections.none())
    both = first + second
    assert (len(first), len(second), len(both)) == (1, 1, 2)
    assert both.report().ap50 == pytest.approx(51 / 101)
    assert first.report().ap50 == 1


def test_added_class_agnostic_scores_stay_class_agnostic():
    first, second = (DetectionScores(CLASSES, class_agnostic=True) for _ in range(2))
    first.add(sample([A], [1]), found([A], [1], [0.9]))
    both = first + second
    both.add(sample([B], [1]), found([B], [1], [0.9]))
    assert both.report().ap50 == 1


def test_detections_of_equal_score_are_on_one_side_of_the_threshold():
    scores = DetectionScores(CLASSES)
    wrong = [[x, 30, x + 2, 32] for x in range(0, 40, 5)]
    boxes = [A, B, *wrong]
    scores.add(sample([A, B], [0, 0]), found(boxes, [0] * 10, [0.9, *[0.5] * 9]))
    figures = scores.report()
    assert figures.threshold == 0.9
    assert figures.figures()["f1"] == pytest.approx(2 / 3)
