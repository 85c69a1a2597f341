"""Random views to train SegNet on, and the weights of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.labelled_pixels import CROWD, IGNORED, NOTHING, LabelledPixels
from cvdl.networks.input import NORMAL_XY, network_input
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP, disturb, warped

__all__ = ["MaskedPicture", "class_weights", "random_view"]

_VIEW = 160  # pixels at half resolution, each side of a view
_SHIFT = 0.3  # of the sides of the picture: largest distance of the center of a view from its own
_AROUND = np.ones((3, 3), np.uint8)
_BALANCE = 0.5  # power of the weights: with 1, whole objects are predicted in the background


@dataclass(frozen=True)
class MaskedPicture:
    """A sample in memory.

    Attributes:
        image: (9, h, w) float16, the input of the network.
        truth: labels of all pixels (2 h, 2 w).
    """

    image: NDArray[np.float16]
    truth: LabelledPixels

    @classmethod
    def of(cls, sample: DetectionSample, background: int) -> MaskedPicture:
        """Return the picture of a labeled view.

        Args:
            sample: the view.
            background: class index of pixels without an object.

        Raises:
            InputError: see ``LabelledPixels.of``.
        """
        truth = LabelledPixels.of(sample, background)
        frame, _ = to_working_size(sample.frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        size = frame.camera.width, frame.camera.height
        things = cv2.resize(truth.things, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return cls(
            image.astype(np.float16),
            LabelledPixels(things[: 2 * height, : 2 * width], truth.classes),
        )


def random_view(
    picture: MaskedPicture, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a random part of a picture: mirrored, zoomed, recolored, with noise.

    Returns:
        The view (9, 160, 160); the class index of each pixel (160, 160), IGNORED in crowds and
        outside of the picture; and 1 where two objects meet, 0 on the rest of the objects,
        IGNORED elsewhere.
    """
    image, truth = picture.image, picture.truth
    size = np.array(image.shape[:0:-1])
    middle = (size - 1) / 2 + _SHIFT * size * rng.uniform(-1, 1, 2)
    linear = np.diag([rng.choice([-1.0, 1.0]), 1.0]) * TABLETOP.zoom ** rng.uniform(-1, 1)
    view = warped(image.astype(np.float32), linear, middle, _VIEW)
    view[NORMAL_XY.start] *= np.sign(linear[0, 0])
    disturb(view, rng, TABLETOP)
    # From the center of each pixel of the view to full resolution.
    matrix = np.column_stack([linear / 2, (_VIEW - 1) / 2 - linear / 2 @ (2 * middle + 0.5)])
    things = cv2.warpAffine(
        truth.things,
        matrix,
        (_VIEW, _VIEW),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=CROWD,
    )
    return view, truth.classes[things], _meeting(things)


def class_weights(pictures: Sequence[MaskedPicture], classes: int) -> NDArray[np.float32]:
    """Return the weight of each class in the loss, (classes,); 0 if it is in no picture.

    The square root of median frequency balancing (section 3.2 of the paper, after Eigen & Fergus
    2015, section 6.3.2): the frequency of a class is its share of the pixels of the pictures that
    contain it; its weight is the median of all frequencies over its own.
    """
    pixels, seen = np.zeros(classes), np.zeros(classes)
    for picture in pictures:
        truth = picture.truth
        things = np.bincount(truth.things.ravel(), minlength=len(truth.classes))
        each = np.bincount(truth.classes, things, IGNORED + 1)[:classes]
        pixels += each
        seen += (each > 0) * things.sum()
    there = pixels > 0
    frequency = pixels[there] / seen[there]
    weights = np.zeros(classes, np.float32)
    weights[there] = (np.median(frequency) / frequency) ** _BALANCE
    return weights


def _meeting(things: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 on pixels of objects next to another object, 0 on other pixels of objects, else IGNORED."""
    something = (things != NOTHING) & (things != CROWD)
    highest = cv2.dilate(np.where(something, things, NOTHING), _AROUND)
    lowest = cv2.erode(np.where(something, things, CROWD), _AROUND)
    return np.where(something, highest != lowest, IGNORED).astype(np.uint8)
