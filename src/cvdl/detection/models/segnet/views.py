"""Random views for SegNet to learn from, and how much each class counts."""

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

_VIEW = 160  # pixels of half resolution, each side of a view
_SHIFT = 0.3  # of the picture's sides: how far a view's middle may lie from its own
_AROUND = np.ones((3, 3), np.uint8)
_BALANCE = 0.5  # power of the weights: with 1 whole objects are seen where there is background


@dataclass(frozen=True)
class MaskedPicture:
    """A sample as the training keeps it.

    Attributes:
        image: (9, h, w) float16, the networks' input.
        truth: of all pixels (2 h, 2 w).
    """

    image: NDArray[np.float16]
    truth: LabelledPixels

    @classmethod
    def of(cls, sample: DetectionSample, background: int) -> MaskedPicture:
        """Of a labelled view.

        Args:
            sample: the view.
            background: class of the pixels of no thing.

        Raises:
            InputError: as ``LabelledPixels.of``.
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
    """A part of a picture, mirrored or not, zoomed, in other colours, noisier.

    Returns:
        The view (9, 160, 160); the class of each pixel (160, 160), IGNORED in crowds and outside
        of the picture; and 1 where two things meet, 0 elsewhere on things, IGNORED on none.
    """
    image, truth = picture.image, picture.truth
    size = np.array(image.shape[:0:-1])
    middle = (size - 1) / 2 + _SHIFT * size * rng.uniform(-1, 1, 2)
    linear = np.diag([rng.choice([-1.0, 1.0]), 1.0]) * TABLETOP.zoom ** rng.uniform(-1, 1)
    view = warped(image.astype(np.float32), linear, middle, _VIEW)
    view[NORMAL_XY.start] *= np.sign(linear[0, 0])
    disturb(view, rng, TABLETOP)
    # The middle of every pixel, looked up at full resolution.
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
    """What a pixel of each class counts in the loss, (classes,); 0: the class is in no picture.

    The root of median frequency balancing (the paper's section 3.2, after Eigen & Fergus 2015,
    section 6.3.2): a class's frequency is its pixels over all pixels of the pictures that it is
    in, and it counts the median of all frequencies over its own.
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
    """1 on the pixels of things next to another thing's, 0 on others, IGNORED on none's."""
    something = (things != NOTHING) & (things != CROWD)
    highest = cv2.dilate(np.where(something, things, NOTHING), _AROUND)
    lowest = cv2.erode(np.where(something, things, CROWD), _AROUND)
    return np.where(something, highest != lowest, IGNORED).astype(np.uint8)
