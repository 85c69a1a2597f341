"""Scenes and frames to ROS messages: the same for live nodes and for bags.

They are built through the message classes that are handed over, so that those of a ROS 2
installation and those of the rosbags package both serve; neither is imported here.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Plane, Scene, SceneObject
from cvdl.messages.markers import Marker, scene_markers

__all__ = ["LABEL_INFO_TOPIC", "OFF_SUPPORT", "REPORTER", "SCENE_TOPICS", "MessageFactory"]

#: What a scene is published as: relative topic to message type. The live graph and a replayed
#: bag hold the same.
SCENE_TOPICS = {
    "segmentation/labels": "sensor_msgs/msg/Image",
    "segmentation/objects": "vision_msgs/msg/Detection3DArray",
    "segmentation/plane": "shape_msgs/msg/Plane",
    "detection/boxes": "vision_msgs/msg/Detection2DArray",
    "detection/tracks": "vision_msgs/msg/Detection2DArray",
    "grasp/rectangles": "vision_msgs/msg/Detection2DArray",
    "grasp/poses": "geometry_msgs/msg/PoseArray",
    "grasp/detections": "vision_msgs/msg/Detection3DArray",
    "markers": "visualization_msgs/msg/MarkerArray",
    "overlay": "sensor_msgs/msg/Image",
}
#: Where the names of the detector's classes go, once, for late joiners too.
LABEL_INFO_TOPIC = "detection/label_info"
#: How the names in our diagnostics begin.
REPORTER = "cvdl: "

#: The ``id`` of a detection that is no object, and not on the support.
OFF_SUPPORT = "off_support"
_GRASP_CLASS = "grasp"
#: What a marker that only deletes others holds.
_NO_MARKER = Marker("", 0, "ARROW", scale=(0, 0, 0), rgba=(0, 0, 0, 0))


class MessageFactory:
    """Builds messages of the classes it is handed.

    Args:
        types: a message type's full name, such as "sensor_msgs/msg/Image", to its class.
    """

    def __init__(self, types: Callable[[str], type[Any]]) -> None:
        self._types = types
        # rclpy's classes take array.array for sequences of numbers and check everything else
        # element by element, which is 30 times slower; those of rosbags take numpy arrays.
        self._is_rclpy = hasattr(types("sensor_msgs/msg/Image"), "get_fields_and_field_types")

    def scene(
        self,
        frame: RgbdFrame,
        scene: Scene,
        picture: NDArray[np.uint8] | None,
        topics: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Messages of a scene under their names in `SCENE_TOPICS`.

        There is no message of the plane where there is no plane, and none of tracks where nothing
        is tracked.

        Args:
            frame: what the scene was found in: every message carries its stamp and frame id.
            scene: what was found.
            picture: (H, W, 3) uint8 RGB, the overlay; None where that is not among the topics.
            topics: those to make messages of; all if not given.
        """
        builders: dict[str, Callable[[], Any]] = {
            "segmentation/labels": lambda: self.labels(frame, scene),
            "segmentation/objects": lambda: self.objects(frame, scene),
            "detection/boxes": lambda: self.detections(frame, scene),
            "grasp/rectangles": lambda: self.grasp_rectangles(frame, scene),
            "grasp/poses": lambda: self.grasp_poses(frame, scene),
            "grasp/detections": lambda: self.grasp_detections(frame, scene),
            "markers": lambda: self.markers(frame, scene),
        }
        if picture is not None:
            builders["overlay"] = lambda: self.image(frame, picture, "rgb8")
        plane = scene.plane
        if plane is not None:
            builders["segmentation/plane"] = lambda: self.plane(plane)
        if any(detection.track >= 0 for detection in scene.detections):
            builders["detection/tracks"] = lambda: self.tracks(frame, scene)
        return {
            topic: build() for topic, build in builders.items() if topics is None or topic in topics
        }

    def image(self, frame: RgbdFrame, pixels: NDArray[Any], encoding: str) -> Any:
        """Image of any encoding from (H, W) or (H, W, C); shares the memory where it can."""
        pixels = np.ascontiguousarray(pixels)
        return self._new(
            "sensor_msgs/msg/Image",
            header=self._header(frame),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=int(sys.byteorder == "big"),
            step=pixels.nbytes // pixels.shape[0],
            data=self._sequence(pixels.view(np.uint8).reshape(-1)),
        )

    def color(self, frame: RgbdFrame) -> Any:
        """The frame's colour, rgb8."""
        return self.image(frame, frame.color, "rgb8")

    def depth(self, frame: RgbdFrame) -> Any:
        """The frame's depth, 16UC1: rounded to millimetres, 0 for no reading or beyond 65.535 m."""
        millimetres = np.nan_to_num(frame.depth * 1000, nan=0, posinf=0, neginf=0).round()
        millimetres[(millimetres < 0) | (millimetres > 65535)] = 0
        return self.image(frame, millimetres.astype(np.uint16), "16UC1")

    def camera_info(self, frame: RgbdFrame) -> Any:
        """The frame's camera: rectified, no distortion."""
        camera = frame.camera
        projection = np.hstack([camera.matrix, np.zeros((3, 1))])
        return self._new(
            "sensor_msgs/msg/CameraInfo",
            header=self._header(frame),
            height=camera.height,
            width=camera.width,
            distortion_model="plumb_bob",
            d=self._sequence(np.zeros(5)),
            k=camera.matrix.reshape(-1),
            r=np.eye(3).reshape(-1),
            p=projection.reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=self._new(
                "sensor_msgs/msg/RegionOfInterest",
                x_offset=0,
                y_offset=0,
                height=0,
                width=0,
                do_rectify=False,
            ),
        )

    def labels(self, frame: RgbdFrame, scene: Scene) -> Any:
        """The label image, mono16."""
        return self.image(frame, scene.labels, "mono16")

    def objects(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection3DArray of the oriented boxes; ``id`` is the label number."""
        header = self._header(frame)
        detections = []
        for item in scene.objects:
            pose = self._pose(item.box3d.center, item.box3d.rotation)
            detections.append(
                self._new(
                    "vision_msgs/msg/Detection3D",
                    header=header,
                    results=self._class_of(item, pose),
                    bbox=self._new(
                        "vision_msgs/msg/BoundingBox3D",
                        center=pose,
                        size=self._xyz("Vector3", item.box3d.size),
                    ),
                    id=str(item.label),
                )
            )
        return self._new("vision_msgs/msg/Detection3DArray", header=header, detections=detections)

    def boxes(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection2DArray of the objects' upright 2-D boxes; ``id`` is the label number.

        Pixel (u, v) covers [u, u + 1) x [v, v + 1): a box's first column is centre - size / 2.
        """
        return self._upright(frame, scene, [(str(item.label), item) for item in scene.objects])

    def detections(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection2DArray of what the detector found, best first; boxes as of `boxes`.

        ``id`` is the label number of the object that it is, and the hypothesis has that object's
        pose; where it is none, ``id`` is empty, or `OFF_SUPPORT` for what is seen behind, beside
        or under the support, and the pose is the identity.
        """
        return self._upright(
            frame,
            scene,
            [
                (str(item.label or (OFF_SUPPORT if item.off_support else "")), item)
                for item in scene.detections
            ],
        )

    def tracks(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection2DArray of the same detections in the same order; ``id`` is the track's number.

        It is the same in every message for the same thing, as vision_msgs has it; empty for a
        detection that is not tracked.
        """
        numbers = [str(item.track) if item.track >= 0 else "" for item in scene.detections]
        return self._upright(frame, scene, zip(numbers, scene.detections, strict=True))

    def grasp_rectangles(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection2DArray of the grasp rectangles, best first; ``id`` is the object's label.

        The centre counts in pixels as `cvdl.core.camera` does: (0, 0) is the middle of the top-left
        pixel. ``size_x`` is the opening, ``size_y`` the length of the plates. ``theta`` turns
        the image's x axis towards its y axis, and as y points down, clockwise to the eye: the
        plates are at centre +- size_x / 2 * (cos theta, sin theta).
        """
        header = self._header(frame)
        detections = [
            self._new(
                "vision_msgs/msg/Detection2D",
                header=header,
                results=[self._hypothesis(_GRASP_CLASS, grasp.score, pose)],
                bbox=self._box2d(grasp.center, grasp.angle, grasp.opening, grasp.plate),
                id=str(grasp.label),
            )
            for grasp, pose in zip(scene.grasps, self._grasp_poses(scene), strict=True)
        ]
        return self._new("vision_msgs/msg/Detection2DArray", header=header, detections=detections)

    def grasp_poses(self, frame: RgbdFrame, scene: Scene) -> Any:
        """PoseArray of the grasps, best first: at the tips' middle, z approach, x opening."""
        return self._new(
            "geometry_msgs/msg/PoseArray",
            header=self._header(frame),
            poses=self._grasp_poses(scene),
        )

    def grasp_detections(self, frame: RgbdFrame, scene: Scene) -> Any:
        """Detection3DArray of the same poses in the same order, with scores.

        ``bbox.size.x`` is the opening, metres, ``bbox.size.y`` the length of the plates at the
        same scale; ``id`` is the object's label.
        """
        header = self._header(frame)
        detections = []
        for grasp, pose in zip(scene.grasps, self._grasp_poses(scene), strict=True):
            plate = grasp.plate * grasp.opening_m / grasp.opening
            detections.append(
                self._new(
                    "vision_msgs/msg/Detection3D",
                    header=header,
                    results=[self._hypothesis(_GRASP_CLASS, grasp.score, pose)],
                    bbox=self._new(
                        "vision_msgs/msg/BoundingBox3D",
                        center=pose,
                        size=self._xyz("Vector3", (grasp.opening_m, plate, 0)),
                    ),
                    id=str(grasp.label),
                )
            )
        return self._new("vision_msgs/msg/Detection3DArray", header=header, detections=detections)

    def label_info(self, stamp_ns: int, frame_id: str, names: Sequence[str]) -> Any:
        """LabelInfo: the names of classes 0, 1, ...; every score that is sent counts."""
        classes = [
            self._new("vision_msgs/msg/VisionClass", class_id=index, class_name=name)
            for index, name in enumerate(names)
        ]
        return self._new(
            "vision_msgs/msg/LabelInfo",
            header=self._stamped(stamp_ns, frame_id),
            class_map=classes,
            threshold=0.0,
        )

    def plane(self, plane: Plane) -> Any:
        """shape_msgs/Plane in the camera's optical frame; the normal points to the camera."""
        return self._new("shape_msgs/msg/Plane", coef=np.append(plane.normal, plane.offset))

    def markers(self, frame: RgbdFrame, scene: Scene) -> Any:
        """MarkerArray: what was there before deleted, then ``scene_markers``."""
        header = self._header(frame)
        markers = [self._marker(header, action="DELETEALL")]
        markers += [self._marker(header, item) for item in scene_markers(frame, scene)]
        return self._new("visualization_msgs/msg/MarkerArray", markers=markers)

    def tf(self, stamp: int, parent: str, child: str, pose: NDArray[np.floating]) -> Any:
        """TFMessage with one transform.

        Args:
            stamp: nanoseconds.
            parent: frame id of the parent.
            child: frame id of the child.
            pose: (4, 4), of the child in the parent; metres.
        """
        transform = self._new(
            "geometry_msgs/msg/Transform",
            translation=self._xyz("Vector3", pose[:3, 3]),
            rotation=self._quaternion(pose[:3, :3]),
        )
        stamped = self._new(
            "geometry_msgs/msg/TransformStamped",
            header=self._stamped(stamp, parent),
            child_frame_id=child,
            transform=transform,
        )
        return self._new("tf2_msgs/msg/TFMessage", transforms=[stamped])

    def diagnostics(
        self, stamp: int, name: str, message: str, values: Mapping[str, str], warn: bool = False
    ) -> Any:
        """DiagnosticArray with one status, OK or WARN.

        Args:
            stamp: nanoseconds.
            name: of the component.
            message: a summary in some words.
            values: what to show, in order.
            warn: whether something is wrong.
        """
        status_type = self._types("diagnostic_msgs/msg/DiagnosticStatus")
        status = status_type(
            level=status_type.WARN if warn else status_type.OK,
            name=name,
            message=message,
            hardware_id="",
            values=[
                self._new("diagnostic_msgs/msg/KeyValue", key=key, value=value)
                for key, value in values.items()
            ],
        )
        return self._new(
            "diagnostic_msgs/msg/DiagnosticArray",
            header=self._stamped(stamp, ""),
            status=[status],
        )

    def _new(self, name: str, **fields: Any) -> Any:
        return self._types(name)(**fields)

    def _sequence(self, values: NDArray[Any]) -> Any:
        """A field of unbounded length, one-dimensional."""
        if not self._is_rclpy:
            return values
        sequence = array.array(values.dtype.char)
        sequence.frombytes(values.view(np.uint8).data)
        return sequence

    def _header(self, frame: RgbdFrame) -> Any:
        return self._stamped(frame.stamp_ns, frame.frame_id)

    def _stamped(self, stamp: int, frame_id: str) -> Any:
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        time = self._new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self._new("std_msgs/msg/Header", stamp=time, frame_id=frame_id)

    def _xyz(self, kind: str, values: NDArray[np.floating] | Sequence[float]) -> Any:
        x, y, z = (float(value) for value in values)
        return self._new(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)

    def _quaternion(self, rotation: NDArray[np.floating]) -> Any:
        return self._xyzw(Rotation.from_matrix(rotation).as_quat())

    def _xyzw(self, values: NDArray[np.floating]) -> Any:
        x, y, z, w = values.tolist()
        return self._new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)

    def _pose(self, position: NDArray[np.floating], rotation: NDArray[np.floating]) -> Any:
        return self._new(
            "geometry_msgs/msg/Pose",
            position=self._xyz("Point", position),
            orientation=self._quaternion(rotation),
        )

    def _grasp_poses(self, scene: Scene) -> list[Any]:
        """A Pose of each grasp; the rotations all at once, as one alone takes nearly as long."""
        if not scene.grasps:
            return []
        quaternions = Rotation.from_matrix([grasp.rotation for grasp in scene.grasps]).as_quat()
        return [
            self._new(
                "geometry_msgs/msg/Pose",
                position=self._xyz("Point", grasp.position),
                orientation=self._xyzw(quaternion),
            )
            for grasp, quaternion in zip(scene.grasps, quaternions, strict=True)
        ]

    def _box2d(
        self, center: Sequence[float] | NDArray[np.floating], theta: float, x: float, y: float
    ) -> Any:
        u, v = (float(value) for value in center)
        return self._new(
            "vision_msgs/msg/BoundingBox2D",
            center=self._new(
                "vision_msgs/msg/Pose2D",
                position=self._new("vision_msgs/msg/Point2D", x=u, y=v),
                theta=float(theta),
            ),
            size_x=float(x),
            size_y=float(y),
        )

    def _upright(
        self,
        frame: RgbdFrame,
        scene: Scene,
        items: Iterable[tuple[str, SceneObject | Detection]],
    ) -> Any:
        """Detection2DArray of ids with what has them."""
        header = self._header(frame)
        poses = {
            item.label: self._pose(item.box3d.center, item.box3d.rotation) for item in scene.objects
        }
        nowhere = self._pose(np.zeros(3), np.eye(3))
        detections = []
        for name, item in items:
            x_min, y_min, x_max, y_max = (float(value) for value in item.box2d)
            center = (x_min + x_max) / 2, (y_min + y_max) / 2
            detections.append(
                self._new(
                    "vision_msgs/msg/Detection2D",
                    header=header,
                    results=self._class_of(item, poses.get(item.label, nowhere)),
                    bbox=self._box2d(center, 0.0, x_max - x_min, y_max - y_min),
                    id=name,
                )
            )
        return self._new("vision_msgs/msg/Detection2DArray", header=header, detections=detections)

    def _class_of(self, item: SceneObject | Detection, pose: Any) -> list[Any]:
        """One hypothesis where somebody has said what the object is, else none."""
        if not item.class_name:
            return []
        return [self._hypothesis(item.class_name, item.score, pose)]

    def _hypothesis(self, class_id: str, score: float, pose: Any) -> Any:
        return self._new(
            "vision_msgs/msg/ObjectHypothesisWithPose",
            hypothesis=self._new(
                "vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=float(score)
            ),
            pose=self._new(
                "geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)
            ),
        )

    def _marker(self, header: Any, marker: Marker = _NO_MARKER, action: str = "ADD") -> Any:
        marker_type = self._types("visualization_msgs/msg/Marker")
        red, green, blue, alpha = (float(channel) for channel in marker.rgba)
        no_bytes = self._sequence(np.empty(0, np.uint8))
        return marker_type(
            header=header,
            ns=marker.namespace,
            id=marker.number,
            type=getattr(marker_type, marker.kind),
            action=getattr(marker_type, action),
            pose=self._new(
                "geometry_msgs/msg/Pose",
                position=self._xyz("Point", marker.position),
                orientation=self._new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            ),
            scale=self._xyz("Vector3", marker.scale),
            color=self._new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha),
            lifetime=self._new("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
            frame_locked=False,
            points=[self._xyz("Point", point) for point in marker.points],
            colors=[],
            texture_resource="",
            texture=self._new(
                "sensor_msgs/msg/CompressedImage", header=header, format="", data=no_bytes
            ),
            uv_coordinates=[],
            text=marker.text,
            mesh_resource="",
            mesh_file=self._new("visualization_msgs/msg/MeshFile", filename="", data=no_bytes),
            mesh_use_embedded_materials=False,
        )
