"""ROS messages to frames: the same for live nodes and for bags.

All that is needed of a message is that it has its type's fields, so that those of a ROS 2
installation and those of the rosbags package both serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.camera import Camera
from cvdl.errors import InputError
from cvdl.frame import RgbdFrame, readings

__all__ = [
    "COLOR_ENCODINGS",
    "DEPTH_ENCODINGS",
    "MessageError",
    "doubts",
    "image_kind",
    "image_size",
    "is_rectified",
    "missing_plane",
    "read_camera",
    "read_color",
    "read_depth",
    "read_frame",
    "stamp_ns",
]

# Encoding to bytes a pixel and OpenCV's conversion to RGB (none for RGB itself).
_COLOR: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
}
_DEPTH: dict[str, np.dtype[Any]] = {"16UC1": np.dtype(np.uint16), "32FC1": np.dtype(np.float32)}

COLOR_ENCODINGS = tuple(_COLOR)
DEPTH_ENCODINGS = tuple(_DEPTH)

# Every 16UC1 value in metres: 0 means no reading (REP 118).
_METRES = (np.arange(65536) / 1000).astype(np.float32)
_METRES[0] = np.nan

_CONFIG_HEADER_BYTES = 12  # of compressedDepth: an enum, then the two quantisation parameters


class MessageError(InputError):
    """A message that cannot be used.

    Attributes:
        cause: what is wrong in a few words, the same for every message that has this fault:
            it serves to count and to warn once.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause


def stamp_ns(message: Any) -> int:
    """The header's time of capture, nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def image_kind(message: Any) -> str:
    """What an Image or CompressedImage holds: "color", "depth" or "" (neither is readable)."""
    if _is_compressed(message):
        form = message.format
        if "compressedDepth" in form or form.startswith("16UC1"):
            return "depth"
        return "color"
    if message.encoding in _COLOR:
        return "color"
    return "depth" if message.encoding in _DEPTH else ""


def image_size(message: Any) -> tuple[int, int]:
    """Width and height of an Image or CompressedImage, pixels.

    Raises:
        MessageError: if compressed data is no picture.
    """
    if _is_compressed(message):
        height, width = _decompressed(message, cv2.IMREAD_UNCHANGED).shape[:2]
        return int(width), int(height)
    return int(message.width), int(message.height)


def read_color(message: Any) -> NDArray[np.uint8]:
    """Image or CompressedImage to (H, W, 3) uint8 RGB.

    Raises:
        MessageError: if the encoding is not one of `COLOR_ENCODINGS`, or the sizes disagree.
    """
    if _is_compressed(message):
        picture = _decompressed(message, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        # compressed_image_transport writes "compressed bgr8"; those that write "compressed rgb8"
        # handed RGB to an encoder that took it for BGR, so that the two swaps cancel.
        if "compressed rgb" in message.format:
            return picture
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    if message.encoding not in _COLOR:
        raise MessageError(
            "unknown colour encoding",
            f"{message.encoding!r}; accepted: {', '.join(_COLOR)}, or a CompressedImage",
        )
    channels, conversion = _COLOR[message.encoding]
    pixels = _pixels(message, np.dtype(np.uint8), channels)
    if conversion == cv2.COLOR_YUV2RGB_YUY2 and message.width % 2:
        raise MessageError(
            "odd width", f"{message.width} pixels; {message.encoding} has two in four bytes"
        )
    if conversion is None:
        return pixels.copy()
    return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def read_depth(message: Any) -> NDArray[np.float32]:
    """Image or CompressedImage (compressedDepth, or a 16-bit PNG) to (H, W) float32 metres.

    NaN where there is no reading, see `cvdl.frame.readings`.

    Raises:
        MessageError: if the encoding is not one of `DEPTH_ENCODINGS`, or the sizes disagree.
    """
    if _is_compressed(message):
        return _decompressed_depth(message)
    if message.encoding not in _DEPTH:
        raise MessageError(
            "unknown depth encoding",
            f"{message.encoding!r}; accepted: {', '.join(_DEPTH)}, "
            "or a CompressedImage of compressedDepth",
        )
    raw = _pixels(message, _DEPTH[message.encoding])
    if raw.dtype.kind == "u":
        return _METRES[raw]
    return readings(raw.astype(np.float32))


def is_rectified(color_topic: str) -> bool:
    """Whether a colour topic says, as image_proc's do, that its pictures are rectified.

    They come with the camera_info of the raw ones: K and D are those of the lens, P is that of the
    rectified picture.
    """
    words = re.split("[/_]", color_topic)
    return "rect" in words or "rectified" in words


def read_camera(message: Any, is_rectified: bool = False) -> Camera:
    """CameraInfo to Camera; distortion is not applied (see `doubts`).

    Args:
        message: CameraInfo.
        is_rectified: whether it is that of rectified pictures: their intrinsics are in the matrix
            P, if it is filled in; else in K.

    Raises:
        MessageError: if a focal length or a size is not positive.
    """
    k, p = ([float(value) for value in matrix] for matrix in (message.k, message.p))
    fx, fy, cx, cy = k[0], k[4], k[2], k[5]
    if is_rectified and p[0]:
        fx, fy, cx, cy = p[0], p[5], p[2], p[6]
    try:
        return Camera(int(message.width), int(message.height), fx, fy, cx, cy)
    except ValueError as error:
        raise MessageError("unusable camera_info", f"{error}; is the camera calibrated?") from None


def read_frame(color: Any, depth: Any, camera_info: Any, is_rectified: bool = False) -> RgbdFrame:
    """Colour, depth registered to it, and its CameraInfo to a frame; stamp and id are colour's.

    Args:
        color: Image or CompressedImage.
        depth: likewise.
        camera_info: of colour.
        is_rectified: see `read_camera`.

    Raises:
        MessageError: if one of the three cannot be used, or if they differ in size.
    """
    camera = read_camera(camera_info, is_rectified)
    picture, metres = read_color(color), read_depth(depth)
    sizes = {
        "colour": picture.shape[1::-1],
        "depth": metres.shape[::-1],
        "camera_info": (camera.width, camera.height),
    }
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {width}x{height}" for name, (width, height) in sizes.items())
        raise MessageError(
            "sizes differ", f"{found}; they must be equal, with depth registered to colour"
        )
    return RgbdFrame(picture, metres, camera, stamp_ns(color), color.header.frame_id)


def doubts(
    color: Any, depth: Any, camera_info: Any, is_rectified: bool = False
) -> Iterator[tuple[str, str]]:
    """What makes results worse but does not hinder them, as (cause, sentence): to warn once."""
    if any(camera_info.d) and not is_rectified:
        coefficients = ", ".join(f"{value:.4g}" for value in camera_info.d)
        yield (
            "distortion",
            f"camera_info has distortion coefficients ({coefficients}), which are not applied: "
            "rectified images are expected (as of image_proc, on a topic image_rect); boxes may be "
            "off by some pixels near the rim",
        )
    if not color.header.frame_id:
        yield (
            "no frame id",
            "colour has an empty frame_id, and so have the results: RViz and tf2 cannot place them",
        )
    if color.header.frame_id != depth.header.frame_id:
        yield (
            "frame ids differ",
            f"colour is in frame {color.header.frame_id!r}, depth in {depth.header.frame_id!r}: "
            "depth must be registered to colour, else masks are shifted",
        )


def missing_plane(depth: NDArray[np.float32]) -> tuple[str, str]:
    """What to warn of, once, where depth (H, W), metres, shows no support plane: see `doubts`."""
    readings = depth[np.isfinite(depth)]
    seen = "there is no depth reading in it"
    if len(readings):
        share, median = len(readings) / depth.size, float(np.median(readings))
        seen = (
            f"{share:.0%} of its pixels have a depth, {median:.3g} m in the median (16UC1 is in "
            "millimetres, 32FC1 in metres)"
        )
    return "no support plane", f"a frame shows no support plane: {seen}"


def _is_compressed(message: Any) -> bool:
    return hasattr(message, "format")


def _pixels(message: Any, dtype: np.dtype[Any], channels: int = 1) -> NDArray[Any]:
    """View of an Image's data as (H, W), or (H, W, C) of more channels; padding left out."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    data = np.frombuffer(message.data, np.uint8)
    row = width * channels * dtype.itemsize
    if not width or not height:
        raise MessageError("empty image", f"{width}x{height}")
    if step < row:
        raise MessageError(
            "wrong image step",
            f"{step} bytes, but {width} pixels {message.encoding} need at least {row}",
        )
    if len(data) != step * height:
        raise MessageError(
            "wrong image data length",
            f"{len(data)} bytes, but step {step} times height {height} is {step * height}",
        )
    rows = data.reshape(height, step)[:, :row]
    pixels = rows.view(dtype.newbyteorder(">" if message.is_bigendian else "<"))
    return pixels if channels == 1 else pixels.reshape(height, width, channels)


def _decompressed(message: Any, flags: int) -> NDArray[Any]:
    data = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in message.format:
        data = data[_CONFIG_HEADER_BYTES:]
    picture = cv2.imdecode(data, flags) if len(data) else None
    if picture is None:
        raise MessageError(
            "unreadable compressed image",
            f"format {message.format!r}, {len(data)} bytes; accepted: whole JPEG or PNG data",
        )
    return picture


def _decompressed_depth(message: Any) -> NDArray[np.float32]:
    """compressed_depth_image_transport's formats, and a plain 16-bit PNG in millimetres."""
    kind = message.format.partition(";")[0].strip()
    transported = "compressedDepth" in message.format
    if "rvl" in message.format or (transported and kind not in _DEPTH):
        raise MessageError(
            "unknown compressed depth format",
            f"{message.format!r}; accepted: '16UC1; compressedDepth png', "
            "'32FC1; compressedDepth png', '16UC1; png compressed'",
        )
    raw = _decompressed(message, cv2.IMREAD_UNCHANGED)
    if raw.dtype != np.uint16 or raw.ndim != 2:
        raise MessageError(
            "unknown compressed depth format",
            f"{message.format!r} holds {raw.dtype} {raw.shape}; accepted: one channel of 16 bits",
        )
    if kind != "32FC1":
        return _METRES[raw]
    # Inverse depth, quantised: depth = a / (value - b).
    a, b = np.frombuffer(message.data, "<f4", count=2, offset=4)
    with np.errstate(divide="ignore"):
        metres = np.float32(a) / (raw.astype(np.float32) - np.float32(b))
    metres[raw == 0] = np.nan
    return readings(metres)
