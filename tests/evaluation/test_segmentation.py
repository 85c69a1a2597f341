"""Segmentation scores of hand-made cases with known answers."""

import numpy as np
import pytest

from cvdl.evaluation.outlines import Counts
from cvdl.evaluation.segmentation import ObjectMatch, evaluate_segmentation, mean_figures

SHAPE = (48, 64)  # its boundary tolerance is one pixel


def image(**boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Labels 1 with boxes (y0, x0, y1, x1) of other numbers: ``image(n2=(0, 0, 9, 9))``."""
    labels = np.ones(SHAPE, np.uint16)
    for name, (y0, x0, y1, x1) in boxes.items():
        labels[y0:y1, x0:x1] = int(name[1:])
    return labels


SQUARE = image(n2=(10, 10, 20, 20))
EMPTY = image()


def test_equal_images_score_one_with_any_labels():
    truth = image(n2=(5, 5, 15, 15), n3=(20, 20, 30, 40))
    predicted = image(n900=(5, 5, 15, 15), n2=(20, 20, 30, 40))
    score = evaluate_segmentation(truth, predicted)
    assert set(score.figures().values()) == {1.0}
    assert score.matches == (ObjectMatch(2, 900, 1.0), ObjectMatch(3, 2, 1.0))


def test_an_empty_prediction():
    figures = evaluate_segmentation(SQUARE, EMPTY).figures()
    assert figures["overlap_precision"] == figures["boundary_precision"] == 1
    assert figures["overlap_recall"] == figures["boundary_recall"] == 0
    assert figures["overlap_f"] == figures["boundary_f"] == figures["detected"] == 0


def test_an_image_without_labels():
    figures = evaluate_segmentation(EMPTY, SQUARE).figures()
    assert figures["overlap_precision"] == figures["boundary_precision"] == 0
    assert figures["overlap_recall"] == figures["boundary_recall"] == 1
    assert figures["overlap_f"] == figures["boundary_f"] == figures["detected"] == 0


def test_neither_labels_nor_prediction():
    assert set(evaluate_segmentation(EMPTY, EMPTY).figures().values()) == {1.0}


def test_a_prediction_that_shares_no_pixel_does_not_match():
    score = evaluate_segmentation(SQUARE, image(n2=(30, 30, 40, 40)))
    assert score.matches == ()
    assert score.overlap == Counts(0, 100, 0, 100)
    assert score.boundary.predicted == score.boundary.labeled > 0
    assert score.overlap.f == score.boundary.f == 0


def test_over_segmentation_matches_only_the_best_part():
    parts = image(n2=(10, 10, 20, 16), n3=(10, 16, 20, 20))
    score = evaluate_segmentation(SQUARE, parts)
    assert score.matches == (ObjectMatch(2, 2, 2 * 60 / 160),)
    assert score.overlap == Counts(60, 100, 60, 100)
    assert score.detected == 0  # 0.75 is not above 0.75


def test_under_segmentation_matches_one_of_two_objects():
    truth = image(n2=(10, 10, 20, 20), n3=(10, 20, 20, 28))
    score = evaluate_segmentation(truth, image(n7=(10, 10, 20, 28)))
    assert score.matches == (ObjectMatch(2, 7, 2 * 100 / 280),)
    assert score.overlap == Counts(100, 180, 100, 180)
    assert score.objects == 2


def test_matching_maximizes_the_sum_of_all_pairs():
    truth = image(n2=(0, 0, 10, 20), n3=(10, 0, 20, 20))
    # 5 overlaps 2 most, but only 5 covers 3 and 6 covers 2 as well.
    predicted = image(n5=(0, 0, 20, 12), n6=(0, 12, 9, 20))
    score = evaluate_segmentation(truth, predicted)
    assert [(match.truth, match.predicted) for match in score.matches] == [(2, 6), (3, 5)]


def test_the_boundary_tolerance_is_one_pixel_in_a_small_image():
    by_one = evaluate_segmentation(SQUARE, image(n2=(10, 11, 20, 21)))
    assert by_one.boundary.f == 1
    by_two = evaluate_segmentation(SQUARE, image(n2=(10, 12, 20, 22)))
    # Outline of 11x11 pixels less the middle: 40. The left and right sides of 11 pixels are
    # wrong except their ends, which lie within a pixel of the top and bottom sides.
    assert by_two.boundary.predicted == by_two.boundary.labeled == 40
    assert by_two.boundary.f == pytest.approx(1 - (9 - 2 + 11) / 40, abs=0.06)


def test_the_boundary_tolerance_is_three_pixels_at_vga():
    big = np.zeros((480, 640), np.uint16)
    truth, near, far = big.copy(), big.copy(), big.copy()
    truth[100:200, 100:200] = near[103:203, 100:200] = far[104:204, 100:200] = 2
    assert evaluate_segmentation(truth, near).boundary.f == 1
    assert evaluate_segmentation(truth, far).boundary.f < 0.8


def test_objects_at_the_image_edge_have_no_outline_along_it():
    corner = image(n2=(0, 0, 10, 10), n3=(38, 54, 48, 64))
    score = evaluate_segmentation(corner, corner)
    assert score.boundary.f == 1
    assert score.boundary.labeled == 19 + 21  # no outline along the edge itself


def test_predictions_outside_the_valid_pixels_do_not_count():
    truth = SQUARE.copy()
    truth[:, 18:] = 0
    predicted = image(n2=(10, 10, 20, 30), n3=(30, 40, 40, 50))
    assert evaluate_segmentation(truth, predicted).overlap == Counts(80, 300, 80, 80)
    score = evaluate_segmentation(truth, predicted, truth > 0)
    assert score.overlap == Counts(80, 80, 80, 80)
    assert score.boundary.f == 1


def test_mean_figures_weigh_frames_and_pooled_ones_pixels():
    whole = evaluate_segmentation(SQUARE, SQUARE)
    missed = evaluate_segmentation(image(n2=(0, 0, 30, 30), n3=(40, 40, 44, 44)), EMPTY)
    assert mean_figures([whole, missed])["overlap_recall"] == 0.5
    pooled = whole + missed
    assert pooled.overlap.recall == 100 / (100 + 900 + 16)
    assert pooled.detected == 1 / 3
    assert mean_figures([]) == {}


def test_images_of_different_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"truth is \(48, 64\), the prediction \(2, 2\)"):
        evaluate_segmentation(SQUARE, np.zeros((2, 2), np.uint16))
