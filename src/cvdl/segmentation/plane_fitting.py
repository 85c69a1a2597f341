"""Planes in the organized depth image, by RANSAC in inverse depth.

A plane n . p + d = 0 seen by a pinhole camera is *linear* in inverse depth: with the viewing ray
r = (x, y, 1) and p = z r, it reads 1/z = -(n . r) / d = a x + b y + c. The error of a structured-
light or stereo camera grows with z squared, which is a *constant* error of 1/z. So planes are
found and refined by plain linear least squares over (x, y, 1/z), with one threshold for all
distances.
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
from cvdl.segmentation.labels import connected_parts, fill_hull, quantile

__all__ = ["DepthSamples", "FittedPlane", "find_planes"]

_COLUMNS = 80  # samples per row: every eighth pixel at 640 x 480
_HYPOTHESES = 80, 400  # for the first plane, and for the smaller planes after it
_VOTERS = 600  # samples that rate a hypothesis; the refinement uses all
_FLAT_TRIPLE = 1e-4  # area (at z = 1): the rays of a smaller triple lie on a line
_REFINEMENTS = 3
_MIN_INLIERS = 30
_MAX_PLANES = 5
_MIN_SHARE = 0.03  # of the image: smaller planes are ignored
_INLIER_SIGMAS = 3.0
_WAVES = 0.0013  # a stereo camera's slow errors over a flat plane, meters
_GRAZING = np.sin(np.deg2rad(6.5))  # a plane at a smaller viewing angle has too few readings


@dataclass(frozen=True)
class DepthSamples:
    """A grid of pixels with a reading, N of them.

    Attributes:
        rays: (N, 3), viewing rays with z = 1.
        inverse: (N,), inverse depth.
        noise: (N,), standard deviation of the depth, meters.
        spread: (N,), the same with the waves of a stereo camera, meters.
        sigma: (N,), the spread of the inverse depth.
        points: (N, 3), meters.
        area: (N,), area of a sample on a surface that faces the camera, square meters.
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
    def of(cls, depth: NDArray[np.float32], camera: Camera, roughness: float) -> DepthSamples:
        """Samples a depth image (H, W), meters; see ``roughness`` for the factor on its noise."""
        stride = max(1, camera.width // _COLUMNS)
        start = stride // 2
        grid = depth[start::stride, start::stride]
        row, col = np.nonzero(np.isfinite(grid))
        z = grid[row, col].astype(np.float64)
        x = (col * stride + start - camera.cx) / camera.fx
        y = (row * stride + start - camera.cy) / camera.fy
        rays = np.stack([x, y, np.ones_like(x)], axis=1)
        noise = roughness * depth_noise(z)
        spread = np.hypot(noise, roughness * _WAVES)
        inverse = 1 / z
        return cls(
            rays=rays,
            inverse=inverse,
            noise=noise,
            spread=spread,
            sigma=spread * inverse**2,
            points=rays * z[:, None],
            area=stride**2 / (camera.fx * camera.fy) * z**2,
            row=row,
            col=col,
            shape=grid.shape,
            stride=stride,
            camera=camera,
        )

    def of_image(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The values of an image (H, W) at the samples: (N,)."""
        start = self.stride // 2
        return image[start :: self.stride, start :: self.stride][self.row, self.col]

    def inliers(
        self, model: NDArray[np.float64], sigmas: float = _INLIER_SIGMAS
    ) -> NDArray[np.bool_]:
        """Which samples lie on a plane (a, b, c) of 1/z = a x + b y + c: (N,)."""
        return np.abs(self.rays @ model - self.inverse) < sigmas * self.sigma


@dataclass(frozen=True)
class FittedPlane:
    """A plane and its extent in the image.

    Attributes:
        model: (a, b, c) of 1/z = a x + b y + c.
        plane: in the camera frame.
        hull: (h, w) bool, on the grid of samples: convex, around the visible plane.
        footprint: the same with a margin for missing readings along the edge.
        area: visible area, square meters.
        share: of all readings.
        distance: median depth, meters.
    """

    model: NDArray[np.float64]
    plane: Plane
    hull: NDArray[np.bool_]
    footprint: NDArray[np.bool_]
    area: float
    share: float
    distance: float


def find_planes(samples: DepthSamples, view: float = 1.0) -> list[FittedPlane]:
    """The dominant planes, each fitted to the samples that the previous planes do not cover.

    Smaller planes than a share of the ``view``, itself a share of the image, are ignored. The same
    samples give the same planes.
    """
    rng = np.random.default_rng(0)
    left = np.ones(len(samples.inverse), bool)
    least = max(50, int(_MIN_SHARE * view * samples.shape[0] * samples.shape[1]))
    planes = []
    for number in range(_MAX_PLANES):
        if left.sum() < least:
            break
        model = _ransac(samples, np.flatnonzero(left), _HYPOTHESES[number > 0], rng)
        if model is None:
            break
        inliers = left & samples.inliers(model)
        left &= ~samples.inliers(model, 2 * _INLIER_SIGMAS)
        if inliers.sum() < least:
            continue
        plane = _measure(samples, model, inliers)
        if plane is not None:
            planes.append(plane)
    return planes


def _ransac(
    samples: DepthSamples, left: NDArray[np.intp], hypotheses: int, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """(a, b, c) of the best fit 1/z = a x + b y + c, refined by least squares.

    Inliers count more the closer they are: MSAC (Torr & Zisserman 2000, "MLESAC", section 3).
    """
    index = np.full(samples.shape, -1)
    index[samples.row[left], samples.col[left]] = left
    # Triples from one neighborhood: two points near the first lie on its plane far more often than
    # two random points.
    first = rng.choice(left, hypotheses)
    reach = max(samples.shape) // 6
    offset = rng.integers(-reach, reach + 1, (hypotheses, 2, 2))
    triples = _triples(index, samples.row, samples.col, first, offset)
    voters = left[:: max(1, len(left) // _VOTERS)]
    model, found = _best_model(
        samples.rays, samples.inverse, _INLIER_SIGMAS * samples.sigma, triples, voters, left
    )
    return model if found else None


@compiled()
def _triples(index, row, col, first, offset):  # type: ignore[no-untyped-def]
    """Samples with two others (N, 3) at offsets (N, 2, 2) on the grid of the samples ``index``."""
    triples = np.empty((len(first), 3), np.int64)
    n = 0
    for k in range(len(first)):
        triples[n, 0] = first[k]
        for other in range(2):
            i = min(max(row[first[k]] + offset[k, other, 0], 0), index.shape[0] - 1)
            j = min(max(col[first[k]] + offset[k, other, 1], 0), index.shape[1] - 1)
            triples[n, 1 + other] = index[i, j]
        if triples[n, 1] >= 0 and triples[n, 2] >= 0:
            n += 1
    return triples[:n]


@compiled(fastmath=True)
def _count_votes(x, y, inverse, weight, a, b, c):  # type: ignore[no-untyped-def]
    """Votes of samples (N,) for the plane 1/z = a x + b y + c; weights are 1 / their tolerances."""
    votes = 0.0
    for n in range(len(x)):
        off = (a * x[n] + b * y[n] + c - inverse[n]) * weight[n]
        votes += max(1 - off * off, 0.0)
    return votes


@compiled()
def _best_model(rays, inverse, tolerance, triples, voters, left):  # type: ignore[no-untyped-def]
    """The best plane through three samples by the votes, refined on all remaining samples."""
    best, most = np.zeros(3), 0.0
    x, y, z = rays[voters, 0], rays[voters, 1], inverse[voters]
    weight = 1 / tolerance[voters]
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
        votes = _count_votes(x, y, z, weight, a, b, c)
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
        if count < _MIN_INLIERS:
            return best, False
        # Inliers on one line leave a direction undetermined: a trace of the identity settles it.
        best[:] = _solution(lhs + 1e-12 * np.trace(lhs) * np.eye(3), rhs)
    return best, True


@compiled()
def _solution(lhs, rhs):  # type: ignore[no-untyped-def]
    """Solve equations with a positive definite matrix; Numba's own solver needs SciPy."""
    size = len(rhs)
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = lhs[row, pivot] / lhs[pivot, pivot]
            lhs[row] -= factor * lhs[pivot]
            rhs[row] -= factor * rhs[pivot]
    for row in range(size - 1, -1, -1):
        for known in range(row + 1, size):
            rhs[row] -= lhs[row, known] * rhs[known]
        rhs[row] /= lhs[row, row]
    return rhs


def _measure(
    samples: DepthSamples, model: NDArray[np.float64], inliers: NDArray[np.bool_]
) -> FittedPlane | None:
    """The extent of a plane; None if it is seen edge-on."""
    offset = 1 / np.linalg.norm(model)
    plane = Plane(-model * offset, float(offset))
    rays = samples.rays[inliers]
    facing = -rays @ plane.normal  # sine of the viewing angle times length of the ray
    if quantile(facing / np.sqrt(np.einsum("ij,ij->i", rays, rays)), 0.5) < _GRAZING:
        return None
    near = np.abs(plane.height(samples.points)) < _INLIER_SIGMAS * samples.spread
    hull = _hull(samples, near)
    if hull is None:
        return None
    # Readings end slightly before the edge of a table.
    footprint = cv2.dilate(hull, np.ones((5, 5), np.uint8)) > 0
    area = float((samples.area[inliers] / np.maximum(facing, 1e-3)).sum())
    distance = quantile(samples.points[inliers, 2], 0.5)
    return FittedPlane(model, plane, hull > 0, footprint, area, float(near.mean()), distance)


def _hull(samples: DepthSamples, on_plane: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """The convex region around the largest connected parts of a plane, with its small parts.

    On the grid of samples.
    """
    mask = np.zeros(samples.shape, np.uint8)
    mask[samples.row[on_plane], samples.col[on_plane]] = 1
    # Stray samples, where another surface crosses the plane, would enlarge the hull.
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    parts, areas = connected_parts(mask, connectivity=8)
    if not areas.any():
        return None
    return fill_hull((areas > 0.1 * areas.max())[parts]) | mask
