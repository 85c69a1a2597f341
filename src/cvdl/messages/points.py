"""Converts organized PointCloud2 messages with color to images.

The images have the fields of sensor_msgs/Image and CameraInfo, so they are read like those.
"""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.messages.camera_info import read_camera
from cvdl.messages.images import MessageError
from cvdl.messages.sync import Match

__all__ = ["POINTS", "images_of", "points_description", "source_fault"]

#: The type of the messages.
POINTS = "sensor_msgs/msg/PointCloud2"

_FORMATS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_COLORS = ("rgb", "rgba")
_FEWEST = 50  # points needed for the intrinsics
_SAMPLES = 20_000  # approximate number of points examined
_OFF_PIXELS = 1.5  # largest median distance between points and their pixels


def source_fault(message: Any) -> str:
    """Why a PointCloud2 cannot be used as color and depth; empty if it can."""
    try:
        _check(message)
    except MessageError as error:
        return str(error)
    return ""


def points_description(message: Any) -> str:
    """The names of the fields of a PointCloud2."""
    return " ".join(each.name for each in message.fields)


def images_of(message: Any, camera_info: Any = None) -> Match:
    """Convert an organized cloud to color (rgb8), depth (32FC1) and CameraInfo.

    They have the fields of the messages that are read; ``data`` is (N,) uint8.

    Args:
        message: PointCloud2 in the camera's optical frame, with the fields x, y, z and rgb or rgba.
        camera_info: CameraInfo of the camera. Without it, or if it does not fit the points, the
            intrinsics are fitted to the points.

    Raises:
        MessageError: if the cloud is not organized, lacks a field, is cut off, or its points do
            not lie where the camera sees them.
    """
    cloud = _points_of(message)
    colors = next(cloud[name] for name in _COLORS if name in (cloud.dtype.names or ()))
    packed = np.ascontiguousarray(colors).view(colors.dtype.str[0] + "u4")
    shifts = np.array([16, 8, 0], np.uint32)
    color = (packed[..., None] >> shifts).astype(np.uint8)  # keeps the lowest 8 bits
    x, y, z = (np.asarray(cloud[name], np.float32) for name in "xyz")
    camera = _camera(message, x, y, z, camera_info)
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    info = SimpleNamespace(
        header=message.header,
        height=camera.height,
        width=camera.width,
        k=k,
        p=p,
        d=[],
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )
    return Match(
        _image(message.header, color, "rgb8"),
        _image(message.header, np.ascontiguousarray(z, "<f4"), "32FC1"),
        info,
    )


def _image(header: Any, pixels: NDArray[Any], encoding: str) -> SimpleNamespace:
    rows = pixels.view(np.uint8).reshape(len(pixels), -1)
    return SimpleNamespace(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=rows.shape[1],
        data=rows.reshape(-1),
        is_bigendian=0,
    )


def _check(message: Any) -> dict[str, Any]:
    """The fields of a cloud by name.

    Raises:
        MessageError: if it cannot be used as color and depth.
    """
    fields = {each.name: each for each in message.fields}
    names = f"its fields are {', '.join(fields) or 'none'}"
    if message.height < 2 or message.width < 2:
        raise MessageError(
            "cloud not organized",
            f"{message.width}x{message.height} points; accepted: clouds with a row and a column "
            "for each pixel of the camera, such as /camera/depth_registered/points",
        )
    if not all(name in fields for name in "xyz"):
        raise MessageError("cloud without points", f"{names}; accepted: x, y, z and rgb or rgba")
    if not any(name in fields for name in _COLORS):
        raise MessageError("cloud without color", f"{names}; accepted: x, y, z and rgb or rgba")
    return fields


def _points_of(message: Any) -> NDArray[Any]:
    """The points as a structured array, (H, W)."""
    fields = _check(message)
    wanted = ["x", "y", "z", next(name for name in _COLORS if name in fields)]
    order = ">" if message.is_bigendian else "<"
    height, width = int(message.height), int(message.width)
    formats = [order + _FORMATS.get(fields[name].datatype, "?") for name in wanted]
    sizes = [np.dtype(each).itemsize if "?" not in each else 0 for each in formats]
    offsets = [int(fields[name].offset) for name in wanted]
    ends = [offset + size for offset, size in zip(offsets, sizes, strict=True)]
    is_real = all(each[1] == "f" for each in formats[:3])
    if not is_real or sizes[3] != 4 or max(ends) > message.point_step:
        raise MessageError(
            "unknown layout of a cloud",
            f"datatypes {[int(fields[name].datatype) for name in wanted]} of {', '.join(wanted)} "
            f"at offsets {offsets} in points of {message.point_step} bytes; accepted: FLOAT32 or "
            "FLOAT64 (7, 8) coordinates, color packed into 4 bytes",
        )
    data = np.frombuffer(message.data, np.uint8)
    if message.row_step < width * message.point_step or len(data) != message.row_step * height:
        raise MessageError(
            "wrong cloud data length",
            f"{len(data)} bytes, with {width}x{height} points of {message.point_step} bytes and "
            f"rows of {message.row_step}",
        )
    layout = np.dtype(
        {
            "names": wanted,
            "formats": formats,
            "offsets": offsets,
            "itemsize": int(message.point_step),
        }
    )
    rows = data.reshape(height, -1)[:, : width * message.point_step]
    return np.ascontiguousarray(rows).view(layout)


def _camera(
    message: Any, x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], camera_info: Any
) -> Camera:
    """The camera that sees the points (H, W) at their pixels."""
    height, width = z.shape
    step = max(1, int(np.sqrt(z.size / _SAMPLES)))
    part = slice(None, None, step)
    seen = np.isfinite(z[part, part]) & (z[part, part] > 0)
    v, u = (each * step for each in np.nonzero(seen))
    x, y, z = (each[part, part][seen].astype(np.float64) for each in (x, y, z))
    size = width, height
    pixels = np.stack([u, v], axis=-1)
    points = np.stack([x, y, z], axis=-1)
    if camera_info is not None:
        with suppress(MessageError):
            camera = read_camera(camera_info, is_rectified=True, size=size)
            if not len(points) or _sees(camera, points, pixels):
                return camera
    if len(points) < _FEWEST:
        raise MessageError(
            "cloud without points", f"{len(points)} points are too few for the camera's intrinsics"
        )
    (fx, cx), (fy, cy) = _line(x / z, u), _line(y / z, v)
    try:
        camera = Camera(*size, fx, fy, cx, cy)
    except ValueError:
        raise _not_optical(message) from None
    if not _sees(camera, points, pixels):
        raise _not_optical(message)
    return camera


def _sees(camera: Camera, points: NDArray[Any], pixels: NDArray[Any]) -> bool:
    """Whether a camera sees points (N, 3) near the pixels (N, 2)."""
    off = np.abs(camera.project(points) - pixels).max(axis=-1)
    return bool(np.median(off) <= _OFF_PIXELS)


def _line(slopes: NDArray[Any], pixels: NDArray[Any]) -> tuple[float, float]:
    """Focal length and principal point of one axis, by least squares."""
    middle = slopes.mean()
    spread = ((slopes - middle) ** 2).sum()
    if not spread > 0:
        return np.nan, np.nan
    focal = float(((slopes - middle) * (pixels - pixels.mean())).sum() / spread)
    return focal, float(pixels.mean() - focal * middle)


def _not_optical(message: Any) -> MessageError:
    return MessageError(
        "cloud not of a camera",
        f"the points, in frame {message.header.frame_id!r}, do not lie where a camera sees them; "
        "accepted: an organized cloud in the camera's optical frame (z forward, x right, y down)",
    )
