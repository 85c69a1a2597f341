"""Boxes of an image as square crops for a classifier, and the boxes that it refines.

R-CNN (Girshick, Donahue, Darrell & Malik 2014): a box is warped to a square of fixed size,
whatever its shape, with some context around it (appendix A), and four more outputs of the network
refine it (appendix C, with the parameters of Fast R-CNN).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, roi_align

from cvdl.core.frame import RgbdFrame
from cvdl.networks.box_tensors import decode_boxes, encode_boxes

__all__ = ["box_deltas", "color_tensor", "cut_crops", "refined_boxes"]

_CONTEXT = 16 / 227  # share of a crop's side that shows what is beside the box, as in the paper
#: Standard deviations of the deltas, about 0: the network predicts values of about 1.
_SPREAD = (0.1, 0.1, 0.2, 0.2)


def color_tensor(frame: RgbdFrame, device: torch.device | None = None) -> Tensor:
    """Return the color of a frame as (3, H, W) float32 RGB, 0 to 1."""
    return torch.from_numpy(frame.color).to(device).permute(2, 0, 1) / 255


def cut_crops(image: Tensor, boxes: Tensor, size: int, outside: Tensor) -> Tensor:
    """Return boxes and some context around them as square crops.

    A pixel of a crop is the mean of the image over its share of the box: large boxes are
    smoothed, not subsampled.

    Args:
        image: (3, H, W) RGB.
        boxes: (N, 4) pixels: x_min, y_min, x_max, y_max, the last two exclusive.
        size: side of the crops, pixels.
        outside: (3,) color outside of the image: the mean of the training set.

    Returns:
        (N, 3, size, size).
    """
    color = outside[:, None, None]
    centered = (image - color)[None]  # roi_align pads with 0
    boxes = boxes.to(image.dtype)
    margin = (boxes[:, 2:] - boxes[:, :2]) * (_CONTEXT / (1 - 2 * _CONTEXT))
    grown = torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], dim=1)
    crops: Tensor = roi_align(centered, [grown], size, aligned=True)
    return crops + color


def box_deltas(boxes: Tensor, targets: Tensor) -> Tensor:
    """Return the outputs (N, 4) of a network that refine boxes (N, 4) to the targets (N, 4)."""
    return encode_boxes(boxes, targets) / boxes.new_tensor(_SPREAD)


def refined_boxes(boxes: Tensor, deltas: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return boxes (N, 4) refined by deltas (N, 4), clipped to an image of (rows, columns)."""
    refined = decode_boxes(boxes, deltas * deltas.new_tensor(_SPREAD))
    clipped: Tensor = clip_boxes_to_image(refined, shape)
    return clipped
