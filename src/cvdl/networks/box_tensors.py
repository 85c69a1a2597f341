"""Upright boxes as tensors: (..., 4) pixels, x_min, y_min, x_max, y_max.

Networks predict boxes as deltas from reference boxes (Ren et al. 2015, equation 2): the shift of
the center over width and height, and the logarithms of the factors of width and height.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clipped_boxes", "decode_boxes", "encode_boxes", "paired_iou"]

_LARGEST_LOG = 2.5  # of a factor of a side, either way: keeps exp finite


def clipped_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return boxes (..., 4) clipped to an image."""
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], dim=-1).flatten(-2)


def encode_boxes(references: Tensor, boxes: Tensor) -> Tensor:
    """Return the deltas (..., 4) from reference boxes to boxes: the inverse of `decode_boxes`."""
    size = _size(references)
    shift = (_center(boxes) - _center(references)) / size
    return torch.cat([shift, (_size(boxes) / size).log()], dim=-1)


def decode_boxes(references: Tensor, deltas: Tensor) -> Tensor:
    """Return the boxes (..., 4) that deltas (..., 4) from reference boxes (..., 4) stand for."""
    size = _size(references)
    center = _center(references) + deltas[..., :2] * size
    half = size * deltas[..., 2:].clamp(-_LARGEST_LOG, _LARGEST_LOG).exp() / 2
    return torch.cat([center - half, center + half], dim=-1)


def paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union (...,) of paired boxes, shapes (..., 4) broadcast.

    With ``first[..., :, None, :]`` and ``second[..., None, :, :]``, it is that of all pairs.
    """
    # Each coordinate by itself: broadcasting along an axis of 4 is slow.
    (left, top, right, bottom), (start, over, end, under) = first.unbind(-1), second.unbind(-1)
    width = torch.minimum(right, end) - torch.maximum(left, start)
    height = torch.minimum(bottom, under) - torch.maximum(top, over)
    common = width.clamp(min=0) * height.clamp(min=0)
    areas = (right - left) * (bottom - top) + (end - start) * (under - over)
    return common / (areas - common).clamp(min=1e-6)


def _center(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _size(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=1.0)
