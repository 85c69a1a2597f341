"""Random views with labeled boxes, for networks on color and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP, Augmentation, Placement
from cvdl.training.detailed_views import VIEW, DetailedImage, detailed_views
from cvdl.training.task import padded

__all__ = ["Batch", "LabeledImage", "random_views", "stacked"]

_SHIFT = 0.2  # largest distance between the centers of view and image, in sides of the view
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view; else the box is ignored


@dataclass(frozen=True)
class LabeledImage:
    """A sample as it is kept in memory.

    Attributes:
        image: color and geometry.
        boxes: (N, 4) float32, pixels.
        labels: (N,) int64.
    """

    image: DetailedImage
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: DetectionSample) -> LabeledImage:
        """Convert a labeled view; crowds are skipped."""
        frame, factors = to_working_size(sample.frame)
        single = ~sample.crowd
        return cls(
            DetailedImage.of(frame),
            (sample.boxes[single] * np.tile(factors, 2)).astype(np.float32),
            sample.labels[single].astype(np.int64),
        )


class Batch(NamedTuple):
    """Images and the positions of the views in them, see ``LabeledImage``.

    Attributes:
        color: (B, 3, H, W), smaller images padded with 0.
        rest: (B, 8, H / 2, W / 2), the same.
        boxes: (B, N, 4).
        labels: (B, N), -1 for padding.
        where: the positions of the views.
    """

    color: Tensor
    rest: Tensor
    boxes: Tensor
    labels: Tensor
    where: Placement


def stacked(images: Sequence[LabeledImage], rng: np.random.Generator) -> Batch:
    """A batch of images with random positions of the views."""
    size = np.array([item.image.size for item in images])
    middle = size / 2 + _SHIFT * np.array(VIEW[::-1]) * rng.uniform(-1, 1, size.shape)
    return Batch(
        padded([item.image.color for item in images]),
        padded([item.image.rest for item in images]),
        padded([item.boxes for item in images]),
        padded([item.labels for item in images], -1),
        Placement.random(middle, TABLETOP, rng),
    )


def random_views(
    batch: Batch, how: Augmentation = TABLETOP
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Args:
        batch: on any device.
        how: the strength of the disturbance.

    Returns:
        Views (B, 18, 192, 256) and their scales (B, 2, 192, 256), see ``detailed_views``; boxes
        (B, N, 4) and labels (B, N), -1 for padding and for boxes outside of the view.
    """
    image, scale = detailed_views(batch.color, batch.rest, batch.where, how)
    return image, scale, *_moved_boxes(batch.boxes, batch.labels, batch.where)


def _moved_boxes(boxes: Tensor, labels: Tensor, where: Placement) -> tuple[Tensor, Tensor]:
    """Boxes (B, N, 4) and labels (B, N) in the views, which are not turned."""
    corners = where.points(boxes.unflatten(2, (2, 2)).flatten(1, 2) / 2, VIEW) * 2
    corners = corners.unflatten(1, (-1, 2)).sort(dim=2).values
    clipped = torch.minimum(corners.clamp(min=0), 2 * corners.new_tensor(VIEW[::-1]))
    area, area_seen = ((some[:, :, 1] - some[:, :, 0]).prod(-1) for some in (corners, clipped))
    return clipped.flatten(2), torch.where(area_seen > _LEAST_IN_VIEW * area, labels, -1)
