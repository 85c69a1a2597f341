"""Builds ROS messages of the given message classes, so the same code serves live nodes and bags.

The classes of a ROS 2 installation and those of the rosbags package both work. Neither is imported
here.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.rotations import quaternions_of

__all__ = ["MessageFactory"]

_UNKNOWN_COVARIANCE = np.zeros(36)
_POINT = {"x": "f4", "y": "f4", "z": "f4", "rgb": "u4", "label": "u4"}  # 4 bytes each


class MessageFactory:
    """Builds frames, geometry and detections as messages.

    Args:
        types: maps a message type's full name, such as "sensor_msgs/msg/Image", to its class.
    """

    def __init__(self, types: Callable[[str], type[Any]]) -> None:
        self._types = cache(types)  # a frame has hundreds of messages, of a few types
        # rclpy's classes take array.array for sequences of numbers and check everything else
        # element by element, which is 30 times slower; those of rosbags take numpy arrays.
        self._is_rclpy = hasattr(types("sensor_msgs/msg/Image"), "get_fields_and_field_types")

    def type(self, name: str) -> type[Any]:
        """The class of a message type."""
        return self._types(name)

    def new(self, name: str, **fields: Any) -> Any:
        """A message of a type with these fields."""
        return self._types(name)(**fields)

    def sequence(self, values: NDArray[Any]) -> Any:
        """A one-dimensional array as the value of a field of unbounded length."""
        if not self._is_rclpy:
            return values
        sequence = array.array(values.dtype.char)
        sequence.frombytes(values.view(np.uint8).data)
        return sequence

    def header(self, frame: RgbdFrame) -> Any:
        """Header with the stamp and the frame id of a frame."""
        return self._stamped(frame.stamp_ns, frame.frame_id)

    # Frames -------------------------------------------------------------------------------------

    def image(self, frame: RgbdFrame, pixels: NDArray[Any], encoding: str) -> Any:
        """Image of any encoding from (H, W) or (H, W, C); shares the memory where possible."""
        pixels = np.ascontiguousarray(pixels)
        return self.new(
            "sensor_msgs/msg/Image",
            header=self.header(frame),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=int(sys.byteorder == "big"),
            step=pixels.nbytes // pixels.shape[0],
            data=self.sequence(pixels.view(np.uint8).reshape(-1)),
        )

    def color(self, frame: RgbdFrame) -> Any:
        """The color of a frame, rgb8."""
        return self.image(frame, frame.color, "rgb8")

    def depth(self, frame: RgbdFrame) -> Any:
        """The depth of a frame, 16UC1: millimeters, 0 for no reading or beyond 65.535 m."""
        millimeters = np.nan_to_num(frame.depth * 1000, nan=0, posinf=0, neginf=0).round()
        millimeters[(millimeters < 0) | (millimeters > 65535)] = 0
        return self.image(frame, millimeters.astype(np.uint16), "16UC1")

    def points(self, frame: RgbdFrame, labels: NDArray[np.uint16]) -> Any:
        """Organized PointCloud2 in the camera's frame, meters; NaN for no reading.

        Besides x, y, z and rgb, each point has its ``label``, uint32, from ``labels`` (H, W).
        """
        height, width = labels.shape
        cloud = np.empty((height, width), list(_POINT.items()))
        xyz = frame.camera.deproject(frame.depth)
        for axis, name in enumerate("xyz"):
            cloud[name] = xyz[..., axis]
        red, green, blue = np.moveaxis(frame.color.astype(np.uint32), -1, 0)
        cloud["rgb"] = red << 16 | green << 8 | blue
        cloud["label"] = labels
        kind = self._types("sensor_msgs/msg/PointField")
        fields = [
            # PCL and RViz read the bits of a color as those of a float.
            kind(
                name=name,
                offset=4 * number,
                datatype=kind.UINT32 if name == "label" else kind.FLOAT32,
                count=1,
            )
            for number, name in enumerate(_POINT)
        ]
        return self.new(
            "sensor_msgs/msg/PointCloud2",
            header=self.header(frame),
            height=height,
            width=width,
            fields=fields,
            is_bigendian=sys.byteorder == "big",
            point_step=cloud.itemsize,
            row_step=cloud.itemsize * width,
            data=self.sequence(cloud.view(np.uint8).reshape(-1)),
            is_dense=False,
        )

    def camera_info(self, frame: RgbdFrame) -> Any:
        """The camera of a frame: rectified, no distortion."""
        camera = frame.camera
        projection = np.hstack([camera.matrix, np.zeros((3, 1))])
        whole = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
        return self.new(
            "sensor_msgs/msg/CameraInfo",
            header=self.header(frame),
            height=camera.height,
            width=camera.width,
            distortion_model="plumb_bob",
            d=self.sequence(np.zeros(5)),
            k=camera.matrix.reshape(-1),
            r=np.eye(3).reshape(-1),
            p=projection.reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=self.new("sensor_msgs/msg/RegionOfInterest", **whole),
        )

    def tf(self, stamp: int, parent: str, child: str, pose: NDArray[np.floating]) -> Any:
        """TFMessage with one transform.

        Args:
            stamp: nanoseconds.
            parent: frame id of the parent.
            child: frame id of the child.
            pose: (4, 4), the child in the parent; meters.
        """
        transform = self.new(
            "geometry_msgs/msg/Transform",
            translation=self.xyz("Vector3", pose[:3, 3]),
            rotation=self._quaternion(quaternions_of(pose[:3, :3]).tolist()),
        )
        stamped = self.new(
            "geometry_msgs/msg/TransformStamped",
            header=self._stamped(stamp, parent),
            child_frame_id=child,
            transform=transform,
        )
        return self.new("tf2_msgs/msg/TFMessage", transforms=[stamped])

    # Reports ------------------------------------------------------------------------------------

    def label_info(self, stamp: int, frame_id: str, names: Sequence[str]) -> Any:
        """LabelInfo with the names of classes 0, 1, ...; the score threshold is 0."""
        classes = [
            self.new("vision_msgs/msg/VisionClass", class_id=index, class_name=name)
            for index, name in enumerate(names)
        ]
        return self.new(
            "vision_msgs/msg/LabelInfo",
            header=self._stamped(stamp, frame_id),
            class_map=classes,
            threshold=0.0,
        )

    def diagnostics(
        self, stamp: int, name: str, message: str, values: Mapping[str, str], warn: bool = False
    ) -> Any:
        """DiagnosticArray with one status, OK or WARN.

        Args:
            stamp: nanoseconds.
            name: name of the component.
            message: short summary.
            values: values to show, in order.
            warn: whether something is wrong.
        """
        status_type = self._types("diagnostic_msgs/msg/DiagnosticStatus")
        status = status_type(
            level=status_type.WARN if warn else status_type.OK,
            name=name,
            message=message,
            hardware_id="",
            values=[
                self.new("diagnostic_msgs/msg/KeyValue", key=key, value=value)
                for key, value in values.items()
            ],
        )
        return self.new(
            "diagnostic_msgs/msg/DiagnosticArray", header=self._stamped(stamp, ""), status=[status]
        )

    # Geometry and detections --------------------------------------------------------------------

    def xyz(self, kind: str, values: NDArray[np.floating] | Sequence[float]) -> Any:
        """Point, Point32 or Vector3."""
        # NumPy's own numbers are slow to make one by one.
        x, y, z = map(float, values.tolist() if isinstance(values, np.ndarray) else values)
        return self.new(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)

    def poses(
        self, positions: Sequence[NDArray[np.floating]], rotations: Sequence[NDArray[np.floating]]
    ) -> list[Any]:
        """Poses from positions (3,) and rotation matrices (3, 3)."""
        if not positions:
            return []
        # One conversion of all rotations takes hardly longer than that of a single one.
        quaternions = quaternions_of(rotations).tolist()
        return [
            self.new(
                "geometry_msgs/msg/Pose",
                position=self.xyz("Point", position),
                orientation=self._quaternion(quaternion),
            )
            for position, quaternion in zip(
                np.asarray(positions, np.float64).tolist(), quaternions, strict=True
            )
        ]

    def hypothesis(self, class_id: str, score: float, pose: Any) -> Any:
        """ObjectHypothesisWithPose."""
        return self.new(
            "vision_msgs/msg/ObjectHypothesisWithPose",
            hypothesis=self.new(
                "vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=float(score)
            ),
            pose=self.new(
                "geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=_UNKNOWN_COVARIANCE
            ),
        )

    def detection2d(
        self,
        header: Any,
        results: list[Any],
        center: Sequence[float] | NDArray[np.floating],
        theta: float,
        size: tuple[float, float],
        name: str,
    ) -> Any:
        """Detection2D with a rotated box: center and size in pixels, theta in radians."""
        u, v = (float(value) for value in center)
        box = self.new(
            "vision_msgs/msg/BoundingBox2D",
            center=self.new(
                "vision_msgs/msg/Pose2D",
                position=self.new("vision_msgs/msg/Point2D", x=u, y=v),
                theta=float(theta),
            ),
            size_x=float(size[0]),
            size_y=float(size[1]),
        )
        return self.new(
            "vision_msgs/msg/Detection2D", header=header, results=results, bbox=box, id=name
        )

    def detection3d(
        self,
        header: Any,
        results: list[Any],
        pose: Any,
        size: Sequence[float] | NDArray[np.floating],
        name: str,
    ) -> Any:
        """Detection3D with an oriented box of this size, meters."""
        box = self.new("vision_msgs/msg/BoundingBox3D", center=pose, size=self.xyz("Vector3", size))
        return self.new(
            "vision_msgs/msg/Detection3D", header=header, results=results, bbox=box, id=name
        )

    def _stamped(self, stamp: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        time = self.new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self.new("std_msgs/msg/Header", stamp=time, frame_id=frame_id)

    def _quaternion(self, values: Sequence[float]) -> Any:
        x, y, z, w = values
        return self.new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
