"""The scene as a gripper sees it: what the chance that it holds is predicted from.

As in GPD (ten Pas, Gualtieri, Saenko & Platt 2017, "Grasp Pose Detection in Point Clouds", section
on the representation of grasps), the points around the closing plates are projected along the axes
of the gripper. To these maps come numbers: where the surface is between the plates, finer than a
cell, how the gripper stands to the camera and the support, and its sizes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.grasping.hands import PALM, Hands, SceneCloud
from cvdl.grasping.holding.executed import GripperSizes

__all__ = ["CHANNELS", "SIDE", "VALUES", "Views", "draw_views", "mirrored"]

#: Cells along each side of a map, and the size of a cell, meters.
SIDE, _CELL = 32, np.float32(0.005)
#: Maps: across the plates (x to the right, z downwards) those of the object's points that are seen
#: and that complete it, of others, the height over the support and the gripper; seen along the
#: approach (x to the right, y downwards) the nearest surface of the object and of others, and where
#: the object is as deep as the plates.
CHANNELS = 8
_SEEN, _COMPLETED, _OTHERS, _SUPPORT, _GRIPPER, _NEAREST, _NEAREST_OTHER, _BETWEEN = range(CHANNELS)
#: The first map that is seen along the approach.
_ALONG = _NEAREST
#: Middle of the maps to their sides, and along z before and past the tips, meters.
_HALF, _BEFORE, _PAST = np.float32(0.08), np.float32(0.11), np.float32(0.05)
#: Points this far beside the plates, along y, are in the maps across them, meters.
_BESIDE = np.float32(0.002)
#: Levels along z and strips along y where the surface between the plates is measured: their number,
#: and the distance from one to the next, meters. The levels end this far past the tips.
_LEVELS, _LEVEL, _LOWEST = 10, np.float32(0.005), np.float32(0.005)
_STRIPS, _STRIP = 5, np.float32(0.006)

_NAMES = [
    "opening", "largest opening", "plate thickness", "plate width", "plate length",
    "approach to support", "closing to support", "plates to support",
    "approach to sight", "closing to sight", "plates to sight",
    "height of middle", "height of lowest corner", "distance",
    "seen between", "completed between", "completed share", "others in gripper", "own in gripper",
    "insertion", "object x", "object y", "object z", "extent x", "extent y", "extent z",
    "top of object", "middle", "width",
    *(f"{what} at level {k}" for k in range(_LEVELS) for what in ("any", "middle", "width")),
    *(f"{what} at strip {k}" for k in range(_STRIPS) for what in ("any", "middle", "width")),
]  # fmt: skip
#: Number of values.
VALUES = len(_NAMES)
_FIRST_LEVEL = _NAMES.index("any at level 0")
_FIRST_STRIP = _NAMES.index("any at strip 0")


def _signs(*odd: str) -> NDArray[np.float32]:
    return np.array([-1 if name.partition(" at ")[0] in odd else 1 for name in _NAMES], np.float32)


#: Of the values when the gripper is mirrored along x; along y.
_SIGN_X = _signs("closing to support", "closing to sight", "object x", "middle")
_SIGN_Y = _signs("plates to support", "plates to sight", "object y")
#: The order of the values when the gripper is mirrored along y: the strips are reversed.
_ORDER_Y = np.arange(VALUES)
_ORDER_Y[_FIRST_STRIP:] = _ORDER_Y[_FIRST_STRIP:].reshape(_STRIPS, 3)[::-1].ravel()


class Views(NamedTuple):
    """What N hands see.

    Attributes:
        maps: (N, `CHANNELS`, `SIDE`, `SIDE`) float32.
        values: (N, `VALUES`) float32, about -1 to 1.
    """

    maps: NDArray[np.float32]
    values: NDArray[np.float32]


def draw_views(cloud: SceneCloud, hands: Hands, sizes: GripperSizes) -> Views:
    """Draw what hands see.

    Args:
        cloud: surfaces of the scene.
        hands: N poses, each for an object of the cloud.
        sizes: of the gripper.
    """
    maps = np.zeros((len(hands), CHANNELS, SIDE, SIDE), np.float32)
    values = np.zeros((len(hands), VALUES), np.float32)
    if len(hands):
        _draw(
            np.ascontiguousarray(cloud.points, np.float32),
            np.asarray(cloud.label, np.int64),
            np.asarray(cloud.seen, np.bool_),
            np.append(cloud.plane.normal, cloud.plane.offset).astype(np.float32),
            hands.position.astype(np.float32),
            hands.rotation.astype(np.float32),
            hands.opening.astype(np.float32),
            np.asarray(hands.label, np.int64),
            np.argsort(hands.label, kind="stable"),
            np.array([*asdict(sizes).values()], np.float32),
            maps,
            values,
        )
    return Views(maps, values)


def mirrored(views: Views, along_x: bool, along_y: bool) -> Views:
    """The views of the mirrored scene; along both axes is half a turn about the approach."""
    maps, values = views
    if along_x:
        maps, values = maps[..., ::-1], values * _SIGN_X
    if along_y:
        maps = np.concatenate([maps[:, :_ALONG], maps[:, _ALONG:, ::-1]], axis=1)
        values = values[:, _ORDER_Y] * _SIGN_Y
    return Views(np.ascontiguousarray(maps), values)


@compiled(fastmath=True)
def _draw(  # type: ignore[no-untyped-def]
    points, label, seen, plane, position, rotation, opening, hand_label, order, gripper, maps,
    values,
):  # fmt: skip
    """`draw_views`; ``order`` (N,) sorts the hands by label."""
    near = np.empty((len(points), 3), np.float32)
    kind = np.empty(len(points), np.int64)
    first = 0
    while first < len(order):
        own = hand_label[order[first]]
        last = first
        low, high = position[order[first]].copy(), position[order[first]].copy()
        while last < len(order) and hand_label[order[last]] == own:
            for axis in range(3):
                low[axis] = min(low[axis], position[order[last], axis])
                high[axis] = max(high[axis], position[order[last], axis])
            last += 1
        count = _gather(points, label, seen, own, low - _REACH, high + _REACH, near, kind)
        for k in range(first, last):
            n = order[k]
            _look(
                near[:count], kind[:count], plane, position[n], rotation[n], opening[n], gripper,
                maps[n], values[n],
            )  # fmt: skip
        first = last


#: Distance from the middle between the tips to the farthest corner of the maps, meters.
_REACH = np.sqrt(2 * _HALF**2 + _BEFORE**2)


@compiled(fastmath=True)
def _gather(points, label, seen, own, low, high, near, kind):  # type: ignore[no-untyped-def]
    """Collect the points of an object and those in a box, and their kinds; return their number."""
    count = 0
    for m in range(len(points)):
        x, y, z = points[m]
        is_own = label[m] == own
        if is_own or (low[0] < x < high[0] and low[1] < y < high[1] and low[2] < z < high[2]):
            near[count, 0], near[count, 1], near[count, 2] = x, y, z
            kind[count] = _OTHERS if not is_own else _SEEN if seen[m] else _COMPLETED
            count += 1
    return count


@compiled(fastmath=True)
def _look(  # type: ignore[no-untyped-def]
    points, kind, plane, position, rotation, opening, gripper, maps, values
):
    """What one hand sees: its maps and values."""
    max_opening, thickness, width, length = gripper
    half, outer, aside = opening / 2, opening / 2 + thickness, width / 2
    xx, xy, xz = rotation[0, 0], rotation[1, 0], rotation[2, 0]
    yx, yy, yz = rotation[0, 1], rotation[1, 1], rotation[2, 1]
    zx, zy, zz = rotation[0, 2], rotation[1, 2], rotation[2, 2]
    per = np.float32(1 / _CELL)
    lowest = np.full(_LEVELS + _STRIPS + 1, np.inf, np.float32)
    highest = np.full(_LEVELS + _STRIPS + 1, -np.inf, np.float32)
    low, high = np.full(3, np.inf, np.float32), np.full(3, -np.inf, np.float32)
    total = np.zeros(3, np.float32)
    own = completed = seen_between = completed_between = own_inside = others_inside = 0
    nearest, top = np.float32(np.inf), np.float32(0)
    px, py, pz = position
    for m in range(len(points)):
        dx, dy, dz = points[m, 0] - px, points[m, 1] - py, points[m, 2] - pz
        is_own = kind[m] != _OTHERS
        x = xx * dx + xy * dy + xz * dz
        if not is_own and abs(x) >= _HALF:
            continue
        y = yx * dx + yy * dy + yz * dz
        z = zx * dx + zy * dy + zz * dz
        if is_own:
            own += 1
            completed += kind[m] == _COMPLETED
            total[0] += x
            total[1] += y
            total[2] += z
            low[0], low[1], low[2] = min(low[0], x), min(low[1], y), min(low[2], z)
            high[0], high[1], high[2] = max(high[0], x), max(high[1], y), max(high[2], z)
            top = max(
                top,
                plane[0] * points[m, 0]
                + plane[1] * points[m, 1]
                + plane[2] * points[m, 2]
                + plane[3],
            )
        if abs(x) >= _HALF or z < -_BEFORE or z >= _PAST or abs(y) >= _HALF:
            continue
        column = int((x + _HALF) * per)
        row = int((y + _HALF) * per)
        if abs(y) < aside + _BESIDE:
            maps[kind[m], int((z + _BEFORE) * per), column] += 1
            if -length - PALM < z < 0 and abs(x) < outer and (z < -length or abs(x) > half):
                own_inside += is_own
                others_inside += not is_own
        height = (_PAST - z) / (_PAST + _BEFORE)
        channel = _NEAREST if is_own else _NEAREST_OTHER
        maps[channel, row, column] = max(maps[channel, row, column], height)
        if not is_own or abs(x) > half:
            continue
        is_between = -length < z < 0
        if is_between:
            maps[_BETWEEN, row, column] += 1
            strip = int(np.floor(y / _STRIP + _STRIPS / 2))
            if 0 <= strip < _STRIPS:
                lowest[_LEVELS + strip] = min(lowest[_LEVELS + strip], x)
                highest[_LEVELS + strip] = max(highest[_LEVELS + strip], x)
        if abs(y) < aside + _BESIDE:
            nearest = min(nearest, z)
            level = int(np.floor((_LOWEST - z) / _LEVEL))
            if 0 <= level < _LEVELS:
                lowest[level], highest[level] = min(lowest[level], x), max(highest[level], x)
            if is_between:
                seen_between += kind[m] == _SEEN
                completed_between += kind[m] == _COMPLETED
                lowest[-1], highest[-1] = min(lowest[-1], x), max(highest[-1], x)
    for channel in (_SEEN, _COMPLETED, _OTHERS, _BETWEEN):
        for row in range(SIDE):
            for column in range(SIDE):
                count = maps[channel, row, column]
                if count > 0:
                    maps[channel, row, column] = count / (count + 2)

    nx = plane[0] * xx + plane[1] * xy + plane[2] * xz
    ny = plane[0] * yx + plane[1] * yy + plane[2] * yz
    nz = plane[0] * zx + plane[1] * zy + plane[2] * zz
    middle = plane[0] * position[0] + plane[1] * position[1] + plane[2] * position[2] + plane[3]
    for row in range(SIDE):
        z = (row + 0.5) * _CELL - _BEFORE
        on_plates = min(max(z + _CELL / 2, -length), 0) - min(max(z - _CELL / 2, -length), 0)
        palm = -length - PALM
        on_palm = min(max(z + _CELL / 2, palm), -length) - min(max(z - _CELL / 2, palm), -length)
        for column in range(SIDE):
            x = (column + 0.5) * _CELL - _HALF
            height = (middle + nx * x + nz * z) / 0.05
            maps[_SUPPORT, row, column] = min(max(height, -1), 1)
            if on_plates > 0 or on_palm > 0:
                right, left = abs(x) + _CELL / 2, abs(x) - _CELL / 2
                to_outer = min(right, outer) - min(left, outer)
                to_inner = min(right, half) - min(left, half)
                maps[_GRIPPER, row, column] = (
                    on_plates * (to_outer - to_inner) + on_palm * to_outer
                ) / (_CELL * _CELL)

    far = np.sqrt(position[0] ** 2 + position[1] ** 2 + position[2] ** 2)
    sx, sy, sz = position[0] / far, position[1] / far, position[2] / far
    corner = middle - abs(nx) * outer - abs(ny) * aside
    some = max(own, 1)
    values[0], values[1] = opening / 0.1, max_opening / 0.1
    values[2], values[3], values[4] = thickness / 0.02, width / 0.03, length / 0.08
    values[5], values[6], values[7] = nz, nx, ny
    values[8] = zx * sx + zy * sy + zz * sz
    values[9] = xx * sx + xy * sy + xz * sz
    values[10] = yx * sx + yy * sy + yz * sz
    values[11], values[12] = min(middle / 0.1, 3), min(max(corner / 0.02, -2), 2)
    values[13] = far
    values[14] = seen_between / (seen_between + 20.0)
    values[15] = completed_between / (completed_between + 20.0)
    values[16] = completed / some
    values[17] = others_inside / (others_inside + 4.0)
    values[18] = own_inside / (own_inside + 4.0)
    values[19] = -nearest / 0.05 if nearest < 0 else 0.0
    if own:
        for axis in range(3):
            values[20 + axis] = min(max(total[axis] / some / 0.1, -2), 2)
            values[23 + axis] = min((high[axis] - low[axis]) / 0.2, 2)
    values[26] = min(top / 0.2, 2)
    if lowest[-1] <= highest[-1]:
        values[27] = (lowest[-1] + highest[-1]) / 0.1
        values[28] = (highest[-1] - lowest[-1]) / 0.1
    for k in range(_LEVELS + _STRIPS):
        if lowest[k] <= highest[k]:
            start = _FIRST_LEVEL + 3 * k
            values[start] = 1
            values[start + 1] = (lowest[k] + highest[k]) / 0.1
            values[start + 2] = (highest[k] - lowest[k]) / 0.1
