"""Figures of a classifier for hand-made probabilities."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from cvdl.evaluation.classification import ClassificationScores, draw_confusion, draw_roc

CLASSES = ("cup", "book")


def scores():
    """Two cups, predicted as cup and nothing; a book, as cup; two of nothing, one as book."""
    return ClassificationScores(
        CLASSES,
        np.array(["a", "a", "b", "b", "b"]),
        np.arange(20.0).reshape(5, 4),
        np.array([0, 0, 1, 2, 2]),
        np.array(
            [[0.8, 0.1, 0.1], [0.3, 0.1, 0.6], [0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.1, 0.1, 0.8]]
        ),
    )


def test_figures_are_correct():
    figures = scores().figures()
    assert figures["top1"] == pytest.approx(1 / 3)
    assert scores().top(2) == 1
    assert figures["top5"] == 1
    assert figures["class_mean"] == pytest.approx((1 / 2 + 0) / 2)
    assert figures["nothing"] == pytest.approx(1 / 2)
    # Cups 0.8 and 0.3 against 0.7, 0.1 and 0.1; the book 0.2 against 0.1, 0.1, 0.5 and 0.1.
    assert figures["roc_auc"] == pytest.approx((5 / 6 + 3 / 4) / 2)


def test_the_confusion_matrix_has_a_row_and_a_column_for_nothing():
    np.testing.assert_array_equal(scores().confusion(), [[1, 0, 1], [1, 0, 0], [0, 1, 1]])


def test_mistakes_report_image_and_both_classes():
    missed, confused, alarm = scores().mistakes()
    assert (missed.name, missed.truth, missed.found, missed.score) == ("a", 0, -1, 0)
    assert (confused.name, confused.truth, confused.found, confused.score) == ("b", 1, 0, 0.7)
    assert (alarm.truth, alarm.found, alarm.score) == (-1, 1, 0.5)
    np.testing.assert_array_equal(alarm.box, [12, 13, 14, 15])


def test_joined_scores_cover_all_crops():
    one = scores()
    both = ClassificationScores.of(CLASSES, [one, one])
    np.testing.assert_array_equal(both.confusion(), 2 * one.confusion())
    assert both.figures() == pytest.approx(one.figures())


def test_the_report_is_json_with_none_for_undefined_figures():
    report = scores().report()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["classes"]["cup"]["count"] == 2
    assert report["classes"]["cup"]["top1"] == 0.5
    assert (report["crops"], report["things"]) == (5, 3)
    empty = ClassificationScores.of(CLASSES, []).report()
    assert empty["top1"] is None
    assert empty["classes"]["cup"]["roc_auc"] is None
    json.dumps(empty, allow_nan=False)


@pytest.mark.parametrize("some", [scores(), ClassificationScores.of(CLASSES, [])])
@pytest.mark.parametrize("draw", [draw_confusion, draw_roc])
def test_charts_are_drawn_even_without_crops(tmp_path, draw, some):
    draw(tmp_path / "new" / "picture.png", some)
    assert cv2.imread(str(tmp_path / "new" / "picture.png")).std() > 1
