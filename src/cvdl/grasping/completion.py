"""Completes the objects of a scene by what the camera does not see of them.

A gripper's plates go where the camera does not look: behind an object and beside it down to the
support. What is there is guessed from what is usual on tables. After Thrun & Wegbreit 2005 ("Shape
from symmetry") and Bohg et al. 2011 ("Mind the gap: robotic grasping under incomplete
observation"):

1. A ball is a sphere that touches what it lies on.
2. What is round about an upright axis, such as a can or a bowl, goes on around this axis.
3. Everything else is alike after half a turn about the upright axis through its middle.
4. What stands on the support, or on another object, reaches down to it.

A guess gives way to what the camera sees: guessed points are hidden by what is nearer, or lie on
the object where it has no depth. Others are left out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Scene
from cvdl.grasping.hands import SceneCloud

__all__ = ["complete_scene"]

Array = NDArray[np.float64]

_SPACING = 0.004  # of the points, meters
_OBSTACLE_SPACING = 0.008  # of points on what is no object
_REACH = 0.2  # distance of obstacles from objects, meters, at most
_ABOVE = 0.008  # lower points of obstacles belong to the support, meters
_CELL = 0.005  # of the height maps, and spacing of guessed points, meters
_NEXT = 0.006  # distance of the neighbors that normals are from, meters
_JUMP = 0.03  # depth of a neighbor on the same surface: at most this share nearer or farther
_BIN = 0.008  # heights that share a radius, meters
_STEEP = 0.35  # least horizontal part of a normal on the side of an object
_NEAR_FIT = 0.004  # meters from a fitted shape, at distances where the noise is less
_NOISE = 0.003  # growth of that with the square of the distance, 1/meters
_FITS, _BALL_FITS = 0.8, 0.9  # shares of the points that must be near a round shape, and a ball
_SIDES = 0.2  # share of the points that must be on the sides of a round shape
_SPREAD = 0.6  # of the radius of a ball: a smaller part of it is as good as a plane
_AROUND = 10  # sectors of 10 degrees that must be seen of a round shape
_SIDE_POINTS = 20  # least number to fit a shape to
_LARGEST_RADIUS = 0.14  # of round shapes, meters
_SMALLEST_BALL, _LARGEST_BALL = 0.01, 0.08  # radius, meters
_ON_SUPPORT = 0.015  # an object that is seen so low stands on the support, meters
_LOW, _HIGH = 0.05, 0.9  # shares of points below the lowest and the highest: the rest may be noise
_BESIDE = 0.012  # surfaces at about this distance are beside an object, meters
_REDUCED_WIDTH = 160  # of the depth that tells what is hidden, pixels, at least
_STEP = 0.006  # difference of heights of neighboring cells that is a wall, meters


def complete_scene(frame: RgbdFrame, scene: Scene) -> SceneCloud:
    """Return the surfaces of a scene with its objects completed.

    Args:
        frame: with depth.
        scene: with labels, a plane and objects.
    """
    plane, camera = scene.plane, frame.camera
    assert plane is not None
    upright = _upright(plane.normal)
    boxes = np.array([item.box2d for item in scene.objects]).reshape(-1, 4)
    window = _window(boxes, frame.depth.shape, _pixels(frame, scene))
    middles = {item.label: item.box3d.center @ upright[:, :2] for item in scene.objects}
    points, label, normals = _surfaces(
        frame.depth, scene.labels, camera.intrinsics, plane.normal, plane.offset, window
    )
    near = _is_near(points, label)
    points, label, normals = points[near], label[near], normals[near]
    guessed, owner = _guesses(points @ upright, label, normals @ upright, middles, plane.offset)
    guessed = guessed @ upright.T
    keep = _is_possible(guessed, owner, frame.depth, scene.labels, camera.intrinsics)
    guessed, owner = guessed[keep], owner[keep]
    return SceneCloud(
        np.concatenate([points, guessed]).astype(np.float32),
        np.concatenate([label, owner]),
        np.arange(len(points) + len(guessed)) < len(points),
        plane,
        *_reduced(frame),
    )


def _reduced(frame: RgbdFrame) -> tuple[NDArray[np.float32], Camera]:
    """The depth with a lower resolution, and its camera."""
    factor = max(1, frame.camera.width // _REDUCED_WIDTH)
    camera = frame.camera.reduced(factor)
    middle = slice(factor // 2, None, factor)
    return frame.depth[middle, middle][: camera.height, : camera.width].copy(), camera


def _upright(normal: Array) -> Array:
    """A rotation (3, 3) whose third column is the normal of the support."""
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first), normal], axis=1)


def _pixels(frame: RgbdFrame, scene: Scene) -> int:
    """Pixels in the reach of obstacles."""
    near = min((float(item.box3d.center[2]) for item in scene.objects), default=1.0)
    return round(_REACH * float(frame.camera.fx) / max(near, 0.1))


def _window(boxes: Array, shape: tuple[int, ...], reach: int) -> tuple[int, int, int, int]:
    """First and last rows and columns around the boxes (N, 4) of objects."""
    rows, cols = shape
    if not len(boxes):
        return 0, 0, 0, 0
    u0, v0 = boxes[:, :2].min(axis=0)
    u1, v1 = boxes[:, 2:].max(axis=0)
    return (
        max(0, int(v0) - reach), min(rows, int(v1) + reach),
        max(0, int(u0) - reach), min(cols, int(u1) + reach),
    )  # fmt: skip


def _is_near(points: Array, label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether points (M, 3) are in the reach of objects, (M,)."""
    own = points[label > 0]
    if not len(own):
        return label > 0
    low, high = own.min(axis=0) - _REACH, own.max(axis=0) + _REACH
    return np.asarray(((points > low) & (points < high)).all(axis=1))


@compiled()
def _surfaces(depth, labels, intrinsics, up, offset, window):  # type: ignore[no-untyped-def]
    """Points (M, 3) of objects and obstacles, their labels (M,), and normals (M, 3) or 0.

    Pixels are skipped so that points are as far apart as the constants say, at most.
    """
    fx, fy, cx, cy = intrinsics
    top, bottom, left, right = window
    size = max(0, bottom - top) * max(0, right - left)
    points = np.empty((size, 3))
    label = np.empty(size, np.int64)
    normals = np.zeros((size, 3))
    count = 0
    for i in range(top, bottom):
        for j in range(left, right):
            which = np.int64(labels[i, j])
            if which == PLANE_LABEL:
                continue
            d = np.float64(depth[i, j])
            if not d > 0:
                continue
            is_object = which >= FIRST_OBJECT_LABEL
            spacing = _SPACING if is_object else _OBSTACLE_SPACING
            step = max(1, int(spacing * fx / d))
            if i % step or j % step:
                continue
            x, y = (j - cx) / fx * d, (i - cy) / fy * d
            if not is_object:
                which = np.int64(0)
                if up[0] * x + up[1] * y + up[2] * d + offset < _ABOVE:
                    continue
            # A reading without neighbors at its depth lies between two surfaces.
            reach = max(1, int(_NEXT * fx / d))
            near = np.zeros(4, np.bool_)
            for k in range(4):
                r = i + (reach if k == 0 else -reach if k == 1 else 0)
                c = j + (reach if k == 2 else -reach if k == 3 else 0)
                if 0 <= r < depth.shape[0] and 0 <= c < depth.shape[1]:
                    other = np.float64(depth[r, c])
                    near[k] = abs(other - d) < _JUMP * d
            if not ((near[0] or near[1]) and (near[2] or near[3])):
                continue
            points[count, 0], points[count, 1], points[count, 2] = x, y, d
            label[count] = which
            if is_object:
                r0 = i - reach if near[1] else i
                r1 = i + reach if near[0] else i
                c0 = j - reach if near[3] else j
                c1 = j + reach if near[2] else j
                da, db = np.float64(depth[r0, j]), np.float64(depth[r1, j])
                dc, de = np.float64(depth[i, c0]), np.float64(depth[i, c1])
                ax = (j - cx) / fx * (db - da)
                ay = (r1 - cy) / fy * db - (r0 - cy) / fy * da
                az = db - da
                bx = (c1 - cx) / fx * de - (c0 - cx) / fx * dc
                by = (i - cy) / fy * (de - dc)
                bz = de - dc
                nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
                length = math.sqrt(nx * nx + ny * ny + nz * nz)
                if length > 0:
                    if nx * x + ny * y + nz * d > 0:
                        length = -length
                    normals[count, 0] = nx / length
                    normals[count, 1] = ny / length
                    normals[count, 2] = nz / length
            count += 1
    return points[:count], label[:count], normals[:count]


def _guesses(
    points: Array,
    label: NDArray[np.int64],
    normals: Array,
    middles: dict[int, Array],
    offset: float,
) -> tuple[Array, NDArray[np.int64]]:
    """Guessed points (G, 3) of all objects, and their labels; all in the upright frame.

    ``middles`` (2,) are those of the objects' boxes, by label.
    """
    height = points + np.array([0.0, 0.0, offset])
    parts, owners = [np.empty((0, 3))], [np.empty(0, np.int64)]
    for which, middle in middles.items():
        own = label == which
        if not own.any():
            continue
        base = _base(height, own)
        shifted = height[own] - [0.0, 0.0, base]
        near = _NEAR_FIT + _NOISE * float((points[own] ** 2).sum(axis=1).mean())
        part = _complete(shifted, normals[own], middle, near)
        part += [0.0, 0.0, base - offset]
        parts.append(part)
        owners.append(np.full(len(part), which))
    return np.concatenate(parts), np.concatenate(owners)


@compiled()
def _base(points, own):  # type: ignore[no-untyped-def]
    """Height of what an object lies on: of the highest surface around it below what is seen.

    Args:
        points: (N, 3), the third coordinate is the height over the support.
        own: (N,), whether they are on the object.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    count = 0
    for n in range(len(points)):
        if own[n]:
            count += 1
            for i in range(2):
                low[i], high[i] = min(low[i], points[n, i]), max(high[i], points[n, i])
    heights = np.empty(count)
    count = 0
    for n in range(len(points)):
        if own[n]:
            heights[count] = points[n, 2]
            count += 1
    heights.sort()
    lowest = heights[int(_LOW * count)]
    if lowest < _ON_SUPPORT:
        return 0.0
    rows = int((high[0] - low[0]) / _BESIDE) + 4
    cols = int((high[1] - low[1]) / _BESIDE) + 4
    near = np.zeros((rows, cols), np.bool_)
    for n in range(len(points)):
        if own[n]:
            r = int((points[n, 0] - low[0]) / _BESIDE) + 1
            c = int((points[n, 1] - low[1]) / _BESIDE) + 1
            near[r - 1 : r + 2, c - 1 : c + 2] = True
    beside = np.empty(len(points))
    count = 0
    for n in range(len(points)):
        if own[n] or points[n, 2] > lowest + _ON_SUPPORT:
            continue
        r = math.floor((points[n, 0] - low[0]) / _BESIDE) + 1
        c = math.floor((points[n, 1] - low[1]) / _BESIDE) + 1
        if 0 <= r < rows and 0 <= c < cols and near[r, c]:
            beside[count] = points[n, 2]
            count += 1
    if count < _SIDE_POINTS:
        return 0.0
    beside = np.sort(beside[:count])
    return min(beside[int(_HIGH * count)], lowest)


@compiled()
def _complete(points, normals, middle, near):  # type: ignore[no-untyped-def]
    """Guessed points (G, 3) of one object; the third coordinate is the height over its base.

    Args:
        points: (N, 3).
        normals: (N, 3), likewise upright, or 0.
        middle: (2,) of the object's box.
        near: largest distance from a shape that fits, meters.
    """
    center, fits = _fit_ball(points, near)
    if fits:
        return _ball(center)
    axis, sides, fits = _fit_axis(points, normals, near)
    if fits:
        return _round(points, sides, axis)
    return _walls(points, middle)


@compiled()
def _fit_ball(points, near):  # type: ignore[no-untyped-def]
    """Center (3,) of the sphere on the base through points, and whether there is one.

    Its radius is the center's height. Gauss and Newton's method on the distances.
    """
    center = np.zeros(3)
    count = len(points)
    if count < _SIDE_POINTS:
        return center, False
    top = 0.0
    for n in range(count):
        center += points[n] / count
        top = max(top, points[n, 2])
    mean = center.copy()
    center[2] = top / 2
    a = np.zeros((3, 3))
    b = np.zeros(3)
    slope = np.empty(3)
    for _ in range(8):
        a[:] = 0
        b[:] = 0
        for n in range(count):
            d = points[n] - center
            away = math.sqrt((d**2).sum()) + 1e-9
            slope[:] = -d / away
            slope[2] -= 1
            error = away - center[2]
            for i in range(3):
                b[i] -= slope[i] * error
                for j in range(3):
                    a[i, j] += slope[i] * slope[j]
        center += _solved(a, b)
        if not _SMALLEST_BALL < center[2] < _LARGEST_BALL:
            return center, False
    fitting = 0
    spread = 0.0
    for n in range(count):
        away = math.sqrt(((points[n] - center) ** 2).sum())
        fitting += abs(away - center[2]) < near
        spread = max(spread, math.sqrt(((points[n] - mean) ** 2).sum()))
    return center, fitting > _BALL_FITS * count and spread > _SPREAD * center[2]


@compiled()
def _solved(a, b):  # type: ignore[no-untyped-def]
    """Solution (3,) of a symmetric 3 x 3 system by Cramer's rule; 0 of a singular one."""
    c00 = a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1]
    c01 = a[0, 2] * a[2, 1] - a[0, 1] * a[2, 2]
    c02 = a[0, 1] * a[1, 2] - a[0, 2] * a[1, 1]
    det = a[0, 0] * c00 + a[1, 0] * c01 + a[2, 0] * c02
    x = np.zeros(3)
    if abs(det) < 1e-30:
        return x
    x[0] = (c00 * b[0] + c01 * b[1] + c02 * b[2]) / det
    c10 = a[1, 2] * a[2, 0] - a[1, 0] * a[2, 2]
    c11 = a[0, 0] * a[2, 2] - a[0, 2] * a[2, 0]
    c12 = a[0, 2] * a[1, 0] - a[0, 0] * a[1, 2]
    x[1] = (c10 * b[0] + c11 * b[1] + c12 * b[2]) / det
    c20 = a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0]
    c21 = a[0, 1] * a[2, 0] - a[0, 0] * a[2, 1]
    c22 = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    x[2] = (c20 * b[0] + c21 * b[1] + c22 * b[2]) / det
    return x


@compiled()
def _bins_of(points):  # type: ignore[no-untyped-def]
    """The bin (N,) of each point's height, and the number of bins."""
    bins = np.empty(len(points), np.int64)
    most = 0
    for n in range(len(points)):
        bins[n] = max(0, int(points[n, 2] / _BIN))
        most = max(most, bins[n])
    return bins, most + 1


@compiled()
def _fit_axis(points, normals, near):  # type: ignore[no-untyped-def]
    """Place (2,) of the upright axis that the sides are round about, and whether they are.

    As in `_fit_ball`, with a constant for each bin of heights; points far off are left out of the
    next round. Also returns which points (N,) are on the sides after the last one, 0 or 1.
    """
    bins, count = _bins_of(points)
    weight = np.zeros(len(points))
    sides = 0
    for n in range(len(points)):
        steep = math.sqrt(normals[n, 0] ** 2 + normals[n, 1] ** 2)
        weight[n] = steep > _STEEP
        sides += steep > _STEEP
    axis = np.zeros(2)
    if sides < _SIDE_POINTS or sides < _SIDES * len(points):
        return axis, weight, False
    used = weight.copy()
    radius = np.zeros(count)
    for _ in range(4):
        total = np.full(count, 1e-9)
        mean = np.zeros((count, 3))
        for n in range(len(points)):
            k = bins[n]
            x, y = points[n, 0], points[n, 1]
            total[k] += used[n]
            mean[k, 0] += used[n] * x
            mean[k, 1] += used[n] * y
            mean[k, 2] += used[n] * (x * x + y * y)
        a00 = a01 = a11 = b0 = b1 = 0.0
        for n in range(len(points)):
            k = bins[n]
            x = points[n, 0] - mean[k, 0] / total[k]
            y = points[n, 1] - mean[k, 1] / total[k]
            s = points[n, 0] ** 2 + points[n, 1] ** 2 - mean[k, 2] / total[k]
            a00 += used[n] * x * x
            a01 += used[n] * x * y
            a11 += used[n] * y * y
            b0 += used[n] * x * s / 2
            b1 += used[n] * y * s / 2
        det = a00 * a11 - a01 * a01
        if det < 1e-12:
            return axis, weight, False
        axis[0] = (a11 * b0 - a01 * b1) / det
        axis[1] = (a00 * b1 - a01 * b0) / det
        total[:] = 1e-9
        radius[:] = 0
        for n in range(len(points)):
            away = math.hypot(points[n, 0] - axis[0], points[n, 1] - axis[1])
            total[bins[n]] += used[n]
            radius[bins[n]] += used[n] * away
        radius /= total
        for n in range(len(points)):
            away = math.hypot(points[n, 0] - axis[0], points[n, 1] - axis[1])
            fits = abs(away - radius[bins[n]]) < 2 * near and away < _LARGEST_RADIUS
            used[n] = weight[n] * fits
    fitting = 0.0
    around = np.zeros(36, np.bool_)
    for n in range(len(points)):
        dx, dy = points[n, 0] - axis[0], points[n, 1] - axis[1]
        away = math.hypot(dx, dy)
        if used[n] and abs(away - radius[bins[n]]) < near:
            fitting += 1
            around[int((math.atan2(dy, dx) / (2 * math.pi) + 0.5) * 35.999)] = True
    return axis, used, fitting > _FITS * sides and around.sum() >= _AROUND


@compiled()
def _ball(center):  # type: ignore[no-untyped-def]
    """Points (G, 3) on a sphere, one for each cell of its surface (Fibonacci's spiral)."""
    radius = center[2]
    count = int(4 * math.pi * radius**2 / _CELL**2) + 1
    guessed = np.empty((count, 3))
    for k in range(count):
        z = 1 - (2 * k + 1) / count
        r = math.sqrt(1 - z * z)
        angle = k * math.pi * (3 - math.sqrt(5.0))
        guessed[k, 0] = center[0] + radius * r * math.cos(angle)
        guessed[k, 1] = center[1] + radius * r * math.sin(angle)
        guessed[k, 2] = center[2] + radius * z
    return guessed


@compiled()
def _round(points, sides, axis):  # type: ignore[no-untyped-def]
    """Points (G, 3) of the rings around an axis; below the lowest side, rings as wide as it."""
    bins, count = _bins_of(points)
    total = np.zeros(count)
    radius = np.zeros(count)
    for n in range(len(points)):
        if sides[n]:
            total[bins[n]] += 1
            radius[bins[n]] += math.hypot(points[n, 0] - axis[0], points[n, 1] - axis[1])
    last = 0.0
    for k in range(count - 1, -1, -1):
        if total[k] >= 3:  # fewer may be noise
            last = radius[k] / total[k]
        radius[k] = last  # also where a bin has no side: it is hidden
    rings = int(_BIN / _CELL) + 1
    size = 0
    for k in range(count):
        size += rings * (int(2 * math.pi * radius[k] / _CELL) + 1)
    guessed = np.empty((size, 3))
    g = 0
    for k in range(count):
        if radius[k] == 0:
            continue
        around = int(2 * math.pi * radius[k] / _CELL) + 1
        for ring in range(rings):
            height = (k + (ring + 0.5) / rings) * _BIN
            for m in range(around):
                angle = 2 * math.pi * m / around
                guessed[g, 0] = axis[0] + radius[k] * math.cos(angle)
                guessed[g, 1] = axis[1] + radius[k] * math.sin(angle)
                guessed[g, 2] = height
                g += 1
    return guessed[:g]


@compiled()
def _walls(points, middle):  # type: ignore[no-untyped-def]
    """Points (G, 3) after half a turn about the middle, and of walls down to what is lower."""
    low = np.full(2, np.inf)
    high = np.full(2, -np.inf)
    for n in range(len(points)):
        for i in range(2):
            other = 2 * middle[i] - points[n, i]
            low[i] = min(low[i], points[n, i], other)
            high[i] = max(high[i], points[n, i], other)
    rows = int((high[0] - low[0]) / _CELL) + 3
    cols = int((high[1] - low[1]) / _CELL) + 3
    seen = np.zeros((rows, cols))
    turned = np.zeros((rows, cols))
    for n in range(len(points)):
        height = points[n, 2]
        r = int((points[n, 0] - low[0]) / _CELL) + 1
        c = int((points[n, 1] - low[1]) / _CELL) + 1
        seen[r, c] = max(seen[r, c], height)
        r = int((2 * middle[0] - points[n, 0] - low[0]) / _CELL) + 1
        c = int((2 * middle[1] - points[n, 1] - low[1]) / _CELL) + 1
        turned[r, c] = max(turned[r, c], height)
    heights = np.where(seen > 0, seen, turned)
    filled = heights.copy()
    for r in range(1, rows - 1):
        for c in range(1, cols - 1):
            if heights[r, c] == 0:
                around = 0
                lowest = np.inf
                for i in range(-1, 2):
                    for j in range(-1, 2):
                        if heights[r + i, c + j] > 0:
                            around += 1
                            lowest = min(lowest, heights[r + i, c + j])
                if around >= 5:  # most of its eight neighbors
                    filled[r, c] = lowest
    size = 0
    for r in range(rows):
        for c in range(cols):
            size += 1 + 4 * int(filled[r, c] / _CELL + 1)
    guessed = np.empty((size, 3))
    g = 0
    for r in range(1, rows - 1):
        for c in range(1, cols - 1):
            top = filled[r, c]
            if top == 0:
                continue
            lowest = top
            for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                lowest = min(lowest, filled[r + i, c + j])
            x = low[0] + (r - 0.5) * _CELL
            y = low[1] + (c - 0.5) * _CELL
            if seen[r, c] == 0:
                guessed[g, 0], guessed[g, 1], guessed[g, 2] = x, y, top
                g += 1
            if top - lowest > _STEP:
                height = top - _CELL
                while height > lowest:
                    guessed[g, 0], guessed[g, 1], guessed[g, 2] = x, y, height
                    g += 1
                    height -= _CELL
    return guessed[:g]


@compiled()
def _is_possible(guessed, owner, depth, labels, intrinsics):  # type: ignore[no-untyped-def]
    """Whether the depth allows guessed points (G, 3) and does not show the same surface, (G,)."""
    fx, fy, cx, cy = intrinsics
    rows, cols = depth.shape
    keep = np.zeros(len(guessed), np.bool_)
    for n in range(len(guessed)):
        x, y, z = guessed[n]
        if z <= 0:
            continue
        j, i = round(cx + fx * x / z), round(cy + fy * y / z)
        if not (0 <= i < rows and 0 <= j < cols):
            keep[n] = True
            continue
        d = depth[i, j]
        # It is hidden, or it would be seen, unless its object has no depth there.
        keep[n] = d < z - _CELL or (labels[i, j] == owner[n] and not d > 0)
    return keep
