"""Recordings of the RealSense SDK (realsense-viewer, rs-record), as standard messages.

The SDK writes special ROS 1 bags: depth is `mono16` in the unit of the camera, the frame id of
images is a version number, a float that the definition does not have may follow an image, and the
extrinsics are plain transforms on their own topics.
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
from rosbags.serde import SerdeError

from cvdl.bags.sources import Bytes, Ros1Source
from cvdl.bags.topic import LATCHED, Topic, described
from cvdl.bags.typestore import message_type, typestore
from cvdl.core.rotations import quaternions_of
from cvdl.messages.reading import stamp_ns as stamp_of
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
_DEFAULT_UNIT = 0.001  # meters; of every D400 camera unless it is set
_UNIT_TOLERANCE = 1e-3  # relative

# The format names of the SDK that differ from those of ROS; 8UC1 and 16UC1 are gray images, not
# depth.
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
# Streams whose stamps differ by more, nanoseconds, have different clocks.
_SAME_CLOCK_NS = 1_000_000_000


def is_recording(names: Collection[str]) -> bool:
    """Whether these are the topics of a recording of the SDK."""
    return any(match and match["what"] == "image/data" for match in map(_STREAM.fullmatch, names))


class RealSenseSource(Ros1Source):
    """A recording of the RealSense SDK.

    Depth is converted to 16UC1 in millimeters, or to 32FC1 in meters if the camera has another
    unit. The frame id of a stream is that of its topics, such as "device_0/sensor_0/Depth_0". The
    extrinsics become `/tf_static`. Infrared becomes color only if there is no color.
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
        """Depth units in meters, by sensor."""
        found = {}
        for connection in self._connections.values():
            match = _DEPTH_UNITS.fullmatch(connection.topic)
            if match is not None:
                for _, _, data in self._firsts(connection):
                    with suppress(struct.error):
                        found[match["sensor"]] = struct.unpack_from("<f", data)[0]
        return found

    def _share_a_clock(self) -> bool:
        """Whether the stamps of all streams have one clock, compared to that of the recorder."""
        ahead = []
        for key, match in self._streams.items():
            if match["what"] == "image/data":
                for _, received_ns, data in self._firsts(self._connections[key]):
                    with suppress(SerdeError, struct.error):  # reported when the image is used
                        ahead.append(stamp_of(self._decoded(key, data)[0]) - received_ns)
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

    def _decoded(self, key: int, data: Bytes) -> tuple[Any, float]:
        """A message, and the depth unit in meters that may follow an image; 0 if it does not."""
        unit = 0.0
        try:
            cdr = super()._converted(key, 0, data)
        except SerdeError:
            (unit,) = struct.unpack("<f", data[-4:])
            cdr = super()._converted(key, 0, data[:-4])
        return typestore().deserialize_cdr(cdr, self._connections[key].msgtype), unit

    def _converted(self, key: int, stamp_ns: int, data: Bytes) -> Bytes:
        match = self._streams.get(key)
        if match is None:
            return super()._converted(key, stamp_ns, data)
        message, unit = self._decoded(key, data)
        kind = self._connections[key].msgtype
        if kind == _IMAGE:
            stamp_ns = stamp_of(message) if self._is_one_clock else stamp_ns
            message.header = _header(match["frame"], stamp_ns)
            self._convert_image(match, message, unit)
        elif kind == _CAMERA_INFO:
            _complete_camera_info(match["frame"], message)
        else:
            message = _static_transform(match, message)
        return typestore().serialize_cdr(message, self.topics[key].type)

    def _convert_image(self, match: re.Match[str], message: Any, unit: float) -> None:
        """Convert the encoding, and depth to millimeters or meters."""
        if match["kind"] == "Depth" and message.encoding in _DEPTH_FORMATS:
            unit = unit or self._units.get(match["frame"].rpartition("/")[0], 0.0) or _DEFAULT_UNIT
            message.encoding = "16UC1"
            if abs(unit / _DEFAULT_UNIT - 1) > _UNIT_TOLERANCE:
                rows = message.data.reshape(message.height, message.step)[:, : 2 * message.width]
                values = rows.copy().view(">u2" if message.is_bigendian else "<u2")
                meters = np.where(values == 0, np.float32(np.nan), values * np.float32(unit))
                message.data = meters.astype("<f4").reshape(-1).view(np.uint8)
                message.encoding, message.step = "32FC1", 4 * message.width
                message.is_bigendian = 0
        elif match["kind"] != "Infrared" or not self._has_color:
            message.encoding = _ENCODINGS.get(message.encoding, message.encoding)
        elif message.encoding == "16UC1":  # not depth
            message.encoding = "mono16"


def _complete_camera_info(frame: str, message: Any) -> None:
    """Set the frame id, the names of ROS, and R and P, which the SDK leaves empty."""
    message.header.frame_id = frame
    message.distortion_model = _DISTORTIONS.get(message.distortion_model, message.distortion_model)
    if not message.r.any():
        message.r = np.eye(3).reshape(-1)
    if not message.p.any():
        message.p = np.hstack([message.k.reshape(3, 3), np.zeros((3, 1))]).reshape(-1)


def _static_transform(match: re.Match[str], message: Any) -> Any:
    """The extrinsics of a stream as a TFMessage.

    Those of the SDK map coordinates of the reference to those of the stream; those of tf map
    coordinates of the child, here the stream, to those of its parent.
    """
    to_reference = np.linalg.inv(matrix_of(message))
    x, y, z, w = map(float, quaternions_of(to_reference[:3, :3]))
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
