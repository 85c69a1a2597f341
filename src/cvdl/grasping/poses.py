"""Grasp rectangles to grasp poses, after Lenz, Lee & Saxena 2014, section on robot experiments.

Theirs: the position is the smallest depth in the rectangle's central third, the approach the mean
surface normal there. Here "smallest" is measured along the approach, which is the same where the
camera looks along it and still right where it looks from the side; the opening is where the
viewing rays of the rectangle's ends meet the plane through the surface across the approach, so
that its direction and its length are those on the object, not those in the picture. Along the
opening the gripper is moved to the middle of what the camera sees of the object between the
plates: from the side, a rectangle round an object's outline is not centred on the object.
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

__all__ = ["REASONS", "GraspPoses", "grasp_poses", "nearest_labels"]

Array = NDArray[np.float64]

#: Why a rectangle is no grasp; the first that applies is the one that counts.
REASONS = (
    "no object",
    "no depth between the plates",
    "opening out of reach",
    "plates meet the table",
    "gripper meets a neighbour",
    "gripper meets the object",
)
_NO_OBJECT, _NO_DEPTH, _OPENING, _TABLE, _NEIGHBOUR, _OBJECT = range(len(REASONS))

_GRID = 9  # samples a side of a rectangle's central third
_LONG_GRID = 25  # samples along the whole opening
_EXTREME = 0.02  # quantile that stands for the outermost of what lies between the plates
_SOME = 6  # of these samples must lie on the object
_NEAREST = 0.1  # quantile that stands for the smallest depth: one reading may be wrong
_MIDDLE = 9  # samples on the object nearest the centre: the surface there
#: A patch this much thicker than wide, standard deviations squared, has no normal.
_FLATNESS = 0.25
_MIN_INSERTION = 0.005  # metres; what is gripped with less slips out
_PALM = 0.02  # metres, thickness
#: The object's own points may be so much inside a plate, metres: outlines are blurred.
_GIVE = 0.003
#: Share of a plate's tip that may be filled with surface that the camera sees: noise.
_TOUCH = 0.15
_WINDOW_SAMPLES = 250  # pixels looked at for each part of a gripper


@dataclass(frozen=True)
class GraspPoses:
    """Poses of N rectangles; those of refused ones mean nothing.

    Attributes:
        position: (N, 3), the middle between the tips of the plates, metres.
        rotation: (N, 3, 3), columns x along the opening, y along the plates, z the approach.
        opening_m: (N,) metres, no more than the gripper can.
        share: (N,) of the rectangle's opening that this is: less than 1 where the rectangle is
            wider than the gripper.
        reason: (N,) int, index in `REASONS`, -1 where there is none.
    """

    position: Array
    rotation: Array
    opening_m: Array
    share: Array
    reason: NDArray[np.int64]

    @property
    def refused(self) -> Counter[str]:
        """Number of refused rectangles by reason."""
        return Counter(REASONS[reason] for reason in self.reason if reason >= 0)


def nearest_labels(
    center: NDArray[np.floating], labels: NDArray[np.uint16], reach: float
) -> NDArray[np.uint16]:
    """The object at each pixel, or the nearest one.

    Args:
        center: (N, 2), (u, v), pixels.
        labels: (H, W) as in `cvdl.core.scene.Scene`.
        reach: how far an object may be, pixels.

    Returns:
        (N,) labels, 0 where no object is so near.
    """
    span = np.arange(-math.floor(reach), math.floor(reach) + 1)
    offsets = np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2)
    distance = np.hypot(*offsets.T)
    order = np.argsort(distance, kind="stable")
    offsets = offsets[order][distance[order] <= reach]
    found = _look_up(labels, np.rint(center)[:, None] + offsets, 0)
    is_object = found >= FIRST_OBJECT_LABEL
    nearest = found[np.arange(len(found)), is_object.argmax(axis=1)]
    return np.where(is_object.any(axis=1), nearest, 0).astype(np.uint16)


def grasp_poses(
    rectangles: GraspRectangles,
    label: NDArray[np.integer],
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
    plane: Plane,
    config: GraspConfig,
) -> GraspPoses:
    """The pose of each rectangle, and which ones a gripper cannot reach.

    A rectangle that is wider than the gripper opens is narrowed about its centre: whether the
    object fits between the plates then is found out like any other collision. Where a gripper
    cannot come against the object's surface, it is tried against the table's; the reason that
    counts is the first one's.

    Only what the camera sees can be checked: behind and under objects the gripper may still meet
    something.

    Args:
        rectangles: N of them.
        label: (N,) of the object to grasp; 0 where there is none.
        frame: colour and depth.
        labels: (H, W) as in `cvdl.core.scene.Scene`.
        plane: the support plane.
        config: the gripper, and how to approach.
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
    """What is known of N rectangles.

    Attributes:
        rectangles: N.
        label: (N,) of the object to grasp.
        points: (N, K, 3) of the central third, the middle's first, metres; 0 without a reading.
        own: (N, K), whether these are the object's.
        enough: (N,), whether there are enough readings.
        between: (N, L, 3) of the whole opening, metres.
        between_own: (N, L), whether these are the object's.
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
    position = _centred(samples, position, rotation, opening, config)

    insertion, over_table = _insertion(position, rotation, opening, plane, config)
    position = position + insertion[:, None] * approach

    reason = np.full(len(rectangles), -1)
    for code, is_fine in (
        (_NO_OBJECT, label > 0),
        (_NO_DEPTH, enough),
        (_OPENING, opening >= config.min_opening),  # false where there is none
        (_TABLE, over_table),
    ):
        reason[(reason < 0) & ~is_fine] = code
    left_over = np.flatnonzero(reason < 0)
    touch = _TOUCH * config.plate_thickness * config.plate_width
    is_narrowed = (opening < wanted)[left_over]  # what a gripper can is known exactly
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
    for code, meets in (  # the first that applies comes last
        (_OBJECT, itself > touch),
        (_NEIGHBOUR, others > touch),
        (_OPENING, (itself > touch) & is_narrowed),
    ):
        reason[left_over[meets]] = code
    share = np.divide(opening, wanted, out=np.ones_like(opening), where=wanted > opening)
    return GraspPoses(position, rotation, opening, share, reason)


def _look_up(image: NDArray, pixels: NDArray[np.floating], outside: float) -> NDArray:
    """Values of an image (H, W) at whole pixels (..., 2), and a value for those outside."""
    height, width = image.shape
    u, v = pixels[..., 0], pixels[..., 1]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    values = image[np.where(inside, v, 0).astype(np.intp), np.where(inside, u, 0).astype(np.intp)]
    return np.where(inside, values, image.dtype.type(outside))


def _sample(
    rectangles: GraspRectangles,
    label: NDArray[np.integer],
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
) -> _Samples:
    """What lies between the plates: in the middle third of the opening, and in all of it."""
    cos, sin = np.cos(rectangles.angle)[:, None], np.sin(rectangles.angle)[:, None]

    def look(along: Array, across: Array) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
        """Points, whether they are the object's, and seen at all; at shares of the sides (K,)."""
        s, t = along * rectangles.opening[:, None], across * rectangles.plate[:, None]
        offsets = np.stack([cos * s - sin * t, sin * s + cos * t], axis=2)
        pixels = np.rint(rectangles.center[:, None] + offsets)
        depth = _look_up(frame.depth, pixels, np.nan)
        seen = np.isfinite(depth)
        own = seen & (_look_up(labels, pixels, 0) == label[:, None])
        return frame.camera.deproject_pixels(pixels, np.where(seen, depth, 0)), own, seen

    along, across = _grid(_GRID, _GRID)
    points, own, seen = look(along / 3, across)
    enough = (own.sum(axis=1) >= _SOME) & (seen.mean(axis=1) >= 0.5)
    between, between_own, _ = look(*_grid(_LONG_GRID, _GRID // 2))
    return _Samples(rectangles, label, points, own, enough, between, between_own)


def _grid(along: int, across: int) -> tuple[Array, Array]:
    """Shares of a rectangle's sides in [-0.5, 0.5], the middle first: twice (along * across,)."""
    x, y = ((np.arange(count) + 0.5) / count - 0.5 for count in (along, across))
    x, y = (grid.reshape(-1) for grid in np.meshgrid(x, y))
    order = np.argsort(np.hypot(x, y), kind="stable")
    return x[order], y[order]


def _into_surface(samples: _Samples, down: Array) -> Array:
    """Unit vectors (N, 3) against the mean normal of the object's surface in the samples."""
    points, own = samples.points, samples.own
    weight = own / np.maximum(own.sum(axis=1, keepdims=True), 1)
    mean = np.einsum("nk,nki->ni", weight, points)
    offset = points - mean[:, None]
    spread = np.einsum("nk,nki,nkj->nij", weight, offset, offset, optimize=True)
    values, vectors = np.linalg.eigh(spread)
    normal = vectors[:, :, 0]
    normal = normal * np.where(np.einsum("ni,ni->n", normal, mean) < 0, -1, 1)[:, None]
    # A thread of readings has no normal of its own: what it lies on has.
    is_flat = values[:, 0] < _FLATNESS * values[:, 1]
    return np.where(is_flat[:, None], normal, down)


def _levels(level: Array, own: NDArray[np.bool_], enough: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Along the approach: the surface at the centre (N,), and the nearest of it (N,); metres."""
    is_middle = own & (own.cumsum(axis=1) <= _MIDDLE)
    surface = _quantile(level, is_middle, 0.5)
    nearest = _quantile(level, own, _NEAREST)
    return np.where(enough, surface, np.nan), np.where(enough, nearest, np.nan)


def _quantile(values: Array, mask: NDArray[np.bool_], share: float) -> Array:
    """Of the masked values of each row; infinite where there are none."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    index = (share * np.maximum(mask.sum(axis=1) - 1, 0)).astype(np.intp)
    return ordered[np.arange(len(ordered)), index]


def _meet(
    rectangles: GraspRectangles, camera: Camera, approach: Array, level: Array
) -> tuple[Array, Array, Array]:
    """Where the rays of both ends and of the centre meet the plane p . approach = level.

    Three times (N, 3), metres; NaN where a ray runs along the plane or away from it.
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


def _centred(
    samples: _Samples, position: Array, rotation: Array, opening: Array, config: GraspConfig
) -> Array:
    """Positions (N, 3) moved to the middle, along x, of what is seen between the plates.

    And along z to the nearest of what then is in the middle third.
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
    """How far the tips go in, (N,) metres, and whether the plates stay over the table (N,)."""
    slope = plane.normal @ rotation  # (N, 3): of the gripper's axes, away from the table
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
    """Plates and palm as boxes along the gripper's axes: (N, 3, 2, 3), low and high corners.

    Args:
        opening: (N,) metres.
        config: the gripper.
        margin: metres by which every box is larger.
        give: (N,) metres by which the plates stand farther apart, and the palm farther back.
    """
    inner, outer = opening / 2 + give, opening / 2 + give + config.plate_thickness
    palm = -config.plate_length - give
    boxes = np.empty((len(opening), 3, 2, 3))
    boxes[..., 0, 1], boxes[..., 1, 1] = -config.plate_width / 2, config.plate_width / 2
    boxes[:, :2, 0, 2], boxes[:, :2, 1, 2] = -config.plate_length, 0
    boxes[:, 2, 0, 2], boxes[:, 2, 1, 2] = palm - _PALM, palm
    for part, low, high in ((0, -outer, -inner), (1, inner, outer), (2, -outer, outer)):
        boxes[:, part, 0, 0], boxes[:, part, 1, 0] = low, high
    return boxes + np.array([-margin, margin])[:, None]


def _intrinsics(camera: Camera) -> tuple[float, float, float, float]:
    return float(camera.fx), float(camera.fy), float(camera.cx), float(camera.cy)


@compiled()
def _touched(depth, labels, intrinsics, position, rotation, parts, label, enough):  # type: ignore[no-untyped-def]
    """Square metres of seen surface in each gripper: of other things, and of its own object.

    ``parts`` (2, N, P, 2, 3) holds the gripper's parts as they are for other things, and as they
    are for its own object. A point is in a part only where it is in the picture of the part: only
    there is looked, and no longer than until there is ``enough`` of other things. The support
    plane's points do not count, as the plane itself was checked.
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
                box = parts[corner >> 3, n, part]
                x, y, z = box[corner & 1, 0], box[corner >> 1 & 1, 1], box[corner >> 2 & 1, 2]
                # What reaches behind the camera would cover the picture.
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
                    is_own = labels[i, j] == label[n]
                    box = parts[int(is_own), n, part]
                    dx = (j - cx) * per_fx * d - p[0]
                    dy = (i - cy) * per_fy * d - p[1]
                    dz = d - p[2]
                    z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
                    if z < box[0, 2] or z > box[1, 2]:
                        continue
                    x = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
                    if x < box[0, 0] or x > box[1, 0]:
                        continue
                    y = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
                    if y < box[0, 1] or y > box[1, 1]:
                        continue
                    area = step * step * d * d * per_fx * per_fy
                    if is_own:
                        itself[n] += area
                    else:
                        others[n] += area
    return others, itself
