"""Boxes of an image as square crops for a classifier, and the boxes that it corrects.

R-CNN (Girshick, Donahue, Darrell & Malik 2014): a box is warped to a fixed square whatever its
shape, with some of what is round it (appendix A), and the network's four other outputs move it
(appendix C, the parameters of Fast R-CNN).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, roi_align

from cvdl.core.frame import RgbdFrame

__all__ = ["box_deltas", "cut_crops", "frame_image", "moved_boxes", "with_context"]

_CONTEXT = 16 / 227  # share of a crop's side that shows what is beside the box: the paper's
#: Deviations of the deltas about 0, so that what the network tells is of the size of 1.
_SPREAD = (0.1, 0.1, 0.2, 0.2)
_LARGEST = math.log(1000 / 16)  # of a delta of size: no box grows without end


def frame_image(frame: RgbdFrame, device: torch.device | None = None) -> Tensor:
    """The colour of a frame as (3, H, W) float32 RGB, 0 to 1."""
    return torch.from_numpy(frame.color).to(device).permute(2, 0, 1) / 255


def with_context(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) grown so that they show what is beside them, maybe past the image."""
    grown = (boxes[:, 2:] - boxes[:, :2]) * (_CONTEXT / (1 - 2 * _CONTEXT))
    return torch.cat([boxes[:, :2] - grown, boxes[:, 2:] + grown], dim=1)


def cut_crops(image: Tensor, boxes: Tensor, size: int, outside: Tensor) -> Tensor:
    """What is in each box and round it, warped to a square.

    A crop's pixel is the mean of the image over its share of the box: large boxes are smoothed,
    not thinned out.

    Args:
        image: (3, H, W) RGB.
        boxes: (N, 4) pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        size: side of the crops, pixels.
        outside: (3,) the colour past the image: the training's mean.

    Returns:
        (N, 3, size, size).
    """
    color = outside[:, None, None]
    centred = (image - color)[None]  # roi_align puts 0 outside
    grown = with_context(boxes.to(image.dtype))
    crops: Tensor = roi_align(centred, [grown], size, aligned=True)
    return crops + color


def box_deltas(boxes: Tensor, wanted: Tensor) -> Tensor:
    """What moves boxes to where they should be, (N, 4): centre by size, and size by logarithm."""
    size, wanted_size = boxes[:, 2:] - boxes[:, :2], wanted[:, 2:] - wanted[:, :2]
    shift = (wanted[:, :2] + wanted[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / (2 * size)
    deltas = torch.cat([shift, (wanted_size / size).log()], dim=1)
    return deltas / deltas.new_tensor(_SPREAD)


def moved_boxes(boxes: Tensor, deltas: Tensor, shape: tuple[int, int]) -> Tensor:
    """Boxes (N, 4) moved by deltas (N, 4), within an image of (rows, columns)."""
    deltas = deltas * deltas.new_tensor(_SPREAD)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + deltas[:, :2] * size
    half = size * deltas[:, 2:].clamp(max=_LARGEST).exp() / 2
    moved: Tensor = clip_boxes_to_image(torch.cat([centre - half, centre + half], dim=1), shape)
    return moved
