"""Which cells of the modern network predict which object, and the losses of what they predict.

The assignment is that of Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection",
section 3.2: an object belongs to the cells that already predict it best, class and box together.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from cvdl.detection.models.yolo.modern import BINS, STRIDES, Cells, boxes_of
from cvdl.networks.box_tensors import paired_iou
from cvdl.training.losses import quality_focal_loss

__all__ = ["Assigned", "assign", "modern_loss"]

_CLASS, _OVERLAP = 1.0, 6.0  # exponents of the score and of the overlap in the alignment
_CELLS = 13  # of an object, at most
_BOX, _EDGES = 2.0, 0.25  # weights of the losses (Li et al. 2020); that of the scores has 1


class Assigned(NamedTuple):
    """What the cells should predict.

    Attributes:
        has_object: (B, N) bool.
        place: (B, N), the index of the object.
        quality: (B, N), the target of its score; 0 without an object.
    """

    has_object: Tensor
    place: Tensor
    quality: Tensor


@torch.no_grad()
def assign(cells: Cells, boxes: Tensor, truth: Tensor, labels: Tensor) -> Assigned:
    """Assign objects to cells.

    A cell whose center is in the box of an object (widened to a cell of the finest level, so that
    no object is without) may predict it. Of these, the object gets the best ones; a cell that is
    among the best of several objects gets the one that its box overlaps most. The targets of an
    object's scores are the alignments of its cells, scaled so that the largest one is the largest
    overlap.

    Args:
        cells: predictions.
        boxes: (B, N, 4) of the cells.
        truth: (B, M, 4).
        labels: (B, M), -1 for padding.
    """
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, (truth[..., 2:] - truth[..., :2]) / 2
    away = (cells.centers[:, None] - middle[:, None]).abs()  # (B, N, M, 2)
    inside = (away <= half.clamp(min=STRIDES[0] / 2)[:, None]).all(-1) & (labels >= 0)[:, None]
    overlap = paired_iou(boxes[:, :, None], truth[:, None]).clamp(min=0)  # (B, N, M)
    of_class = labels.clamp(min=0)[:, None].expand(-1, boxes.shape[1], -1)
    score = cells.logits.float().sigmoid().gather(2, of_class)
    alignment = score.pow(_CLASS) * overlap.pow(_OVERLAP)
    # Cells inside come first, also those whose boxes do not overlap the object yet: the nearest.
    nearness = 1 / (1 + away.square().sum(-1))
    rank = torch.where(inside, alignment + 1e-9 * nearness, -torch.ones_like(alignment))
    best = rank.topk(min(_CELLS, rank.shape[1]), dim=1).indices
    chosen = torch.zeros_like(inside).scatter(1, best, True) & inside
    index = torch.where(chosen, overlap, -torch.ones_like(overlap)).argmax(2)
    has_object = chosen.any(2)
    one = torch.zeros_like(chosen).scatter(2, index[..., None], True) & chosen
    alignment, overlap = alignment * one, overlap * one
    factor = overlap.amax(1) / alignment.amax(1).clamp(min=1e-12)
    return Assigned(has_object, index, (alignment * factor[:, None]).amax(2))


def modern_loss(cells: Cells, truth: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Losses of the scores (quality focal loss), of the boxes and of the distributions.

    Args:
        cells: predictions.
        truth: (B, M, 4).
        labels: (B, M), -1 for padding.
    """
    boxes = boxes_of(cells)
    assigned = assign(cells, boxes, truth, labels)
    cell = assigned.has_object.nonzero(as_tuple=True)
    index = assigned.place[cell]
    wanted, quality = truth[cell[0], index], assigned.quality[cell]
    target = torch.zeros_like(cells.logits, dtype=torch.float32)
    target[(*cell, labels[cell[0], index])] = quality
    total = quality.sum().clamp(min=1)
    fit = generalized_box_iou_loss(boxes[cell], wanted)
    center, stride = cells.centers[cell[1]], cells.strides[cell[1]]
    distance = torch.cat([center - wanted[:, :2], wanted[:, 2:] - center], dim=1)
    edges = _edge_loss(cells.edges[cell], distance / stride[:, None])
    return {
        "scores": quality_focal_loss(cells.logits, target).sum() / total,
        "boxes": _BOX * (fit * quality).sum() / total,
        "edges": _EDGES * (edges * quality).sum() / total,
    }


def _edge_loss(logits: Tensor, distance: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020, equation 6), (K,): mean over the edges.

    Args:
        logits: (K, 4, BINS).
        distance: (K, 4), strides.
    """
    distance = distance.clamp(0, BINS - 1 - 1e-3)
    low = distance.floor()
    log = logits.float().log_softmax(2)
    below, above = (log.gather(2, (low.long() + step)[..., None])[..., 0] for step in (0, 1))
    share = distance - low
    return -((1 - share) * below + share * above).mean(1)
