"""The augmentation of the paper (section 2.2): views of another scale, place and color."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.training.task import padded

__all__ = ["Batch", "published_views"]

_COLOR = 1.5  # largest factor of saturation and exposure in HSV
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view


class Batch(NamedTuple):
    """Views and their objects.

    Attributes:
        color: (B, size, size, 3) uint8, RGB.
        boxes: (B, N, 4) float32, relative to the view.
        labels: (B, N), -1 for padding.
    """

    color: Tensor
    boxes: Tensor
    labels: Tensor


def published_views(
    samples: Sequence[DetectionSample],
    size: int,
    fill: NDArray[np.uint8],
    jitter: float,
    rng: np.random.Generator,
    color: float = _COLOR,
) -> Batch:
    """Random views of samples; crowds are skipped.

    Args:
        samples: labeled.
        size: side of the square views, to which the images are stretched.
        fill: (3,) color around an image.
        jitter: how far the edges of a view are from those of the image, in sides of it; 0.2 in
            the paper.
        rng: source of randomness.
        color: largest factor of saturation and exposure.
    """
    made = [_view(sample, size, fill, jitter, color, rng) for sample in samples]
    colors, boxes, labels = zip(*made, strict=True)
    return Batch(torch.from_numpy(np.stack(colors)), padded(boxes), padded(labels, -1))


def _view(
    sample: DetectionSample,
    size: int,
    fill: NDArray[np.uint8],
    jitter: float,
    color: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    height, width = sample.frame.color.shape[:2]
    whole = np.array([width, height], float)
    start = rng.uniform(-jitter, jitter, 2) * whole
    factor = size / (whole + rng.uniform(-jitter, jitter, 2) * whole - start)
    # Positions of pixels are those of their centers here, of their corners in boxes.
    shift = (0.5 - start) * factor - 0.5
    moved = cv2.warpAffine(
        sample.frame.color,
        np.column_stack([np.diag(factor), shift]),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderValue=fill.tolist(),
    )
    boxes = (sample.boxes[~sample.crowd] - np.tile(start, 2)) * np.tile(factor, 2) / size
    clipped = boxes.clip(0, 1)
    area, seen = (np.prod(some[:, 2:] - some[:, :2], axis=1) for some in (boxes, clipped))
    kept = seen > _LEAST_IN_VIEW * area
    labels = sample.labels[~sample.crowd][kept].astype(np.int64)
    return _recolored(moved, color, rng), clipped[kept].astype(np.float32), labels


def _recolored(
    image: NDArray[np.uint8], most: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """An image with another saturation and exposure: the second and third channel of HSV."""
    values = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    for channel, factor in zip((1, 2), most ** rng.uniform(-1, 1, 2), strict=True):
        values[..., channel] = cv2.convertScaleAbs(values[..., channel], alpha=factor)
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_HSV2RGB), np.uint8)
