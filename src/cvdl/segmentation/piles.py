"""Objects whose foot is hidden by other objects, on a crowded table.

The support plane is visible only between objects. An object outside of the visible part is removed
for visible reasons: it continues below the support, or the support ends in front of it. It belongs
to the support if it stands at the edge of the visible part, or touches an object that belongs to
it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.segmentation.labels import Labels
from cvdl.segmentation.tabletop import Tabletop

__all__ = ["supported_in_piles"]

_LEVEL = 0.015  # meters: on the plane, or clearly below it
_REACH = 3  # pixels of the reduced image between objects that touch
_TOUCHING = 0.05  # meters in depth between objects of a pile
_SAME_SURFACE = 0.02  # of the depth
#: Shares of the outline: along the edge of the support, at other objects, above a lower surface.
_FOOT, _CONTACT, _OVERHANG = 0.05, 0.25, 0.05
#: A wall: its extent, in extents of the visible support, and the share of its normals that do not
#: point up (cosine to the normal of the support).
_WALL_EXTENT, _WALL_SHARE, _WALL_COSINE = 0.5, 0.7, 0.92


def supported_in_piles(
    labels: Labels, table: Tabletop, supported: set[int], uncertain: set[int]
) -> set[int]:
    """The uncertain objects that stand on the support, directly or in a pile.

    Args:
        labels: of the objects, (h, w).
        table: their geometry, and the support plane.
        supported: labels of objects whose foot is on the visible part of the support.
        uncertain: labels of objects whose foot is not visible.
    """
    outline, foot, overhang, contact = _count_pairs(labels, table)
    candidates = {
        label
        for label in uncertain
        if overhang[label] < _OVERHANG * outline[label] and not _is_wall(labels, label, table)
    }
    found = {label for label in candidates if foot[label] > _FOOT * outline[label]}
    newest = supported | found
    while newest:
        touching = contact[:, list(newest)].sum(axis=1)
        newest = {
            label for label in candidates - found if touching[label] > _CONTACT * outline[label]
        }
        found |= newest
    return found


def _count_pairs(
    labels: Labels, table: Tabletop
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Counts pixel pairs along the outline of each of N objects.

    Returns:
        All pairs (N,), pairs with the support at the depth of the object (N,), pairs with a surface
        below the support at the depth of the object (N,), and pairs with each other object (N, N).
    """
    count = int(labels.max()) + 1
    surface, support = table.surface, table.support
    height = support.plane.height(surface.camera.deproject(surface.depth))
    around = labels == 0
    covered = surface.reduce(support.covers((table.camera.height, table.camera.width)))
    level, below = covered & around & (abs(height) < _LEVEL), around & (height < -_LEVEL)
    outline, foot, overhang = (np.zeros(count, np.intp) for _ in range(3))
    contact = np.zeros((count, count), np.intp)
    for axis in range(2):
        label, depth, on, under = (
            image.T if axis else image for image in (labels, surface.depth, level, below)
        )
        for step in range(1, _REACH + 1):
            here, there = np.s_[:, :-step], np.s_[:, step:]
            apart = np.abs(depth[here] - depth[there])
            for a, b in ((here, there), (there, here)):
                differs = (label[a] > 0) & (label[a] != label[b])
                near = differs & (apart < _SAME_SURFACE * depth[a])
                foot += np.bincount(label[a][near & on[b]], minlength=count)
                overhang += np.bincount(label[a][near & under[b]], minlength=count)
                if step == 1:
                    outline += np.bincount(label[a][differs], minlength=count)
                touching = differs & (label[b] > 0) & (apart < _TOUCHING)
                np.add.at(contact, (label[a][touching], label[b][touching]), 1)
    return outline, foot, overhang, contact


def _is_wall(labels: Labels, label: int, table: Tabletop) -> bool:
    """Whether a region is the wall of a bin or a room: steep, and long compared to the support."""
    mine = labels == label
    _, _, *size = cv2.boundingRect(mine.view(np.uint8))
    if max(np.array(size) * table.surface.factor / table.support.size) < _WALL_EXTENT:
        return False
    normals = table.surface.normals[mine]
    cosine = normals[normals[:, 2] != 0] @ table.support.plane.normal.astype(np.float32)
    return bool((cosine < _WALL_COSINE).mean() > _WALL_SHARE) if len(cosine) else False
