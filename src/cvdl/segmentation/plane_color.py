"""The color of the support plane: a region of this color may be the plane, despite its depth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels, connected_parts

__all__ = ["PLANE_COLOR", "color_off_plane", "plane_color_map", "plane_parts"]

#: A color that differs by less (in ``Surface.lab``) is the color of the plane.
PLANE_COLOR = 6.0
_COLOR_SAMPLES = 200  # pixels of a region
_COARSE = 4  # pixels of the reduced image
_COLOR_WINDOW = 15  # coarse pixels
_LARGE_SHARE = 0.5  # of the pixels of the largest part
_SPECK = np.ones((3, 3), np.uint8)


def plane_color_map(lab: NDArray[np.float32], on_plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The local color of the plane: light varies over a table.

    The bottom of a plate lies on the plane too, but has the color of the plate: small parts that
    are not connected to the rest do not count.

    Args:
        lab: (h, w, 3), as in ``Surface``.
        on_plane: (h, w), pixels on the plane.

    Returns:
        (h / 4, w / 4, 3) means over a window; infinite, far from every color, where there is no
        plane.
    """
    parts, areas = plane_parts(on_plane)
    coarse = tuple(slice(min(_COARSE // 2, size - 1), None, _COARSE) for size in on_plane.shape)
    weight = (areas > _LARGE_SHARE * areas.max())[parts[coarse]].astype(np.float32)
    window = (_COLOR_WINDOW, _COLOR_WINDOW)
    total = cv2.blur(lab[coarse] * weight[..., None], window)
    count = cv2.blur(weight, window)[..., None]
    return np.where(count > 0, total / np.maximum(count, 1e-6), np.float32(np.inf))


def plane_parts(on_plane: NDArray[np.bool_]) -> tuple[Labels, NDArray[np.intp]]:
    """The parts of the plane (h, w), cut at narrow bridges; see ``connected_parts``."""
    opened = cv2.morphologyEx(on_plane.view(np.uint8), cv2.MORPH_OPEN, _SPECK)
    return connected_parts(opened, connectivity=8)


@compiled()
def color_off_plane(
    pixels: NDArray[np.intp], lab: NDArray[np.float32], color_map: NDArray[np.float32]
) -> float:
    """Mean difference of pixels, by flat index, from the color of the plane around their center."""
    width = lab.shape[1]
    rows, cols = 0, 0
    for pixel in pixels:
        rows += pixel // width
        cols += pixel % width
    row = min(rows // len(pixels) // _COARSE, color_map.shape[0] - 1)
    col = min(cols // len(pixels) // _COARSE, color_map.shape[1] - 1)
    some = pixels[:: max(1, len(pixels) // _COLOR_SAMPLES)]
    total = 0.0
    for pixel in some:
        square = 0.0
        for channel in range(3):
            off = lab[pixel // width, pixel % width, channel] - color_map[row, col, channel]
            square += off * off
        total += np.sqrt(square)
    return total / len(some)
