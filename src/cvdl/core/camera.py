"""The pinhole camera: from pixels and depth to points, and back.

Frames follow REP 103's optical convention: z forward, x right, y down; meters.
A pixel (u, v) is a column and a row; the center of the top left pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera"]


@dataclass(frozen=True)
class Camera:
    """Intrinsics of a rectified pinhole camera, in pixels.

    Raises:
        ValueError: if a size or a focal length is not positive, or a value is not finite.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(
                f"camera size must be positive, got width={self.width} height={self.height}"
            )
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy]).all():
            raise ValueError(f"camera intrinsics must be finite, got {self}")
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"focal lengths must be positive, got fx={self.fx} fy={self.fy}")

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """The focal lengths and the principal point: fx, fy, cx, cy."""
        return float(self.fx), float(self.fy), float(self.cx), float(self.cy)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The 3x3 intrinsic matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def cropped(self, rows: slice, cols: slice) -> Camera:
        """Return the camera of a part of the image.

        Args:
            rows: slice with start and stop.
            cols: slice with start and stop.
        """
        return replace(
            self,
            width=cols.stop - cols.start,
            height=rows.stop - rows.start,
            cx=self.cx - cols.start,
            cy=self.cy - rows.start,
        )

    def reduced(self, factor: int) -> Camera:
        """Return the camera of the image downsampled by a factor, without incomplete blocks."""
        return Camera(
            self.width // factor,
            self.height // factor,
            self.fx / factor,
            self.fy / factor,
            (self.cx - (factor - 1) / 2) / factor,
            (self.cy - (factor - 1) / 2) / factor,
        )

    def rays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x (1, W) and y (H, 1) of the viewing rays at z = 1. Do not modify them."""
        return _rays(self)

    def deproject(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a depth image (H, W), meters along z, to points (H, W, 3); NaN stays NaN.

        Raises:
            ValueError: if the size of the image is not the camera's.
        """
        if depth.shape != (self.height, self.width):
            raise ValueError(
                f"depth is {depth.shape[1]}x{depth.shape[0]}, the camera {self.width}x{self.height}"
            )
        x, y = self.rays()
        points = np.empty((*depth.shape, 3), np.float32)
        np.multiply(depth, x, out=points[..., 0])
        np.multiply(depth, y, out=points[..., 1])
        points[..., 2] = depth
        return points

    def deproject_pixels(
        self, pixels: NDArray[np.floating], depth: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Convert pixels (..., 2) as (u, v) with depths (...), meters, to points (..., 3)."""
        pixels = np.asarray(pixels, np.float64)
        depth = np.asarray(depth, np.float64)
        x = (pixels[..., 0] - self.cx) / self.fx * depth
        y = (pixels[..., 1] - self.cy) / self.fy * depth
        return np.stack([x, y, depth], axis=-1)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Project points (..., 3) to pixels (..., 2) as (u, v); NaN where z <= 0."""
        points = np.asarray(points, np.float64)
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        u = points[..., 0] / z * self.fx + self.cx
        v = points[..., 1] / z * self.fy + self.cy
        return np.stack([u, v], axis=-1)


@lru_cache(maxsize=8)
def _rays(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # The same for all frames of a camera.
    x = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)[None, :]
    y = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]
    return x, y
