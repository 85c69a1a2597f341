"""Upright boxes as arrays and as tensors."""

import numpy as np
import torch

from cvdl.networks.box_tensors import decode_boxes, encode_boxes, paired_iou
from cvdl.networks.boxes import box_iou, masks_to_boxes


def test_boxes_are_the_bounding_boxes_of_masks():
    masks = np.zeros((3, 10, 12), bool)
    masks[0, 2:5, 3:9] = True
    masks[1, 9, 11] = True
    masks[2, [0, 7], [1, 4]] = True  # two pixels, apart
    boxes = masks_to_boxes(masks)
    assert boxes.dtype == np.float64
    np.testing.assert_array_equal(boxes, [[3, 2, 9, 5], [11, 9, 12, 10], [1, 0, 5, 8]])
    assert masks_to_boxes(masks[:0]).shape == (0, 4)


def test_iou_of_boxes():
    a = np.array([[0, 0, 10, 10], [0, 0, 4, 5]], float)
    b = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [10, 0, 20, 10], [30, 30, 31, 31]], float)
    expected = [[1 / 3, 1, 0, 0], [0, 0.2, 0, 0]]
    np.testing.assert_allclose(box_iou(a, b), expected)
    first, second = torch.from_numpy(a)[:, None], torch.from_numpy(b)[None]
    np.testing.assert_allclose(paired_iou(first, second), expected)


def test_iou_of_boxes_without_area_is_zero():
    empty = np.array([[3, 3, 3, 3]], float)
    assert box_iou(empty, empty).tolist() == [[0]]
    assert box_iou(np.zeros((0, 4)), empty).shape == (0, 1)


def test_decoding_is_the_inverse_of_encoding():
    torch.manual_seed(0)
    corner, size = torch.rand(50, 2) * 100, torch.rand(50, 2) * 80 + 5
    references = torch.cat([corner, corner + size], dim=1)
    boxes = references.flip(0)
    decoded = decode_boxes(references, encode_boxes(references, boxes))
    torch.testing.assert_close(decoded, boxes, atol=1e-3, rtol=1e-4)


def test_large_deltas_give_finite_boxes():
    boxes = decode_boxes(torch.tensor([[0.0, 0, 10, 10]]), torch.full((1, 4), 1e4))
    assert torch.isfinite(boxes).all()
