"""The support plane: RANSAC on the organised depth image, in inverse depth.

A plane n . p + d = 0 seen by a pinhole camera is *linear* in inverse depth: with the viewing ray
r = (x, y, 1) and p = z r, it reads 1/z = -(n . r) / d = a x + b y + c. The error of a structured-
light or stereo camera grows with z squared, which is a *constant* error of 1/z. So a plane is
found and refined by plain linear least squares over (x, y, 1/z), and one threshold serves near
and far alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.scene import Plane
from cvdl.depth.noise import depth_noise
from cvdl.segmentation.labels import enlarged

__all__ = ["SupportPlane", "Up", "find_support_plane"]

_COLUMNS = 80  # samples in a row: every eighth pixel at 640 x 480
_HYPOTHESES = 80, 400  # for the first plane, and for the smaller ones after it
_VOTERS = 600  # samples that a hypothesis is tried on; the refinement uses them all
_FLAT_TRIPLE = 1e-4  # three rays nearer to a line than this (at z = 1) make no plane
_REFINEMENTS = 3
_FEWEST_INLIERS = 30
_MAX_PLANES = 5
_MIN_SHARE = 0.03  # of the image: smaller planes are not looked for
_LEAST_SUPPORT = 0.08  # of the image: smaller planes are no support
_INLIER_SIGMAS = 3.0
_WAVES = 0.0013  # a stereo camera's slow errors over a flat plane, metres
_LOW = 0.12  # objects show something lower than this over what carries them, metres
_TABLE_AREA = 0.08  # of that other plane, square metres: no box's lid
_FURNITURE_AREA = 0.1  # planes larger than this may be furniture, square metres
_BELOW, _BELOW_SHARE = 0.03, 0.05  # metres; share of a plane: with more it goes on below another
_FLOOR_DROP = 0.25  # a plane this far under another parallel one may be the floor, metres
_STEP_DROP, _STEP_AREA = 0.08, 2.0  # the same for one that the other is so much larger than
_FLOOR, _STEP = 0.02, 0.1  # factors on such a plane's score, amid which the other lies or not
_UNDER_SIGMAS = 4.0  # deeper readings lie under the plane
_SEEN_UNDER = 4.0  # what such readings in its footprint weigh against a plane
_ENOUGH_SHARE, _ENOUGH_CARRIED = 0.4, 0.04  # of the readings: more makes no support likelier
_LARGE_SHARE = 0.1  # of the readings: what lies on another plane of that size is no object
_LID_SHARE, _LID = 0.3, 0.3  # of a plane below: smaller ones are lids; factor on their score
# How much a normal that points sideways or down in the image speaks against a plane, where the
# camera's mounting is not known and where the upper side of the image is, and how much a tilt
# where the direction of gravity is known.
_WEAK_HINT, _HINT = (0.7, 1.0), (4.0, 6.0)
_TILT = 8.0
_PARALLEL = np.cos(np.deg2rad(12))
_GRAZING = np.sin(np.deg2rad(6.5))  # planes seen at less than this are edge-on: too few readings


@dataclass(frozen=True)
class Up:
    """What is known of the direction against gravity.

    Attributes:
        direction: (3,) in the camera's optical frame, of length 1.
        is_exact: whether it is known in space; else only the side of the image that is up, and
            not how far the camera looks down.
    """

    direction: NDArray[np.float64]
    is_exact: bool


@dataclass(frozen=True)
class SupportPlane:
    """The chosen plane and where it lies in the image.

    Attributes:
        plane: in the camera frame.
        footprint: bool, the convex region of the image that the plane covers; a pixel stands
            for a block of ``stride`` x ``stride``.
        stride: pixels of the image.
        under: bool, likewise, where something below the plane is seen.
        furniture: large planes across it that go on beyond the image or below it: walls, a
            cupboard's front.
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
        """Whether the foot of each point (N, 3) on the plane lies on the seen part of it: (N,)."""
        return _inside(self.footprint, self.stride, points, self.plane, camera)

    def ends_before(self, points: NDArray[np.floating], camera: Camera) -> NDArray[np.bool_]:
        """Whether something below the plane is seen where the foot of each point is: (N,)."""
        return _inside(self.under, self.stride, points, self.plane, camera)

    def covers(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels of an image of that shape that lie in the footprint: (H, W)."""
        return enlarged(self.footprint.view(np.uint8), self.stride, shape) > 0


def find_support_plane(
    depth: NDArray[np.float32],
    camera: Camera,
    min_area: float,
    up: Up | None = None,
    rough: float = 1.0,
) -> SupportPlane | None:
    """The plane that carries things: not the largest, so that a floor or a wall does not win.

    Args:
        depth: (H, W) float32, metres, NaN where there is no reading.
        camera: its intrinsics.
        min_area: visible area that a plane must have, square metres.
        up: what is known of the direction against gravity; None if nothing is.
        rough: factor on the model's noise, see ``roughness``.

    Returns:
        The plane, or None where none is in view. The same input gives the same plane.
    """
    samples = _Samples.of(depth, camera, rough)
    candidates = _extract_planes(samples, np.random.default_rng(0))
    filled = len(samples.inverse) / (samples.shape[0] * samples.shape[1])
    supports = [
        candidate
        for candidate in candidates
        if candidate.area >= min_area and candidate.share * filled >= _LEAST_SUPPORT
    ]
    if not supports:
        return None
    # What lies on another large plane is no object: the table itself must not count as a thing
    # that the wall behind it carries.
    large = [candidate for candidate in candidates if candidate.area > _FURNITURE_AREA]
    furniture = np.zeros(len(samples.inverse), bool)
    for candidate in (each for each in candidates if each.share > _LARGE_SHARE):
        furniture |= _inliers(samples, candidate.model)

    def score(candidate: _Candidate) -> float:
        return (
            _uprightness(candidate.plane, up)
            * _score(samples, candidate, furniture)
            * _level_factor(candidate, candidates)
            / candidate.distance
        )

    best = max(supports, key=score)
    others = tuple(
        candidate.plane
        for candidate in large
        if abs(candidate.plane.normal @ best.plane.normal) < _PARALLEL
        and _goes_on(candidate, best, samples)
    )
    under = np.zeros(samples.shape, bool)
    deep = best.plane.height(samples.points) < -_UNDER_SIGMAS * samples.spread
    under[samples.row[deep], samples.col[deep]] = True
    return SupportPlane(best.plane, best.footprint, samples.stride, under, others)


@dataclass(frozen=True)
class _Samples:
    """A grid of pixels that have a reading, N of them.

    Attributes:
        rays: (N, 3), viewing rays with z = 1.
        inverse: (N,), inverse depth.
        noise: (N,), standard deviation of the depth, metres.
        spread: (N,), the same with the waves of a stereo camera, metres.
        sigma: (N,), the same of the inverse depth.
        points: (N, 3), metres.
        area: (N,), of a surface that faces the camera, for a sample, square metres.
        row, col: (N,), place in the grid.
        shape: of the grid.
        stride: pixels between samples.
        camera: intrinsics of the image.
    """

    rays: NDArray[np.float64]
    inverse: NDArray[np.float64]
    noise: NDArray[np.floating]
    spread: NDArray[np.float64]
    sigma: NDArray[np.float64]
    points: NDArray[np.float64]
    area: NDArray[np.float64]
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    shape: tuple[int, int]
    stride: int
    camera: Camera

    @classmethod
    def of(cls, depth: NDArray[np.float32], camera: Camera, rough: float) -> _Samples:
        stride = max(1, camera.width // _COLUMNS)
        start = stride // 2
        grid = depth[start::stride, start::stride]
        row, col = np.nonzero(np.isfinite(grid))
        z = grid[row, col].astype(np.float64)
        x = (col * stride + start - camera.cx) / camera.fx
        y = (row * stride + start - camera.cy) / camera.fy
        rays = np.stack([x, y, np.ones_like(x)], axis=1)
        noise = rough * depth_noise(z)
        spread = np.hypot(noise, rough * _WAVES)
        area = stride**2 / (camera.fx * camera.fy) * z**2
        points = rays * z[:, None]
        inverse = 1 / z
        sigma = spread * inverse**2
        return cls(
            rays, inverse, noise, spread, sigma, points, area, row, col, grid.shape, stride, camera
        )


@dataclass(frozen=True)
class _Candidate:
    model: NDArray[np.float64]  # (a, b, c) of 1/z = a x + b y + c
    plane: Plane
    hull: NDArray[np.bool_]  # convex, round what is seen of it
    footprint: NDArray[np.bool_]  # the same with the edge, where readings are missing
    area: float  # visible, square metres
    share: float  # of all readings
    distance: float  # in the median, metres


def _extract_planes(samples: _Samples, rng: np.random.Generator) -> list[_Candidate]:
    """The dominant planes one after the other, each fitted to what the earlier ones left."""
    left = np.ones(len(samples.inverse), bool)
    least = max(50, int(_MIN_SHARE * samples.shape[0] * samples.shape[1]))
    candidates = []
    for number in range(_MAX_PLANES):
        if left.sum() < least:
            break
        model = _ransac(samples, np.flatnonzero(left), _HYPOTHESES[number > 0], rng)
        if model is None:
            break
        inliers = left & _inliers(samples, model)
        left &= ~_inliers(samples, model, 2 * _INLIER_SIGMAS)
        if inliers.sum() < least:
            continue
        candidate = _judge(samples, model, inliers)
        if candidate is not None:
            candidates.append(candidate)
    return candidates


def _ransac(
    samples: _Samples, left: NDArray[np.intp], hypotheses: int, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """(a, b, c) of 1/z = a x + b y + c that fits best, refined by least squares.

    Inliers count the more the nearer they are: MSAC (Torr & Zisserman 2000, "MLESAC", section 3).
    """
    index = np.full(samples.shape, -1)
    index[samples.row[left], samples.col[left]] = left
    # Triples from one neighbourhood: two points near the first lie on its plane far more often
    # than two points from anywhere.
    first = rng.choice(left, hypotheses)
    reach = max(samples.shape) // 6
    offset = rng.integers(-reach, reach + 1, (hypotheses, 2, 2))
    row = np.clip(samples.row[first, None] + offset[..., 0], 0, samples.shape[0] - 1)
    col = np.clip(samples.col[first, None] + offset[..., 1], 0, samples.shape[1] - 1)
    triples = np.concatenate([first[:, None], index[row, col]], axis=1)
    triples = triples[(triples >= 0).all(axis=1)]
    voters = left[:: max(1, len(left) // _VOTERS)]
    model, found = _best_model(
        samples.rays, samples.inverse, _INLIER_SIGMAS * samples.sigma, triples, voters, left
    )
    return model if found else None


@compiled()
def _best_model(rays, inverse, tolerance, triples, voters, left):  # type: ignore[no-untyped-def]
    """The plane through three samples that voters lie on best, refined on all that are left."""
    best, most = np.zeros(3), 0.0
    for i, j, k in triples:
        # Cramer's rule on 1/z = a x + b y + c, relative to the first sample.
        ux, uy = rays[j, 0] - rays[i, 0], rays[j, 1] - rays[i, 1]
        vx, vy = rays[k, 0] - rays[i, 0], rays[k, 1] - rays[i, 1]
        area = ux * vy - uy * vx
        if abs(area) < _FLAT_TRIPLE:
            continue
        du, dv = inverse[j] - inverse[i], inverse[k] - inverse[i]
        a = (du * vy - dv * uy) / area
        b = (dv * ux - du * vx) / area
        c = inverse[i] - a * rays[i, 0] - b * rays[i, 1]
        votes = 0.0
        for n in voters:
            off = (a * rays[n, 0] + b * rays[n, 1] + c - inverse[n]) / tolerance[n]
            if abs(off) < 1:
                votes += 1 - off * off
        if votes > most:
            best[0], best[1], best[2] = a, b, c
            most = votes
    if most == 0:
        return best, False
    for _ in range(_REFINEMENTS):
        lhs, rhs = np.zeros((3, 3)), np.zeros(3)
        count = 0
        for n in left:
            fit = best[0] * rays[n, 0] + best[1] * rays[n, 1] + best[2]
            if abs(fit - inverse[n]) < tolerance[n]:
                count += 1
                weight = 1 / tolerance[n] ** 2
                for row in range(3):
                    rhs[row] += weight * rays[n, row] * inverse[n]
                    for col in range(3):
                        lhs[row, col] += weight * rays[n, row] * rays[n, col]
        if count < _FEWEST_INLIERS:
            return best, False
        # Inliers on one line leave a direction open: a trace of the identity settles it.
        best[:] = np.linalg.solve(lhs + 1e-12 * np.trace(lhs) * np.eye(3), rhs)
    return best, True


def _inliers(
    samples: _Samples, model: NDArray[np.float64], sigmas: float = _INLIER_SIGMAS
) -> NDArray[np.bool_]:
    return np.abs(samples.rays @ model - samples.inverse) < sigmas * samples.sigma


def _judge(
    samples: _Samples, model: NDArray[np.float64], inliers: NDArray[np.bool_]
) -> _Candidate | None:
    """Where a plane lies and how large it is; None if it is seen edge-on."""
    offset = 1 / np.linalg.norm(model)
    plane = Plane(-model * offset, float(offset))
    rays = samples.rays[inliers]
    facing = -rays @ plane.normal  # sine of the viewing angle x length of the ray
    if np.median(facing / np.linalg.norm(rays, axis=1)) < _GRAZING:
        return None
    near = np.abs(plane.height(samples.points)) < _INLIER_SIGMAS * samples.spread
    hull = _hull(samples, near)
    if hull is None:
        return None
    # Readings end a little before the table does.
    footprint = cv2.dilate(hull, np.ones((5, 5), np.uint8)) > 0
    area = float((samples.area[inliers] / np.maximum(facing, 1e-3)).sum())
    distance = float(np.median(samples.points[inliers, 2]))
    return _Candidate(model, plane, hull > 0, footprint, area, float(near.mean()), distance)


def _score(samples: _Samples, candidate: _Candidate, furniture: NDArray[np.bool_]) -> float:
    """How much a plane looks like the one that carries the objects."""
    plane = candidate.plane
    height = plane.height(samples.points)
    low = (height > 4 * samples.noise) & (height < _LOW) & ~furniture
    low[low] = _inside(
        candidate.footprint, samples.stride, samples.points[low], plane, samples.camera
    )
    carried = float(low.mean())
    # A plane hides what lies under it: what is seen there speaks against it.
    shown = candidate.hull[samples.row, samples.col]
    under = float((height < -_UNDER_SIGMAS * samples.spread)[shown].mean())
    area, carried = min(candidate.share, _ENOUGH_SHARE), min(carried, _ENOUGH_CARRIED)
    return float(np.exp(-_SEEN_UNDER * under) * area * (0.1 * _ENOUGH_CARRIED + carried))


def _uprightness(plane: Plane, up: Up | None) -> float:
    """How well a plane's normal agrees with what is known of the direction against gravity."""
    if up is not None and up.is_exact:
        return float(np.exp(-_TILT * (1 - plane.normal @ up.direction)))
    # A level camera sees the normal of a table point up and towards itself: neither sideways (a
    # side wall) nor down (a wall before a camera that looks down). Only a hint: a camera may be
    # mounted otherwise.
    x, y, _ = (0.0, -1.0, 0.0) if up is None else up.direction
    sideways = plane.normal[0] * y - plane.normal[1] * x
    down = max(-(plane.normal[0] * x + plane.normal[1] * y), 0.0)
    side, turn = _WEAK_HINT if up is None else _HINT
    towards = 1.0 if plane.normal[2] < -0.2 else 0.5
    return float(towards * np.exp(-side * sideways**2 - turn * down**2))


def _goes_on(plane: _Candidate, support: _Candidate, samples: _Samples) -> bool:
    """Whether a plane goes on beyond the image or below the support, as no object's side does."""
    hull = plane.hull
    if hull[0].any() or hull[-1].any() or hull[:, 0].any() or hull[:, -1].any():
        return True
    height = support.plane.height(samples.points[_inliers(samples, plane.model)])
    return bool((height < -_BELOW).mean() > _BELOW_SHARE)


def _hull(samples: _Samples, on_plane: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """The convex region round the largest connected parts of a plane, on the grid of samples."""
    mask = np.zeros(samples.shape, np.uint8)
    mask[samples.row[on_plane], samples.col[on_plane]] = 1
    # Stray samples, where another surface crosses the plane, would blow the hull up.
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return None
    large = 1 + np.flatnonzero(areas > 0.1 * areas.max())
    hull = cv2.convexHull(cv2.findNonZero(np.isin(parts, large).astype(np.uint8)))
    return np.asarray(cv2.fillConvexPoly(mask, hull, 1))


def _inside(
    footprint: NDArray[np.bool_],
    stride: int,
    points: NDArray[np.floating],
    plane: Plane,
    camera: Camera,
) -> NDArray[np.bool_]:
    foot = camera.project(points - plane.height(points)[:, None] * plane.normal)
    # Pixels count from the middle of the first; a block begins at its first one's edge.
    block = np.floor((foot + 0.5) / stride)
    column, row = np.nan_to_num(block, nan=-1).astype(int).T
    rows, columns = footprint.shape
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    inside[inside] = footprint[row[inside], column[inside]]
    return inside


def _level_factor(plane: _Candidate, candidates: list[_Candidate]) -> float:
    """Below 1 for a plane with a parallel one above it, a floor, or below it, a lid.

    A floor carries the table, not the objects; a lid is an object's.
    """
    factor = 1.0
    for other in candidates:
        if plane.plane.normal @ other.plane.normal < _PARALLEL:
            continue
        drop = plane.plane.offset - other.plane.offset
        # A lower plane that is small beside the high one may be anything near the table.
        least = _STEP_DROP if other.area > _STEP_AREA * plane.area else _FLOOR_DROP
        if drop > least and other.area > _TABLE_AREA:
            # A cupboard may stand beside the table; the table stands amid the floor.
            amid = (other.footprint & plane.footprint).sum() > 0.6 * other.footprint.sum()
            factor = min(factor, _FLOOR if amid else _STEP)
        elif drop < 0 and plane.area < _TABLE_AREA and plane.share < _LID_SHARE * other.share:
            factor = min(factor, _LID)
    return factor
