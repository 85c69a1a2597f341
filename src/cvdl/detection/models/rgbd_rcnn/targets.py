"""Targets and losses of the default detector's networks.

The objects of a batch are padded to the same number: boxes (B, N, 4) and class indices (B, N),
-1 for padding. So there is no loop over the images, and the GPU does not wait for the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from cvdl.detection.models.rgbd_rcnn.network import SIZES, STRIDE
from cvdl.networks.box_tensors import decode_boxes, encode_boxes, paired_iou
from cvdl.training.losses import quality_focal_loss

__all__ = ["proposal_loss", "region_loss", "regions"]

_NEAR = 1.5  # cells: largest distance from the center of an object of a cell that predicts it
_BOTH_SIZES = (
    0.3  # of the step between two anchors: both predict an object this close to the middle
)
_POSITIVE = 0.5  # least IoU of a region and its object (Girshick 2015)
_REGIONS = 32  # per image
_POSITIVE_SHARE = 0.5  # of these, at most


def proposal_loss(
    logits: Tensor, boxes: Tensor, truth: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the losses of the proposals.

    The cells near the center of an object, at the anchor of about its size, are to predict its
    box and the IoU with it; all other cells are to predict no object.

    Args:
        logits: (B, S, h, w).
        boxes: (B, S, h, w, 4), predicted by the cells.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        Losses of scores and of boxes, scalars.
    """
    index, has_object = _objects_of_cells(truth, labels, logits.shape[2], logits.shape[3])
    cell = has_object.nonzero(as_tuple=True)
    predicted, target = boxes[cell], truth[cell[0], index[cell]]
    quality = torch.zeros_like(logits, dtype=torch.float32)
    quality[cell] = paired_iou(predicted.detach(), target)
    count = max(len(predicted), 1)
    fit = generalized_box_iou_loss(predicted, target, reduction="sum")
    return quality_focal_loss(logits, quality).sum() / count, fit / count


def _objects_of_cells(truth: Tensor, labels: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
    """Index of the object that each cell predicts, and whether there is one: (B, S, h, w) each."""
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    half = (truth[..., 2:] - truth[..., :2]) / 2
    x = (torch.arange(cols, device=truth.device) + 0.5) * STRIDE
    y = (torch.arange(rows, device=truth.device) + 0.5) * STRIDE
    away_x = (x - middle[..., :1]).abs()[:, :, None, :]  # (B, N, 1, w)
    away_y = (y - middle[..., 1:]).abs()[:, :, :, None]  # (B, N, h, 1)
    # Within thin objects, also across; but the nearest cell always counts.
    reach = half.mul(0.8).clamp(STRIDE / 2, _NEAR * STRIDE)[..., None, None]
    near = (away_x <= reach[:, :, 0]) & (away_y <= reach[:, :, 1])
    side = (half.prod(-1).sqrt() * 2).clamp(min=1).log()[..., None]
    anchors = truth.new_tensor(SIZES).log()
    position = (side - anchors).abs()  # (B, N, S)
    suits = position <= position.amin(-1, keepdim=True) + _BOTH_SIZES * (anchors[1] - anchors[0])
    suits &= (labels >= 0)[..., None]
    wants = near[:, :, None] & suits[..., None, None]  # (B, N, S, h, w)
    # A cell of two objects predicts the one whose center is nearer.
    gap = torch.where(wants, (away_x**2 + away_y**2)[:, :, None], torch.inf)
    nearest, index = gap.min(dim=1)
    return index, nearest < torch.inf


def regions(proposals: Tensor, truth: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Select boxes to train the second network on.

    They are proposals, and labeled boxes that are shifted and stretched like those of an
    imperfect segmentation.

    Args:
        proposals: (B, M, 4), best first.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        Boxes (B, R, 4), the same number for each image; and for all boxes, image after image, the
        class index of their object (B R,), -1 for none, and its box (B R, 4).
    """
    boxes = torch.cat([proposals, _jittered(truth), _jittered(truth)], dim=1)
    iou = paired_iou(boxes[:, :, None], truth[:, None]).masked_fill((labels < 0)[:, None], 0)
    best, nearest = iou.max(dim=2)
    positive = best >= _POSITIVE
    chance = torch.rand(best.shape, device=best.device)
    by_chance = torch.where(positive, chance, 2).argsort(1).argsort(1)
    chosen = positive & (by_chance < int(_REGIONS * _POSITIVE_SHARE))
    # Chosen positives first, then negatives by the score of the first network, then the rest.
    rank = torch.arange(boxes.shape[1], device=boxes.device).expand_as(best)
    turn = torch.where(chosen, 0, torch.where(positive, 2, 1)) * boxes.shape[1] + rank
    turn[:, proposals.shape[1] :] += (labels < 0).repeat(1, 2) * 3 * boxes.shape[1]
    take = turn.argsort(dim=1)[:, :_REGIONS]
    nearest = nearest.gather(1, take)
    label = torch.where(positive.gather(1, take), labels.gather(1, nearest), -1)
    target = truth.gather(1, nearest[..., None].expand(-1, -1, 4))
    boxes = boxes.gather(1, take[..., None].expand(-1, -1, 4))
    return boxes, label.flatten(), target.flatten(0, 1)


def _jittered(boxes: Tensor) -> Tensor:
    return decode_boxes(boxes, boxes.new_empty(boxes.shape).uniform_(-0.15, 0.15))


def region_loss(
    logits: Tensor, deltas: Tensor, boxes: Tensor, label: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the losses of the second network.

    Args:
        logits: (N, classes).
        deltas: (N, 4).
        boxes: (N, 4), its input.
        label: (N,), class index, -1 for no object.
        target: (N, 4), box of the object.

    Returns:
        Losses of classes, of boxes and of deltas, scalars.
    """
    logits, deltas = logits.float(), deltas.float()
    has_object = label >= 0
    refined = decode_boxes(boxes, deltas)
    fit = generalized_box_iou_loss(refined, target)
    near = nn.functional.smooth_l1_loss(
        deltas, encode_boxes(boxes, target), beta=0.05, reduction="none"
    ).sum(1)
    iou = paired_iou(refined.detach(), target) * has_object
    quality = torch.zeros_like(logits).scatter(1, label.clamp(min=0)[:, None], iou[:, None])
    count = has_object.sum().clamp(min=1)
    return (
        quality_focal_loss(logits, quality).sum() / count,
        (fit * has_object).sum() / count,
        (near * has_object).sum() / count,
    )
