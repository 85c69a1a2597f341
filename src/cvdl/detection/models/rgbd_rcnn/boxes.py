"""Boxes of the default detector: (..., 4) float32, x_min, y_min, x_max, y_max.

They are in pixels of the full picture; the networks see it at half that resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["decode_cells", "mend", "mending", "overlaps", "paired_overlaps"]

_LARGEST_LOG = 2.5  # a side at most so much longer or shorter, e-fold: keeps exp finite


def decode_cells(deltas: Tensor, stride: int, sizes: tuple[float, ...]) -> Tensor:
    """The boxes that every cell tells.

    Args:
        deltas: (B, S, 4, H, W): shift right and down, over the size; log of width and of height
            over the size (Ren et al. 2015, eq. 2, with square anchors).
        stride: pixels between cells.
        sizes: S sides of the anchors, pixels.

    Returns:
        (B, S, H, W, 4).
    """
    deltas = deltas.float()
    rows, cols = deltas.shape[-2:]
    side = torch.cat([deltas.new_full((1, 1, 1), size) for size in sizes])
    x = (torch.arange(cols, device=deltas.device) + 0.5) * stride
    y = (torch.arange(rows, device=deltas.device) + 0.5) * stride
    center_x = x[None] + deltas[:, :, 0] * side
    center_y = y[:, None] + deltas[:, :, 1] * side
    half = (side * deltas[:, :, 2:].clamp(-_LARGEST_LOG, _LARGEST_LOG).exp().movedim(2, 0)) / 2
    return torch.stack(
        [center_x - half[0], center_y - half[1], center_x + half[0], center_y + half[1]], dim=-1
    )


def mending(boxes: Tensor, wanted: Tensor) -> Tensor:
    """What turns boxes (N, 4) into the wanted ones (N, 4): the inverse of `mend`, (N, 4)."""
    size, size_wanted = _size(boxes), _size(wanted)
    shift = (_center(wanted) - _center(boxes)) / size
    return torch.cat([shift, (size_wanted / size).log()], dim=-1)


def mend(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Boxes (N, 4) moved and stretched.

    Args:
        boxes: (N, 4).
        deltas: (N, 4): shift over width and height; logs of the factors of width and height.
    """
    size = _size(boxes)
    center = _center(boxes) + deltas[..., :2] * size
    half = size * deltas[..., 2:].clamp(-_LARGEST_LOG, _LARGEST_LOG).exp() / 2
    return torch.cat([center - half, center + half], dim=-1)


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., M, 4) with boxes (..., N, 4), (..., M, N)."""
    return paired_overlaps(first[..., :, None, :], second[..., None, :, :])


def paired_overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) with their partners (..., 4), (...,)."""
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
