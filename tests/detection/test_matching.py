"""Which detection is which object, on cases made by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.core.scene import OrientedBox, SceneObject
from cvdl.detection import Detections
from cvdl.detection.matching import distinct, match, object_iou

BOX3D = OrientedBox(np.zeros(3), np.eye(3), np.ones(3))


def found(*boxes, masks=None):
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count)
    return Detections(np.array(boxes, float).reshape(-1, 4), np.arange(count), scores, masks)


def segmented(labels):
    """The objects of a label image."""
    items = []
    for label in range(2, labels.max() + 1):
        rows, columns = np.nonzero(labels == label)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        items.append(SceneObject(label, np.array(box, float), BOX3D, len(rows)))
    return tuple(items)


@pytest.fixture
def diagonal():
    """Two thin bars that cross at right angles: the same box, masks that share little."""
    labels = np.zeros((40, 40), np.uint16)
    labels[np.abs(np.subtract.outer(np.arange(40), np.arange(40))) < 2] = 2
    across = np.abs(np.add.outer(np.arange(40), np.arange(40)) - 39) < 2
    labels[across & (labels == 0)] = 3
    return labels


# --- Overlap ------------------------------------------------------------------------------------


def test_masks_distinguish_objects_with_the_same_box(diagonal):
    objects = segmented(diagonal)
    box = objects[0].box2d
    np.testing.assert_allclose(object_iou(found(box, box), diagonal, objects), 1, atol=0.06)
    masks = np.stack([diagonal == 3, diagonal == 2])
    iou = object_iou(found(box, box, masks=masks), diagonal, objects)
    np.testing.assert_allclose(iou, [[0, 1], [1, 0]])


def test_iou_of_masks_larger_than_the_object():
    labels = np.zeros((10, 10), np.uint16)
    labels[:, :4] = 2
    mask = np.zeros((1, 10, 10), bool)
    mask[0, :, 2:8] = True  # 20 pixels in common, 40 + 60 - 20 together
    iou = object_iou(found([2, 0, 8, 10], masks=mask), labels, segmented(labels))
    np.testing.assert_allclose(iou, [[0.25]])


@pytest.mark.parametrize("masks", [None, np.zeros((0, 10, 10), bool)])
def test_no_detections_or_no_objects(masks):
    labels = np.zeros((10, 10), np.uint16)
    assert object_iou(found(masks=masks), labels, ()).shape == (0, 0)
    labels[2:5, 2:5] = 2
    assert object_iou(found(masks=masks), labels, segmented(labels)).shape == (0, 1)
    if masks is None:
        assert object_iou(found([0, 0, 5, 5]), labels, ()).shape == (1, 0)
    else:
        mask = np.ones((1, 10, 10), bool)
        assert object_iou(found([0, 0, 5, 5], masks=mask), labels, ()).shape == (1, 0)


# --- One thing, one detection -------------------------------------------------------------------


def test_of_two_detections_of_one_object_the_better_is_kept():
    boxes = [0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 6]
    kept = distinct(found(*boxes), 0.7)
    assert kept.labels.tolist() == [0, 2, 3]
    assert kept.scores.tolist() == found(*boxes).scores[[0, 2, 3]].tolist()


def test_dropped_detections_suppress_nothing():
    """In a row of boxes, each overlapping the next: the third is near the second only."""
    boxes = [0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]
    assert distinct(found(*boxes), 0.7).labels.tolist() == [0, 2]


def test_masks_are_selected_with_their_boxes():
    masks = np.eye(3, dtype=bool)[:, None] * np.ones((1, 4, 1), bool)
    kept = distinct(found([0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], masks=masks), 0.7)
    np.testing.assert_array_equal(kept.masks, masks[[0, 2]])


# --- Pairs --------------------------------------------------------------------------------------


def test_the_sum_of_the_overlaps_is_maximized():
    # Greedy would give row 0 column 0 and leave row 1 with nothing.
    assert match(np.array([[0.8, 0.7], [0.75, 0.0]]), 0.3) == [(0, 1), (1, 0)]


def test_pairs_with_little_overlap_are_dropped():
    assert match(np.array([[0.49, 0.1], [0.2, 0.5]]), 0.5) == [(1, 1)]
    assert match(np.zeros((2, 3)), 0.05) == []
    assert match(np.zeros((0, 3)), 0.5) == match(np.zeros((3, 0)), 0.5) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_no_other_pairs_have_a_larger_sum(seed, rows, columns):
    iou = np.random.default_rng(seed).uniform(0, 1, (rows, columns))
    pairs = match(iou, 0.4)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(iou[pair] >= 0.4 for pair in pairs)
    enough = np.pad(np.where(iou >= 0.4, iou, 0), ((0, 4 - rows), (0, 4 - columns)))
    best = max(sum(enough[i, j] for i, j in enumerate(order)) for order in permutations(range(4)))
    assert sum(iou[pair] for pair in pairs) == pytest.approx(best)
