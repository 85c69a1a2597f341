"""The loss of the paper: squares of differences, in five parts (section 2.2, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cvdl.detection.models.yolo.published import BOX, cell_boxes
from cvdl.networks.box_tensors import paired_iou

__all__ = ["published_loss"]

_COORD, _NOOBJ = 5.0, 0.5  # weights of places, and of confidences without an object


def published_loss(
    outputs: Tensor, truth: Tensor, labels: Tensor, classes: int
) -> dict[str, Tensor]:
    """The five parts, weighted, summed over the cells, mean over the images.

    The cell with the center of an object predicts it: the first object, if there are several. Of
    the boxes of the cell, the one that overlaps the object most is responsible; if none overlaps
    it, the nearest one, as in the authors' program (Darknet).

    Args:
        outputs: (N, S, S, 5 B + C), see ``PublishedNetwork``.
        truth: (N, M, 4), boxes relative to the image.
        labels: (N, M), -1 for padding.
        classes: C.

    Returns:
        By name: ``centers``, ``sizes``, ``objects`` (confidences of responsible boxes), ``empty``
        (those of all other boxes) and ``classes``.
    """
    outputs = outputs.float()
    count, grid = outputs.shape[:2]
    middle, size = (truth[..., :2] + truth[..., 2:]) / 2, truth[..., 2:] - truth[..., :2]
    cell = (middle * grid).floor().clamp(0, grid - 1)  # (N, M, 2): column and row
    number = torch.where(labels >= 0, cell[..., 1] * grid + cell[..., 0], -1)
    numbers = torch.arange(grid**2, device=outputs.device)
    belongs = (number[:, None] == numbers[:, None]).unflatten(1, (grid, grid))  # (N, S, S, M)
    has_object = belongs.any(dim=3)
    first = belongs.float().argmax(dim=3)
    image = torch.arange(count, device=outputs.device)[:, None, None]
    wanted = truth[image, first]  # (N, S, S, 4)
    wanted_label = labels[image, first].clamp(min=0)
    offset = (middle * grid - cell)[image, first]
    root = size.clamp(min=0).sqrt()[image, first]

    boxes, confidence = cell_boxes(outputs, classes)
    with torch.no_grad():
        overlap = paired_iou(boxes, wanted[..., None, :])
        distance = (_as_numbers(boxes) - _as_numbers(wanted)[..., None, :]).square().sum(-1)
        none = overlap.amax(dim=3, keepdim=True) == 0
        best = torch.where(none, -distance, overlap).argmax(dim=3)
        responsible = one_hot(best, boxes.shape[3]).bool() & has_object[..., None]
        target = torch.where(responsible, overlap, torch.zeros_like(overlap))

    each = outputs[..., :-classes].unflatten(-1, (-1, BOX))
    centers = (each[..., :2] - offset[..., None, :]).square().sum(-1)
    sizes = (each[..., 2:4] - root[..., None, :]).square().sum(-1)
    confident = (confidence - target).square()
    kind = (outputs[..., -classes:] - one_hot(wanted_label, classes)).square().sum(-1)
    return {
        "centers": _COORD * (centers * responsible).sum() / count,
        "sizes": _COORD * (sizes * responsible).sum() / count,
        "objects": (confident * responsible).sum() / count,
        "empty": _NOOBJ * (confident * ~responsible).sum() / count,
        "classes": (kind * has_object).sum() / count,
    }


def _as_numbers(boxes: Tensor) -> Tensor:
    """Middles and sizes (..., 4) of boxes."""
    first, last = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(first + last) / 2, last - first], dim=-1)
