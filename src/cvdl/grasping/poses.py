"""Places and directions on the surface where grasp rectangles are, after Lenz, Lee & Saxena 2014.

As in the section on robot experiments there, the approach is against the mean surface normal in
the central third of the rectangle. The opening's direction is where the viewing rays of the ends
of the rectangle meet the plane through the surface, perpendicular to the approach: that on the
object, not that in the image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Plane
from cvdl.grasping.config import GraspConfig
from cvdl.grasping.hands import Hands
from cvdl.grasping.rectangles import GraspRectangles

__all__ = ["nearest_labels", "rectangle_hands"]

Array = NDArray[np.float64]

_GRID = 9  # samples per side of the central third of a rectangle
_SOME = 6  # least number of samples on the object
_MIDDLE = 9  # samples on the object nearest to the center: the surface there
#: Largest ratio of the variances across and along a patch with a normal.
_FLATNESS = 0.25


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


def rectangle_hands(
    rectangles: GraspRectangles,
    label: NDArray[np.integer],
    frame: RgbdFrame,
    labels: NDArray[np.uint16],
    plane: Plane,
    config: GraspConfig,
) -> Hands:
    """Return hands at the surface where rectangles are, with the openings of the rectangles.

    Rectangles of no object or without enough depth have none.

    Args:
        rectangles: N rectangles.
        label: (N,) labels of the objects to grasp; 0 for none.
        frame: color and depth.
        labels: (H, W), see `cvdl.core.scene.Scene`.
        plane: the support plane.
        config: the approach.
    """
    points, own, enough = _sample(rectangles, np.asarray(label), frame, labels)
    approach = np.tile(-plane.normal, (len(rectangles), 1))
    if config.approach == "surface":
        approach = _into_surface(points, own, approach)
    level = np.einsum("nki,ni->nk", points, approach)
    is_middle = own & (own.cumsum(axis=1) <= _MIDDLE)
    surface = np.where(enough, _median(level, is_middle), np.nan)
    left, right, middle = _meet(rectangles, frame.camera, approach, surface)
    across = right - left
    opening = np.linalg.norm(across, axis=1)
    index = np.flatnonzero((np.asarray(label) > 0) & (opening > 0))  # false for NaN
    x, z = across[index] / opening[index, None], approach[index]
    rotation = np.stack([x, np.cross(z, x), z], axis=2)
    return Hands(middle[index], rotation, opening[index], np.asarray(label, np.int64)[index])


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
) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Samples in the central third of rectangles, from its center on.

    Returns points (N, K, 3), meters, 0 without a reading; whether they are on the object (N, K);
    whether there are enough readings (N,).
    """
    turn = np.stack([np.cos(rectangles.angle), np.sin(rectangles.angle)], axis=1)
    sides = np.stack([rectangles.opening, rectangles.plate], axis=1)
    points, own, seen = _look(
        *(frame.depth, labels, frame.camera.intrinsics),
        *(rectangles.center, turn, sides, label.astype(np.int64), _grid(_GRID, _GRID) * [1 / 3, 1]),
    )
    return points, own, (own.sum(axis=1) >= _SOME) & (seen.mean(axis=1) >= 0.5)


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


def _into_surface(points: Array, own: NDArray[np.bool_], down: Array) -> Array:
    """Unit vectors (N, 3) against the mean surface normal of the object in the samples."""
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


def _median(values: Array, mask: NDArray[np.bool_]) -> Array:
    """The lower median of the masked values of each row; infinite if there are none."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    return ordered[np.arange(len(ordered)), np.maximum(mask.sum(axis=1) - 1, 0) // 2]


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
