"""Labeled crops to train and to test a classifier on: objects and background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as colors

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.networks.boxes import box_areas, box_intersections, box_iou
from cvdl.networks.crops import box_deltas, color_tensor, cut_crops

__all__ = ["LabelledBoxes", "LabelledCrops", "labelled_crops", "sample_boxes"]

_FITS = 0.5  # least IoU of a box and its object: Fast R-CNN, section 2.3
_CROWDED = 0.5  # share of a box in a crowd from which its class is ambiguous
_SMALLEST = 6.0  # side of a box, pixels
_TRIES = 6  # boxes drawn for each one that is kept


@dataclass(frozen=True)
class LabelledBoxes:
    """Boxes of one image and their labels.

    Attributes:
        boxes: (N, 4) float64, pixels, the last two exclusive.
        labels: (N,) int64, class indices; the number of classes for the background.
        wanted: (N, 4) float64, the labeled box of the object; ``boxes`` for the background.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    wanted: NDArray[np.float64]


@dataclass(frozen=True)
class LabelledCrops:
    """Crops and the targets of the network.

    Attributes:
        crops: (N, 3, side, side) float32 RGB, 0 to 1.
        labels: (N,) int64, see `LabelledBoxes`.
        deltas: (N, 4) float32, see ``box_deltas``.
    """

    crops: Tensor
    labels: Tensor
    deltas: Tensor


def sample_boxes(
    sample: DetectionSample, classes: int, count: int, rng: np.random.Generator
) -> LabelledBoxes:
    """Draw boxes near labeled ones, half of them on the object, and boxes elsewhere.

    A box has the class of the object that it overlaps most, with an intersection over union of at
    least 0.5. All others are background: parts of objects, objects with their surroundings,
    several objects, and empty places.

    Args:
        sample: a labeled view.
        classes: number of classes of the data set: the label of the background.
        count: largest number of boxes; there are fewer if a crowd or a tiny image leaves no room.
        rng: random generator.
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
    return LabelledBoxes(
        boxes[chosen],
        np.concatenate([labels[best], np.full(len(others), classes, np.int64)]),
        wanted,
    )


def labelled_crops(
    sample: DetectionSample,
    labelled: LabelledBoxes,
    side: int,
    outside: Tensor,
    augmented: np.random.Generator | None = None,
) -> LabelledCrops:
    """Return the crops of boxes, optionally recolored and half of them mirrored.

    Args:
        sample: the view.
        labelled: the boxes in it.
        side: side of the crops, pixels.
        outside: (3,) color outside of the image.
        augmented: random generator of the augmentation; None for no augmentation.
    """
    boxes = torch.from_numpy(labelled.boxes).float()
    crops = cut_crops(color_tensor(sample.frame), boxes, side, outside)
    deltas = box_deltas(boxes, torch.from_numpy(labelled.wanted).float())
    if augmented is not None:
        brightness, contrast, saturation = augmented.uniform(0.6, 1.4, 3)
        crops = colors.adjust_brightness(crops.clamp(0, 1), brightness)
        crops = colors.adjust_saturation(colors.adjust_contrast(crops, contrast), saturation)
        mirrored = torch.from_numpy(augmented.random(len(boxes)) < 0.5)
        crops[mirrored] = crops[mirrored].flip(3)
        deltas[mirrored, 0] *= -1
    return LabelledCrops(crops, torch.from_numpy(labelled.labels), deltas)


def _anywhere(count: int, rows: int, cols: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Boxes of any size and shape in an image."""
    least = 2 * _SMALLEST
    most = max(0.6 * min(rows, cols), least)  # no box fits in a tiny image
    size = np.exp(rng.uniform(np.log(least), np.log(most), (count, 1)))
    shape = np.exp(rng.uniform(-1, 1, (count, 1)) * np.log(2))
    sides = np.concatenate([size * shape, size / shape], axis=1)
    corner = rng.random((count, 2)) * np.maximum([cols, rows] - sides, 0)
    return np.concatenate([corner, corner + sides], axis=1)


def _near(
    truth: NDArray[np.float64], count: int, reach: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Labeled boxes, shifted by up to ``reach`` sides and up to exp(``reach``) times as large.

    Most are shifted and scaled by much less.
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
    """Whether boxes lie mostly in a crowd, (N,)."""
    shared, area = box_intersections(boxes, crowds), box_areas(boxes)
    return np.asarray((shared > _CROWDED * area[:, None]).any(axis=1), bool)
