"""Operations on label images, masks and reduced images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = [
    "Labels",
    "areas_of",
    "connected_parts",
    "enlarged",
    "fill_hull",
    "pixels_by_label",
    "quantile",
    "quantiles",
    "window_around",
    "without",
]


#: A label image (H, W): 0 for none, one label per region, not necessarily consecutive.
Labels = NDArray[np.int32]


def pixels_by_label(labels: Labels) -> dict[int, NDArray[np.intp]]:
    """Flat indices of the pixels of each label, by label; 0 is skipped."""
    names, starts, pixels = _by_label(labels)
    return dict(zip(names.tolist(), np.split(pixels, starts)[1:], strict=True))


@compiled()
def _by_label(labels):  # type: ignore[no-untyped-def]
    """The labels that occur, where the pixels of each one start, and these pixels."""
    cols = labels.shape[1]
    counts = np.zeros(labels.max() + 2, np.intp)  # by label; then where to put the next pixel
    for i in range(labels.shape[0]):
        for j in range(cols):
            if labels[i, j]:
                counts[labels[i, j] + 1] += 1
    names = np.flatnonzero(counts) - 1
    counts = np.cumsum(counts)
    starts = counts[names]
    pixels = np.empty(counts[-1], np.intp)
    for i in range(labels.shape[0]):
        for j in range(cols):
            label = labels[i, j]
            if label:
                pixels[counts[label]] = i * cols + j
                counts[label] += 1
    return names, starts, pixels


def without(labels: Labels, is_removed: Callable[[int, NDArray[np.intp]], bool]) -> Labels:
    """A copy with 0 for removed labels; ``is_removed`` gets a label and its flat pixel indices."""
    kept = labels.copy()
    for label, pixels in pixels_by_label(labels).items():
        if is_removed(label, pixels):
            kept.ravel()[pixels] = 0
    return kept


def connected_parts(mask: NDArray[Any], connectivity: int = 4) -> tuple[Labels, NDArray[np.intp]]:
    """The connected parts of a mask (H, W), bool or uint8.

    Returns:
        The part of each pixel, (H, W), 0 outside the mask; and the pixels of each part, (N + 1,),
        0 for part 0.
    """
    count, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=connectivity)
    return parts, areas_of(parts, count)


@compiled()
def areas_of(labels, count):  # type: ignore[no-untyped-def]
    """The pixels of each label (N,), of labels (H, W) less than N; 0 for label 0."""
    areas = np.zeros(count, np.intp)
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            if labels[i, j]:
                areas[labels[i, j]] += 1
    return areas


def fill_hull(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The convex hull of a mask (H, W) that is not empty: (H, W), 0 or 1."""
    hull = cv2.convexHull(_ends_of_rows(mask))  # which is that of the mask
    return np.asarray(cv2.fillConvexPoly(np.zeros(mask.shape, np.uint8), hull, 1))


@compiled()
def _ends_of_rows(mask):  # type: ignore[no-untyped-def]
    """The first and the last pixel (N, 2) of each row of a mask that has one, x and y."""
    ends = np.empty((2 * mask.shape[0], 2), np.int32)
    n = 0
    for row in range(mask.shape[0]):
        first, last = -1, -1
        for col in range(mask.shape[1]):
            if mask[row, col]:
                first = col if first < 0 else first
                last = col
        if first >= 0:
            ends[n, 0], ends[n + 1, 0] = first, last
            ends[n, 1] = ends[n + 1, 1] = row
            n += 2
    return ends[:n]


def window_around(mask: NDArray[Any], margin: int) -> tuple[slice, slice] | None:
    """Rows and columns around a mask (H, W), bool or uint8, within the image; None if empty."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    rows, cols = mask.shape
    return (
        slice(max(0, y - margin), min(rows, y + height + margin)),
        slice(max(0, x - margin), min(cols, x + width + margin)),
    )


def quantile(values: NDArray[np.floating], share: float) -> float:
    """The value in (N,) that is greater than the given share of the values.

    It is much faster than ``np.quantile``, and does not interpolate.
    """
    return quantiles(values, share)[0]


def quantiles(values: NDArray[np.floating], *shares: float) -> list[float]:
    """Several of ``quantile``, at once."""
    places = [min(len(values) - 1, int(share * len(values))) for share in shares]
    found: list[float] = np.partition(values, places)[places].tolist()
    return found


def enlarged(image: NDArray[Any], factor: int, shape: tuple[int, int]) -> NDArray[Any]:
    """A reduced image in full size: each pixel becomes a block.

    Args:
        image: (h, w), of a type that OpenCV accepts.
        factor: side of a block, pixels.
        shape: (H, W) of the full image. Rows and columns beyond the last whole block repeat it.
    """
    full = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    down, right = (max(0, size - have) for size, have in zip(shape, full.shape, strict=True))
    full = cv2.copyMakeBorder(full, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(full)[: shape[0], : shape[1]]
