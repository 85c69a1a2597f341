"""Random views that SegNet is trained on, and the weights of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.labeled_pixels import CROWD, IGNORED, NOTHING, LabeledPixels
from cvdl.networks.input import network_input
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP, Augmentation, Placement, random_view
from cvdl.training.task import padded

__all__ = ["Batch", "MaskedImage", "class_weights", "object_borders", "random_views", "stacked"]

_VIEW = (160, 160)  # height and width of a view, pixels of half resolution
_SHIFT = 0.3  # largest distance between the centers of view and image, in sides of the image
_BALANCE = 0.5  # power of the weights; with 1, whole objects are predicted on the background


@dataclass(frozen=True)
class MaskedImage:
    """A sample as it is kept in memory.

    Attributes:
        image: (9, h, w) float16, the networks' input.
        truth: the labels of the pixels at full resolution, (2 h, 2 w).
    """

    image: NDArray[np.float16]
    truth: LabeledPixels

    @classmethod
    def of(cls, sample: DetectionSample, background: int) -> MaskedImage:
        """Convert a labeled view.

        Args:
            sample: the view.
            background: class index of the background.

        Raises:
            InputError: see ``LabeledPixels.of``.
        """
        truth = LabeledPixels.of(sample, background)
        frame, _ = to_working_size(sample.frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        size = frame.camera.width, frame.camera.height
        things = cv2.resize(truth.things, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return cls(
            image.astype(np.float16),
            LabeledPixels(things[: 2 * height, : 2 * width], truth.classes),
        )


class Batch(NamedTuple):
    """Images and the positions of the views in them.

    Attributes:
        image: (B, 9, h, w) float16, smaller images padded with 0.
        things: (B, 2 h, 2 w) uint8, see ``LabeledPixels``; padded with CROWD.
        classes: (B, 256) uint8, the classes of the things.
        where: the positions of the views.
    """

    image: Tensor
    things: Tensor
    classes: Tensor
    where: Placement


def stacked(images: Sequence[MaskedImage], rng: np.random.Generator) -> Batch:
    """A batch of images with random positions of the views."""
    size = np.array([item.image.shape[:0:-1] for item in images])
    middle = size / 2 + _SHIFT * size * rng.uniform(-1, 1, size.shape)
    return Batch(
        padded([item.image for item in images]),
        padded([item.truth.things for item in images], CROWD),
        padded([item.truth.classes for item in images]),
        Placement.random(middle, TABLETOP, rng),
    )


def random_views(batch: Batch, how: Augmentation = TABLETOP) -> tuple[Tensor, Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Args:
        batch: on any device.
        how: the strength of the disturbance.

    Returns:
        The views (B, 9, 160, 160); the class of each pixel (B, 160, 160) int64, IGNORED in crowds
        and outside of the image; and ``object_borders``.
    """
    view = random_view(batch.image, batch.where, _VIEW, how)
    grid = batch.where.grid((batch.image.shape[2], batch.image.shape[3]), _VIEW)
    # grid_sample pads with 0, which is to stand for CROWD.
    flipped = (CROWD - batch.things.float())[:, None]
    things = CROWD - grid_sample(flipped, grid, mode="nearest", align_corners=False)
    classes = batch.classes.long().gather(1, things.long().flatten(1)).view(len(view), *_VIEW)
    return view, classes, object_borders(things)[:, 0]


def object_borders(things: Tensor) -> Tensor:
    """Where two objects touch.

    Args:
        things: (B, 1, H, W) float32, see ``LabeledPixels``.

    Returns:
        (B, 1, H, W) int64: 1 on pixels of objects next to another object, 0 on other pixels of
        objects, IGNORED elsewhere.
    """
    is_object = (things != NOTHING) & (things != CROWD)
    highest = max_pool2d(torch.where(is_object, things, NOTHING), 3, 1, 1)
    lowest = -max_pool2d(-torch.where(is_object, things, CROWD), 3, 1, 1)
    return torch.where(is_object, (highest != lowest).long(), IGNORED)


def class_weights(images: Sequence[MaskedImage], classes: int) -> NDArray[np.float32]:
    """The weight of a pixel of each class in the loss, (classes,); 0 for classes without pixels.

    The square root of median frequency balancing (section 3.2 of the paper, after Eigen & Fergus
    2015, section 6.3.2): the frequency of a class is the number of its pixels over the number of
    all pixels of the images that contain it, and its weight the median of all frequencies over
    its own.
    """
    pixels, seen = np.zeros(classes), np.zeros(classes)
    for item in images:
        truth = item.truth
        things = np.bincount(truth.things.ravel(), minlength=len(truth.classes))
        each = np.bincount(truth.classes, things, IGNORED + 1)[:classes]
        pixels += each
        seen += (each > 0) * things.sum()
    there = pixels > 0
    frequency = pixels[there] / seen[there]
    weights = np.zeros(classes, np.float32)
    weights[there] = (np.median(frequency) / frequency) ** _BALANCE
    return weights
