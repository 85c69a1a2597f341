"""The support plane: the plane that carries the objects, among all planes in view."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.scene import Plane
from cvdl.segmentation.labels import enlarged
from cvdl.segmentation.plane_fitting import DepthSamples, FittedPlane, find_planes

__all__ = ["SupportPlane", "find_support_plane"]

_MIN_SHARE = 0.08  # of the image: a smaller plane is no support
_LOW = 0.12  # part of an object is lower than this over its support, meters
_TABLE_AREA = 0.08  # of another plane, square meters: larger than the lid of a box
_FURNITURE_AREA = 0.1  # a plane larger than this may be furniture, square meters
_BELOW, _BELOW_SHARE = 0.03, 0.05  # meters, share of a plane that continues below another
_FLOOR_DROP = 0.25  # a plane this far below a parallel plane may be the floor, meters
_STEP_DROP, _STEP_AREA = 0.08, 2.0  # the same if the upper plane is larger by this factor
_FLOOR, _STEP = 0.02, 0.1  # factors on its score: the upper plane lies within it, or beside it
_UNDER_SIGMAS = 4.0  # deeper readings lie below the plane
_SEEN_UNDER = 4.0  # weight against a plane of readings below it within its hull
_ENOUGH_SHARE, _ENOUGH_CARRIED = 0.4, 0.04  # of the readings: larger shares do not count more
_LARGE_SHARE = 0.1  # of the readings: objects do not lie on another plane of that size
_LID_SHARE, _LID = 0.3, 0.3  # of a plane below: a smaller plane is a lid; factor on its score
# Weights against a normal that points sideways or down in the image: for an unknown mounting, for a
# known upper side of the image; and against a tilt, for a known direction of gravity.
_WEAK_HINT, _HINT = (0.7, 1.0), (4.0, 6.0)
_TILT = 8.0
_UNSEEN = 0.02  # factor on the score of a plane that the network takes for no support
_PARALLEL = np.cos(np.deg2rad(12))


@dataclass(frozen=True)
class SupportPlane:
    """The support plane and its place in the image.

    Attributes:
        plane: in the camera frame.
        footprint: bool, the convex region of the image that the plane covers; a pixel stands
            for a block of ``stride`` x ``stride``.
        stride: pixels of the image.
        under: bool, on the same grid: where a surface below the plane is visible.
        furniture: large planes across it that continue beyond the image or below it: walls, the
            front of a cupboard.
    """

    plane: Plane
    footprint: NDArray[np.bool_]
    stride: int
    under: NDArray[np.bool_]
    furniture: tuple[Plane, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the footprint, pixels of the image."""
        _, _, width, height = cv2.boundingRect(self.footprint.view(np.uint8))
        return width * self.stride, height * self.stride

    def carries(self, points: NDArray[np.floating], camera: Camera) -> NDArray[np.bool_]:
        """Whether the foot of each point (N, 3) on the plane lies in the footprint: (N,)."""
        return _at_foot(self.footprint, self.stride, self.plane, points, camera)

    def ends_before(self, points: NDArray[np.floating], camera: Camera) -> NDArray[np.bool_]:
        """Whether a surface below the plane is visible at the foot of each point: (N,)."""
        return _at_foot(self.under, self.stride, self.plane, points, camera)

    def covers(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels of an image of that shape that lie in the footprint: (H, W)."""
        return enlarged(self.footprint.view(np.uint8), self.stride, shape) > 0


def find_support_plane(
    depth: NDArray[np.float32],
    camera: Camera,
    min_area: float,
    up: NDArray[np.float64] | None = None,
    up_is_exact: bool = False,
    roughness: float = 1.0,
    support_odds: NDArray[np.float32] | None = None,
    view: float = 1.0,
) -> SupportPlane | None:
    """The plane that carries objects; not the largest, so that a floor or a wall does not win.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        camera: intrinsics of the depth.
        min_area: smallest visible area of the plane, square meters.
        up: (3,) unit vector against gravity in the camera's optical frame; None if not known.
        up_is_exact: whether ``up`` is known in space; otherwise it is the upper side of the image,
            and the tilt of the camera is not known.
        roughness: factor on the noise model, see ``roughness``.
        support_odds: (H, W) log odds that a pixel is of a support, by a network; None without.
        view: share of the image that the support may be in; it is large enough by its share of
            that part.

    Returns:
        The plane, or None if no support plane is in view. The same input gives the same plane.
    """
    samples = DepthSamples.of(depth, camera, roughness)
    planes = find_planes(samples, view)
    filled = len(samples.inverse) / (samples.shape[0] * samples.shape[1])
    supports = [
        plane
        for plane in planes
        if plane.area >= min_area and plane.share * filled >= _MIN_SHARE * view
    ]
    if not supports:
        return None
    # Samples on another large plane are no objects: a wall does not carry the table before it.
    on_large_plane = np.zeros(len(samples.inverse), bool)
    for plane in planes:
        if plane.share > _LARGE_SHARE:
            on_large_plane |= samples.inliers(plane.model)

    seen = None
    if support_odds is not None:
        seen = 1 / (1 + np.exp(-samples.of_image(support_odds)))

    def score(plane: FittedPlane) -> float:
        return (
            _uprightness(plane.plane, up, up_is_exact)
            * _support_score(samples, plane, on_large_plane)
            * _level_factor(plane, planes)
            / plane.distance
            * (1.0 if seen is None else _seen_factor(samples, plane, seen))
        )

    best = max(supports, key=score)
    furniture = tuple(
        plane.plane
        for plane in planes
        if plane.area > _FURNITURE_AREA
        and abs(plane.plane.normal @ best.plane.normal) < _PARALLEL
        and _continues(plane, best, samples)
    )
    under = np.zeros(samples.shape, bool)
    deep = best.plane.height(samples.points) < -_UNDER_SIGMAS * samples.spread
    under[samples.row[deep], samples.col[deep]] = True
    return SupportPlane(best.plane, best.footprint, samples.stride, under, furniture)


def _seen_factor(samples: DepthSamples, plane: FittedPlane, seen: NDArray[np.floating]) -> float:
    """How much of a plane is seen as a support, times the share of all that is seen as one."""
    mine = seen[samples.inliers(plane.model)]
    return float(_UNSEEN + mine.mean() * mine.sum() / max(seen.sum(), 1e-6))


def _support_score(
    samples: DepthSamples, candidate: FittedPlane, on_large_plane: NDArray[np.bool_]
) -> float:
    """How likely a plane carries the objects, by its size, its load and readings below it."""
    plane, camera = candidate.plane, samples.camera
    height = plane.height(samples.points)
    low = (height > 4 * samples.noise) & (height < _LOW) & ~on_large_plane
    low[low] = _at_foot(candidate.footprint, samples.stride, plane, samples.points[low], camera)
    carried = float(low.mean())
    # A plane hides everything below it: visible readings there are evidence against it.
    shown = candidate.hull[samples.row, samples.col]
    under = float((height < -_UNDER_SIGMAS * samples.spread)[shown].mean())
    share, carried = min(candidate.share, _ENOUGH_SHARE), min(carried, _ENOUGH_CARRIED)
    return float(np.exp(-_SEEN_UNDER * under) * share * (0.1 * _ENOUGH_CARRIED + carried))


def _uprightness(plane: Plane, up: NDArray[np.float64] | None, is_exact: bool) -> float:
    """How well the normal of a plane agrees with the known direction against gravity."""
    if up is not None and is_exact:
        return float(np.exp(-_TILT * (1 - plane.normal @ up)))
    # A level camera sees the normal of a table point up and towards itself: not sideways (a side
    # wall), and not down (a wall in front of a camera that looks down). The hint is weak, because
    # a camera may be mounted differently.
    x, y, _ = (0.0, -1.0, 0.0) if up is None else up
    sideways = plane.normal[0] * y - plane.normal[1] * x
    down = max(-(plane.normal[0] * x + plane.normal[1] * y), 0.0)
    side, turn = _WEAK_HINT if up is None else _HINT
    towards = 1.0 if plane.normal[2] < -0.2 else 0.5
    return float(towards * np.exp(-side * sideways**2 - turn * down**2))


def _level_factor(plane: FittedPlane, planes: list[FittedPlane]) -> float:
    """Below 1 for a plane with a parallel plane above it (a floor) or below it (a lid).

    A floor carries the table, not the objects; a lid belongs to an object.
    """
    factor = 1.0
    for other in planes:
        if plane.plane.normal @ other.plane.normal < _PARALLEL:
            continue
        drop = plane.plane.offset - other.plane.offset
        # A lower plane that is small beside the upper one may be anything near the table.
        least = _STEP_DROP if other.area > _STEP_AREA * plane.area else _FLOOR_DROP
        if drop > least and other.area > _TABLE_AREA:
            # A cupboard may stand beside the table; the table stands within the floor.
            within = (other.footprint & plane.footprint).sum() > 0.6 * other.footprint.sum()
            factor = min(factor, _FLOOR if within else _STEP)
        elif drop < 0 and plane.area < _TABLE_AREA and plane.share < _LID_SHARE * other.share:
            factor = min(factor, _LID)
    return factor


def _continues(plane: FittedPlane, support: FittedPlane, samples: DepthSamples) -> bool:
    """Whether a plane continues beyond the image or below the support, unlike sides of objects."""
    hull = plane.hull
    if hull[0].any() or hull[-1].any() or hull[:, 0].any() or hull[:, -1].any():
        return True
    height = support.plane.height(samples.points[samples.inliers(plane.model)])
    return bool((height < -_BELOW).mean() > _BELOW_SHARE)


def _at_foot(
    grid: NDArray[np.bool_],
    stride: int,
    plane: Plane,
    points: NDArray[np.floating],
    camera: Camera,
) -> NDArray[np.bool_]:
    """The values of a grid of blocks at the foot of points (N, 3) on a plane; False outside it."""
    return np.asarray(
        _values_at_foot(
            *(grid, stride, points, plane.normal, plane.offset),
            *camera.intrinsics,
        )
    )


@compiled()
def _values_at_foot(grid, stride, points, normal, offset, fx, fy, cx, cy):  # type: ignore[no-untyped-def]
    values = np.zeros(len(points), np.bool_)
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        height = normal[0] * x + normal[1] * y + normal[2] * z + offset
        z -= height * normal[2]
        if not z > 0:
            continue
        # Pixel coordinates refer to the pixel center; a block begins at the edge of a pixel.
        col = (((x - height * normal[0]) / z * fx + cx) + 0.5) / stride
        row = (((y - height * normal[1]) / z * fy + cy) + 0.5) / stride
        if 0 <= row < grid.shape[0] and 0 <= col < grid.shape[1]:
            values[n] = grid[int(row), int(col)]
    return values
