"""What the default detector's networks should say, and how wrong they are.

The things of a batch of pictures are padded to one number: boxes (B, N, 4) and labels (B, N), the
label -1 for padding. So nothing is done picture by picture, and a GPU need not wait for the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from cvdl.detection.models.rgbd_rcnn.boxes import mend, mending, overlaps, paired_overlaps
from cvdl.detection.models.rgbd_rcnn.network import SIZES, STRIDE
from cvdl.training.losses import quality_focal_loss

__all__ = ["proposal_loss", "region_loss", "regions"]

_NEAR = 1.5  # cells: so far beside a thing's middle may a cell tell its box
_BOTH_SIZES = 0.3  # of the step between two anchors: a thing so near their middle belongs to both
_RIGHT = 0.5  # overlap from which a region is of a thing (Girshick 2015)
_REGIONS = 32  # of a picture
_RIGHT_SHARE = 0.5  # of those, at most, are of a thing


def proposal_loss(
    logits: Tensor, boxes: Tensor, truth: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """How wrong the proposals are.

    The cells near the middle of a thing, at the anchor of about its size, are to tell its box, and
    how well they do; all others that there is nothing.

    Args:
        logits: (B, S, h, w).
        boxes: (B, S, h, w, 4), what the cells tell.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        Losses of scores and of boxes, scalars.
    """
    thing, is_of = _things_of_cells(truth, labels, logits.shape[2], logits.shape[3])
    cell = is_of.nonzero(as_tuple=True)
    told, wanted_box = boxes[cell], truth[cell[0], thing[cell]]
    wanted = torch.zeros_like(logits, dtype=torch.float32)
    wanted[cell] = paired_overlaps(told.detach(), wanted_box)
    count = max(len(told), 1)
    fit = generalized_box_iou_loss(told, wanted_box, reduction="sum")
    return quality_focal_loss(logits, wanted).sum() / count, fit / count


def _things_of_cells(truth: Tensor, labels: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor]:
    """Which thing's box each cell is to tell, and whether there is one: (B, S, h, w) each."""
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    half = (truth[..., 2:] - truth[..., :2]) / 2
    x = (torch.arange(cols, device=truth.device) + 0.5) * STRIDE
    y = (torch.arange(rows, device=truth.device) + 0.5) * STRIDE
    away_x = (x - middle[..., :1]).abs()[:, :, None, :]  # (B, N, 1, w)
    away_y = (y - middle[..., 1:]).abs()[:, :, :, None]  # (B, N, h, 1)
    # Inside a thin thing across it, too; but the nearest cell always counts.
    reach = half.mul(0.8).clamp(STRIDE / 2, _NEAR * STRIDE)[..., None, None]
    near = (away_x <= reach[:, :, 0]) & (away_y <= reach[:, :, 1])
    side = (half.prod(-1).sqrt() * 2).clamp(min=1).log()[..., None]
    anchors = truth.new_tensor(SIZES).log()
    position = (side - anchors).abs()  # (B, N, S)
    suits = position <= position.amin(-1, keepdim=True) + _BOTH_SIZES * (anchors[1] - anchors[0])
    suits &= (labels >= 0)[..., None]
    wants = near[:, :, None] & suits[..., None, None]  # (B, N, S, h, w)
    # Where two things want one cell, the one whose middle is nearer has it.
    gap = torch.where(wants, (away_x**2 + away_y**2)[:, :, None], torch.inf)
    nearest, thing = gap.min(dim=1)
    return thing, nearest < torch.inf


def regions(proposals: Tensor, truth: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes for the second network to learn from.

    They are proposals, and the labelled boxes themselves, shifted and stretched as those of
    another segmentation would be.

    Args:
        proposals: (B, M, 4), best first.
        truth: (B, N, 4).
        labels: (B, N).

    Returns:
        (B, R, 4), the same number for each picture; of all of them, picture after picture, the
        thing's label, (B R,), or -1 where there is none, and its box (B R, 4).
    """
    boxes = torch.cat([proposals, _jittered(truth), _jittered(truth)], dim=1)
    overlap = overlaps(boxes, truth).masked_fill((labels < 0)[:, None], 0)
    best, nearest = overlap.max(dim=2)
    right = best >= _RIGHT
    chance = torch.rand(best.shape, device=best.device)
    by_chance = torch.where(right, chance, 2).argsort(1).argsort(1)
    chosen = right & (by_chance < int(_REGIONS * _RIGHT_SHARE))
    # Those of things, then the others that the first network believes most, then what is left.
    belief = torch.arange(boxes.shape[1], device=boxes.device).expand_as(best)
    turn = torch.where(chosen, 0, torch.where(right, 2, 1)) * boxes.shape[1] + belief
    turn[:, proposals.shape[1] :] += (labels < 0).repeat(1, 2) * 3 * boxes.shape[1]
    take = turn.argsort(dim=1)[:, :_REGIONS]
    nearest = nearest.gather(1, take)
    label = torch.where(right.gather(1, take), labels.gather(1, nearest), -1)
    wanted = truth.gather(1, nearest[..., None].expand(-1, -1, 4))
    boxes = boxes.gather(1, take[..., None].expand(-1, -1, 4))
    return boxes, label.flatten(), wanted.flatten(0, 1)


def _jittered(boxes: Tensor) -> Tensor:
    return mend(boxes, boxes.new_empty(boxes.shape).uniform_(-0.15, 0.15))


def region_loss(
    logits: Tensor, deltas: Tensor, boxes: Tensor, label: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """How wrong the second network is.

    Args:
        logits: (N, classes).
        deltas: (N, 4).
        boxes: (N, 4), what it looked at.
        label: (N,), -1 for nothing.
        wanted: (N, 4), the thing's box.

    Returns:
        Losses of classes, of boxes and of deltas, scalars.
    """
    logits, deltas = logits.float(), deltas.float()
    is_thing = label >= 0
    mended = mend(boxes, deltas)
    fit = generalized_box_iou_loss(mended, wanted)
    near = nn.functional.smooth_l1_loss(
        deltas, mending(boxes, wanted), beta=0.05, reduction="none"
    ).sum(1)
    overlap = paired_overlaps(mended.detach(), wanted) * is_thing
    target = torch.zeros_like(logits).scatter(1, label.clamp(min=0)[:, None], overlap[:, None])
    count = is_thing.sum().clamp(min=1)
    return (
        quality_focal_loss(logits, target).sum() / count,
        (fit * is_thing).sum() / count,
        (near * is_thing).sum() / count,
    )
