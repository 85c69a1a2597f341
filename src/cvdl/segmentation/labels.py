"""Small tools for labels, their pixels and reduced images."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["enlarged", "pixels_by_label", "rank"]


def pixels_by_label(labels: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
    """Flat indices of each label's pixels, by label; 0 is left out.

    Args:
        labels: (H, W) int32.
    """
    where = np.flatnonzero(labels)
    if not len(where):
        return {}
    values = labels.ravel()[where]
    if values.max() < 1 << 16:
        values = values.astype(np.uint16)  # numpy sorts these by radix, several times faster
    order = np.argsort(values, kind="stable")
    names, first = np.unique(values[order], return_index=True)
    return dict(zip(names.tolist(), np.split(where[order], first[1:]), strict=True))


def rank(values: NDArray[np.floating], share: float) -> float:
    """The value (N,) that the given share of the others lies under: a percentile, much faster."""
    k = min(len(values) - 1, int(share * len(values)))
    return float(np.partition(values, k)[k])


def enlarged(image: NDArray[Any], factor: int, shape: tuple[int, int]) -> NDArray[Any]:
    """A reduced image in full size: each pixel becomes a block.

    Args:
        image: (h, w), of a type that OpenCV takes.
        factor: side of a block, pixels.
        shape: (H, W) of the full image. Rows and columns that are no whole block repeat the last.
    """
    full = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    down, right = (max(0, size - have) for size, have in zip(shape, full.shape, strict=True))
    full = cv2.copyMakeBorder(full, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(full)[: shape[0], : shape[1]]
