"""Non-maximum suppression."""

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from cvdl.detection.suppression import best_of_each_class, suppressed


def random_boxes(rng, count):
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack([corner, corner + rng.uniform(5, 40, (count, 2))])


@pytest.mark.parametrize("count", [1, 300, 1500])
def test_it_equals_that_of_torchvision(count):
    rng = np.random.default_rng(0)
    boxes, scores = random_boxes(rng, count), rng.random(count)
    labels = rng.integers(0, 3, count)
    kept = suppressed(boxes, scores, labels, 0.5)
    expected = batched_nms(*map(torch.from_numpy, (boxes, scores, labels)), 0.5)
    np.testing.assert_array_equal(kept, expected.numpy())
    assert len(kept) == 1 or len(kept) < 0.8 * count


def test_scores_that_differ_by_less_than_float32_shows_are_in_order():
    scores = 1 - 1e-9 * np.array([3, 1, 2, 0])
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60], [90, 90, 99, 99]])
    assert suppressed(boxes, scores, np.zeros(4, int), 0.5).tolist() == [3, 1, 2]


def test_a_box_may_have_several_classes():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60]])
    scores = np.array([[0.9, 0.3], [0.5, 0.8], [0.01, 0.02]])
    found = best_of_each_class(boxes, scores, 0.05, 0.5)
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == [0.9, 0.8]
    np.testing.assert_array_equal(found.boxes, boxes[:2])


def test_the_best_hundred_are_returned():
    rng = np.random.default_rng(1)
    boxes = np.arange(150)[:, None] * 100 + np.array([0, 0, 10, 10])
    scores = rng.random((150, 1))
    found = best_of_each_class(boxes, scores, 0.0, 0.5)
    np.testing.assert_array_equal(found.scores, np.sort(scores[:, 0])[::-1][:100])
    assert len(best_of_each_class(boxes[:0], scores[:0], 0.0, 0.5)) == 0
