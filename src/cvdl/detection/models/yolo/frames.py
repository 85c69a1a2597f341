"""What is around the networks, whatever runs them. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.suppression import best_of_each_class
from cvdl.networks.input import MULTIPLE
from cvdl.networks.sampling import WIDE_STRIDE
from cvdl.networks.working_size import to_working_size

__all__ = ["MODERN", "PUBLISHED", "detected", "detected_in_square", "known_scale", "scale_of_cells"]

#: The styles of the network.
PUBLISHED, MODERN = "published", "modern"

#: A network: returns boxes (N, 4) and their scores (N, classes).
Apply = Callable[[Any], tuple[NDArray[Any], NDArray[Any]]]

_OVERLAP = 0.6  # largest IoU of two boxes of one class
_LOWEST_SCORE = 0.02
_TYPICAL = 0.0014  # meters per pixel, at 0.8 m
_KNOWN = 0.05  # of a cell: with fewer readings, its scale is unknown


def detected_in_square(frame: RgbdFrame, size: int, apply: Apply) -> Detections:
    """Detect objects in the color of a frame with the network of the paper.

    Args:
        frame: of any size; it is stretched to a square.
        size: side of the square.
        apply: takes the square image (size, size, 3) uint8; its boxes are relative to it.
    """
    height, width = frame.color.shape[:2]
    boxes, scores = apply(cv2.resize(frame.color, (size, size), interpolation=cv2.INTER_LINEAR))
    found = best_of_each_class(boxes, scores, _LOWEST_SCORE, _OVERLAP)
    return replace(found, boxes=found.boxes * (width, height, width, height))


def detected(frame: RgbdFrame, apply: Apply) -> Detections:
    """Detect objects in a frame with the modern network.

    Args:
        frame: of any camera.
        apply: takes the frame at the working size; its boxes are in pixels of that.
    """
    if min(frame.depth.shape) < 2:  # empty at half resolution
        return Detections.none()
    frame, factors = to_working_size(frame)
    boxes, scores = apply(frame)
    height, width = frame.depth.shape
    found = best_of_each_class(
        boxes.clip(0, (width, height, width, height)), scores, _LOWEST_SCORE, _OVERLAP
    )
    return replace(found, boxes=found.boxes / np.tile(factors, 2))


def scale_of_cells(frame: RgbdFrame) -> NDArray[np.float32]:
    """How large pixels are in the cells of the wide features, as the modern network takes it.

    A marker and a tube differ in size only.

    Args:
        frame: at the working size.

    Returns:
        (2, h, w): the logarithm of meters per pixel, 0 for a usual one or without readings; and
        whether it is known. Its sides are those of the features, whose image is padded.
    """
    rows, cols = (2 * (side // 2) for side in frame.depth.shape)
    depth = frame.depth[:rows:2, :cols:2]
    depth = np.pad(depth, [(0, -side % MULTIPLE) for side in depth.shape])
    known = np.isfinite(depth) & (depth > 0)
    block = WIDE_STRIDE // 2

    def means(values: NDArray[Any]) -> NDArray[np.float32]:
        return cv2.resize(
            values.astype(np.float32),
            (values.shape[1] // block, values.shape[0] // block),
            interpolation=cv2.INTER_AREA,
        )

    share = means(known)
    return known_scale(means(np.where(known, depth, 0) / frame.camera.fx), share)


def known_scale(meters: NDArray[np.float32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """The result of ``scale_of_cells``, (2, ...).

    Args:
        meters: per pixel, means over cells, where unknown pixels count as 0.
        share: of the pixels for which it is known.
    """
    is_known = share > _KNOWN
    mean = np.where(is_known, meters, _TYPICAL) / np.where(is_known, share, 1)
    return np.stack([np.log(mean / _TYPICAL), is_known]).astype(np.float32)
