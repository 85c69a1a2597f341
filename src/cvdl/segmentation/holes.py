"""Holes: pixels without a reading within an object, on dark, shiny and transparent parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels, connected_parts

__all__ = ["fill_holes"]

_MIN_CONTACT = 0.75  # of the outline of a hole
_MAX_AREA = 0.5  # of the area of the object


def fill_holes(labels: Labels, measured: NDArray[np.bool_]) -> Labels:
    """Adds each hole in the depth to the object that surrounds it.

    Args:
        labels: of the objects, (H, W).
        measured: (H, W) bool, pixels with a reading.
    """
    holes, hole_areas = connected_parts(~measured & (labels == 0))
    areas = np.bincount(labels.ravel())
    contact = _contact(holes, labels, np.zeros((len(hole_areas), len(areas)), np.int32))
    owner = contact.argmax(axis=1)
    surrounded = contact.max(axis=1) >= _MIN_CONTACT * contact.sum(axis=1)
    small = hole_areas < _MAX_AREA * areas[owner]
    owner[~(surrounded & small)] = 0
    return np.where(holes > 0, owner[holes], labels).astype(np.int32)


@compiled()
def _contact(holes, labels, contact):  # type: ignore[no-untyped-def]
    """Counts the pixels of each object along the outline of each hole."""
    rows, cols = holes.shape
    for i in range(rows):
        for j in range(cols):
            if not holes[i, j]:
                continue
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < rows and 0 <= b < cols and not holes[a, b]:
                    contact[holes[i, j], labels[a, b]] += 1
    return contact
