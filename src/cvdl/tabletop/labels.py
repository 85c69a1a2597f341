"""Label images, by label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["pixels_by_label"]


def pixels_by_label(labels: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
    """Flat indices of each label's pixels, by label; 0 is left out.

    Args:
        labels: (H, W) int32.
    """
    where = np.flatnonzero(labels)
    if not len(where):
        return {}
    values = labels.ravel()[where]
    order = np.argsort(values, kind="stable")
    names, first = np.unique(values[order], return_index=True)
    return dict(zip(names.tolist(), np.split(where[order], first[1:]), strict=True))
