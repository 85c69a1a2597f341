"""Grasp poses from grasp rectangles, after Lenz, Lee & Saxena 2014, section on robot experiments.

In the paper, the position is at the smallest depth in the central third of the rectangle, and the
approach is the mean surface normal there. Here, the smallest depth is measured along the approach,
which also holds for a camera that looks from the side. The opening is where the viewing rays of
the ends of the rectangle meet the plane through the surface, perpendicular to the approach: its
direction and length are those on the object, not those in the image. Along the opening, the
gripper is centered on the visible part of the object between the plates: from the side, a
rectangle around the outline of an object is not centered on the object.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL, Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["PALM", "REASONS", "GraspPoses", "grasp_poses", "nearest_labels"]

Array = NDArray[np.float64]

#: Reasons to reject a rectangle; the first one that applies counts.
REASONS = (
    "no object",
    "no depth between the plates",
    "opening out of reach",
    "plates meet the table",
    "gripper meets a neighbor",
    "gripper meets the object",
)
_NO_OBJECT, _NO_DEPTH, _OPENING, _TABLE, _NEIGHBOR, _OBJECT = range(len(REASONS))

_GRID = 9  # samples per side of the central third of a rectangle
_LONG_GRID = 25  # samples along the whole opening
_EXTREME = 0.02  # quantile for the extent between the plates: robust to outliers
_SOME = 6  # least number of samples on the object
_NEAREST = 0.1  # quantile for the smallest depth: robust to outliers
_MIDDLE = 9  # samples on the object nearest to the center: the surface there
#: Largest ratio of the variances across and along a patch with a normal.
_FLATNESS = 0.25
_MIN_INSERTION = 0.005  # meters; with less, objects slip out
#: Thickness of the palm along the approach, meters.
PALM = 0.02
#: Meters that points of the object may lie in a plate: outlines are blurred.
_GIVE = 0.003
#: Share of the tip of a plate that visible surface may fill: noise.
_TOUCH = 0.15
_WINDOW_SAMPLES = 250  # sampled pixels for each part of a gripper


@dataclass(frozen=True)
class GraspPoses:
    """Poses of N rectangles; those of rejected ones are undefined.

    Attributes:
        position: (N, 3), midpoint between the tips of the plates, meters.
        rotation: (N, 3, 3), columns x along the opening, y along the plates, z the approach.
        opening_m: (N,) meters, at most that of the gripper.
        share: (N,) ratio of this opening to that of the rectangle: less than 1 if the rectangle
            is wider than the gripper.
        reason: (N,) int, index in `REASONS`; -1 for accepted rectangles.
    """

    position: Array
    rotation: Array
    opening_m: Array
    share: Array
    reason: NDArray[np.int64]

    @property
    def refused(self) -> Counter[str]:
        """Number of rejected rectangles by reason."""
        return Counter(REASONS[reason] for reason in self.reason if reason >= 0)


def nearest_labels(
    center: NDArray[np.floating], labels: NDArray[np.uint16], reach: float
) -> NDArray[np.uint16]:
    """Return the label of the nearest object of each pixel.

    Args:
        center: (N, 2), (u, v), pixels.
        labels: (H, W), see `cvdl.core.scene.Scene`.
        reach: largest distance of the object, pixels.

    Returns:
        (N,) labels, 0 if no object is in reach.
    """
    span = np.arange(-math.floor(reach), math.floor(reach) + 1)
    offsets = np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2)
    distance = np.hypot(*offsets.T)
    order = np.argsort(distance, kind="stable")
    offsets = offsets[order][distance[order] <= reach]
    found: NDArray[np.uint16] = _first_labels(np.rint(center).astype(np.int64), offsets, labels)
    return found


def grasp_poses(
    rectangles: GraspRectangles,
    label: NDArray[np.integer],
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
    plane: Plane,
    config: GraspConfig,
) -> GraspPoses:
    """Return the pose of each rectangle, or the reason to reject it.

    Rectangles wider than the gripper's opening are narrowed around their center; the collision
    check finds out whether the object fits between the plates. If the approach against the normal
    of the object is impossible, that against the normal of the table is tried; the reason of the
    first one counts.

    Only visible surfaces are checked: there may be collisions behind and under objects.

    Args:
        rectangles: N rectangles.
        label: (N,) labels of the objects to grasp; 0 for none.
        frame: color and depth.
        labels: (H, W), see `cvdl.core.scene.Scene`.
        plane: the support plane.
        config: the gripper and the approach.
    """
    samples = _sample(rectangles, np.asarray(label), frame, labels)
    down = np.tile(-plane.normal, (len(rectangles), 1))
    if config.approach == "plane":
        return _poses(samples, down, frame, labels, plane, config)
    poses = _poses(samples, _into_surface(samples, down), frame, labels, plane, config)
    again = np.flatnonzero(poses.reason >= _OPENING)
    others = _poses(samples[again], down[again], frame, labels, plane, config)
    works = others.reason < 0
    for name in ("position", "rotation", "opening_m", "share", "reason"):
        getattr(poses, name)[again[works]] = getattr(others, name)[works]
    return poses


@dataclass(frozen=True)
class _Samples:
    """Samples of the depth in N rectangles.

    Attributes:
        rectangles: N rectangles.
        label: (N,) labels of the objects to grasp.
        points: (N, K, 3) in the central third, from its center on, meters; 0 without a reading.
        own: (N, K), whether they are on the object.
        enough: (N,), whether there are enough readings.
        between: (N, L, 3) along the whole opening, meters.
        between_own: (N, L), whether they are on the object.
    """

    rectangles: GraspRectangles
    label: NDArray[np.integer]
    points: Array
    own: NDArray[np.bool_]
    enough: NDArray[np.bool_]
    between: Array
    between_own: NDArray[np.bool_]

    def __getitem__(self, index: NDArray[np.intp]) -> _Samples:
        return _Samples(
            self.rectangles[index],
            self.label[index],
            self.points[index],
            self.own[index],
            self.enough[index],
            self.between[index],
            self.between_own[index],
        )


def _poses(
    samples: _Samples,
    approach: Array,
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
    plane: Plane,
    config: GraspConfig,
) -> GraspPoses:
    """`grasp_poses` for given approaches, unit vectors (N, 3)."""
    rectangles, label, enough = samples.rectangles, samples.label, samples.enough
    level = np.einsum("nki,ni->nk", samples.points, approach)
    surface, nearest = _levels(level, samples.own, enough)
    left, right, middle = _meet(rectangles, frame.camera, approach, surface)
    across = right - left
    wanted = np.linalg.norm(across, axis=1)
    x = np.divide(across, wanted[:, None], out=np.zeros_like(across), where=wanted[:, None] > 0)
    opening = np.minimum(wanted, config.max_opening)
    rotation = np.stack([x, np.cross(approach, x), approach], axis=2)
    position = middle + (nearest - surface)[:, None] * approach
    position = _centered(samples, position, rotation, opening, config)

    insertion, over_table = _insertion(position, rotation, opening, plane, config)
    position = position + insertion[:, None] * approach

    reason = np.full(len(rectangles), -1)
    for code, is_fine in (
        (_NO_OBJECT, label > 0),
        (_NO_DEPTH, enough),
        (_OPENING, opening >= config.min_opening),  # false for NaN
        (_TABLE, over_table),
    ):
        reason[(reason < 0) & ~is_fine] = code
    left_over = np.flatnonzero(reason < 0)
    touch = _TOUCH * config.plate_thickness * config.plate_width
    is_narrowed = (opening < wanted)[left_over]  # to the exact opening of the gripper
    give = np.where(is_narrowed, 0, _GIVE)
    others, itself = _touched(
        frame.depth,
        labels,
        _intrinsics(frame.camera),
        position[left_over],
        rotation[left_over],
        np.stack(
            [
                _parts(opening[left_over], config, config.clearance, np.zeros(len(left_over))),
                _parts(opening[left_over], config, 0, give),
            ]
        ),
        label[left_over].astype(np.int64),
        touch,
    )
    for code, meets in (  # later ones override
        (_OBJECT, itself > touch),
        (_NEIGHBOR, others > touch),
        (_OPENING, (itself > touch) & is_narrowed),
    ):
        reason[left_over[meets]] = code
    share = np.divide(opening, wanted, out=np.ones_like(opening), where=wanted > opening)
    return GraspPoses(position, rotation, opening, share, reason)


@compiled()
def _first_labels(center, offsets, labels):  # type: ignore[no-untyped-def]
    """Label (N,) of the first object at the offsets (K, 2) from each center (N, 2); 0 for none."""
    rows, cols = labels.shape
    found = np.zeros(len(center), np.uint16)
    for n in range(len(center)):
        for k in range(len(offsets)):
            u, v = center[n, 0] + offsets[k, 0], center[n, 1] + offsets[k, 1]
            if 0 <= u < cols and 0 <= v < rows and labels[v, u] >= FIRST_OBJECT_LABEL:
                found[n] = labels[v, u]
                break
    return found


def _sample(
    rectangles: GraspRectangles,
    label: NDArray[np.integer],
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
) -> _Samples:
    """Samples between the plates: in the central third of the opening, and in all of it."""
    turn = np.stack([np.cos(rectangles.angle), np.sin(rectangles.angle)], axis=1)
    sides = np.stack([rectangles.opening, rectangles.plate], axis=1)

    def look(shares: Array) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
        found: tuple[Array, NDArray[np.bool_], NDArray[np.bool_]] = _look(
            *(frame.depth, labels, _intrinsics(frame.camera)),
            *(rectangles.center, turn, sides, label.astype(np.int64), shares),
        )
        return found

    points, own, seen = look(_grid(_GRID, _GRID) * [1 / 3, 1])
    enough = (own.sum(axis=1) >= _SOME) & (seen.mean(axis=1) >= 0.5)
    between, between_own, _ = look(_grid(_LONG_GRID, _GRID // 2))
    return _Samples(rectangles, label, points, own, enough, between, between_own)


def _grid(along: int, across: int) -> Array:
    """Shares of a rectangle's sides in [-0.5, 0.5], the center first, (along * across, 2)."""
    x, y = ((np.arange(count) + 0.5) / count - 0.5 for count in (along, across))
    shares = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return shares[np.argsort(np.hypot(*shares.T), kind="stable")]


@compiled()
def _look(depth, labels, intrinsics, center, turn, sides, label, shares):  # type: ignore[no-untyped-def]
    """What is at shares (K, 2) of the sides (N, 2) of rectangles.

    Returns points (N, K, 3), meters, 0 without a reading; whether they are on the object (N, K);
    whether there is a reading (N, K). ``turn`` (N, 2) are cosine and sine of the angles.
    """
    fx, fy, cx, cy = intrinsics
    rows, cols = depth.shape
    points = np.zeros((len(center), len(shares), 3))
    own = np.zeros((len(center), len(shares)), np.bool_)
    seen = np.zeros_like(own)
    for n in range(len(center)):
        cos, sin = turn[n]
        for k in range(len(shares)):
            s, t = shares[k, 0] * sides[n, 0], shares[k, 1] * sides[n, 1]
            u = np.rint(center[n, 0] + cos * s - sin * t)
            v = np.rint(center[n, 1] + sin * s + cos * t)
            if not (0 <= u < cols and 0 <= v < rows):
                continue
            d = np.float64(depth[int(v), int(u)])
            if not np.isfinite(d):
                continue
            points[n, k, 0] = (u - cx) / fx * d
            points[n, k, 1] = (v - cy) / fy * d
            points[n, k, 2] = d
            own[n, k] = labels[int(v), int(u)] == label[n]
            seen[n, k] = True
    return points, own, seen


def _into_surface(samples: _Samples, down: Array) -> Array:
    """Unit vectors (N, 3) against the mean surface normal of the object in the samples."""
    points, own = samples.points, samples.own
    weight = own / np.maximum(own.sum(axis=1, keepdims=True), 1)
    mean = np.einsum("nk,nki->ni", weight, points)
    offset = points - mean[:, None]
    spread = np.einsum("nk,nki,nkj->nij", weight, offset, offset, optimize=True)
    values, vectors = np.linalg.eigh(spread)
    normal = vectors[:, :, 0]
    normal = normal * np.where(np.einsum("ni,ni->n", normal, mean) < 0, -1, 1)[:, None]
    # Readings along a line have no normal: use that of the table.
    is_flat = values[:, 0] < _FLATNESS * values[:, 1]
    return np.where(is_flat[:, None], normal, down)


def _levels(level: Array, own: NDArray[np.bool_], enough: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Depth along the approach of the surface at the center (N,) and of its nearest part (N,)."""
    is_middle = own & (own.cumsum(axis=1) <= _MIDDLE)
    surface = _quantile(level, is_middle, 0.5)
    nearest = _quantile(level, own, _NEAREST)
    return np.where(enough, surface, np.nan), np.where(enough, nearest, np.nan)


def _quantile(values: Array, mask: NDArray[np.bool_], share: float) -> Array:
    """Quantile of the masked values of each row; infinite if there are none."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    index = (share * np.maximum(mask.sum(axis=1) - 1, 0)).astype(np.intp)
    return ordered[np.arange(len(ordered)), index]


def _meet(
    rectangles: GraspRectangles, camera: Camera, approach: Array, level: Array
) -> tuple[Array, Array, Array]:
    """Intersections of the rays of both ends and of the center with p . approach = level.

    Three times (N, 3), meters; NaN if a ray is parallel to the plane or points away from it.
    """
    half = np.stack([np.cos(rectangles.angle), np.sin(rectangles.angle)], axis=1)
    half *= rectangles.opening[:, None] / 2
    ends = np.stack([-half, half, np.zeros_like(half)]) + rectangles.center
    rays = camera.deproject_pixels(ends, np.ones(ends.shape[:2]))
    slope = np.einsum("eni,ni->en", rays, approach)
    distance = np.full_like(slope, np.nan)
    np.divide(level, slope, out=distance, where=slope > 1e-6)
    left, right, middle = rays * distance[..., None]
    return left, right, middle


def _centered(
    samples: _Samples, position: Array, rotation: Array, opening: Array, config: GraspConfig
) -> Array:
    """Positions (N, 3) centered along x on the visible object between the plates.

    And moved along z to the nearest sample in the central third there.
    """
    x, y, z = np.moveaxis((samples.between - position[:, None]) @ rotation, 2, 0)
    inside = samples.between_own & (z < config.insertion + _GIVE)
    inside &= (np.abs(x) < opening[:, None] / 2) & (np.abs(y) < config.plate_width / 2)
    middle = (_quantile(x, inside, _EXTREME) + _quantile(x, inside, 1 - _EXTREME)) / 2
    is_third = inside & (np.abs(x - middle[:, None]) < opening[:, None] / 6)
    enough = is_third.sum(axis=1) >= _SOME
    shift = np.stack([middle, np.zeros(len(x)), _quantile(z, is_third, _NEAREST)], axis=1)
    shift[~enough] = 0
    return position + np.einsum("nij,nj->ni", rotation, shift)


def _insertion(
    position: Array, rotation: Array, opening: Array, plane: Plane, config: GraspConfig
) -> tuple[Array, NDArray[np.bool_]]:
    """Insertion of the tips (N,), meters, and whether the plates stay above the table (N,)."""
    slope = plane.normal @ rotation  # (N, 3): of the axes of the gripper, away from the table
    reach = (
        np.abs(slope[:, 0]) * (opening / 2 + config.plate_thickness)
        + np.abs(slope[:, 1]) * config.plate_width / 2
    )
    room = plane.height(position) - reach - config.clearance  # of the lowest corner at the tips
    insertion = np.full(len(position), config.insertion)
    goes_down = slope[:, 2] < -1e-6
    np.divide(room, -slope[:, 2], out=insertion, where=goes_down)
    insertion = np.minimum(insertion, config.insertion)
    lowest = room + np.minimum(
        insertion * slope[:, 2], (insertion - config.plate_length) * slope[:, 2]
    )
    return insertion, (lowest >= -1e-9) & (insertion >= min(_MIN_INSERTION, config.insertion))


def _parts(opening: Array, config: GraspConfig, margin: float, give: Array) -> Array:
    """Plates and palm as boxes along the axes of the gripper: (N, 3, 2, 3), low and high corners.

    Args:
        opening: (N,) meters.
        config: the gripper.
        margin: meters added to every side of the boxes.
        give: (N,) meters by which the plates are farther apart, and the palm is farther back.
    """
    inner, outer = opening / 2 + give, opening / 2 + give + config.plate_thickness
    palm = -config.plate_length - give
    boxes = np.empty((len(opening), 3, 2, 3))
    boxes[..., 0, 1], boxes[..., 1, 1] = -config.plate_width / 2, config.plate_width / 2
    boxes[:, :2, 0, 2], boxes[:, :2, 1, 2] = -config.plate_length, 0
    boxes[:, 2, 0, 2], boxes[:, 2, 1, 2] = palm - PALM, palm
    for part, low, high in ((0, -outer, -inner), (1, inner, outer), (2, -outer, outer)):
        boxes[:, part, 0, 0], boxes[:, part, 1, 0] = low, high
    return boxes + np.array([-margin, margin])[:, None]


def _intrinsics(camera: Camera) -> tuple[float, float, float, float]:
    return float(camera.fx), float(camera.fy), float(camera.cx), float(camera.cy)


@compiled()
def _touched(depth, labels, intrinsics, position, rotation, parts, label, enough):  # type: ignore[no-untyped-def]
    """Square meters of visible surface in each gripper: of other objects, and of its own object.

    ``parts`` (2, N, P, 2, 3) are the parts of the gripper for other objects and for its own. Only
    pixels in the projection of a part are tested, until there is ``enough`` of other objects. The
    points of the support plane do not count, as the plane itself is checked.
    """
    fx, fy, cx, cy = intrinsics
    per_fx, per_fy = 1 / fx, 1 / fy
    rows, cols = depth.shape
    others = np.zeros(len(position))
    itself = np.zeros(len(position))
    for n in range(len(position)):
        r, p = rotation[n], position[n]
        for part in range(parts.shape[2]):
            if others[n] > enough:
                break
            u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
            for corner in range(16):
                kind = corner >> 3
                x = parts[kind, n, part, corner & 1, 0]
                y = parts[kind, n, part, corner >> 1 & 1, 1]
                z = parts[kind, n, part, corner >> 2 & 1, 2]
                # Parts behind the camera would cover the whole image.
                depth_of = max(p[2] + r[2, 0] * x + r[2, 1] * y + r[2, 2] * z, 0.05)
                u = cx + fx * (p[0] + r[0, 0] * x + r[0, 1] * y + r[0, 2] * z) / depth_of
                v = cy + fy * (p[1] + r[1, 0] * x + r[1, 1] * y + r[1, 2] * z) / depth_of
                u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
            j0, j1 = int(max(math.ceil(u0), 0)), int(min(math.floor(u1), cols - 1))
            i0, i1 = int(max(math.ceil(v0), 0)), int(min(math.floor(v1), rows - 1))
            if j1 < j0 or i1 < i0:
                continue
            step = max(1, int(math.sqrt((j1 - j0 + 1) * (i1 - i0 + 1) / _WINDOW_SAMPLES)))
            for i in range(i0, i1 + 1, step):
                for j in range(j0, j1 + 1, step):
                    d = depth[i, j]
                    if not d > 0 or labels[i, j] == PLANE_LABEL:
                        continue
                    kind = int(labels[i, j] == label[n])
                    dx = (j - cx) * per_fx * d - p[0]
                    dy = (i - cy) * per_fy * d - p[1]
                    dz = d - p[2]
                    # A view of the part would take longer than all of this.
                    x = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
                    if x < parts[kind, n, part, 0, 0] or x > parts[kind, n, part, 1, 0]:
                        continue
                    y = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
                    if y < parts[kind, n, part, 0, 1] or y > parts[kind, n, part, 1, 1]:
                        continue
                    z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
                    if z < parts[kind, n, part, 0, 2] or z > parts[kind, n, part, 1, 2]:
                        continue
                    area = step * step * d * d * per_fx * per_fy
                    if kind:
                        itself[n] += area
                    else:
                        others[n] += area
    return others, itself
