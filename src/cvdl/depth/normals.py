"""Surface normals of a depth image, from a plane fitted around every pixel.

A plane is linear in inverse depth (see ``cvdl.segmentation.plane``): 1/z = a x + b y + c over the
viewing rays (x, y, 1), with a normal along (a, b, c). So the sums of the least-squares fit in all
windows are box filters of the image.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.compiled import compiled

__all__ = ["FEWEST", "FLATTEST", "WINDOW", "surface_normals"]

#: Side of the window that a plane is fitted to, pixels. In 9 x 9 pixels, the noise of a Kinect at
#: 0.8 m, 1 mm, rotates the normal by about 3 degrees.
WINDOW = 9
#: Share of a window that must have readings.
FEWEST = 0.25
#: Least determinant of the covariance of the readings, pixels^4: a line determines no plane.
FLATTEST = 1e-3


def surface_normals(
    depth: NDArray[np.float32], camera: Camera, window: int = WINDOW
) -> NDArray[np.float32]:
    """Return the unit normal at each pixel, pointing to the camera.

    Args:
        depth: (H, W) float32, meters along z; NaN where there is no reading.
        camera: intrinsics of that size.
        window: side of the window that each plane is fitted to, pixels, odd.

    Returns:
        (H, W, 3) float32, in the camera's optical frame; NaN where the depth is NaN or has too
        few readings around it. Each component is a contiguous image.

    Raises:
        ValueError: if the size of the image is not the camera's, or the window is even.
    """
    if depth.shape != (camera.height, camera.width):
        raise ValueError(
            f"depth is {depth.shape[1]}x{depth.shape[0]}, the camera {camera.width}x{camera.height}"
        )
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window is {window}; accepted: odd numbers from 3")
    known = depth > 0  # False for NaN too
    inverse = np.zeros(depth.shape, np.float32)
    np.divide(np.float32(1), depth, out=inverse, where=known)
    flat = np.ones(window, np.float32)
    ramp = np.arange(window, dtype=np.float32) - window // 2

    weight = known.astype(np.float32)
    sums = np.empty((9, *depth.shape), np.float32)
    for total, (image, row, column) in zip(
        sums,
        (
            (inverse, flat, flat),
            (inverse, ramp, flat),
            (inverse, flat, ramp),
            (weight, flat, flat),
            (weight, ramp, flat),
            (weight, flat, ramp),
            (weight, ramp**2, flat),
            (weight, flat, ramp**2),
            (weight, ramp, ramp),
        ),
        strict=True,
    ):
        border = cv2.BORDER_CONSTANT  # no readings outside of the image
        cv2.sepFilter2D(image, cv2.CV_32F, row, column, dst=total, borderType=border)
    rays_x, rays_y = (rays.ravel() for rays in camera.rays())
    normals = np.empty((3, *depth.shape), np.float32)
    focal = np.float32(camera.fx), np.float32(camera.fy)
    fewest = np.float32(FEWEST * window**2)
    _solve(known, sums, rays_x, rays_y, focal, fewest, normals)
    return np.moveaxis(normals, 0, -1)


@compiled()
def _solve(known, sums, rays_x, rays_y, focal, fewest, normals):  # type: ignore[no-untyped-def]
    """Solve for the plane of each pixel from the sums over its window; write the normals (3, h, w).

    Without branches and with few arrays: the compiler vectorizes it.
    """
    flattest, unknown = np.float32(FLATTEST), np.float32(np.nan)
    for row in range(known.shape[0]):
        for col in range(known.shape[1]):
            q, qx, qy = sums[0, row, col], sums[1, row, col], sums[2, row, col]
            n, x, y = sums[3, row, col], sums[4, row, col], sums[5, row, col]
            # Relative to the mean position of the readings in the window.
            mx, my = x / n, y / n
            cxx = sums[6, row, col] - mx * x
            cyy = sums[7, row, col] - my * y
            cxy = sums[8, row, col] - mx * y
            determinant = cxx * cyy - cxy * cxy
            is_plane = known[row, col] & (n >= fewest) & (determinant >= flattest * n * n)
            cx = qx - mx * q
            cy = qy - my * q
            across = (cyy * cx - cxy * cy) / determinant  # change of 1/z per pixel
            down = (cxx * cy - cxy * cx) / determinant
            a, b = across * focal[0], down * focal[1]
            c = q / n - mx * across - my * down
            c -= a * rays_x[col] + b * rays_y[row]
            length = np.sqrt(a * a + b * b + c * c)
            normals[0, row, col] = -a / length if is_plane else unknown
            normals[1, row, col] = -b / length if is_plane else unknown
            normals[2, row, col] = -c / length if is_plane else unknown
