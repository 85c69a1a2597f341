"""Things whose foot is hidden: on a crowded table, others stand before it.

The support is seen only where nothing stands on it. A thing outside of the seen part is refused for
what is seen (it goes on below the support, or the support has ended before it), not for what is
hidden: it belongs to the support if it stands at the edge of the seen part, or touches a thing that
does.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.segmentation.plane import SupportPlane
from cvdl.segmentation.surface import Surface

__all__ = ["things_in_piles"]

_LEVEL = 0.015  # metres from the plane: on it, or clearly below it
_REACH = 3  # pixels of the reduced image across which two things touch
_TOUCHING = 0.05  # metres in depth: things of a pile stand close together
_SAME_SURFACE = 0.02  # of the depth
#: Shares of a thing's outline: along the support's edge, at other things, above something lower.
_FOOT, _CONTACT, _OVERHANG = 0.05, 0.25, 0.05
#: A wall: its extent in those of the seen support, and the share of its normals that do not point
#: up (cosine to the support's normal).
_WALL_EXTENT, _WALL_SHARE, _WALL_COSINE = 0.5, 0.7, 0.92


def things_in_piles(
    groups: NDArray[np.int32],
    surface: Surface,
    support: SupportPlane,
    carried: set[int],
    doubtful: set[int],
    camera: Camera,
) -> set[int]:
    """Those of the doubtful things that the support carries, directly or on a pile.

    Args:
        groups: (h, w) int32, 0 for none, else one number a thing.
        surface: their geometry.
        support: the support plane.
        carried: numbers of things whose foot is on the seen part of the support.
        doubtful: numbers of things whose foot is not seen.
        camera: intrinsics of the full image.
    """
    outline, foot, overhang, contact = _borders(
        groups, surface, support, (camera.height, camera.width)
    )
    left = {
        thing
        for thing in doubtful
        if overhang[thing] < _OVERHANG * outline[thing]
        and not _is_wall(groups, thing, surface, support)
    }
    found = {thing for thing in left if foot[thing] > _FOOT * outline[thing]}
    newest = carried | found
    while newest:
        beside = contact[:, list(newest)].sum(axis=1)
        newest = {thing for thing in left - found if beside[thing] > _CONTACT * outline[thing]}
        found |= newest
    return found


def _borders(
    groups: NDArray[np.int32], surface: Surface, support: SupportPlane, shape: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of pixels along the outline of each of N things.

    Returns:
        All of them (N,), those with the support at the thing's depth (N,), those with something
        below the support at the thing's depth (N,), and those with each other thing (N, N).
    """
    count = int(groups.max()) + 1
    height = support.plane.height(surface.camera.deproject(surface.everything))
    around = groups == 0
    seen = surface.reduce(support.covers(shape))
    level, below = seen & around & (abs(height) < _LEVEL), around & (height < -_LEVEL)
    outline, foot, overhang = (np.zeros(count, np.intp) for _ in range(3))
    contact = np.zeros((count, count), np.intp)

    def pairs(first: NDArray[Any], wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(first[wanted], minlength=count)

    for turned in (False, True):
        thing, depth, on, under = (
            each.T if turned else each for each in (groups, surface.everything, level, below)
        )
        for step in range(1, _REACH + 1):
            here, there = np.s_[:, :-step], np.s_[:, step:]
            apart = np.abs(depth[here] - depth[there])
            for a, b in ((here, there), (there, here)):
                is_thing = (thing[a] > 0) & (thing[a] != thing[b])
                near = is_thing & (apart < _SAME_SURFACE * depth[a])
                foot += pairs(thing[a], near & on[b])
                overhang += pairs(thing[a], near & under[b])
                if step == 1:
                    outline += pairs(thing[a], is_thing)
                touching = is_thing & (thing[b] > 0) & (apart < _TOUCHING)
                np.add.at(contact, (thing[a][touching], thing[b][touching]), 1)
    return outline, foot, overhang, contact


def _is_wall(
    groups: NDArray[np.int32], thing: int, surface: Surface, support: SupportPlane
) -> bool:
    """Whether a thing is the wall of a bin or a room: steep, and long beside what it bounds."""
    mine = groups == thing
    _, _, *size = cv2.boundingRect(mine.view(np.uint8))
    if max(np.array(size) * surface.factor / support.size) < _WALL_EXTENT:
        return False
    normals = surface.normals[mine]
    cosine = normals[normals[:, 2] != 0] @ support.plane.normal.astype(np.float32)
    return bool((cosine < _WALL_COSINE).mean() > _WALL_SHARE) if len(cosine) else False
