"""ROS messages to frames, and scenes to messages: the same for live nodes and for bags.

Reading needs nothing but an object with the message's fields. Building is done through the
message classes that are handed over, so that those of a ROS 2 installation and those of the
rosbags package both serve; neither is imported here.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cvdl.camera import Camera
from cvdl.errors import InputError
from cvdl.frame import PLANE_LABEL, Detection, Plane, RgbdFrame, Scene, SceneObject
from cvdl.pictures import PLATE_COLOR, object_color

__all__ = [
    "COLOR_ENCODINGS",
    "DEPTH_ENCODINGS",
    "LABEL_INFO_TOPIC",
    "SCENE_TOPICS",
    "MessageError",
    "MessageFactory",
    "doubts",
    "image_kind",
    "image_size",
    "read_camera",
    "read_color",
    "read_depth",
    "read_frame",
    "stamp_ns",
]

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
_BOX_EDGES = [(i, i | 1 << axis) for i in range(8) for axis in range(3) if not i >> axis & 1]
_TEXT_HEIGHT = 0.025  # metres
_GRASP_CLASS = "grasp"


class MessageError(InputError):
    """A message that cannot be used.

    Attributes:
        cause: what is wrong in a few words, the same for every message that has this fault:
            it serves to count and to warn once.
    """

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause


# Reading ----------------------------------------------------------------------------------------


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
    if conversion is None:
        return pixels.copy()
    return np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def read_depth(message: Any) -> NDArray[np.float32]:
    """Image or CompressedImage (compressedDepth, or a 16-bit PNG) to (H, W) float32 metres.

    NaN where there is no reading: 0 and whatever is negative or not finite.

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
    return _without_invalid(raw.astype(np.float32))


def read_camera(message: Any) -> Camera:
    """CameraInfo to Camera, from the matrix K; distortion is not applied (see `doubts`).

    Raises:
        MessageError: if a focal length or a size is not positive.
    """
    k = [float(value) for value in message.k]
    fx, fy, cx, cy = k[0], k[4], k[2], k[5]
    try:
        return Camera(int(message.width), int(message.height), fx, fy, cx, cy)
    except ValueError as error:
        raise MessageError("unusable camera_info", f"{error}; is the camera calibrated?") from None


def read_frame(color: Any, depth: Any, camera_info: Any) -> RgbdFrame:
    """Colour, depth registered to it, and its CameraInfo to a frame; stamp and id are colour's.

    Raises:
        MessageError: if one of the three cannot be used, or if they differ in size.
    """
    camera = read_camera(camera_info)
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


def doubts(color: Any, depth: Any, camera_info: Any) -> Iterator[tuple[str, str]]:
    """What makes results worse but does not hinder them, as (cause, sentence): to warn once."""
    if any(camera_info.d):
        coefficients = ", ".join(f"{value:.4g}" for value in camera_info.d)
        yield (
            "distortion",
            f"camera_info has distortion coefficients ({coefficients}), which are not applied: "
            "rectified images are expected; boxes may be off by some pixels near the rim",
        )
    if color.header.frame_id != depth.header.frame_id:
        yield (
            "frame ids differ",
            f"colour is in frame {color.header.frame_id!r}, depth in {depth.header.frame_id!r}: "
            "depth must be registered to colour, else masks are shifted",
        )


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
    return _without_invalid(metres)


def _without_invalid(metres: NDArray[np.float32]) -> NDArray[np.float32]:
    metres[~((metres > 0) & (metres < np.inf))] = np.nan
    return metres


# Building ---------------------------------------------------------------------------------------


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
        pose; where it is none, ``id`` is empty and the pose is the identity.
        """
        return self._upright(
            frame, scene, [(str(item.label or ""), item) for item in scene.detections]
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

        The centre counts in pixels as `cvdl.camera` does: (0, 0) is the middle of the top-left
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

    def label_info(self, frame: RgbdFrame, names: Sequence[str], threshold: float = 0.0) -> Any:
        """LabelInfo: the names of classes 0, 1, ...; scores below the threshold are not sent."""
        classes = [
            self._new("vision_msgs/msg/VisionClass", class_id=index, class_name=name)
            for index, name in enumerate(names)
        ]
        return self._new(
            "vision_msgs/msg/LabelInfo",
            header=self._header(frame),
            class_map=classes,
            threshold=float(threshold),
        )

    def plane(self, plane: Plane) -> Any:
        """shape_msgs/Plane in the camera's optical frame; the normal points to the camera."""
        return self._new("shape_msgs/msg/Plane", coef=np.append(plane.normal, plane.offset))

    def markers(self, frame: RgbdFrame, scene: Scene) -> Any:
        """MarkerArray: what was there before deleted, then plane, boxes, numbers and grippers.

        Each object's best grasp is drawn opaque, the others of it faint.
        """
        header = self._header(frame)
        markers = [self._marker(header, "", 0, action="DELETEALL")]
        if scene.plane is not None:
            triangles = _plane_triangles(frame, scene)
            rgba = (*(channel / 255 for channel in object_color(PLANE_LABEL)), 0.35)
            markers.append(
                self._marker(
                    header,
                    "plane",
                    PLANE_LABEL,
                    kind="TRIANGLE_LIST",
                    scale=(1, 1, 1),
                    rgba=rgba,
                    points=triangles,
                )
            )
        for item in scene.objects:
            rgba = (*(channel / 255 for channel in object_color(item.label)), 1.0)
            box = item.box3d
            edges = box.corners()[_BOX_EDGES].reshape(-1, 3)
            above = box.center + box.rotation[:, 2] * (box.size[2] / 2 + _TEXT_HEIGHT)
            markers.append(
                self._marker(
                    header,
                    "boxes",
                    item.label,
                    kind="LINE_LIST",
                    scale=(0.003, 0, 0),
                    rgba=rgba,
                    points=edges,
                )
            )
            markers.append(
                self._marker(
                    header,
                    "names",
                    item.label,
                    kind="TEXT_VIEW_FACING",
                    scale=(0, 0, _TEXT_HEIGHT),
                    rgba=(1, 1, 1, 1),
                    position=above,
                    text=scene.caption(item),
                )
            )
        best = scene.best_grasps()
        for number, grasp in enumerate(scene.grasps):
            is_best = grasp is best[grasp.label]
            markers.append(
                self._marker(
                    header,
                    "grasps",
                    number,
                    kind="LINE_LIST",
                    scale=(0.004 if is_best else 0.0015, 0, 0),
                    rgba=(*(channel / 255 for channel in PLATE_COLOR), 1.0 if is_best else 0.4),
                    points=grasp.wireframe().reshape(-1, 3),
                )
            )
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

    def _marker(
        self,
        header: Any,
        namespace: str,
        number: int,
        *,
        kind: str = "ARROW",
        action: str = "ADD",
        scale: tuple[float, float, float] = (0, 0, 0),
        rgba: tuple[float, ...] = (0, 0, 0, 0),
        points: NDArray[np.floating] | Sequence[Sequence[float]] = (),
        position: NDArray[np.floating] | Sequence[float] = (0, 0, 0),
        text: str = "",
    ) -> Any:
        marker_type = self._types("visualization_msgs/msg/Marker")
        red, green, blue, alpha = (float(channel) for channel in rgba)
        no_bytes = self._sequence(np.empty(0, np.uint8))
        return marker_type(
            header=header,
            ns=namespace,
            id=number,
            type=getattr(marker_type, kind),
            action=getattr(marker_type, action),
            pose=self._new(
                "geometry_msgs/msg/Pose",
                position=self._xyz("Point", position),
                orientation=self._new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            ),
            scale=self._xyz("Vector3", scale),
            color=self._new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha),
            lifetime=self._new("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
            frame_locked=False,
            points=[self._xyz("Point", point) for point in points],
            colors=[],
            texture_resource="",
            texture=self._new(
                "sensor_msgs/msg/CompressedImage", header=header, format="", data=no_bytes
            ),
            uv_coordinates=[],
            text=text,
            mesh_resource="",
            mesh_file=self._new("visualization_msgs/msg/MeshFile", filename="", data=no_bytes),
            mesh_use_embedded_materials=False,
        )


def _plane_triangles(frame: RgbdFrame, scene: Scene) -> NDArray[np.float64]:
    """The convex outline of what is seen of the plane, as a fan of triangles: (3 n, 3), metres."""
    assert scene.plane is not None
    stride = 8  # pixels; the outline is for the eye, and this is much faster
    rows, columns = np.nonzero(scene.labels[::stride, ::stride] == PLANE_LABEL)
    if len(rows) < 3:
        return np.empty((0, 3))
    hull = cv2.convexHull(np.stack([columns, rows], axis=-1).astype(np.int32))
    pixels = cv2.approxPolyDP(hull, 0.5, True)[:, 0] * stride
    rays = frame.camera.deproject_pixels(pixels, np.ones(len(pixels)))
    slope = rays @ scene.plane.normal
    corners = (rays * (-scene.plane.offset / slope)[:, None])[slope < 0]
    fan = [(0, i, i + 1) for i in range(1, len(corners) - 1)]
    return corners[np.array(fan, int).reshape(-1)]
