"""Upright boxes as tensors: (..., 4) pixels, x_min, y_min, x_max, y_max.

Networks predict boxes as deltas from reference boxes (Ren et al. 2015, equation 2): the shift of
the center over width and height, and the logarithms of the factors of width and height.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["decode_boxes", "encode_boxes", "paired_iou"]

_LARGEST_LOG = 2.5  # of a factor of a side, either way: keeps exp finite


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
    inner = torch.minimum(first[..., 2:], second[..., 2:])
    inner = inner - torch.maximum(first[..., :2], second[..., :2])
    common = inner.clamp(min=0).prod(-1)
    areas = (first[..., 2:] - first[..., :2]).prod(-1)
    areas = areas + (second[..., 2:] - second[..., :2]).prod(-1)
    return common / (areas - common).clamp(min=1e-6)


def _center(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _size(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=1.0)
