"""What the default detector's networks should say, and how wrong they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, generalized_box_iou_loss

from cvdl.detection.rgbd.boxes import mend, mending
from cvdl.detection.rgbd.network import SIZES, STRIDE

__all__ = ["proposal_loss", "quality_focal_loss", "region_loss", "regions"]

_NEAR = 1.5  # cells: so far beside a thing's middle may a cell tell its box
_BOTH_SIZES = 0.3  # of the step between two anchors: a thing so near their middle belongs to both
_RIGHT = 0.5  # overlap from which a region is of a thing (Girshick 2015)
_REGIONS = 32  # of a picture
_RIGHT_SHARE = 0.5  # of those, at most, are of a thing


def proposal_loss(logits: Tensor, boxes: Tensor, truth: list[Tensor]) -> tuple[Tensor, Tensor]:
    """How wrong the proposals are.

    The cells near the middle of a thing, at the anchor of about its size, are to tell its box, and
    how well they do; all others that there is nothing.

    Args:
        logits: (B, S, h, w).
        boxes: (B, S, h, w, 4), what the cells tell.
        truth: for each picture (N, 4).

    Returns:
        Losses of scores and of boxes, scalars.
    """
    wanted = torch.zeros_like(logits, dtype=torch.float32)
    box_losses = []
    for row, some in enumerate(truth):
        if not len(some):
            continue
        size, y, x, thing = _cells(some, logits.shape[2], logits.shape[3])
        told = boxes[row, size, y, x]
        box_losses.append(generalized_box_iou_loss(told, some[thing]))
        overlap = _pairwise_iou(told.detach(), some[thing])
        wanted[row].index_put_((size, y, x), overlap)
    losses = torch.cat(box_losses) if box_losses else logits.new_zeros(0)
    count = max(len(losses), 1)
    return quality_focal_loss(logits, wanted) / count, losses.sum() / count


def _cells(truth: Tensor, rows: int, cols: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The anchor, row and column of the cells that tell a thing's box, and which thing's, (M,)."""
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    half = (truth[:, 2:] - truth[:, :2]) / 2
    y, x = torch.meshgrid(
        torch.arange(rows, device=truth.device),
        torch.arange(cols, device=truth.device),
        indexing="ij",
    )
    at = (torch.stack([x, y], dim=-1) + 0.5) * STRIDE  # (h, w, 2)
    away = (at - middle[:, None, None]).abs()  # (N, h, w, 2)
    # Inside a thin thing across it, too; but the nearest cell always counts.
    reach = torch.minimum(half * 0.8, half.new_tensor(_NEAR * STRIDE)).clamp(min=STRIDE / 2)
    near = (away <= reach[:, None, None]).all(-1)
    steps = (half.prod(1).sqrt() * 2).clamp(min=1).log()[:, None]
    anchors = truth.new_tensor(SIZES).log()
    position = (steps - anchors).abs()  # (N, S)
    reach_size = _BOTH_SIZES * (anchors[1] - anchors[0])
    suits = position <= position.amin(1, keepdim=True) + reach_size
    thing, size, y, x = (near[:, None] & suits[:, :, None, None]).nonzero(as_tuple=True)
    # Where two things want one cell, the one whose middle is nearer has it.
    cell = (size * rows + y) * cols + x
    gap = away[thing, y, x].norm(dim=-1)
    nearest = gap.new_full((len(SIZES) * rows * cols,), torch.inf)
    mine = gap == nearest.scatter_reduce(0, cell, gap, "amin")[cell]
    return size[mine], y[mine], x[mine], thing[mine]


def regions(
    proposals: list[Tensor], truth: list[Tensor], labels: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes for the second network to learn from.

    They are proposals, and the labelled boxes themselves, shifted and stretched as those of
    another segmentation would be.

    Args:
        proposals: for each picture (M, 4), best first.
        truth: for each picture (N, 4).
        labels: for each picture (N,).

    Returns:
        (B, R, 4), the same number for each picture, so that where there are too few some come
        twice; of all of them, picture after picture, the thing's label, (B R,), or -1 where there
        is none, and its box (B R, 4).
    """
    chosen, of, wanted = [], [], []
    for some, things, names in zip(proposals, truth, labels, strict=True):
        if not len(things):
            take = some[_wrapped(len(some))]
            chosen.append(take)
            of.append(torch.full((len(take),), -1, device=some.device))
            wanted.append(take)
            continue
        boxes = torch.cat([some, _jittered(things), _jittered(things)])
        overlap, nearest = box_iou(boxes, things).max(dim=1)
        right = overlap >= _RIGHT
        yes, no = right.nonzero()[:, 0], (~right).nonzero()[:, 0]
        yes = yes[torch.randperm(len(yes), device=yes.device)[: int(_REGIONS * _RIGHT_SHARE)]]
        no = no[: _REGIONS - len(yes)]  # the ones that the first network believes most
        take = torch.cat([yes, no])
        take = take[_wrapped(len(take))]
        chosen.append(boxes[take])
        of.append(torch.where(right[take], names[nearest[take]], -1))
        wanted.append(things[nearest[take]])
    return torch.stack(chosen), torch.cat(of), torch.cat(wanted)


def _wrapped(count: int) -> Tensor:
    """(_REGIONS,) places among ``count``, round and round."""
    return torch.arange(_REGIONS) % count


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
    row = (label >= 0).nonzero()[:, 0]
    mended = mend(boxes[row], deltas[row])
    fit = generalized_box_iou_loss(mended, wanted[row])
    near = nn.functional.smooth_l1_loss(
        deltas[row], mending(boxes[row], wanted[row]), beta=0.05, reduction="sum"
    )
    target = torch.zeros_like(logits)
    target[row, label[row]] = _pairwise_iou(mended.detach(), wanted[row])
    count = max(len(row), 1)
    return quality_focal_loss(logits, target) / count, fit.sum() / count, near / count


def quality_focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy with a share as target, weighted by how far off (Li et al. 2020, eq. 5)."""
    logits = logits.float()
    off = (logits.sigmoid() - wanted).abs() ** 2
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (off * entropy).sum()


def _pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Overlap of boxes (N, 4) with their partners (N, 4), (N,)."""
    inner = torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])
    common = inner.clamp(min=0).prod(1)
    areas = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1)
    return common / (areas - common).clamp(min=1e-6)
