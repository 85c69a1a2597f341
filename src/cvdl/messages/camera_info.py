"""Reads CameraInfo messages as cameras."""

from __future__ import annotations

import math
import re
from typing import Any

from cvdl.core.camera import Camera
from cvdl.messages.images import MessageError

__all__ = ["is_rectified", "is_scaled", "read_camera"]


def is_rectified(color_topic: str) -> bool:
    """Whether the name of a color topic says that its images are rectified, as in image_proc.

    They have the camera_info of the raw images: K and D belong to the lens, P to the rectified
    image.
    """
    words = re.split("[/_]", color_topic)
    return "rect" in words or "rectified" in words


def read_camera(
    message: Any, is_rectified: bool = False, size: tuple[int, int] | None = None
) -> Camera:
    """Read a CameraInfo as a Camera; distortion is not applied (see `doubts`).

    Size and matrices are those of the camera's full resolution (sensor_msgs/CameraInfo), of which
    ``roi`` is delivered, with ``binning_x`` times ``binning_y`` pixels combined to one. Images of
    another size with the same proportions are taken for the whole image scaled; `doubts` reports
    it.

    Args:
        message: CameraInfo.
        is_rectified: whether the images are rectified: their intrinsics are in the matrix P if it
            is filled in, else in K.
        size: width and height of the images, pixels; those in the message if not given.

    Raises:
        MessageError: if a focal length or a size is not positive, or the size of the images does
            not fit.
    """
    full = (int(message.width), int(message.height))
    try:
        camera = Camera(*full, *_intrinsics(message, is_rectified))
    except ValueError as error:
        raise MessageError("unusable camera_info", f"{error}; is the camera calibrated?") from None
    delivered = _delivered(camera, message)
    if size is None or size == (delivered.width, delivered.height):
        return delivered
    if size == full:  # a driver that adapts its matrices to binning or region itself
        return camera
    if is_scaled(message, size):
        return _scaled(camera, size, size[0] / full[0], size[1] / full[1])
    said = f"{full[0]}x{full[1]}"
    if delivered is not camera:
        said += f", with its binning and region of interest {delivered.width}x{delivered.height}"
    raise MessageError(
        "sizes differ",
        f"camera_info {said}, its images {size[0]}x{size[1]}; accepted: the same size or "
        "proportions (a calibration of this resolution)",
    )


def is_scaled(message: Any, size: tuple[int, int]) -> bool:
    """Whether images (width, height) have only the proportions of their CameraInfo.

    See `read_camera`.
    """
    full = int(message.width), int(message.height)
    return full != size and full[0] * size[1] == full[1] * size[0] and not _is_cut(message)


def _is_cut(message: Any) -> bool:
    roi = int(message.roi.width), int(message.roi.height)
    is_whole = roi in ((0, 0), (int(message.width), int(message.height)))
    return not is_whole or max(message.binning_x, message.binning_y) > 1


def _intrinsics(message: Any, is_rectified: bool) -> tuple[float, float, float, float]:
    """Focal lengths and principal point."""
    k, p = ([float(value) for value in matrix] for matrix in (message.k, message.p))
    of_k, of_p = (k[0], k[4], k[2], k[5]), (p[0], p[5], p[2], p[6])
    is_p_filled = all(map(math.isfinite, of_p)) and min(of_p[:2]) > 0
    is_k_empty = not all(map(math.isfinite, of_k)) or not any(of_k)
    return of_p if is_p_filled and (is_rectified or is_k_empty) else of_k


def _delivered(camera: Camera, message: Any) -> Camera:
    """The camera of the delivered images, from that of the full resolution."""
    roi = message.roi
    if roi.width and roi.height:
        x, y = int(roi.x_offset), int(roi.y_offset)
        camera = camera.cropped(slice(y, y + int(roi.height)), slice(x, x + int(roi.width)))
    across, down = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    size = camera.width // across, camera.height // down
    if (across, down) == (1, 1) or not all(size):
        return camera
    return _scaled(camera, size, 1 / across, 1 / down)


def _scaled(camera: Camera, size: tuple[int, int], x: float, y: float) -> Camera:
    """The camera of the same image in another size; x and y are the factors."""
    # The center of the first pixel is at 0, its edge at -0.5.
    cx, cy = (camera.cx + 0.5) * x - 0.5, (camera.cy + 0.5) * y - 0.5
    return Camera(*size, camera.fx * x, camera.fy * y, cx, cy)
