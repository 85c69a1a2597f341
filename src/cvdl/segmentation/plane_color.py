"""The support plane's colour: what has it may be the plane, whatever the depth says."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled

__all__ = ["PLANE_COLOR", "color_distance", "color_off_plane", "plane_color", "plane_parts"]

#: Difference (as in Surface.lab) up to which a colour is the plane's.
PLANE_COLOR = 6.0
_COLOR_SAMPLES = 200  # pixels of a region
_COARSE = 4  # pixels of the reduced image
_COLOR_WINDOW = 15  # coarse pixels
_LARGE_SHARE = 0.5  # of the largest part's pixels
_SPECK = np.ones((3, 3), np.uint8)


def plane_color(lab: NDArray[np.float32], on_plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The plane's colour round every place: light differs over a table.

    The bottom of a plate lies on the plane too, but has the plate's colour: small parts that
    nothing connects to the rest do not count.

    Args:
        lab: (h, w, 3), as in ``Surface``.
        on_plane: (h, w), pixels on the plane.

    Returns:
        (h / 4, w / 4, 3) means over a window; infinite, which no colour is near, where none is.
    """
    parts, areas = plane_parts(on_plane)
    coarse = tuple(slice(min(_COARSE // 2, size - 1), None, _COARSE) for size in on_plane.shape)
    weight = (areas > _LARGE_SHARE * areas.max())[parts[coarse]].astype(np.float32)
    window = (_COLOR_WINDOW, _COLOR_WINDOW)
    total = cv2.blur(lab[coarse] * weight[..., None], window)
    count = cv2.blur(weight, window)[..., None]
    return np.where(count > 0, total / np.maximum(count, 1e-6), np.float32(np.inf))


def plane_parts(on_plane: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Parts of the plane that no more than a bridge connects: their numbers (h, w), 0 for none.

    Also returns how many pixels each number has, (N,); 0 has none.
    """
    opened = cv2.morphologyEx(on_plane.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return parts, areas


@compiled()
def color_off_plane(
    pixels: NDArray[np.intp], lab: NDArray[np.float32], plane_lab: NDArray[np.float32]
) -> float:
    """Mean difference of pixels, by index, from the plane's colour round their middle."""
    width = lab.shape[1]
    rows, cols = 0, 0
    for pixel in pixels:
        rows += pixel // width
        cols += pixel % width
    row = min(rows // len(pixels) // _COARSE, plane_lab.shape[0] - 1)
    col = min(cols // len(pixels) // _COARSE, plane_lab.shape[1] - 1)
    some = pixels[:: max(1, len(pixels) // _COLOR_SAMPLES)]
    total = 0.0
    for pixel in some:
        square = 0.0
        for channel in range(3):
            off = lab[pixel // width, pixel % width, channel] - plane_lab[row, col, channel]
            square += off * off
        total += np.sqrt(square)
    return total / len(some)


def color_distance(colors: NDArray[np.float32], color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between colours (..., 3) and one (3,): (...)."""
    return np.sqrt(((colors - color) ** 2).sum(axis=-1))
