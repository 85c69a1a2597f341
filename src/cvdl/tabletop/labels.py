"""Small tools for labels and their pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pixels_by_label", "rank"]


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
