"""Targets and losses of the default detector's networks.

The objects of a batch of views are padded to the same number: boxes (B, N, 4) and labels (B, N),
-1 for padding. So no code loops over views, and a GPU never waits for the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss
from torchvision.ops import generalized_box_iou_loss

from cvdl.detection.models.rgbd_rcnn.network import SIZES
from cvdl.networks.box_tensors import decode_boxes, encode_boxes, paired_iou
from cvdl.networks.sampling import WIDE_STRIDE
from cvdl.training.losses import quality_focal_loss

__all__ = ["objects_of_cells", "proposal_loss", "region_loss", "regions"]

_NEAR = 1.5  # cells; largest distance of a cell from the center of an object that it predicts
_BOTH_SIZES = 0.3  # steps between two anchors; objects this close to their middle belong to both
_RIGHT = 0.5  # overlap from which a region shows an object (Girshick 2015)
_REGIONS = 32  # per view
_RIGHT_SHARE = 0.5  # largest share of them that shows an object


def proposal_loss(
    logits: Tensor, boxes: Tensor, truth: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Losses of the proposals.

    The cells near the center of an object, at the anchor of about its size, predict its box and
    how well they fit it. All other cells predict that there is no object.

    Args:
        logits: (B, S, h, w).
        boxes: (B, S, h, w, 4), predicted by the cells.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        Losses of the scores and of the boxes, scalars.
    """
    assigned, has_object = objects_of_cells(truth, labels, logits.shape[2], logits.shape[3])
    cell = has_object.nonzero(as_tuple=True)
    predicted, target_box = boxes[cell], truth[cell[0], assigned[cell]]
    target = torch.zeros_like(logits, dtype=torch.float32)
    target[cell] = paired_iou(predicted.detach(), target_box)
    count = max(len(predicted), 1)
    fit = generalized_box_iou_loss(predicted, target_box, reduction="sum")
    return quality_focal_loss(logits, target).sum() / count, fit / count


def objects_of_cells(truth: Tensor, labels: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
    """The object that each cell predicts.

    Args:
        truth: (B, N, 4).
        labels: (B, N).
        rows, cols: number of cells.

    Returns:
        The index of the object, and whether there is one, (B, S, rows, cols) each.
    """
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    half = (truth[..., 2:] - truth[..., :2]) / 2
    x = (torch.arange(cols, device=truth.device) + 0.5) * WIDE_STRIDE
    y = (torch.arange(rows, device=truth.device) + 0.5) * WIDE_STRIDE
    away_x = (x - middle[..., :1]).abs()[:, :, None, :]  # (B, N, 1, w)
    away_y = (y - middle[..., 1:]).abs()[:, :, :, None]  # (B, N, h, 1)
    # Within thin objects; but the nearest cell always counts.
    reach = half.mul(0.8).clamp(WIDE_STRIDE / 2, _NEAR * WIDE_STRIDE)[..., None, None]
    near = (away_x <= reach[:, :, 0]) & (away_y <= reach[:, :, 1])
    side = (half.prod(-1).sqrt() * 2).clamp(min=1).log()[..., None]
    anchors = truth.new_tensor(SIZES).log()
    position = (side - anchors).abs()  # (B, N, S)
    fits = position <= position.amin(-1, keepdim=True) + _BOTH_SIZES * (anchors[1] - anchors[0])
    fits &= (labels >= 0)[..., None]
    claims = near[:, :, None] & fits[..., None, None]  # (B, N, S, h, w)
    # If several objects claim a cell, the one with the nearest center gets it.
    gap = torch.where(claims, (away_x**2 + away_y**2)[:, :, None], torch.inf)
    nearest, assigned = gap.min(dim=1)
    return assigned, nearest < torch.inf


def regions(proposals: Tensor, truth: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes for the second network to learn from.

    They are proposals, and the labeled boxes shifted and stretched like the boxes of another
    segmentation.

    Args:
        proposals: (B, M, 4), best first.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        (B, R, 4), the same number for each view; and for all of them, view after view, the label
        of the object (B R,), -1 without one, and its box (B R, 4).
    """
    boxes = torch.cat([proposals, _jittered(truth), _jittered(truth)], dim=1)
    overlap = paired_iou(boxes[:, :, None], truth[:, None]).masked_fill((labels < 0)[:, None], 0)
    best, nearest = overlap.max(dim=2)
    right = best >= _RIGHT
    random = torch.rand(best.shape, device=best.device)
    random_rank = torch.where(right, random, 2).argsort(1).argsort(1)
    chosen = right & (random_rank < int(_REGIONS * _RIGHT_SHARE))
    # First those with an object, then the best of the others, then the rest; padding comes last.
    rank = torch.arange(boxes.shape[1], device=boxes.device).expand_as(best)
    rank = torch.where(chosen, 0, torch.where(right, 2, 1)) * boxes.shape[1] + rank
    rank[:, proposals.shape[1] :] += (labels < 0).repeat(1, 2) * 3 * boxes.shape[1]
    take = rank.argsort(dim=1)[:, :_REGIONS]
    nearest = nearest.gather(1, take)
    label = torch.where(right.gather(1, take), labels.gather(1, nearest), -1)
    wanted = truth.gather(1, nearest[..., None].expand(-1, -1, 4))
    boxes = boxes.gather(1, take[..., None].expand(-1, -1, 4))
    return boxes, label.flatten(), wanted.flatten(0, 1)


def _jittered(boxes: Tensor) -> Tensor:
    return decode_boxes(boxes, boxes.new_empty(boxes.shape).uniform_(-0.15, 0.15))


def region_loss(
    logits: Tensor, deltas: Tensor, boxes: Tensor, label: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the second network.

    Args:
        logits: (N, classes).
        deltas: (N, 4).
        boxes: (N, 4), its input.
        label: (N,), -1 without an object.
        wanted: (N, 4), the box of the object.

    Returns:
        Losses of the classes, of the boxes and of the deltas, scalars.
    """
    logits, deltas = logits.float(), deltas.float()
    has_object = label >= 0
    refined = decode_boxes(boxes, deltas)
    fit = generalized_box_iou_loss(refined, wanted)
    near = smooth_l1_loss(deltas, encode_boxes(boxes, wanted), beta=0.05, reduction="none").sum(1)
    overlap = paired_iou(refined.detach(), wanted) * has_object
    target = torch.zeros_like(logits).scatter(1, label.clamp(min=0)[:, None], overlap[:, None])
    count = has_object.sum().clamp(min=1)
    return (
        quality_focal_loss(logits, target).sum() / count,
        (fit * has_object).sum() / count,
        (near * has_object).sum() / count,
    )
