"""Local geometry of everything above the plane: normals, creases and depth steps.

Works on a reduced image (320 to 639 pixels wide, where the full image is as wide): depth noise is
wider than a pixel, and the outline of a mask comes from the full image later. The kernels are
compiled by numba on first use and cached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled
from cvdl.core.scene import Plane
from cvdl.depth.noise import NOISE_AT_1M, compiled_depth_noise
from cvdl.segmentation.labels import Labels

__all__ = [
    "ABOVE_PLANE",
    "ON_PLANE",
    "Surface",
    "full_size",
    "height_classes",
    "height_factors",
    "surface_of",
]

#: Classes of pixels by height, see ``height_classes``.
ON_PLANE, ABOVE_PLANE = 1, 2

_WORKING_WIDTH = 320
#: Weight of a lightness difference in a color difference: shade varies within one object.
_LIGHTNESS = 0.3
#: Radius of the window of a normal, meters; at least 2, at most 5 pixels.
_NORMAL_RADIUS = 0.010
_WIDEST = 5
_LANES = 16  # more than the pixels in a row of the widest window
#: Distance of a pixel from the two normals that are compared, meters: their windows barely overlap,
#: so a right-angled crease shows nearly its full angle.
_CREASE_REACH = 0.012
#: Smallest distance of a neighbor from the local surface at a step: meters, plus a number of
#: standard deviations.
_STEP = 0.0035
_STEP_SIGMAS = 4.0
_GRAZING = 0.2  # cosine to the normal: a ray at a lower cosine only grazes the surface


@dataclass(frozen=True)
class Surface:
    """Geometry on the reduced grid (h, w) of a window of the image, defined where ``valid``.

    Attributes:
        camera: intrinsics of the reduced image.
        factor: pixels of the full image per reduced pixel, along each axis.
        window: rows and columns of the full image.
        points: (h, w, 3) float32, meters.
        valid: uint8, 1 for pixels above the plane that are not seen edge-on.
        depth: float32, meters: the depth of the whole window, NaN for no reading.
        lab: (h, w, 3) float32, CIE L*a*b* color with weighted lightness.
        normals: (h, w, 3) float32, towards the camera; zero where the fit fails.
        concavity: float32, degrees: the sharpest concave crease through a pixel.
        curvature: float32, degrees over twice the crease reach: positive where convex.
        steps: (h, w, 2) int8, between a pixel and its right and its lower neighbor: 0 on a
            continuous surface, 1 where this pixel is in front, -1 where the neighbor is.
    """

    camera: Camera
    factor: int
    window: tuple[slice, slice]
    points: NDArray[np.float32]
    valid: NDArray[np.uint8]
    depth: NDArray[np.float32]
    lab: NDArray[np.float32]
    normals: NDArray[np.float32]
    concavity: NDArray[np.float32]
    curvature: NDArray[np.float32]
    steps: NDArray[np.int8]

    def reduce(self, image: NDArray[Any]) -> NDArray[Any]:
        """The middle pixel of each block of a full image (H, W): (h, w)."""
        return _middles(image[self.window], self.factor, self.camera)

    def middles(self, axis: int) -> NDArray[np.intp]:
        """The middle row (axis 0) or column (1) of each block, in the full image: (h,) or (w,)."""
        start = self.window[axis].start + self.factor // 2
        return start + self.factor * np.arange(self.depth.shape[axis])


def surface_of(
    color: NDArray[np.uint8],
    depth: NDArray[np.float32],
    mask: NDArray[np.bool_],
    camera: Camera,
    window: tuple[slice, slice],
) -> Surface:
    """Local geometry of the masked part of a depth image.

    Args:
        color: (H, W, 3) uint8, RGB.
        depth: (H, W) float32, meters, NaN for no reading.
        mask: (H, W) bool, pixels above the plane; those without a reading are left out.
        camera: intrinsics of the images.
        window: rows and columns of the images that contain the mask.
    """
    factor = max(1, camera.width // _WORKING_WIDTH)
    color, depth, mask = color[window], depth[window], mask[window]
    small = camera.cropped(*window).reduced(factor)
    inverse, valid = _reduce(depth, mask, factor)
    reduced = np.full_like(inverse, np.nan)
    np.divide(1, inverse, out=reduced, where=valid > 0)
    normals, smeared = _fit_normals(inverse, *small.intrinsics)
    x, y = small.rays()
    concavity, curvature, steps = _creases_and_steps(
        reduced, valid, normals, x[0], y[:, 0], small.fx, small.fy
    )
    valid[smeared > 0] = 0
    return Surface(
        camera=small,
        factor=factor,
        window=window,
        points=small.deproject(reduced),
        valid=valid,
        depth=_middles(depth, factor, small),
        lab=_reduced_lab(color, factor, small),
        normals=normals,
        concavity=concavity,
        curvature=curvature,
        steps=steps,
    )


def full_size(regions: Labels, surface: Surface, mask: NDArray[np.bool_]) -> Labels:
    """Regions (h, w) of a surface on its window of the full image, within a mask (H, W).

    Pixels with label 0 get the label of a neighbor; pixels with -1 have no label.
    """
    return np.asarray(_full_size(regions, surface.factor, mask[surface.window]))


@compiled()
def _full_size(regions, factor, mask):  # type: ignore[no-untyped-def]
    rows, cols = regions.shape
    full = np.zeros(mask.shape, np.int32)
    col_of = np.minimum(np.arange(mask.shape[1]) // factor, cols - 1)
    for i in range(mask.shape[0]):
        row = min(i // factor, rows - 1)
        for j in range(mask.shape[1]):
            if not mask[i, j]:
                continue
            col = col_of[j]
            label = regions[row, col]
            if label == 0:
                for a in range(max(row - 1, 0), min(row + 2, rows)):
                    for b in range(max(col - 1, 0), min(col + 2, cols)):
                        label = max(label, regions[a, b])
            full[i, j] = max(label, 0)
    return full


def _middles(image: NDArray[Any], factor: int, small: Camera) -> NDArray[Any]:
    middle = slice(factor // 2, None, factor)
    return image[middle, middle][: small.height, : small.width]


def _reduced_lab(color: NDArray[np.uint8], factor: int, small: Camera) -> NDArray[np.float32]:
    color = color[: small.height * factor, : small.width * factor]  # whole blocks: much faster
    reduced = cv2.resize(color, (small.width, small.height), interpolation=cv2.INTER_AREA)
    # 8-bit Lab: lightness is scaled by 255 / 100.
    lab = cv2.cvtColor(reduced, cv2.COLOR_RGB2Lab).astype(np.float32)
    lab[..., 0] *= _LIGHTNESS * 100 / 255
    return lab


def height_classes(
    depth: NDArray[np.float32], camera: Camera, plane: Plane, low: float, high: float
) -> NDArray[np.uint8]:
    """Classifies pixels by their height over the plane.

    Args:
        depth: (H, W) float32, meters, NaN for no reading.
        camera: intrinsics of the depth.
        plane: the support plane.
        low: smallest height above the plane, meters; larger where the noise is larger.
        high: greatest height above the plane, meters.

    Returns:
        (H, W) uint8: `ON_PLANE`, `ABOVE_PLANE`; 0 elsewhere and for no reading.
    """
    return np.asarray(_classify_height(depth, *height_factors(camera, plane), low, high))


def height_factors(
    camera: Camera, plane: Plane
) -> tuple[NDArray[np.float32], NDArray[np.float32], np.float32]:
    """What makes heights of depth: a term for each column (W,) and row (H,), and the offset.

    The height over the plane, meters, is the depth times the sum of both terms, plus the offset.
    """
    x, y = camera.rays()
    across, down, forward = plane.normal.astype(np.float32)
    return across * x[0], down * y[:, 0] + forward, np.float32(plane.offset)


@compiled()
def _classify_height(depth, of_col, of_row, offset, low, high):  # type: ignore[no-untyped-def]
    # Without branches, in float32: the compiler vectorizes it.
    least, most = np.float32(low), np.float32(high)
    rows, cols = depth.shape
    classes = np.empty((rows, cols), np.uint8)
    for i in range(rows):
        for j in range(cols):
            z = depth[i, j]
            # Noise lies along the ray: it reaches the height by the cosine to the normal.
            cosine = of_col[j] + of_row[i]
            height = z * cosine + offset
            tolerance = max(least, np.float32(2) * compiled_depth_noise(z) * abs(cosine))
            is_above = (height > tolerance) & (height < most)
            is_on = (z > 0) & (height <= tolerance) & (height > np.float32(-2) * tolerance)
            classes[i, j] = ON_PLANE * is_on + ABOVE_PLANE * is_above
    return classes


@compiled()
def _reduce(depth, mask, factor):  # type: ignore[no-untyped-def]
    """Block means of inverse depth over the nearest surface in each block, 0 for none."""
    rows, cols = depth.shape[0] // factor, depth.shape[1] // factor
    inverse = np.zeros((rows, cols), np.float32)
    valid = np.zeros((rows, cols), np.uint8)
    one, close = np.float32(1), np.float32(1.01)
    for i in range(rows):
        for j in range(cols):
            nearest = np.float32(np.inf)
            count = 0
            for a in range(i * factor, (i + 1) * factor):
                for b in range(j * factor, (j + 1) * factor):
                    if mask[a, b] and depth[a, b] > 0:
                        count += 1
                        nearest = min(nearest, depth[a, b])
            if count == 0 or 2 * count < factor * factor:
                continue
            total = used = np.float32(0)
            for a in range(i * factor, (i + 1) * factor):
                for b in range(j * factor, (j + 1) * factor):
                    if mask[a, b] and depth[a, b] < close * nearest:
                        total += one / depth[a, b]
                        used += one
            inverse[i, j] = total / used
            valid[i, j] = 1
    return inverse, valid


@compiled(fastmath=True)
def _fit_normals(inverse_depth, fx, fy, cx, cy):  # type: ignore[no-untyped-def]
    """Least-squares planes in windows, linear in inverse depth (see plane_fitting.py).

    Returns the normals, and 1 where a ray only grazes the surface.
    """
    zero, one = np.float32(0), np.float32(1)
    rows, cols = inverse_depth.shape
    normals = np.zeros((rows, cols, 3), np.float32)
    smeared = np.zeros((rows, cols), np.uint8)
    # Each row of a window is read as a whole number of vectors, and what is beyond the window is
    # left out of the sums in the end.
    padded = np.zeros((rows, cols + _LANES), np.float32)
    padded[:, _WIDEST : _WIDEST + cols] = inverse_depth
    sums = np.empty((5, _LANES), np.float32)  # by column of the window
    for i in range(rows):
        for j in range(cols):
            inverse = inverse_depth[i, j]
            if not inverse > 0:
                continue
            z = one / inverse
            radius = min(max(round(_NORMAL_RADIUS * fx / z), 2), _WIDEST)
            # Excludes other surfaces behind or in front, and missing readings.
            tolerance = np.float32(0.010 + 4.0 * NOISE_AT_1M * z * z) * inverse * inverse
            sums[:] = zero
            first = j + _WIDEST - radius
            for a in range(max(0, i - radius), min(rows, i + radius + 1)):
                v = np.float32(a - i)
                line = padded[a, first : first + _LANES]
                for b in range(_LANES):
                    d = line[b] - inverse
                    weight = one if abs(d) < tolerance else zero
                    weighted = weight * d
                    sums[0, b] += weight
                    sums[1, b] += v * weight
                    sums[2, b] += v * v * weight
                    sums[3, b] += weighted
                    sums[4, b] += v * weighted
            n = su = sv = sd = suu = svv = suv = sud = svd = zero
            for b in range(2 * radius + 1):
                u = np.float32(b - radius)
                n += sums[0, b]
                su += u * sums[0, b]
                sv += sums[1, b]
                sd += sums[3, b]
                suu += u * u * sums[0, b]
                svv += sums[2, b]
                suv += u * sums[1, b]
                sud += u * sums[3, b]
                svd += sums[4, b]
            if n < 6:
                continue
            su, sv, sd = su / n, sv / n, sd / n
            suu, svv, suv = suu / n - su * su, svv / n - sv * sv, suv / n - su * sv
            sud, svd = sud / n - su * sd, svd / n - sv * sd
            determinant = suu * svv - suv * suv
            if determinant < 0.05:  # the pixels lie on a line
                continue
            du = (sud * svv - svd * suv) / determinant
            dv = (svd * suu - sud * suv) / determinant
            nx, ny = du * fx, dv * fy
            nz = inverse + sd - du * su - dv * sv - nx * (j - cx) / fx - ny * (i - cy) / fy
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            # Rays graze hardly any real surface, but a smear between two surfaces, one behind
            # the other, lies along the ray. dot(normal, ray) = -inverse / length.
            x, y = (j - cx) / fx, (i - cy) / fy
            if inverse < _GRAZING * length * math.sqrt(x * x + y * y + 1):
                smeared[i, j] = 1
            normals[i, j, 0] = -nx / length
            normals[i, j, 1] = -ny / length
            normals[i, j, 2] = -nz / length
    return normals, smeared


@compiled()
def _creases_and_steps(depth, valid, normals, rays_x, rays_y, fx, fy):  # type: ignore[no-untyped-def]
    rows, cols = depth.shape
    concavity = np.zeros((rows, cols), np.float32)
    curvature = np.zeros((rows, cols), np.float32)
    steps = np.zeros((rows, cols, 2), np.int8)
    pixel = 1 / min(fx, fy)
    for i in range(rows):
        for j in range(cols):
            if not valid[i, j]:
                continue
            z = depth[i, j]
            reach = min(max(round(_CREASE_REACH * fx / z), 2), 6)
            sharpest = np.float32(1)  # cosine of the angle of a concave crease
            for k in range(4):  # right, down, and the two diagonals
                di = 0 if k == 0 else 1
                dj = 0 if k == 1 else (-1 if k == 3 else 1)
                if k < 2 and i + di < rows and j + dj < cols and valid[i + di, j + dj]:
                    a, b = i + di, j + dj
                    z1 = depth[a, b]
                    dx = rays_x[b] * z1 - rays_x[j] * z
                    dy = rays_y[a] * z1 - rays_y[i] * z
                    dz = z1 - z
                    # The distance from both planes: on a crease, one of the two is small.
                    off = min(
                        abs(normals[i, j, 0] * dx + normals[i, j, 1] * dy + normals[i, j, 2] * dz),
                        abs(normals[a, b, 0] * dx + normals[a, b, 1] * dy + normals[a, b, 2] * dz),
                    )
                    if off > _STEP + _STEP_SIGMAS * NOISE_AT_1M * z * z:
                        steps[i, j, k] = 1 if dz > 0 else -1
                s = reach if k < 2 else max(2, round(0.7 * reach))
                i0, j0, i1, j1 = i - di * s, j - dj * s, i + di * s, j + dj * s
                if i0 < 0 or i1 >= rows or min(j0, j1) < 0 or max(j0, j1) >= cols:
                    continue
                if not (valid[i0, j0] and valid[i1, j1]):
                    continue
                if normals[i0, j0, 2] == 0 or normals[i1, j1, 2] == 0:
                    continue
                z0, z1 = depth[i0, j0], depth[i1, j1]
                dx = rays_x[j1] * z1 - rays_x[j0] * z0
                dy = rays_y[i1] * z1 - rays_y[i0] * z0
                dz = z1 - z0
                if dx * dx + dy * dy + dz * dz > (4 * s * z * pixel) ** 2:
                    continue  # across a depth step
                nx, ny, nz = normals[i0, j0, 0], normals[i0, j0, 1], normals[i0, j0, 2]
                mx, my, mz = normals[i1, j1, 0], normals[i1, j1, 1], normals[i1, j1, 2]
                cosine = nx * mx + ny * my + nz * mz
                opening = (mx - nx) * dx + (my - ny) * dy + (mz - nz) * dz
                if k < 2:
                    angle = _degrees(cosine)
                    curvature[i, j] += 0.5 * (angle if opening > 0 else -angle)
                # Convex where the normals turn away from each other (Stein et al. 2014,
                # "Object partitioning using local convexity", section 3.1).
                if opening < 0:
                    sharpest = min(sharpest, cosine)
            if sharpest < 1:
                concavity[i, j] = _degrees(sharpest)
    return concavity, curvature, steps


@compiled()
def _degrees(cosine):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    return np.float32(180 / math.pi) * math.acos(min(one, max(-one, cosine)))
