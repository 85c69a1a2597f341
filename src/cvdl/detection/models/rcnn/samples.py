"""Labeled crops to train and test a classifier: objects and background."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.networks.boxes import box_areas, box_intersections, box_iou
from cvdl.networks.crops import box_deltas, color_tensor, cut_crops
from cvdl.training.augment import jittered_colors

__all__ = ["LabeledBoxes", "LabeledCrops", "joined", "labeled_crops", "sample_boxes"]

_FITS = 0.5  # intersection over union from which a box shows an object: Fast R-CNN, section 2.3
_CROWDED = 0.5  # share of a box within a crowd from which the box is ignored
_SMALLEST = 6.0  # side of a box, pixels
_TRIES = 6  # boxes drawn for each one kept
_COLOR = 0.4  # largest change of brightness, contrast and saturation


@dataclass(frozen=True)
class LabeledBoxes:
    """Boxes of one image and their classes.

    Attributes:
        boxes: (N, 4) float64, pixels, the last two exclusive.
        labels: (N,) int64 class indices; the number of classes for the background.
        wanted: (N, 4) float64, the labeled box of the object; ``boxes`` for the background.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    wanted: NDArray[np.float64]


class LabeledCrops(NamedTuple):
    """Crops and the targets of a network.

    Attributes:
        crops: (N, 3, side, side) float32 RGB, 0 to 1.
        labels: (N,) int64, see ``LabeledBoxes``.
        deltas: (N, 4) float32, from the box to the labeled box, see ``box_deltas``.
    """

    crops: Tensor
    labels: Tensor
    deltas: Tensor


def joined(crops: Iterable[LabeledCrops]) -> LabeledCrops:
    """The crops of several images, at least one."""
    return LabeledCrops(*(torch.cat(parts) for parts in zip(*crops, strict=True)))


def sample_boxes(
    sample: DetectionSample, classes: int, count: int, rng: np.random.Generator
) -> LabeledBoxes:
    """Draw boxes: half of them on an object, the others elsewhere.

    A box shows the object that it overlaps most if the intersection over union is at least 0.5.
    All other boxes are background: parts of objects, objects with their surroundings, several
    objects, and empty places.

    Args:
        sample: a labeled view.
        classes: number of classes, which is the class index of the background.
        count: largest number of boxes; fewer if a crowd or a tiny image leaves no room.
        rng: source of randomness.
    """
    rows, cols = sample.frame.depth.shape
    truth, labels = sample.boxes[~sample.crowd], sample.labels[~sample.crowd]
    tries = _TRIES * count
    drawn = [_anywhere(tries // 2, rows, cols, rng)]
    if len(truth):
        drawn += [_near(truth, tries // 2, 0.25, rng), _near(truth, tries, 1.0, rng)]
        drawn.append(_unions(truth, tries // 4, rng))
    limits = np.array([cols, rows, cols, rows])
    boxes = np.concatenate(drawn).clip(0, limits)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= _SMALLEST).all(axis=1)]
    boxes = boxes[~_in_crowd(boxes, sample.boxes[sample.crowd])]
    overlap = box_iou(boxes, truth)
    fits = overlap.max(axis=1, initial=0) >= _FITS
    some = rng.permutation(np.flatnonzero(fits))[: count // 2]
    others = rng.permutation(np.flatnonzero(~fits))[: count - len(some)]
    chosen = np.concatenate([some, others])
    best = overlap[some].argmax(axis=1) if len(truth) else np.zeros(0, np.intp)
    wanted = boxes[chosen]
    wanted[: len(some)] = truth[best]
    return LabeledBoxes(
        boxes[chosen],
        np.concatenate([labels[best], np.full(len(others), classes, np.int64)]),
        wanted,
    )


def labeled_crops(
    sample: DetectionSample,
    labeled: LabeledBoxes,
    side: int,
    outside: Tensor,
    augmented: np.random.Generator | None = None,
) -> LabeledCrops:
    """Cut the crops of boxes, optionally with random colors and half of them mirrored.

    Args:
        sample: the view.
        labeled: its boxes.
        side: of the crops, pixels.
        outside: (3,) color outside of the image.
        augmented: source of randomness; None: no augmentation.
    """
    boxes = torch.from_numpy(labeled.boxes).float()
    crops = cut_crops(color_tensor(sample.frame), boxes, side, outside)
    deltas = box_deltas(boxes, torch.from_numpy(labeled.wanted).float())
    if augmented is not None:
        crops = jittered_colors(crops.clamp(0, 1), _COLOR, augmented)
        mirrored = torch.from_numpy(augmented.random(len(boxes)) < 0.5)
        crops[mirrored] = crops[mirrored].flip(3)
        deltas[mirrored, 0] *= -1
    return LabeledCrops(crops, torch.from_numpy(labeled.labels), deltas)


def _anywhere(count: int, rows: int, cols: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Boxes of any size and shape within an image."""
    least = 2 * _SMALLEST
    most = max(0.6 * min(rows, cols), least)
    size = np.exp(rng.uniform(np.log(least), np.log(most), (count, 1)))
    shape = np.exp(rng.uniform(-1, 1, (count, 1)) * np.log(2))
    sides = np.concatenate([size * shape, size / shape], axis=1)
    corner = rng.random((count, 2)) * np.maximum([cols, rows] - sides, 0)
    return np.concatenate([corner, corner + sides], axis=1)


def _near(
    truth: NDArray[np.float64], count: int, reach: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Labeled boxes, shifted by up to ``reach`` sides and up to exp(``reach``) times as large.

    Most are changed much less.
    """
    chosen = truth[rng.integers(len(truth), size=count)]
    reaches = reach * rng.random((count, 1))
    sides = chosen[:, 2:] - chosen[:, :2]
    middle = (chosen[:, :2] + chosen[:, 2:]) / 2 + sides * reaches * rng.uniform(-1, 1, (count, 2))
    half = sides * np.exp(reaches * rng.uniform(-1, 1, (count, 2))) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _unions(
    truth: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Boxes around two objects each."""
    first, second = truth[rng.integers(len(truth), size=(2, count))]
    low, high = np.minimum(first[:, :2], second[:, :2]), np.maximum(first[:, 2:], second[:, 2:])
    return np.concatenate([low, high], axis=1)


def _in_crowd(boxes: NDArray[np.float64], crowds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes (N,) lie mostly within a crowd."""
    shared, area = box_intersections(boxes, crowds), box_areas(boxes)
    return np.asarray((shared > _CROWDED * area[:, None]).any(axis=1), bool)
