"""Write recordings like those of the RealSense SDK, byte by byte."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

STREAM_INFO = "uint32 fps        # Hz\nstring encoding\nbool is_recommended\n"
STATIC_NS = 1  # time of the messages that are written once
PERIOD_NS = 33_333_333
COUNT = 5


@dataclass
class Recording:
    """A camera and its images.

    Attributes:
        color: (H, W, 3) uint8, or the pixels of another format.
        depth: (H, W) uint16 in units.
        depth_matrix, color_matrix: (3, 3) intrinsics.
        depth_to_color: (4, 4) from depth's coordinates to those of color.
        unit: meters.
        color_format: name of the SDK.
        version: "1" with the unit after each image, since 2021; "" before.
        has_option: whether the unit is an option too.
        phase_ns: from depth to color.
        color_ahead_ns: from the clock of depth to that of color.
        infrared: whether the left imager is recorded.
        has_color: whether color is recorded.
        has_definitions: whether the types have definitions.
        compression: of chunks.
    """

    color: np.ndarray
    depth: np.ndarray
    color_matrix: np.ndarray = field(default_factory=lambda: np.diag([60.0, 61, 1]))
    depth_matrix: np.ndarray = field(default_factory=lambda: np.diag([50.0, 51, 1]))
    depth_to_color: np.ndarray = field(default_factory=lambda: np.eye(4))
    unit: float = 0.001
    color_format: str = "rgb8"
    version: str = "1"
    has_option: bool = True
    phase_ns: int = 11_000_000
    color_ahead_ns: int = 0
    start_ns: int = 1_700_000_000_000_000_000
    infrared: bool = True
    has_color: bool = True
    has_definitions: bool = True
    compression: object = None

    def write(self, path: Path) -> Path:
        """Write a .bag with `COUNT` frames of each stream."""
        store = get_typestore(Stores.ROS1_NOETIC)
        store.register(get_types_from_msg(STREAM_INFO, "realsense_msgs/msg/StreamInfo"))
        types = store.types
        writer = Writer(path)
        if self.compression is not None:
            writer.set_compression(self.compression)
        connections = {}

        def put(topic, stamp_ns, message, behind=b""):
            kind = message.__msgtype__
            if topic not in connections:
                connection = writer.add_connection(topic, kind, typestore=store)
                if not self.has_definitions:
                    place = writer.connections.index(connection)
                    empty = MessageDefinition(MessageDefinitionFormat.MSG, "")
                    connection = connection._replace(msgdef=empty)
                    writer.connections[place] = connection
                connections[topic] = connection
            data = bytes(store.serialize_ros1(message, kind)) + behind
            writer.write(connections[topic], stamp_ns, data)

        def header(stamp_ns, version):
            time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
            return types["std_msgs/msg/Header"](7, time, version)

        def image(prefix, received_ns, stamp_ns, pixels, encoding, unit=0.0):
            pixels = np.ascontiguousarray(pixels)
            message = types["sensor_msgs/msg/Image"](
                header(stamp_ns, self.version),
                *pixels.shape[:2],
                encoding,
                0,
                pixels.strides[0],
                pixels.view(np.uint8).reshape(-1),
            )
            behind = struct.pack("<f", unit) if self.version == "1" else b""
            put(f"{prefix}/image/data", received_ns, message, behind)
            value = types["diagnostic_msgs/msg/KeyValue"]("timestamp_domain", "Global Time")
            put(f"{prefix}/image/metadata", received_ns, value)

        def stream(prefix, pixels, matrix, to_stream, encoding):
            info = types["realsense_msgs/msg/StreamInfo"](30, encoding, True)
            put(f"{prefix}/info", STATIC_NS, info)
            roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
            info = types["sensor_msgs/msg/CameraInfo"](
                header(0, ""), *pixels.shape[:2], "Inverse Brown Conrady", np.zeros(5),
                np.asarray(matrix, np.float64).reshape(-1), np.zeros(9), np.zeros(12), 0, 0, roi,
            )  # fmt: skip
            put(f"{prefix}/info/camera_info", STATIC_NS, info)
            x, y, z, w = map(float, Rotation.from_matrix(to_stream[:3, :3]).as_quat())
            transform = types["geometry_msgs/msg/Transform"](
                types["geometry_msgs/msg/Vector3"](*map(float, to_stream[:3, 3])),
                types["geometry_msgs/msg/Quaternion"](x, y, z, w),
            )
            put(f"{prefix}/tf/0", STATIC_NS, transform)

        sensor = "/device_0/sensor_0"
        streams = [f"{sensor}/Depth_0", f"{sensor}/Infrared_1", "/device_0/sensor_1/Color_0"]
        with writer:
            put("/file_version", STATIC_NS, types["std_msgs/msg/UInt32"](4))
            name = types["diagnostic_msgs/msg/KeyValue"]("Name", "Intel RealSense D435")
            put("/device_0/info", STATIC_NS, name)
            if self.has_option:
                option = f"{sensor}/option/Depth Units"
                put(f"{option}/value", STATIC_NS, types["std_msgs/msg/Float32"](self.unit))
                put(f"{option}/description", STATIC_NS, types["std_msgs/msg/String"]("meters"))
            gray = np.full_like(self.depth, 90, np.uint8)
            stream(streams[0], self.depth, self.depth_matrix, np.eye(4), "mono16")
            if self.infrared:
                stream(streams[1], gray, self.depth_matrix, np.eye(4), "8UC1")
            if self.has_color:
                stream(
                    streams[2], self.color, self.color_matrix, self.depth_to_color,
                    self.color_format,
                )  # fmt: skip
            for number in range(COUNT):
                received_ns = 1_000_000_000 + number * PERIOD_NS
                stamp_ns = self.start_ns + received_ns - 20_000_000
                image(streams[0], received_ns, stamp_ns, self.depth, "mono16", self.unit)
                if self.infrared:
                    image(streams[1], received_ns, stamp_ns, gray, "8UC1")
                if self.has_color:
                    received_ns += self.phase_ns
                    stamp_ns += self.phase_ns + self.color_ahead_ns
                    image(streams[2], received_ns, stamp_ns, self.color, self.color_format)
        return path


__all__ = ["COUNT", "Recording"]
