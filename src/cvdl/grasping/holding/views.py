"""The scene as a gripper sees it: what the chance that it holds is predicted from.

As in GPD (ten Pas, Gualtieri, Saenko & Platt 2017, "Grasp Pose Detection in Point Clouds", section
on the representation of grasps), the points around the closing plates are projected along the axes
of the gripper. To these maps come numbers: where the surface is between the plates, finer than a
cell, how the gripper stands to the camera and the support, and its sizes.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
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
#: and that complete it, of others, the height over the support, the gripper, and what the camera
#: does not see, because something is nearer: there may be more than is known; seen along the
#: approach (x to the right, y downwards) the nearest surface of the object and of others, and where
#: the object is as deep as the plates.
CHANNELS = 9
_SEEN, _COMPLETED, _OTHERS, _SUPPORT, _GRIPPER, _HIDDEN = range(6)
_NEAREST, _NEAREST_OTHER, _BETWEEN = range(6, CHANNELS)
#: The first map that is seen along the approach.
_ALONG = _NEAREST
#: Middle of the maps to their sides, and along z before and past the tips, meters.
_HALF, _BEFORE, _PAST = np.float32(0.08), np.float32(0.11), np.float32(0.05)
#: Cells along each side of the parts of a map that are hidden or not, and how far behind a surface
#: a part is hidden beyond doubt, meters.
_PART, _BEHIND = 2, np.float32(0.03)
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
            np.nan_to_num(cloud.depth, nan=0.0),  # with fast arithmetic there is no NaN
            np.array(cloud.camera.intrinsics, np.float32),
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


#: Distance from the middle between the tips to the farthest corner of the maps, meters.
_REACH = np.sqrt(2 * _HALF**2 + _BEFORE**2)
#: Edge of the blocks that points are sorted into, and half of a block's diagonal, meters.
_BLOCK, _RADIUS = np.float32(0.03), np.float32(0.03 * np.sqrt(3) / 2)
#: Farther than any point, meters: with fast arithmetic there is no infinity.
_FAR = np.float32(1e3)
#: The thirteen directions to neighbors in a grid, (13, 3), without their opposites.
_DIRECTIONS = np.array(
    [each for each in product((-1, 0, 1), repeat=3) if each > (0, 0, 0)], np.float32
)


@compiled(fastmath=True)
def _draw(  # type: ignore[no-untyped-def]
    points, label, seen, plane, position, rotation, opening, hand_label, order, gripper, depth,
    intrinsics, maps, values,
):  # fmt: skip
    """`draw_views`; ``order`` (N,) sorts the hands by label."""
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
        thing = _thing(points, label, seen, own, plane)
        blocks = _blocks(points, label, seen, own, low - _REACH, high + _REACH)
        for k in range(first, last):
            n = order[k]
            _look(
                blocks, thing, plane, position[n], rotation[n], opening[n], gripper, maps[n],
                values[n],
            )  # fmt: skip
            _hide(depth, intrinsics, position[n], rotation[n], maps[n, _HIDDEN])
        first = last


@compiled()
def _hide(depth, intrinsics, position, rotation, hidden):  # type: ignore[no-untyped-def]
    """Fill a map (`SIDE`, `SIDE`): 1 where something hides it, and 0.5 where that is unknown."""
    fx, fy, cx, cy = intrinsics
    height, width = depth.shape
    for row in range(0, SIDE, _PART):
        for column in range(0, SIDE, _PART):
            x = (column + _PART / 2) * _CELL - _HALF
            z = (row + _PART / 2) * _CELL - _BEFORE
            away = position[2] + rotation[2, 0] * x + rotation[2, 2] * z
            is_hidden = 0.5
            if away > 0:
                right = position[0] + rotation[0, 0] * x + rotation[0, 2] * z
                down = position[1] + rotation[1, 0] * x + rotation[1, 2] * z
                u, v = int(fx * right / away + cx + 0.5), int(fy * down / away + cy + 0.5)
                if 0 <= u < width and 0 <= v < height and depth[v, u] > 0:
                    is_hidden = min(max((away - depth[v, u]) / _BEHIND, 0), 1)
            hidden[row : row + _PART, column : column + _PART] = is_hidden


@compiled(fastmath=True)
def _thing(points, label, seen, own, plane):  # type: ignore[no-untyped-def]
    """Of an object: middle (3,), extreme points (26, 3), share that is completed, highest point.

    The extents along the axes of a hand are those of the extreme points, nearly.
    """
    middle = np.zeros(3, np.float32)
    extremes = np.zeros((26, 3), np.float32)
    farthest = np.full(26, -_FAR, np.float32)
    count = completed = 0
    top = np.float32(0)
    for m in range(len(points)):
        if label[m] != own:
            continue
        x, y, z = points[m]
        count += 1
        completed += not seen[m]
        middle[0] += x
        middle[1] += y
        middle[2] += z
        top = max(top, plane[0] * x + plane[1] * y + plane[2] * z + plane[3])
        for d in range(13):
            along = _DIRECTIONS[d, 0] * x + _DIRECTIONS[d, 1] * y + _DIRECTIONS[d, 2] * z
            if along > farthest[d]:
                farthest[d] = along
                extremes[d, 0], extremes[d, 1], extremes[d, 2] = x, y, z
            if -along > farthest[13 + d]:
                farthest[13 + d] = -along
                extremes[13 + d, 0], extremes[13 + d, 1], extremes[13 + d, 2] = x, y, z
    if not count:
        return middle, extremes[:0], np.float32(0), top
    return middle / np.float32(count), extremes, np.float32(completed / count), top


@compiled(fastmath=True)
def _blocks(points, label, seen, own, low, high):  # type: ignore[no-untyped-def]
    """The points in a box, sorted into blocks.

    Returns:
        Points (K, 3), their kinds (K,), the middles (B, 3) of the blocks with any, and where the
        points of each block begin (B + 1,).
    """
    sides = np.empty(3, np.int64)
    for axis in range(3):
        sides[axis] = int((high[axis] - low[axis]) / _BLOCK) + 1
    block = np.full(len(points), -1, np.int64)
    counts = np.zeros(sides[0] * sides[1] * sides[2] + 1, np.int64)
    inside = 0
    for m in range(len(points)):
        x, y, z = points[m]
        if low[0] < x < high[0] and low[1] < y < high[1] and low[2] < z < high[2]:
            i, j = int((x - low[0]) / _BLOCK), int((y - low[1]) / _BLOCK)
            block[m] = (i * sides[1] + j) * sides[2] + int((z - low[2]) / _BLOCK)
            counts[block[m] + 1] += 1
            inside += 1
    used = (counts > 0).sum()
    middles, starts = np.empty((used, 3), np.float32), np.zeros(used + 1, np.int64)
    found = 0
    for b in range(len(counts) - 1):
        if counts[b + 1]:
            middles[found, 0] = low[0] + (b // (sides[1] * sides[2]) + 0.5) * _BLOCK
            middles[found, 1] = low[1] + (b // sides[2] % sides[1] + 0.5) * _BLOCK
            middles[found, 2] = low[2] + (b % sides[2] + 0.5) * _BLOCK
            found += 1
            starts[found] = starts[found - 1] + counts[b + 1]
        counts[b + 1] += counts[b]  # from here on where the points of a block begin
    near, kind = np.empty((inside, 3), np.float32), np.empty(inside, np.int64)
    for m in range(len(points)):
        if block[m] >= 0:
            at = counts[block[m]]
            counts[block[m]] += 1
            near[at, 0], near[at, 1], near[at, 2] = points[m]
            kind[at] = _OTHERS if label[m] != own else _SEEN if seen[m] else _COMPLETED
    return near, kind, middles, starts


@compiled(fastmath=True)
def _look(  # type: ignore[no-untyped-def]
    blocks, thing, plane, position, rotation, opening, gripper, maps, values
):
    """What one hand sees: its maps and values."""
    max_opening, thickness, width, length = gripper
    half, outer, aside = opening / 2, opening / 2 + thickness, width / 2
    xx, xy, xz = rotation[0, 0], rotation[1, 0], rotation[2, 0]
    yx, yy, yz = rotation[0, 1], rotation[1, 1], rotation[2, 1]
    zx, zy, zz = rotation[0, 2], rotation[1, 2], rotation[2, 2]
    px, py, pz = position
    per = np.float32(1 / _CELL)
    lowest = np.full(_LEVELS + _STRIPS + 1, _FAR, np.float32)
    highest = np.full(_LEVELS + _STRIPS + 1, -_FAR, np.float32)
    seen_between = completed_between = own_inside = others_inside = 0
    nearest = _FAR
    points, kind, middles, starts = blocks
    for block in range(len(middles)):
        dx, dy, dz = middles[block, 0] - px, middles[block, 1] - py, middles[block, 2] - pz
        z = zx * dx + zy * dy + zz * dz
        if (
            abs(xx * dx + xy * dy + xz * dz) >= _HALF + _RADIUS
            or abs(yx * dx + yy * dy + yz * dz) >= _HALF + _RADIUS
            or z < -_BEFORE - _RADIUS
            or z >= _PAST + _RADIUS
        ):
            continue
        for m in range(starts[block], starts[block + 1]):
            dx, dy, dz = points[m, 0] - px, points[m, 1] - py, points[m, 2] - pz
            x = xx * dx + xy * dy + xz * dz
            y = yx * dx + yy * dy + yz * dz
            z = zx * dx + zy * dy + zz * dz
            if abs(x) >= _HALF or abs(y) >= _HALF or z < -_BEFORE or z >= _PAST:
                continue
            is_own = kind[m] != _OTHERS
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
    middle_of, extremes, completed_share, top = thing
    values[16] = completed_share
    values[17] = others_inside / (others_inside + 4.0)
    values[18] = own_inside / (own_inside + 4.0)
    values[19] = -nearest / 0.05 if nearest < 0 else 0.0
    if len(extremes):
        for axis in range(3):
            ax, ay, az = rotation[0, axis], rotation[1, axis], rotation[2, axis]
            offset = ax * (middle_of[0] - px) + ay * (middle_of[1] - py) + az * (middle_of[2] - pz)
            low, high = _FAR, -_FAR
            for e in range(len(extremes)):
                along = ax * extremes[e, 0] + ay * extremes[e, 1] + az * extremes[e, 2]
                low, high = min(low, along), max(high, along)
            values[20 + axis] = min(max(offset / 0.1, -2), 2)
            values[23 + axis] = min((high - low) / 0.2, 2)
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
