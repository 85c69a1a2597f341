"""Boxes of masks."""

import numpy as np

from cvdl.networks.boxes import boxes_of


def test_boxes_hold_their_masks_and_no_more():
    masks = np.zeros((3, 10, 12), bool)
    masks[0, 2:5, 3:9] = True
    masks[1, 9, 11] = True
    masks[2, [0, 7], [1, 4]] = True  # two pixels, apart
    boxes = boxes_of(masks)
    assert boxes.dtype == np.float64
    np.testing.assert_array_equal(boxes, [[3, 2, 9, 5], [11, 9, 12, 10], [1, 0, 5, 8]])
    assert boxes_of(masks[:0]).shape == (0, 4)
