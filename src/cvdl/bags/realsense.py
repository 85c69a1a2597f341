"""Recordings of the RealSense SDK (realsense-viewer, rs-record), translated into standard messages.

The SDK writes ROS 1 bags of its own kind: depth is `mono16` in units of the camera's, images carry
no frame id but a number of a version, a float may stand behind them that the definition does not
name, and the extrinsics are bare transforms on topics of their own.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from scipy.spatial.transform import Rotation

from cvdl.bags.sources import Bytes, Ros1Source
from cvdl.bags.topic import LATCHED, Topic, described
from cvdl.bags.typestore import message_type, typestore
from cvdl.messages.transform_tree import matrix_of

__all__ = ["RealSenseSource", "is_recording"]

_log = logging.getLogger(__name__)

_IMAGE = "sensor_msgs/msg/Image"
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_TRANSFORM = "geometry_msgs/msg/Transform"
_TF = "tf2_msgs/msg/TFMessage"

_STREAM = re.compile(
    r"/(?P<frame>(?P<device>device_\d+)/sensor_\d+/(?P<kind>[^/]+)_\d+)"
    r"/(?P<what>image/data|info/camera_info|tf/(?P<reference>\d+))"
)
_DEPTH_UNITS = re.compile(r"/(?P<sensor>device_\d+/sensor_\d+)/option/Depth[ _]Units/value")
_DEFAULT_UNIT = 0.001  # metres: of every camera of the D400 family unless it was set
_UNIT_TOLERANCE = 1e-3  # relative

# The SDK's names of formats, where they are not those of ROS; 8UC1 and 16UC1 are pictures in grey,
# not depth.
_ENCODINGS = {
    "YUYV": "yuv422_yuy2",
    "8UC1": "mono8",
    "Y8": "mono8",
    "16UC1": "mono16",
    "Y16": "mono16",
}
_DEPTH_FORMATS = ("mono16", "16UC1", "Z16")
_DISTORTIONS = {
    "None": "plumb_bob",
    "Brown Conrady": "plumb_bob",
    "Modified Brown Conrady": "plumb_bob",
    "Inverse Brown Conrady": "plumb_bob",
    "Kannala Brandt4": "equidistant",
}
# Clocks of streams that differ by more, nanoseconds, are not the same clock.
_SAME_CLOCK_NS = 1_000_000_000


def is_recording(names: Collection[str]) -> bool:
    """Whether these are the topics of a recording of the SDK."""
    return any(
        match is not None and match["what"] == "image/data"
        for match in map(_STREAM.fullmatch, names)
    )


class RealSenseSource(Ros1Source):
    """A recording of the RealSense SDK.

    Depth comes as 16UC1 in millimetres, or as 32FC1 in metres if the camera's unit is another one.
    The frame of a stream is called like its topics, such as "device_0/sensor_0/Depth_0". The
    extrinsics come as `/tf_static`. Infrared is taken for colour only where there is no colour.
    """

    def __init__(self, reader: Any) -> None:
        super().__init__(reader)
        self._streams: dict[int, re.Match[str]] = {}
        for key, connection in self._connections.items():
            match = _STREAM.fullmatch(connection.topic)
            if match is None or connection.msgtype not in (_IMAGE, _CAMERA_INFO, _TRANSFORM):
                continue
            self._streams[key] = match
            kind, name, count = connection.msgtype, connection.topic, connection.msgcount
            if kind == _TRANSFORM:
                self.topics[key] = Topic("/tf_static", _TF, *described(_TF), (LATCHED,), count)
            else:
                self.topics[key] = Topic(name, kind, *described(kind), count=count)
        for key, topic in self.topics.items():  # names of options have spaces
            self.topics[key] = replace(topic, name=topic.name.replace(" ", "_"))
        self._has_color = any(match["kind"] == "Color" for match in self._streams.values())
        self._units = self._depth_units()
        self._is_one_clock = self._share_a_clock()

    def _depth_units(self) -> dict[str, float]:
        """Metres a unit, by sensor."""
        found = {}
        for connection in self._connections.values():
            match = _DEPTH_UNITS.fullmatch(connection.topic)
            if match is not None:
                for _, _, data in self._firsts(connection):
                    with suppress(struct.error):
                        found[match["sensor"]] = struct.unpack_from("<f", data)[0]
        return found

    def _share_a_clock(self) -> bool:
        """Whether the stamps of all streams are of one clock, judged by the recorder's."""
        ahead = []
        for key, match in self._streams.items():
            if match["what"] == "image/data":
                for _, received_ns, data in self._firsts(self._connections[key]):
                    with suppress(struct.error, ValueError):  # said when the image is used
                        ahead.append(_RawImage(data).stamp_ns - received_ns)
        if not ahead or max(ahead) - min(ahead) <= _SAME_CLOCK_NS:
            return True
        _log.warning(
            "%s: the clocks of its streams differ by %.3g s: images are stamped with the time "
            "of recording",
            self._reader.path,
            (max(ahead) - min(ahead)) / 1e9,
        )
        return False

    def _firsts(self, connection: Connection) -> Iterator[tuple[Connection, int, bytes]]:
        """The first message of a topic, if there is one."""
        if connection.msgcount:
            yield next(self._reader.messages([connection]))

    def _converted(self, key: int, stamp_ns: int, data: Bytes) -> Bytes:
        match = self._streams.get(key)
        kind = self._connections[key].msgtype
        if match is None:
            return super()._converted(key, stamp_ns, data)
        if kind == _IMAGE:
            return self._image(match, stamp_ns, data)
        message = typestore().deserialize_cdr(super()._converted(key, stamp_ns, data), kind)
        if kind == _CAMERA_INFO:
            return typestore().serialize_cdr(_camera_info(match["frame"], message), kind)
        return typestore().serialize_cdr(_static_transform(match, message), _TF)

    def _image(self, match: re.Match[str], stamp_ns: int, data: Bytes) -> Bytes:
        raw = _RawImage(data)
        encoding, step, pixels = raw.encoding, raw.step, raw.pixels
        if match["kind"] == "Depth" and encoding in _DEPTH_FORMATS:
            unit = raw.depth_unit or self._units.get(match["frame"].rpartition("/")[0], 0.0)
            if not unit:
                unit = _DEFAULT_UNIT
            encoding = "16UC1"
            if abs(unit / _DEFAULT_UNIT - 1) > _UNIT_TOLERANCE:
                encoding, step = "32FC1", 4 * raw.width
                pixels = _metres(raw, unit).reshape(-1).view(np.uint8)
        elif match["kind"] != "Infrared" or not self._has_color:
            encoding = _ENCODINGS.get(encoding, encoding)
        elif encoding == "16UC1":  # not depth
            encoding = "mono16"
        message = message_type(_IMAGE)(
            header=_header(match["frame"], raw.stamp_ns if self._is_one_clock else stamp_ns),
            height=raw.height,
            width=raw.width,
            encoding=encoding,
            is_bigendian=raw.is_bigendian if encoding != "32FC1" else 0,
            step=step,
            data=pixels,
        )
        return typestore().serialize_cdr(message, _IMAGE)


class _RawImage:
    """An Image as ROS 1 serialises it, and what the SDK may write behind it.

    Attributes:
        stamp_ns: of the capture, nanoseconds.
        height, width, encoding, is_bigendian, step: as in the message.
        pixels: (N,) uint8.
        depth_unit: metres; 0 where it is not there.
    """

    def __init__(self, data: Bytes) -> None:
        _, seconds, nanoseconds, length = struct.unpack_from("<4I", data)
        self.stamp_ns = seconds * 1_000_000_000 + nanoseconds
        place = 16 + length
        self.height, self.width, length = struct.unpack_from("<3I", data, place)
        place += 12
        self.encoding = bytes(data[place : place + length]).decode()
        self.is_bigendian, self.step, length = struct.unpack_from("<BII", data, place + length)
        place += struct.calcsize("<BII") + len(self.encoding)
        self.pixels = np.frombuffer(data, np.uint8, length, place)
        rest = data[place + length :]
        self.depth_unit = struct.unpack_from("<f", rest)[0] if len(rest) == 4 else 0.0


def _metres(raw: _RawImage, unit: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(H, W) depth in metres, NaN where there is no reading."""
    rows = raw.pixels.reshape(raw.height, raw.step)[:, : 2 * raw.width]
    values = rows.copy().view(">u2" if raw.is_bigendian else "<u2")
    return np.where(values == 0, np.float32(np.nan), values * np.float32(unit)).astype("<f4")


def _camera_info(frame: str, message: Any) -> Any:
    """With the frame, the names of ROS, and R and P, which the SDK leaves empty."""
    message.header.frame_id = frame
    message.distortion_model = _DISTORTIONS.get(message.distortion_model, message.distortion_model)
    if not message.r.any():
        message.r = np.eye(3).reshape(-1)
    if not message.p.any():
        message.p = np.hstack([message.k.reshape(3, 3), np.zeros((3, 1))]).reshape(-1)
    return message


def _static_transform(match: re.Match[str], message: Any) -> Any:
    """A stream's extrinsics as a TFMessage.

    The SDK's lead from the coordinates of the reference to those of the stream; tf's lead from
    those of the child, here the stream, to those of its parent.
    """
    to_reference = np.linalg.inv(matrix_of(message))
    x, y, z, w = map(float, Rotation.from_matrix(to_reference[:3, :3]).as_quat())
    message.rotation.x, message.rotation.y, message.rotation.z, message.rotation.w = x, y, z, w
    shift = message.translation
    shift.x, shift.y, shift.z = map(float, to_reference[:3, 3])
    parent = f"{match['device']}/reference_{match['reference']}"
    stamped = message_type("geometry_msgs/msg/TransformStamped")(
        header=_header(parent, 0), child_frame_id=match["frame"], transform=message
    )
    return message_type(_TF)(transforms=[stamped])


def _header(frame: str, stamp_ns: int) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = message_type("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
    return message_type("std_msgs/msg/Header")(stamp=stamp, frame_id=frame)
