"""Halos: strips of the plane along the outline of an object that have the depth of the object.

A stereo camera compares windows of pixels, so pixels beside an object get its depth too. In color
the outline is correct.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.segmentation.labels import Labels, connected_parts
from cvdl.segmentation.tabletop import Tabletop

__all__ = ["find_halos"]

_MAX_WIDTH = 6  # pixels of the reduced image
_CORE = 4  # pixels from the outline to the core of an object
_REACH = 8  # pixels: radius for the local colors of the plane and of the object
_MIN_PIXELS = 12  # pixels that define a color
#: Color differences (of ``Surface.lab``): a halo differs less from the plane, and it differs from
#: the object by at least this margin more.
_HALO_COLOR, _MARGIN = 8.0, 10.0
_NARROWEST = np.ones((2, 2), np.uint8)  # the colors mix in narrower strips
_AROUND = np.ones((3, 3), np.uint8)


def find_halos(labels: Labels, table: Tabletop) -> NDArray[np.bool_]:
    """Pixels of objects that belong to the plane beside them, by the colors of both.

    Returns:
        (h, w): strips along the outlines, with the scraps of an object that they cut off. An
        object without a core, for example a fork, has no halo.
    """
    objects, lab = labels > 0, table.surface.lab
    plane = table.on_plane & ~objects
    inwards = _distance_inwards(labels)
    size, border = (2 * _REACH + 1,) * 2, cv2.BORDER_CONSTANT
    around = cv2.boxFilter(_colors_of(plane, lab), -1, size, normalize=False, borderType=border)
    like_plane = _like_plane(labels, inwards, lab, around)
    strips = cv2.morphologyEx(like_plane, cv2.MORPH_OPEN, _NARROWEST)
    strips = cv2.dilate(strips, _AROUND) & like_plane
    halos = _parts_beside(connected_parts(strips)[0], plane)
    if not halos.any():
        return halos
    parts, _ = connected_parts(objects & ~halos)
    return halos | (_parts_beside(parts, halos) & ~_parts_beside(parts, inwards > _CORE))


@compiled()
def _colors_of(plane, lab):  # type: ignore[no-untyped-def]
    """The colors of the pixels of the plane, and 1; 0 elsewhere: (h, w, 4)."""
    colors = np.zeros((*plane.shape, 4), np.float32)
    for row in range(plane.shape[0]):
        for col in range(plane.shape[1]):
            if plane[row, col]:
                for channel in range(3):
                    colors[row, col, channel] = lab[row, col, channel]
                colors[row, col, 3] = 1
    return colors


def _parts_beside(parts: Labels, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels (h, w) of all connected parts that overlap or touch a mask."""
    return np.asarray(_parts_within(parts, cv2.dilate(mask.view(np.uint8), _AROUND)))


@compiled()
def _parts_within(parts, mask):  # type: ignore[no-untyped-def]
    """The pixels (h, w) of all connected parts that overlap a mask."""
    rows, cols = parts.shape
    is_within = np.zeros(parts.max() + 1, np.bool_)
    for i in range(rows):
        for j in range(cols):
            if mask[i, j] and parts[i, j]:
                is_within[parts[i, j]] = True
    found = np.empty((rows, cols), np.bool_)
    for i in range(rows):
        for j in range(cols):
            found[i, j] = is_within[parts[i, j]]
    return found


@compiled()
def _distance_inwards(labels: Labels) -> NDArray[np.float32]:
    """Distance of each pixel from the outline of its object: 1 at the outline, 0 outside."""
    rows, cols = labels.shape
    far = np.float32(rows + cols)
    distance = np.empty((rows, cols), np.float32)
    for forwards in (True, False):
        for step in range(rows):
            row = step if forwards else rows - 1 - step
            before = row - 1 if forwards else row + 1
            for place in range(cols):
                col = place if forwards else cols - 1 - place
                if labels[row, col] == 0:
                    distance[row, col] = 0.0
                    continue
                least = far if forwards else distance[row, col]
                for i, j, length in (  # the edge of the image is no outline
                    (before, col, 1.0),
                    (before, col - 1, 1.4),
                    (before, col + 1, 1.4),
                    (row, col - 1 if forwards else col + 1, 1.0),
                ):
                    if 0 <= i < rows and 0 <= j < cols:
                        same = labels[i, j] == labels[row, col]
                        least = min(least, np.float32((distance[i, j] if same else 0.0) + length))
                distance[row, col] = least
    return distance


@compiled()
def _like_plane(labels, inwards, lab, around):  # type: ignore[no-untyped-def]
    """Pixels near the outline with the color of the plane around them: of its total and count."""
    rows, cols = labels.shape
    found = np.zeros((rows, cols), np.uint8)
    for row in range(rows):
        for col in range(cols):
            label, pixels = labels[row, col], around[row, col, 3]
            if label == 0 or inwards[row, col] > _MAX_WIDTH or pixels < _MIN_PIXELS:
                continue
            square = 0.0
            for channel in range(3):
                square += (lab[row, col, channel] - around[row, col, channel] / pixels) ** 2
            off_plane = math.sqrt(square)
            if off_plane >= _HALO_COLOR:
                continue
            core, lightness, a, b = 0, 0.0, 0.0, 0.0
            for i in range(max(0, row - _REACH), min(rows, row + _REACH + 1)):
                for j in range(max(0, col - _REACH), min(cols, col + _REACH + 1)):
                    if labels[i, j] == label and inwards[i, j] > _CORE:
                        core += 1
                        lightness += lab[i, j, 0]
                        a += lab[i, j, 1]
                        b += lab[i, j, 2]
            if core < _MIN_PIXELS:
                continue
            off_core = math.sqrt(
                (lab[row, col, 0] - lightness / core) ** 2
                + (lab[row, col, 1] - a / core) ** 2
                + (lab[row, col, 2] - b / core) ** 2
            )
            if off_core > off_plane + _MARGIN:
                found[row, col] = 1
    return found
