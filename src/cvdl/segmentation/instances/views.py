"""Random views that the instance network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.datasets.labeled_pixels import IGNORED
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationSample
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP, Augmentation, Placement
from cvdl.training.detailed_views import VIEW, DetailedImage, detailed_views
from cvdl.training.task import padded

__all__ = ["Batch", "LabeledView", "random_views", "stacked"]

#: Objects of a view beyond this number are ignored: labels fit in a byte.
_MOST = IGNORED - FIRST_OBJECT_LABEL
#: Largest overhang of a view beyond its image, in sides of the view.
_OVERHANG = 0.2


@dataclass(frozen=True)
class LabeledView:
    """A sample as it is kept in memory.

    Attributes:
        image: color and geometry.
        labels: (H / 2, W / 2) uint8: 0, PLANE_LABEL, from FIRST_OBJECT_LABEL on one for each
            object, or IGNORED.
    """

    image: DetailedImage
    labels: NDArray[np.uint8]

    @classmethod
    def of(cls, sample: SegmentationSample) -> LabeledView:
        """Convert a sample."""
        frame, _ = to_working_size(sample.frame)
        image = DetailedImage.of(frame)
        width, height = image.size
        size = frame.camera.width, frame.camera.height
        # Nearest: between two labels is no label.
        labels = cv2.resize(
            _numbered(sample.labels), size, interpolation=cv2.INTER_NEAREST_EXACT
        ).reshape(size[::-1])
        return cls(image, np.ascontiguousarray(labels[: 2 * height : 2, : 2 * width : 2]))


def _numbered(labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Labels with consecutive numbers for the objects."""
    used = np.flatnonzero(np.bincount(labels.ravel(), minlength=UNLABELED + 1))
    used = used[(used >= FIRST_OBJECT_LABEL) & (used != UNLABELED)][:_MOST]
    table = np.full(UNLABELED + 1, IGNORED, np.uint8)
    table[0], table[PLANE_LABEL] = 0, PLANE_LABEL
    table[used] = np.arange(FIRST_OBJECT_LABEL, FIRST_OBJECT_LABEL + len(used))
    return table[labels]


class Batch(NamedTuple):
    """Images and the positions of the views in them, see ``LabeledView``.

    Attributes:
        color: (B, 3, H, W), smaller images padded with 0.
        rest: (B, 8, H / 2, W / 2), the same.
        labels: (B, H / 2, W / 2), smaller images padded with IGNORED.
        where: the positions of the views.
    """

    color: Tensor
    rest: Tensor
    labels: Tensor
    where: Placement


def stacked(views: Sequence[LabeledView], rng: np.random.Generator) -> Batch:
    """A batch of images with random positions of the views, anywhere in their image."""
    size = np.array([item.image.size for item in views])
    side = np.array(VIEW[::-1])
    room = np.maximum(size - side, 0) / 2 + _OVERHANG * side
    middle = size / 2 + room * rng.uniform(-1, 1, size.shape)
    return Batch(
        padded([item.image.color for item in views]),
        padded([item.image.rest for item in views]),
        padded([item.labels for item in views], IGNORED),
        Placement.random(middle, TABLETOP, rng),
    )


def random_views(batch: Batch, how: Augmentation = TABLETOP) -> tuple[Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Args:
        batch: on any device.
        how: the strength of the disturbance.

    Returns:
        Views (B, 18, 192, 256), see ``detailed_views``; labels (B, 192, 256) int64, IGNORED
        outside of the image.
    """
    image, _ = detailed_views(batch.color, batch.rest, batch.where, how)
    grid = batch.where.grid((batch.labels.shape[1], batch.labels.shape[2]), VIEW)
    # grid_sample pads with 0, which is to stand for IGNORED.
    flipped = (IGNORED - batch.labels.float())[:, None]
    labels = IGNORED - grid_sample(flipped, grid, mode="nearest", align_corners=False)
    return image, labels[:, 0].long()
