"""Searches poses of the gripper on the surfaces of a scene.

As in ten Pas et al. 2017 ("Grasp Pose Detection in Point Clouds", section III), the hand is tried
in several orientations, at several places, and pushed forward as far as it goes. Here, all
surfaces in the way of the hand are reduced to their profile: the smallest depth along the approach
for each place along the opening. A plate reaches as deep as the profile there, and what is between
two such places is what the hand can hold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene, SceneObject
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands, SceneCloud

__all__ = ["search_hands"]

Array = NDArray[np.float64]

_TURNS = 8  # directions of the opening for each approach
_SLOTS = np.array([0.0, -0.5, 0.5, -1.0, 1.0])  # places along the plates, see `_slots`
_NEAREST_SLOTS = 0.012  # meters between places along the plates, at least
_COLUMN = 0.004  # of a profile, meters
_COLUMNS = 80
_LEVEL = 0.005  # between depths of the tips that are tried, meters
_LEAST_GRIP = 0.005  # meters of the object between the plates, along the approach; less slips out
_GIVE = 0.002  # meters between the object and the opened plates, at least
_MARGIN, _MARGIN_NOISE = 0.006, 0.003  # the usual distance: meters at close range, and its growth
_PALM_GIVE = 0.003  # meters between the palm and the object
_LEAST_POINTS = 6  # on the object between the plates
_KEPT = 24  # poses of each object


def search_hands(cloud: SceneCloud, objects: tuple[SceneObject, ...], config: GraspConfig) -> Hands:
    """Return poses in which the gripper fits around a part of an object.

    Each object is approached against the normal of the support, from the camera, and between; the
    gripper closes along the axes of the object's box and between them.

    Args:
        cloud: surfaces of the scene.
        objects: to grasp.
        config: sizes of the gripper, and the approach.
    """
    parts = []
    for item in objects:
        own = cloud.points[cloud.label == item.label].astype(np.float64)
        if len(own) < _LEAST_POINTS:
            continue
        rotations = _rotations(item, cloud.plane.normal, config)
        found = _search(
            cloud.points, cloud.label, item.label, rotations, own,
            _sizes(config, item), (*cloud.plane.normal, cloud.plane.offset),
        )  # fmt: skip
        position, turn, opening, score = found
        chosen = _best(position, score)
        parts.append(
            Hands(
                position[chosen], rotations[turn[chosen]], opening[chosen],
                np.full(len(chosen), item.label),
            )
        )  # fmt: skip
    if not parts:
        return Hands(np.empty((0, 3)), np.empty((0, 3, 3)), np.empty(0), np.empty(0, np.int64))
    return Hands(
        np.concatenate([p.position for p in parts]), np.concatenate([p.rotation for p in parts]),
        np.concatenate([p.opening for p in parts]), np.concatenate([p.label for p in parts]),
    )  # fmt: skip


def _rotations(item: SceneObject, up: Array, config: GraspConfig) -> Array:
    """Orientations (Q, 3, 3) of the hand that are tried for an object."""
    away = item.box3d.center / np.linalg.norm(item.box3d.center)
    approaches = [-up]
    if config.approach == "surface":
        level = away - (away @ up) * up
        level /= max(float(np.linalg.norm(level)), 1e-9)
        approaches += [away, _unit(away - up), _unit(2 * level - up)]
    axis = item.box3d.rotation[:, int(item.box3d.size[1] < item.box3d.size[0])]
    rotations = []
    for z in approaches:
        x = _unit(axis - (axis @ z) * z)
        y = np.cross(z, x)
        for k in range(_TURNS):
            angle = k * math.pi / _TURNS
            turned = math.cos(angle) * x + math.sin(angle) * y
            rotations.append(np.stack([turned, np.cross(z, turned), z], axis=1))
    return np.array(rotations)


def _unit(vector: Array) -> Array:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _sizes(config: GraspConfig, item: SceneObject) -> tuple[float, ...]:
    """Of the gripper for an object, in the order of `_search`."""
    distance = float(np.linalg.norm(item.box3d.center))
    margin = _MARGIN + _MARGIN_NOISE * distance**2
    deepest = min(config.insertion, config.plate_length - _PALM_GIVE)
    return (
        config.max_opening, config.min_opening, config.plate_width, config.plate_thickness,
        config.plate_length, config.clearance, deepest, margin,
    )  # fmt: skip


def _best(position: Array, score: Array) -> NDArray[np.intp]:
    """Indices of the best poses."""
    return np.argsort(-score, kind="stable")[:_KEPT]


@compiled()
def _search(points, labels, label, rotations, own, sizes, plane):  # type: ignore[no-untyped-def]
    """Positions (N, 3) of hands around an object, the index (N,) of their rotation, openings and
    scores (N,).
    """
    most_open, least_open, width, thick, length, clearance, deepest, margin = sizes
    up = np.array([plane[0], plane[1], plane[2]])
    middle = np.zeros(3)
    for n in range(len(own)):
        middle += own[n] / len(own)
    reach = 0.0
    for n in range(len(own)):
        reach = max(reach, math.sqrt(((own[n] - middle) ** 2).sum()))
    # Points that a hand around the object can meet.
    near = np.empty((len(points), 3))
    is_own = np.empty(len(points), np.bool_)
    count = 0
    limit = (reach + most_open + thick + 0.02) ** 2
    for n in range(len(points)):
        dx, dy, dz = (
            points[n, 0] - middle[0], points[n, 1] - middle[1], points[n, 2] - middle[2],
        )  # fmt: skip
        if labels[n] == label or dx * dx + dy * dy + dz * dz < limit:
            near[count, 0], near[count, 1], near[count, 2] = dx, dy, dz
            is_own[count] = labels[n] == label
            count += 1
    most = len(rotations) * 5 * 24
    position = np.empty((most, 3))
    turn = np.empty(most, np.int64)
    opening = np.empty(most)
    score = np.empty(most)
    found = 0
    local = np.empty((count, 3))
    nearest = np.empty((2, _COLUMNS))
    left = np.empty(_COLUMNS)
    right = np.empty(_COLUMNS)
    for q in range(len(rotations)):
        r = rotations[q]
        low_y, high_y = np.inf, -np.inf
        for n in range(count):
            for k in range(3):
                local[n, k] = near[n, 0] * r[0, k] + near[n, 1] * r[1, k] + near[n, 2] * r[2, k]
            if is_own[n]:
                low_y, high_y = min(low_y, local[n, 1]), max(high_y, local[n, 1])
        slots = 5 if high_y - low_y > 4 * _NEAREST_SLOTS else 3 if high_y - low_y > 0.02 else 1
        for s in range(slots):
            # Half of the plate at the object's end stays on it.
            half = max(0.0, (high_y - low_y) / 2 - width / 2)
            y = (low_y + high_y) / 2 + _SLOTS[s] * half
            nearest[:] = np.inf
            left[:] = np.inf
            right[:] = -np.inf
            for n in range(count):
                across = abs(local[n, 1] - y)
                if across > width / 2 + (0 if is_own[n] else clearance):
                    continue
                c = int(local[n, 0] / _COLUMN + _COLUMNS / 2)
                if 0 <= c < _COLUMNS:
                    k = 0 if is_own[n] else 1
                    nearest[k, c] = min(nearest[k, c], local[n, 2])
                    if is_own[n]:
                        left[c] = min(left[c], local[n, 0])
                        right[c] = max(right[c], local[n, 0])
            top = nearest[0].min()
            if not top < np.inf:
                continue
            bottom = -np.inf
            for c in range(_COLUMNS):
                if nearest[0, c] < np.inf:
                    bottom = max(bottom, nearest[0, c])
            # Height of the plates' lowest corner over the support, per position along x and z.
            slope = np.array([(up * r[:, 0]).sum(), (up * r[:, 1]).sum(), (up * r[:, 2]).sum()])
            base = (up * middle).sum() + plane[3] + slope[1] * y - abs(slope[1]) * width / 2
            levels = int((min(bottom - top, 0.15) + deepest) / _LEVEL) + 1
            for level in range(1, levels):
                tip = top + level * _LEVEL
                c = 0
                while c < _COLUMNS:
                    if not nearest[0, c] < tip:
                        c += 1
                        continue
                    # A run of columns that is deeper than the tips, and narrow gaps.
                    first, last, gap = c, c, 0
                    c += 1
                    while c < _COLUMNS and gap * _COLUMN < thick + 2 * _GIVE:
                        if nearest[0, c] < tip:
                            last, gap = c, 0
                        else:
                            gap += 1
                        c += 1
                    c = last + 1
                    begin, end = left[first], right[last]
                    size = end - begin
                    wide = min(size + 2 * margin, most_open)
                    if size + 2 * _GIVE > most_open or wide < least_open:
                        continue
                    center = (begin + end) / 2
                    peak = np.inf
                    for k in range(first, last + 1):
                        peak = min(peak, nearest[0, k])
                    grip = tip - peak
                    if grip < _LEAST_GRIP or grip > deepest + _LEVEL / 2:
                        continue
                    outer = wide / 2 + thick
                    is_free = True
                    for k in range(_COLUMNS):
                        x = (k + 0.5 - _COLUMNS / 2) * _COLUMN - center
                        away = abs(x)
                        if away < outer + clearance + _COLUMN / 2:
                            if nearest[1, k] < tip - length + clearance:
                                is_free = False  # the palm
                            if away > wide / 2 - clearance and nearest[1, k] < tip + clearance:
                                is_free = False
                            if nearest[0, k] < tip - length + _PALM_GIVE:
                                is_free = False
                            if (
                                (k < first or k > last)
                                and wide / 2 < away < outer + _COLUMN / 2
                                and nearest[0, k] < tip
                            ):
                                is_free = False
                    if not is_free:
                        continue
                    # The table under the tips, and under the palm's corners.
                    at_tip = base + slope[2] * tip + slope[0] * center - abs(slope[0]) * outer
                    at_palm = at_tip - slope[2] * (length + 0.02)
                    if min(at_tip, at_palm) < clearance:
                        continue
                    # How much wider the object is than one level less deep: 0 past the widest.
                    above_begin, above_end = np.inf, -np.inf
                    for k in range(first, last + 1):
                        if nearest[0, k] < tip - _LEVEL:
                            above_begin = min(above_begin, left[k])
                            above_end = max(above_end, right[k])
                    widening = size - max(0.0, above_end - above_begin)
                    off = math.sqrt(center**2 + y**2)
                    if found < most:
                        for k in range(3):
                            position[found, k] = (
                                middle[k] + r[k, 0] * center + r[k, 1] * y + r[k, 2] * tip
                            )
                        turn[found] = q
                        opening[found] = wide
                        score[found] = (
                            min(grip, 0.03) / 0.03 - min(widening, 0.01) / 0.01 - off / 0.05
                            - size / 0.2
                        )
                        found += 1
    return position[:found], turn[:found], opening[:found], score[:found]
