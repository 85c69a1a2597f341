"""Targets and losses of the instance network, as in Panoptic-DeepLab (Cheng et al. 2020).

Label images (B, h, w) int64 have the values of ``LabeledView``. No code loops over views or
objects, so a GPU never waits for the CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, max_pool2d

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.segmentation.instances.network import OBJECT, OFFSET_UNIT, InstanceMaps

__all__ = ["Targets", "instance_loss"]

#: Standard deviation of the peak at a center, of the root of the object's area, and its limits in
#: pixels. Centers of small objects that touch stay apart; those of large objects, which are hard to
#: locate, may be missed by some pixels.
_SPREAD, _NARROWEST, _WIDEST = 0.12, 1.5, 8.0
#: Pixels whose surroundings (5 x 5) have another label count this much more: what separates two
#: objects is narrow (as the weights of U-Net, Ronneberger et al. 2015, section 3).
_SURROUNDINGS, _BORDER_WEIGHT = 5, 3.0
#: Weight of the loss of the centers.
_CENTER_WEIGHT = 2.0
_LABELS = IGNORED + 1


class Targets:
    """What the network should predict.

    Args:
        labels: label images.

    Attributes:
        known: (B, h, w) bool, where the label is known.
        classes: (B, h, w) int64, NOTHING, SUPPORT or OBJECT; of no meaning where not known.
        area: (B, h, w) float32, pixels of the object there; 0 elsewhere.
        offsets: (B, 2, h, w) float32, x and y to the centroid of the object there, pixels; 0
            elsewhere.
        centers: (B, h, w) float32, 1 at the pixel of an object that is nearest to its centroid,
            which may lie outside of it; falling off like a Gaussian on the other pixels of the
            object; 0 elsewhere.
    """

    def __init__(self, labels: Tensor) -> None:
        self.known = labels != IGNORED
        is_object = self.known & (labels >= FIRST_OBJECT_LABEL)
        self.classes = labels.clamp(max=OBJECT)
        batch, height, width = labels.shape
        # The same label in two views is two objects.
        first = _LABELS * torch.arange(batch, device=labels.device)
        key, count = (labels + first[:, None, None]).flatten(), batch * _LABELS
        area = torch.bincount(key, minlength=count).float()
        positions = torch.stack(
            torch.meshgrid(
                torch.arange(width, device=labels.device, dtype=torch.float32),
                torch.arange(height, device=labels.device, dtype=torch.float32),
                indexing="xy",
            )
        )
        sums = positions.new_zeros(2, count)
        sums.index_add_(1, key, positions[:, None].expand(-1, batch, -1, -1).flatten(1))
        centroids = (sums / area.clamp(min=1))[:, key].view(2, *labels.shape).transpose(0, 1)
        self.area = area[key].view_as(labels) * is_object
        self.offsets = (centroids - positions) * is_object[:, None]
        distance = self.offsets.square().sum(1)
        least = torch.full((count,), torch.inf, device=labels.device)
        least = least.scatter_reduce(0, key, distance.flatten(), "amin")[key].view_as(distance)
        spread = (_SPREAD * self.area.sqrt()).clamp(_NARROWEST, _WIDEST)
        self.centers = torch.exp(-(distance - least) / (2 * spread.square())) * is_object


def instance_loss(maps: InstanceMaps, labels: Tensor) -> dict[str, Tensor]:
    """Losses of the maps, scalars: ``classes``, ``offsets``, ``centers`` and their sum ``loss``.

    Args:
        maps: of the network.
        labels: label images.
    """
    targets = Targets(labels)
    weight = targets.known * (1 + _BORDER_WEIGHT * _is_at_border(labels))
    classes = cross_entropy(maps.classes, targets.classes, reduction="none")
    classes = (classes * weight).sum() / weight.sum().clamp(min=1)

    # An object counts like the root of its area: large ones do not drown the small ones.
    weight = (targets.area > 0) / targets.area.clamp(min=1).sqrt()
    offsets = (maps.offsets - targets.offsets / OFFSET_UNIT).abs().sum(1)
    offsets = (offsets * weight).sum() / weight.sum().clamp(min=1e-6)

    # Weighted by the squared error, which is constant here, unlike in quality_focal_loss: most
    # pixels are no center, and soon certain.
    weight = (targets.centers - maps.centers.detach().sigmoid()).square() * targets.known
    centers = binary_cross_entropy_with_logits(maps.centers, targets.centers, reduction="none")
    centers = (centers * weight).sum() / targets.centers.sum().clamp(min=1)
    return {
        "loss": classes + offsets + _CENTER_WEIGHT * centers,
        "classes": classes,
        "offsets": offsets,
        "centers": centers,
    }


def _is_at_border(labels: Tensor) -> Tensor:
    """(B, h, w) bool, where another label is within ``_SURROUNDINGS``."""
    image, margin = labels.float()[:, None], _SURROUNDINGS // 2
    highest = max_pool2d(image, _SURROUNDINGS, 1, margin)
    lowest = -max_pool2d(-image, _SURROUNDINGS, 1, margin)
    return (highest != lowest)[:, 0]
