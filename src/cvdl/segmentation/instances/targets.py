"""Targets and losses of the instance network."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.segmentation.instances.network import OBJECT, OFFSET_UNIT, InstanceMaps

__all__ = ["IGNORED", "instance_loss"]

#: Label of pixels outside of the image.
IGNORED = 255
_SPREAD = 0.12  # standard deviation of a center's peak, of the root of the object's area
_NARROWEST, _WIDEST = 1.5, 8.0  # pixels
_OBJECTS = 256  # labels of a view


def instance_loss(maps: InstanceMaps, labels: Tensor) -> dict[str, Tensor]:
    """Losses and their sum.

    Args:
        maps: of the network.
        labels: (B, h, w) int64, as in ``Scene.labels``; IGNORED outside of the image.
    """
    known = labels != IGNORED
    is_object = known & (labels >= FIRST_OBJECT_LABEL)
    classes = labels.clamp(max=OBJECT)
    area, offsets = _offsets(labels, is_object)
    # Small objects count more than their share of the pixels.
    weight = is_object / area.clamp(min=1).sqrt()
    total = weight.sum().clamp(min=1e-6)

    kinds = cross_entropy(maps.classes, classes, reduction="none")
    near = 1 + 3 * _next_to_another(labels)
    kinds = (kinds * known * near).sum() / (known * near).sum().clamp(min=1)

    apart = (maps.offsets - offsets / OFFSET_UNIT).abs().sum(1)
    place = (apart * weight).sum() / total

    peaks = _peaks(offsets, area, labels, is_object)
    chance = maps.centers.sigmoid()
    focus = (peaks - chance.detach()).abs().square()
    centers = binary_cross_entropy_with_logits(maps.centers, peaks, reduction="none")
    centers = (centers * focus * known).sum() / (peaks * known).sum().clamp(min=1)

    return {
        "loss": kinds + place + 2 * centers,
        "classes": kinds,
        "offsets": place,
        "centers": centers,
    }


def _next_to_another(labels: Tensor) -> Tensor:
    """Pixels within two of another label."""
    x = labels.float()[:, None]
    high = torch.nn.functional.max_pool2d(x, 5, 1, 2)
    low = -torch.nn.functional.max_pool2d(-x, 5, 1, 2)
    return (high != low)[:, 0].float()


def _offsets(labels: Tensor, is_object: Tensor) -> tuple[Tensor, Tensor]:
    """Area (B, h, w) of each pixel's object, and offset (B, 2, h, w) to its center, pixels."""
    batch, height, width = labels.shape
    key = (labels + _OBJECTS * torch.arange(batch, device=labels.device)[:, None, None]).flatten()
    y, x = torch.meshgrid(
        torch.arange(height, device=labels.device, dtype=torch.float32),
        torch.arange(width, device=labels.device, dtype=torch.float32),
        indexing="ij",
    )
    size = batch * _OBJECTS
    area = torch.bincount(key, minlength=size).float()
    centers = [
        torch.zeros(size, device=labels.device).index_add_(0, key, some.expand_as(labels).flatten())
        / area.clamp(min=1)
        for some in (x, y)
    ]
    offsets = torch.stack(
        [c[key].view_as(labels) - some for c, some in zip(centers, (x, y), strict=True)], 1
    )
    return area[key].view_as(labels) * is_object, offsets * is_object[:, None]


def _peaks(offsets: Tensor, area: Tensor, labels: Tensor, is_object: Tensor) -> Tensor:
    """1 at the pixel of an object nearest to its center, falling off like a Gaussian."""
    batch = len(labels)
    key = (labels + _OBJECTS * torch.arange(batch, device=labels.device)[:, None, None]).flatten()
    away = offsets.square().sum(1)
    least = torch.full((batch * _OBJECTS,), torch.inf, device=labels.device)
    least = least.scatter_reduce(0, key, away.flatten(), "amin")[key].view_as(away)
    spread = (_SPREAD * area.sqrt()).clamp(_NARROWEST, _WIDEST)
    return torch.exp(-(away - least) / (2 * spread.square())) * is_object
