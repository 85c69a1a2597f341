"""The rectangle metric and its figures, in cases with known answers."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.camera import Camera
from cvdl.core.frame import RgbdFrame
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.evaluation.binary import BinaryScores
from cvdl.evaluation.figures import spread
from cvdl.evaluation.grasp_pictures import draw_curves, prediction_picture, prediction_sheet
from cvdl.evaluation.grasping import (
    JACCARDS,
    GraspResult,
    GraspScores,
    score_grasp_detector,
)
from cvdl.grasping.rectangles import GraspRectangles, best_overlap


def rectangles(*rows: tuple[float, ...]) -> GraspRectangles:
    """From rows of u, v, degrees, opening, plate and, if it is there, score."""
    table = np.array([(*row, 1.0)[:6] for row in rows], float)
    return GraspRectangles(
        table[:, :2], np.deg2rad(table[:, 2]), table[:, 3], table[:, 4], table[:, 5]
    )


def sample(name: str, good: GraspRectangles, bad: GraspRectangles | None = None) -> GraspSample:
    camera = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
    color = np.full((240, 320, 3), 200, np.uint8)
    frame = RgbdFrame(color, np.full((240, 320), np.nan, np.float32), camera)
    return GraspSample(name, f"thing {name}", frame, good, bad or GraspRectangles.none())


def result(name: str, overlap: float, score: float = 0.5) -> GraspResult:
    return GraspResult(name, name, rectangles((50, 50, 0, 40, 20, score)), overlap, 10.0)


GOOD = rectangles((100, 100, 0, 40, 20))


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ((100, 100, 0, 40, 20), [True, True, True, True]),
        ((100, 100, 180, 40, 20), [True, True, True, True]),  # half a turn is the same grasp
        ((116, 100, 0, 40, 20), [True, True, True, False]),  # Jaccard 24 / 56 = 0.43
        ((124, 100, 0, 40, 20), [False, False, False, False]),  # 16 / 64: 0.25 is not above
        ((123.9, 100, 0, 40, 20), [True, False, False, False]),
        ((100, 100, 29.9, 40, 20), [True, True, True, True]),
        ((100, 100, 30.1, 40, 20), [False, False, False, False]),
        ((100, 100, -29.9, 40, 20), [True, True, True, True]),
        ((100, 100, 90, 40, 20), [False, False, False, False]),  # Jaccard 1/3, wrong angle
        ((100, 100, 0, 40, 0), [False, False, False, False]),  # no area
    ],
)
def test_the_metric_is_correct(prediction, expected):
    assert [best_overlap(rectangles(prediction), GOOD)[0] > least for least in JACCARDS] == expected


def test_angle_and_overlap_refer_to_the_same_rectangle():
    # One good rectangle has the position but another angle, one the angle but another position.
    good = rectangles((100, 100, 90, 20, 40), (300, 100, 0, 40, 20))
    assert best_overlap(GOOD, good).tolist() == [0]
    assert best_overlap(GOOD, rectangles((110, 100, 0, 40, 20), (104, 100, 0, 40, 20))) == (
        pytest.approx([36 / 44])
    )


def test_empty_predictions_and_labels_have_no_overlap():
    none = GraspRectangles.none()
    assert best_overlap(none, GOOD).shape == (0,)
    assert best_overlap(GOOD, none).tolist() == [0]


@given(
    st.lists(st.tuples(*[st.floats(20, 80)] * 2, st.floats(-90, 90), *[st.floats(1, 40)] * 2)),
    st.floats(0, 360),
)
def test_the_metric_does_not_depend_on_the_rotation_of_the_image(rows, degrees):
    prediction = rectangles((50, 50, 10, 40, 20))
    good = rectangles(*rows) if rows else GraspRectangles.none()
    before = best_overlap(prediction, good)
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def turned(some: GraspRectangles) -> GraspRectangles:
        return GraspRectangles(
            some.center @ matrix.T, some.angle + turn, some.opening, some.plate, some.score
        )

    # A label at the limit of the angle may fall to either side by rounding.
    off = np.abs(np.abs(np.rad2deg(good.angle) - 10) % 180 - 30)
    if not ((off < 1e-6) | (np.abs(off - 120) < 1e-6)).any():
        assert best_overlap(turned(prediction), turned(good)) == pytest.approx(before, abs=1e-6)


def test_a_detector_is_scored_by_its_best_rectangle_on_the_whole_image():
    seen = []

    def detector(frame, mask=None, count=100):
        seen.append((frame.depth.shape, mask, count))
        if len(seen) == 3:
            return GraspRectangles.none()
        return rectangles((104, 100, 0, 40, 20, 0.9), (100, 100, 0, 40, 20, 0.8))

    samples = [
        sample("a", GOOD),
        sample("unlabeled", GraspRectangles.none()),
        sample("b", rectangles((200, 100, 0, 40, 20))),
        sample("c", GOOD),
    ]
    scores = score_grasp_detector(detector, samples)
    assert seen == [((240, 320), None, 1)] * 3
    assert [result.name for result in scores.results] == ["a", "b", "c"]
    assert [result.overlap for result in scores.results] == pytest.approx([36 / 44, 0, 0])
    assert scores.top1() == pytest.approx(1 / 3)
    assert scores.detection().truth.tolist() == [True, False]  # and one image without a rectangle
    report = json.loads(json.dumps(scores.report(), allow_nan=False))
    assert report["views"] == 3
    assert report["found_nothing"] == 1
    assert report["top1"] == dict.fromkeys(["0.25", "0.30", "0.40", "0.50"], 1 / 3)
    assert report["recognition"] is None
    assert report["latency_ms"]["median"] >= 0
    first, _, last = report["results"]
    assert first["object"] == "thing a"
    assert first["right"]["0.50"] is True
    assert first["best"] == {
        "center": [104, 100],
        "angle": 0,
        "opening": 40,
        "plate": 20,
        "score": 0.9,
    }
    assert last["best"] is None


def test_figures_without_images_are_undefined():
    scores = GraspScores(())
    report = json.loads(json.dumps(scores.report(), allow_nan=False))
    assert report["views"] == 0
    assert report["top1"]["0.25"] is None
    assert spread(scores.figures(), []) == {}


def test_recognition_of_labeled_rectangles():
    class Judge:
        def __call__(self, frame, mask=None, count=100):
            return GraspRectangles.none()

        def judge(self, frame, some):
            return some.opening / 100

    good, bad = rectangles((9, 9, 0, 90, 9), (9, 9, 0, 40, 9)), rectangles((9, 9, 0, 30, 9))
    views = [sample("a", good, bad), sample("b", bad)]
    first = score_grasp_detector(Judge(), views[:1]).recognition
    assert first.truth.tolist() == [True, True, False]
    assert first.score == pytest.approx([0.9, 0.4, 0.3])
    assert first.accuracy() == pytest.approx(2 / 3)
    assert first.average_precision() == 1
    assert first.roc_auc() == 1
    both = score_grasp_detector(Judge(), views).recognition
    assert both.report() == {
        "count": 4,
        "good": 3,
        "accuracy": 0.5,
        "average_precision": pytest.approx((1 + 1 + 3 / 4) / 3),
        "roc_auc": pytest.approx((1 + 1 + 0.5) / 3),
    }


def test_curves_are_correct():
    scores = BinaryScores(np.array([True, False, True]), np.array([0.9, 0.6, 0.3]))
    precision, recall = scores.precision_recall()
    assert precision.tolist() == pytest.approx([2 / 3, 1 / 2, 1, 1])
    assert recall.tolist() == [1, 0.5, 0.5, 0]
    false, true = scores.roc()
    assert set(zip(false.tolist(), true.tolist(), strict=True)) == {
        (0, 0),
        (0, 0.5),
        (1, 0.5),
        (1, 1),
    }
    alike = BinaryScores(np.ones(3, bool), np.arange(3) / 3)
    assert np.isnan(alike.roc_auc())
    assert alike.report()["roc_auc"] is None


def test_spread_over_folds_has_mean_and_deviation():
    judged = [
        BinaryScores(np.array([True, False]), np.array(score)) for score in ([0.9, 0.1], [0.9, 0.8])
    ]
    folds = [
        GraspScores((result("a", 0.6), result("b", 0.6)), judged[0]),
        GraspScores(
            (result("c", 0.6), result("d", 0.27), result("e", 0), result("f", 0)), judged[1]
        ),
    ]
    figures = [fold.figures() for fold in folds]
    report = spread((folds[0] + folds[1]).figures(), figures)
    assert report["top1@0.25"]["folds"] == [1.0, 0.5]
    assert report["top1@0.25"]["mean"] == 0.75
    assert report["top1@0.25"]["deviation"] == pytest.approx(np.sqrt(0.125))
    assert report["top1@0.25"]["pooled"] == pytest.approx(4 / 6)
    assert report["top1@0.50"]["folds"] == [1.0, 0.25]
    assert report["recognition"] == {
        "mean": 0.75,
        "deviation": pytest.approx(np.sqrt(0.125)),
        "pooled": 0.75,
        "folds": [1.0, 0.5],
    }
    assert spread(figures[0], figures[:1])["top1@0.25"]["deviation"] is None


def test_pictures_show_right_green_wrong_red_and_thick_plates():
    view = sample("a", rectangles((160, 120, 0, 180, 40)))
    right = GraspResult("a", "a", rectangles((160, 120, 0, 180, 40)), 1.0, 1.0)
    wrong = GraspResult("a", "a", rectangles((160, 60, 0, 180, 40)), 0.0, 1.0)

    def count(picture, row, column, color):
        return int((np.abs(picture[row, column].astype(int) - color).sum(-1) < 150).sum())

    green, red = (20, 205, 60), (255, 40, 40)
    picture = prediction_picture(view, right)
    plate = count(picture, 120, slice(60, 80), green)  # across the left plate
    side = count(picture, slice(90, 110), 160, green)  # across the upper side
    assert plate > side > 0
    assert count(picture, slice(None), slice(None), red) == 0
    picture = prediction_picture(view, wrong)
    assert count(picture, 60, slice(60, 80), red) > 0
    assert count(picture, slice(None), slice(None), green) == 0
    # The label is drawn too, and the frame stays unchanged.
    assert (picture[100:140, 68:72] != 200).any()
    assert (view.frame.color == 200).all()
    nothing = GraspResult("a", "a", GraspRectangles.none(), 0.0, 1.0)
    outside = GraspResult("a", "a", rectangles((1e9, -1e9, 0, 80, 40)), 0.0, 1.0)
    sheet = prediction_sheet([view] * 4, [right, wrong, nothing, outside], columns=2)
    assert sheet.shape == (2 * (270 + 26) + 4, 2 * 364 + 4, 3)
    with pytest.raises(ValueError, match="longer"):
        prediction_sheet([view], [right, wrong])


def test_small_rectangles_are_enlarged():
    view = sample("a", rectangles((300, 230, 0, 40, 20)))
    nothing = GraspResult("a", "a", GraspRectangles.none(), 0.0, 1.0)
    picture = prediction_picture(view, nothing)
    assert picture.shape == (120, 160, 3)
    assert (picture != 200).any()  # the label in the corner
    blank = sample("a", GraspRectangles.none())
    assert prediction_picture(blank, nothing).shape == (240, 320, 3)


@pytest.mark.slow
def test_charts_are_drawn_even_if_curves_are_undefined(tmp_path):
    judged = BinaryScores(np.array([True, False, True]), np.array([0.9, 0.6, 0.3]))
    folds = [
        GraspScores((result("a", 0.6, 0.9), result("b", 0.1, 0.2)), judged),
        GraspScores((result("c", 0.6),), BinaryScores(np.ones(2, bool), np.ones(2))),
    ]
    draw_curves(tmp_path / "new" / "curves.png", folds[0] + folds[1], folds)
    draw_curves(tmp_path / "one.png", GraspScores(()))
    two, one = (cv2.imread(str(tmp_path / name)) for name in ("new/curves.png", "one.png"))
    assert two.shape[0] > 1.5 * one.shape[0]
