"""Reads Image and CompressedImage messages as color and depth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.errors import InputError
from cvdl.core.frame import readings
from cvdl.messages import rvl

__all__ = [
    "COLOR_ENCODINGS",
    "DEPTH_ENCODINGS",
    "MessageError",
    "depth_scale_doubt",
    "image_kind",
    "image_size",
    "is_gray",
    "pixels_of",
    "read_color",
    "read_depth",
]

_BYTE, _WORD = np.dtype(np.uint8), np.dtype(np.uint16)


@dataclass(frozen=True)
class _Encoding:
    """The layout of a color encoding.

    Attributes:
        channels: number of channels per pixel.
        conversion: OpenCV's conversion to RGB; None for RGB itself.
        dtype: type of a channel.
        block: divisor of the width, pixels.
        planes: rows of data per two rows of the image.
    """

    channels: int
    conversion: int | None
    dtype: np.dtype[Any] = _BYTE
    block: int = 1
    planes: int = 2


_CHANNELS: dict[str, tuple[int, int | None]] = {
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "mono": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg": (1, cv2.COLOR_BayerGRBG2RGB),
}
_COLOR = {f"{name}8": _Encoding(*each) for name, each in _CHANNELS.items()}
_COLOR |= {f"{name}16": _Encoding(*each, _WORD) for name, each in _CHANNELS.items()}
# What cv_bridge writes if no encoding is given: OpenCV's order.
_COLOR |= {"8UC1": _COLOR["mono8"], "8UC3": _COLOR["bgr8"], "8UC4": _COLOR["bgra8"]}
_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, block=2)
_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, block=2)
_COLOR |= {"yuv422": _UYVY, "uyvy": _UYVY, "yuv422_yuy2": _YUYV, "yuyv": _YUYV}
_COLOR |= {
    "nv12": _Encoding(1, cv2.COLOR_YUV2RGB_NV12, block=2, planes=3),
    "nv21": _Encoding(1, cv2.COLOR_YUV2RGB_NV21, block=2, planes=3),
}
# Depth too, of many drivers.
_MONO16 = "mono16"
_DEPTH: dict[str, np.dtype[Any]] = {
    "16UC1": _WORD,
    _MONO16: _WORD,
    "32FC1": np.dtype(np.float32),
    "64FC1": np.dtype(np.float64),
}

#: Encodings that are read as color, and as depth.
COLOR_ENCODINGS = tuple(_COLOR)
DEPTH_ENCODINGS = tuple(_DEPTH)

# Every 16UC1 value in meters: 0 means no reading (REP 118).
_METERS = (np.arange(65536) / 1000).astype(np.float32)
_METERS[0] = np.nan

_CONFIG_HEADER_BYTES = 12  # of compressedDepth: an enum, then the two quantization parameters
_RVL_HEADER_BYTES = 8  # columns and rows
_RVL_MOST_PIXELS = 1 << 26
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH = bytes((16, 0))  # in its header: 16 bits a channel, one channel
_JPEG_START = b"\xff\xd8"
_VIDEO = ("h264", "h265", "hevc", "av1", "vp8", "vp9", "mpeg4", "ffmpeg")
_START_CODES = (b"\0\0\0\1", b"\0\0\1")  # of H.264 and H.265

# Words in the names of topics whose 16-bit images are not depth.
_NO_DEPTH = re.compile(
    r"(^|[/_])(ir\d*|infra\w*|mono\d*|gr[ae]y\w*|amplitude|intensity|confidence|reflect\w*"
    r"|thermal\w*|labels?|masks?|seg\w*|semantic\w*|instance\w*|ids?|left|right)(?=$|[/_])"
)

# Median depth beyond these, in meters, has another unit.
_NEAREST_M, _FARTHEST_M = 0.02, 100.0
_SAMPLES = 8  # stride of the rows and columns that are examined for the unit


class MessageError(InputError):
    """A message that cannot be used.

    Attributes:
        cause: the problem in a few words, the same for every message that has it; used to count
            and to warn once.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause


def image_kind(message: Any, topic: str = "") -> str:
    """What an Image or CompressedImage holds: "color", "depth" or "" (neither is readable).

    Args:
        message: of the topic.
        topic: name of the topic, which decides whether plain 16-bit images are depth.
    """
    if _is_compressed(message):
        if _is_rvl(message):
            return "depth"
        named = _encoding_named(message)
        if named in ("16UC1", "32FC1"):  # JPEG would have cut its values to 8 bits
            return "" if bytes(message.data[:2]) == _JPEG_START else "depth"
        if _is_png_depth(message):
            return "depth" if _may_be_depth(topic) else ""
        return "" if "compressedDepth" in message.format else "color"
    if message.encoding == _MONO16:
        return "depth" if _may_be_depth(topic) else ""
    if message.encoding in _COLOR and _COLOR[message.encoding].dtype == _BYTE:
        return "color"
    if message.encoding in _DEPTH:
        return "depth"
    return "color" if message.encoding in _COLOR else ""


def is_gray(encoding: str) -> bool:
    """Whether an encoding, or the format of a CompressedImage, is gray."""
    return encoding.startswith(("mono", "8UC1"))


def image_size(message: Any) -> tuple[int, int]:
    """Width and height of an Image or CompressedImage, pixels.

    Raises:
        MessageError: if compressed data is not an image.
    """
    if not _is_compressed(message):
        return int(message.width), int(message.height)
    if _is_rvl(message):
        return _rvl_size(message)
    height, width = _decompressed(message, cv2.IMREAD_UNCHANGED).shape[:2]
    return int(width), int(height)


def read_color(message: Any) -> NDArray[np.uint8]:
    """Read an Image or CompressedImage as (H, W, 3) uint8 RGB.

    The upper 8 bits of 16-bit encodings are used.

    An encoding that is not one of `COLOR_ENCODINGS` is converted by cv_bridge where that is
    installed. The others are not: live and replayed frames are equal to the bit.

    Raises:
        MessageError: if the encoding is known to neither, or the sizes disagree.
    """
    if _is_compressed(message):
        picture = _decompressed(message, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        # compressed_image_transport writes "compressed bgr8"; those that write "compressed rgb8"
        # handed RGB to an encoder that took it for BGR, so that the two swaps cancel.
        if "compressed rgb" in message.format:
            return picture
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    encoding = _COLOR.get(message.encoding)
    if encoding is None:
        converted = _by_cv_bridge(message)
        if converted is not None:
            return converted
        raise MessageError(
            "unknown color encoding",
            f"{message.encoding!r}; accepted: {', '.join(_COLOR)}, or a CompressedImage",
        )
    if message.width % encoding.block:
        raise MessageError(
            "odd width",
            f"{message.width} pixels; {message.encoding} stores one color for each two pixels",
        )
    if message.height * encoding.planes % 2:
        raise MessageError(
            "odd height",
            f"{message.height} pixels; {message.encoding} stores one color for each two pixels",
        )
    pixels = pixels_of(
        message, encoding.dtype, encoding.channels, message.height * encoding.planes // 2
    )
    if encoding.dtype == _WORD:
        pixels = (pixels >> 8).astype(np.uint8)
    if encoding.conversion is None:
        return pixels.copy()
    return np.asarray(cv2.cvtColor(pixels, encoding.conversion), np.uint8)


def read_depth(message: Any) -> NDArray[np.float32]:
    """Read an Image or CompressedImage (compressedDepth as PNG or RVL, or 16-bit PNG) as depth.

    Returns:
        (H, W) float32, meters; NaN for no reading, see `cvdl.core.frame.readings`.

    Raises:
        MessageError: if the encoding is not one of `DEPTH_ENCODINGS`, the sizes disagree, or
            compressed data is damaged.
    """
    if _is_compressed(message):
        return _decompressed_depth(message)
    raw = _raw_depth(message)
    if raw.dtype.kind == "u":
        return _METERS.take(raw)
    return readings(raw.astype(np.float32))


def depth_scale_doubt(message: Any) -> tuple[str, str] | None:
    """The doubt about a depth Image whose values seem to have another unit; see `doubts`."""
    if _is_compressed(message):
        return None
    raw = _raw_depth(message)[::_SAMPLES, ::_SAMPLES]
    values = raw[np.isfinite(raw) & (raw > 0)]
    if not len(values):
        return None
    unit, in_meters = ("millimeters", 1000) if raw.dtype.kind == "u" else ("meters", 1)
    median = float(np.median(values))
    if _NEAREST_M <= median / in_meters <= _FARTHEST_M:
        return None
    likely = "meters" if unit == "millimeters" else "millimeters"
    return (
        "unit of depth",
        f"depth is {message.encoding}, which is in {unit}, but the median of its values is "
        f"{median:.4g} {unit}: the publisher seems to send {likely}",
    )


def pixels_of(
    message: Any, dtype: np.dtype[Any], channels: int = 1, rows: int | None = None
) -> NDArray[Any]:
    """View of an Image's data as (H, W), or (H, W, C) for several channels, without padding.

    Args:
        message: Image.
        dtype: type of a channel; the byte order is that of the message.
        channels: number of channels per pixel.
        rows: rows of the data, if they differ from those of the image.

    Raises:
        MessageError: if step or length of the data do not fit the size.
    """
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
    rows = height if rows is None else rows
    if len(data) != step * rows:
        raise MessageError(
            "wrong image data length",
            f"{len(data)} bytes, but step {step} times height {rows} is {step * rows}",
        )
    lines = data.reshape(rows, step)[:, :row]
    pixels = lines.view(dtype.newbyteorder(">" if message.is_bigendian else "<"))
    return pixels if channels == 1 else pixels.reshape(rows, width, channels)


def _by_cv_bridge(message: Any) -> NDArray[np.uint8] | None:
    """An Image as (H, W, 3) RGB by ROS's own converter; None where it cannot."""
    try:
        from cv_bridge import CvBridge

        picture = np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception:  # it is missing, built for another NumPy, or does not know the encoding
        return None
    fits = picture.shape == (message.height, message.width, 3) and picture.dtype == _BYTE
    return picture if fits else None


def _raw_depth(message: Any) -> NDArray[Any]:
    if message.encoding not in _DEPTH:
        raise MessageError(
            "unknown depth encoding",
            f"{message.encoding!r}; accepted: {', '.join(_DEPTH)}, "
            "or a CompressedImage of compressedDepth or a 16-bit PNG",
        )
    return pixels_of(message, _DEPTH[message.encoding])


def _may_be_depth(topic: str) -> bool:
    """Whether 16-bit images of a topic may be depth, by its name."""
    name = topic.lower()
    return "depth" in name or not _NO_DEPTH.search(name)


def _is_compressed(message: Any) -> bool:
    return hasattr(message, "format")


def _encoding_named(message: Any) -> str:
    """The encoding before compression, from the format of a CompressedImage."""
    return str(message.format.partition(";")[0].strip())


def _is_rvl(message: Any) -> bool:
    return "compressedDepth" in message.format and "rvl" in message.format.lower()


def _is_png_depth(message: Any) -> bool:
    """Whether the data is a PNG of one channel with 16 bits."""
    skipped = _CONFIG_HEADER_BYTES if "compressedDepth" in message.format else 0
    start = bytes(message.data[skipped : skipped + 26])
    return start.startswith(_PNG_SIGNATURE) and start[24:] == _PNG_DEPTH


def _decompressed(message: Any, flags: int) -> NDArray[Any]:
    data = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in message.format:
        data = data[_CONFIG_HEADER_BYTES:]
    picture = cv2.imdecode(data, flags) if len(data) else None
    if picture is not None:
        return picture
    form = message.format.lower()
    if any(name in form for name in _VIDEO) or bytes(data[:4]).startswith(_START_CODES):
        raise MessageError(
            "video stream",
            f"format {message.format!r} holds a video stream, whose frames depend on each other; "
            "accepted: JPEG or PNG data. Republish it decoded, or record another transport",
        )
    raise MessageError(
        "unreadable compressed image",
        f"format {message.format!r}, {len(data)} bytes; accepted: whole JPEG or PNG data",
    )


def _decompressed_depth(message: Any) -> NDArray[np.float32]:
    """compressed_depth_image_transport's formats, and a plain 16-bit PNG in millimeters."""
    named = _encoding_named(message)
    transported = "compressedDepth" in message.format
    if transported and named and named not in _DEPTH and not named.startswith("compressedDepth"):
        raise MessageError(
            "unknown compressed depth format",
            f"{message.format!r}; accepted: '16UC1; compressedDepth png', "
            "'32FC1; compressedDepth png', the same with rvl, or a 16-bit PNG",
        )
    raw: NDArray[Any] = (
        _rvl_pixels(message) if _is_rvl(message) else _decompressed(message, cv2.IMREAD_UNCHANGED)
    )
    if raw.dtype != np.uint16 or raw.ndim != 2:
        raise MessageError(
            "unknown compressed depth format",
            f"{message.format!r} holds {raw.dtype} {raw.shape}; accepted: one channel of 16 bits, "
            "as PNG or RVL (JPEG cannot hold depth)",
        )
    if not (transported and named == "32FC1"):
        return _METERS.take(raw)
    # Inverse depth, quantized: depth = a / (value - b).
    a, b = np.frombuffer(message.data, "<f4", count=2, offset=4)
    with np.errstate(divide="ignore"):
        meters = np.float32(a) / (raw.astype(np.float32) - np.float32(b))
    meters[raw == 0] = np.nan
    return readings(meters)


def _rvl_size(message: Any) -> tuple[int, int]:
    """Width and height."""
    data = np.frombuffer(message.data, np.uint8)[_CONFIG_HEADER_BYTES:]
    if len(data) < _RVL_HEADER_BYTES:
        raise _rvl_fault(message, f"{len(data)} bytes are too few for its header")
    width, height = (int(value) for value in data[:_RVL_HEADER_BYTES].view("<u4"))
    if not 0 < width * height <= _RVL_MOST_PIXELS:
        raise _rvl_fault(message, f"its header gives {width}x{height} pixels")
    return width, height


def _rvl_pixels(message: Any) -> NDArray[np.uint16]:
    width, height = _rvl_size(message)
    data = np.frombuffer(message.data, np.uint8)[_CONFIG_HEADER_BYTES + _RVL_HEADER_BYTES :]
    try:
        return rvl.decode(data, width * height).reshape(height, width)
    except ValueError as error:
        raise _rvl_fault(message, f"{error} ({width}x{height} in {len(data)} bytes)") from None


def _rvl_fault(message: Any, what: str) -> MessageError:
    return MessageError("damaged RVL depth", f"format {message.format!r}: {what}")
