"""The result topics: one table with the type, the content and the builder of each.

Everything about a topic follows from its row: the publishers of the nodes, what a replay writes,
which stages run for its subscribers, the transformation to the target frame, and the docs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Detection, Scene, SceneObject
from cvdl.messages.factory import MessageFactory
from cvdl.messages.markers import marker_array
from cvdl.messages.support import support_outline
from cvdl.messages.target_frame import transformed, transformed_plane
from cvdl.viz.pictures import overlay

__all__ = [
    "BOXES_TOPIC",
    "DIAGNOSTICS_TOPIC",
    "LABELS_TOPIC",
    "LABEL_INFO_TOPIC",
    "OBJECTS_TOPIC",
    "OBJECT_CLASS",
    "OFF_SUPPORT",
    "PLANE_TOPIC",
    "REPORTER",
    "SCENE_TOPICS",
    "SUPPORT_TOPIC",
    "TOPICS",
    "ResultTopic",
    "Results",
    "needs_of",
    "object_boxes",
    "scene_messages",
    "topics_of",
]

DIAGNOSTICS_TOPIC = "/diagnostics"
#: The prefix of the names in our diagnostics.
REPORTER = "cvdl: "

#: The topics of a segmentation, of the class names, and of the named boxes.
LABELS_TOPIC = "segmentation/labels"
OBJECTS_TOPIC = "segmentation/objects"
PLANE_TOPIC = "segmentation/plane"
SUPPORT_TOPIC = "segmentation/support"
LABEL_INFO_TOPIC = "detection/label_info"
BOXES_TOPIC = "detection/boxes"

#: The ``id`` of a detection without an object that is not on the support.
OFF_SUPPORT = "off_support"
#: The class in messages of an object without one; its score is the object's ``objectness``.
OBJECT_CLASS = "object"
_GRASP_CLASS = "grasp"


@dataclass(frozen=True)
class Results:
    """A frame and the scene found in it.

    Attributes:
        frame, scene: as found, or with another coordinate frame; see `in_frame`.
        pose: (4, 4), the camera in the coordinate frame of the scene, meters; None: that of the
            camera itself.
    """

    frame: RgbdFrame
    scene: Scene
    pose: NDArray[np.float64] | None = None
    _made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def made(self, make: MessageFactory, build: Callable[[MessageFactory, Scene], Any]) -> Any:
        """Return ``build(make, self.scene)``, built once: several topics hold the same messages."""
        key = (make, build)
        if key not in self._made:
            self._made[key] = build(make, self.scene)
        return self._made[key]

    def in_frame(self, frame_id: str, pose: NDArray[np.float64]) -> Results:
        """The same in another coordinate frame; see ``pose``."""
        return Results(replace(self.frame, frame_id=frame_id), transformed(self.scene, pose), pose)

    @cached_property
    def support(self) -> NDArray[np.float64]:
        """The outline of the visible support, see `support_outline`."""
        labels, plane, camera = self.scene.labels, self.scene.plane, self.frame.camera
        if self.pose is None:
            return support_outline(labels, plane, camera)
        plane = transformed_plane(plane, np.linalg.inv(self.pose).astype(np.float64))
        outline = support_outline(labels, plane, camera)
        return outline @ self.pose[:3, :3].T + self.pose[:3, 3]

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The overlay, (H, W, 3) uint8 RGB; drawn at first use."""
        return overlay(self.frame, self.scene)


@dataclass(frozen=True)
class ResultTopic:
    """One result topic.

    Attributes:
        name: relative to the namespace.
        type: message type.
        node: the node that publishes it where each stage has its own node.
        content: what its messages hold, in Markdown.
        build: makes the message of a frame, or None where there is none; None for the class
            names, which are sent once and not per frame.
        needs: what has to run for it besides the segmentation: "detect", "grasp", "draw".
        spatial: whether its content is in 3-D, and so in the target frame if there is one.
        is_large: whether its messages are so large that a replay writes them only if asked to.
    """

    name: str
    type: str
    node: str
    content: str
    build: Callable[[MessageFactory, Results], Any] | None
    needs: frozenset[str] = frozenset()
    spatial: bool = False
    is_large: bool = False


def _labels(make: MessageFactory, results: Results) -> Any:
    return make.image(results.frame, results.scene.labels, "mono16")


def _objects(make: MessageFactory, results: Results) -> Any:
    header, objects = make.header(results.frame), results.scene.objects
    detections = [
        make.detection3d(
            header, _class_of(make, item, pose), pose, item.box3d.size, str(item.label)
        )
        for item, pose in zip(objects, results.made(make, _object_poses), strict=True)
    ]
    return make.new("vision_msgs/msg/Detection3DArray", header=header, detections=detections)


def _plane(make: MessageFactory, results: Results) -> Any:
    plane = results.scene.plane
    if plane is None:
        return None
    return make.new("shape_msgs/msg/Plane", coef=np.append(plane.normal, plane.offset))


def _support(make: MessageFactory, results: Results) -> Any:
    """Without a support it has no points: who waits for it learns that there is none."""
    points = [make.xyz("Point32", corner) for corner in results.support]
    return make.new(
        "geometry_msgs/msg/PolygonStamped",
        header=make.header(results.frame),
        polygon=make.new("geometry_msgs/msg/Polygon", points=points),
    )


def _boxes(make: MessageFactory, results: Results) -> Any:
    detections = results.scene.detections
    off = (OFF_SUPPORT if item.off_support else "" for item in detections)
    names = [str(item.label or name) for item, name in zip(detections, off, strict=True)]
    return _upright(make, results, names, detections)


def _tracks(make: MessageFactory, results: Results) -> Any:
    detections = results.scene.detections
    names = [str(item.track) if item.track >= 0 else "" for item in detections]
    return _upright(make, results, names, detections) if any(names) else None


def object_boxes(make: MessageFactory, results: Results) -> Any:
    """Detection2DArray of the objects' upright 2-D boxes; ``id`` is the label number."""
    objects = results.scene.objects
    return _upright(make, results, [str(item.label) for item in objects], objects)


def _upright(
    make: MessageFactory,
    results: Results,
    names: Sequence[str],
    items: Sequence[Detection | SceneObject],
) -> Any:
    """Detection2DArray of items with their ids and the poses of their objects.

    Without an object the pose is the identity. Pixel (u, v) covers [u, u + 1) x [v, v + 1): the
    first column of a box is center - size / 2.
    """
    header, scene = make.header(results.frame), results.scene
    labels = [item.label for item in scene.objects]
    poses = dict(zip(labels, results.made(make, _object_poses), strict=True))
    (identity,) = make.poses([np.zeros(3)], [np.eye(3)])
    detections = []
    for name, item in zip(names, items, strict=True):
        x_min, y_min, x_max, y_max = (float(value) for value in item.box2d)
        detections.append(
            make.detection2d(
                header,
                _class_of(make, item, poses.get(item.label, identity)),
                ((x_min + x_max) / 2, (y_min + y_max) / 2),
                0.0,
                (x_max - x_min, y_max - y_min),
                name,
            )
        )
    return make.new("vision_msgs/msg/Detection2DArray", header=header, detections=detections)


def _class_of(make: MessageFactory, item: Detection | SceneObject, pose: Any) -> list[Any]:
    """The class of the item or, without a class, that it is an object at all.

    A name of the gallery is followed by what the detector says, if that is something else. Many
    readers take the hypothesis with the highest score, others the first one: so the second has no
    higher score than the first.
    """
    if isinstance(item, SceneObject) and not item.class_name:
        return [make.hypothesis(OBJECT_CLASS, item.objectness, pose)]
    found = [make.hypothesis(item.class_name, item.score, pose)]
    if item.detected is not None and item.detected.class_name != item.class_name:
        name, score = item.detected
        found.append(make.hypothesis(name, min(score, item.score), pose))
    return found


def _rectangles(make: MessageFactory, results: Results) -> Any:
    """The center is in pixels with (0, 0) in the middle of the top-left pixel.

    ``theta`` turns the image's x axis towards its y axis: clockwise as seen, because y points
    down. The plates are at center +- size_x / 2 * (cos theta, sin theta).
    """
    header, scene = make.header(results.frame), results.scene
    detections = [
        make.detection2d(
            header,
            [make.hypothesis(_GRASP_CLASS, grasp.score, pose)],
            grasp.center,
            grasp.angle,
            (grasp.opening, grasp.plate),
            str(grasp.label),
        )
        for grasp, pose in zip(scene.grasps, results.made(make, _grasp_poses), strict=True)
    ]
    return make.new("vision_msgs/msg/Detection2DArray", header=header, detections=detections)


def _poses(make: MessageFactory, results: Results) -> Any:
    return make.new(
        "geometry_msgs/msg/PoseArray",
        header=make.header(results.frame),
        poses=results.made(make, _grasp_poses),
    )


def _grasps(make: MessageFactory, results: Results) -> Any:
    """``bbox.size.x`` is the opening, ``bbox.size.y`` the width of the plates; meters."""
    header, scene = make.header(results.frame), results.scene
    detections = [
        make.detection3d(
            header,
            [make.hypothesis(_GRASP_CLASS, grasp.score, pose)],
            pose,
            (grasp.opening_m, grasp.plate_m, 0),
            str(grasp.label),
        )
        for grasp, pose in zip(scene.grasps, results.made(make, _grasp_poses), strict=True)
    ]
    return make.new("vision_msgs/msg/Detection3DArray", header=header, detections=detections)


def _object_poses(make: MessageFactory, scene: Scene) -> list[Any]:
    boxes = [item.box3d for item in scene.objects]
    return make.poses([box.center for box in boxes], [box.rotation for box in boxes])


def _grasp_poses(make: MessageFactory, scene: Scene) -> list[Any]:
    return make.poses(
        [grasp.position for grasp in scene.grasps], [grasp.rotation for grasp in scene.grasps]
    )


_GRASPS = frozenset({"grasp"})
_DETECTIONS = frozenset({"detect"})

#: The result topics by name, in the order in which the messages of a frame are sent.
TOPICS: dict[str, ResultTopic] = {
    topic.name: topic
    for topic in (
        ResultTopic(
            LABEL_INFO_TOPIC,
            "vision_msgs/msg/LabelInfo",
            "detection_node",
            "names of the detector's classes, then those of the gallery, sent again when the "
            "gallery changes; transient local, so late joiners get them too; absent without both",
            None,
        ),
        ResultTopic(
            LABELS_TOPIC,
            "sensor_msgs/msg/Image",
            "segmentation_node",
            "label image, `mono16`: 0 nothing, 1 the support plane, from 2 on one number per "
            "object",
            _labels,
        ),
        ResultTopic(
            OBJECTS_TOPIC,
            "vision_msgs/msg/Detection3DArray",
            "segmentation_node",
            "oriented 3-D box of each object, the third axis along the plane's normal; `id` is "
            "the label number; class and score where it is recognized (with a name of the gallery "
            "first, what the detector says second, its score no higher), elsewhere "
            "the class `object`, its score the mean probability of an object over the mask, by the "
            "segmentation's network (1 with `method: geometry`)",
            _objects,
            needs=_DETECTIONS,
            spatial=True,
        ),
        ResultTopic(
            PLANE_TOPIC,
            "shape_msgs/msg/Plane",
            "segmentation_node",
            "support plane a x + b y + c z + d = 0, in the frame of `segmentation/objects`, its "
            "normal towards the camera; absent where none is in view",
            _plane,
            spatial=True,
        ),
        ResultTopic(
            SUPPORT_TOPIC,
            "geometry_msgs/msg/PolygonStamped",
            "segmentation_node",
            "convex outline of the visible support, counterclockwise for the camera; without "
            "points where none is in view",
            _support,
            spatial=True,
        ),
        ResultTopic(
            "segmentation/points",
            "sensor_msgs/msg/PointCloud2",
            "segmentation_node",
            "organized point cloud in the frame of color: x, y, z (NaN without a reading), rgb, "
            "and `label` as in the label image; a replay writes it with `--points`",
            lambda make, results: make.points(results.frame, results.scene.labels),
            is_large=True,
        ),
        ResultTopic(
            BOXES_TOPIC,
            "vision_msgs/msg/Detection2DArray",
            "detection_node",
            "class, score and upright box of each detection and of each object that the gallery "
            "has named, best first; `id` is the label number "
            "of its object, empty without an object, `off_support` where it has none and the depth "
            "shows it off the support",
            _boxes,
            needs=_DETECTIONS,
        ),
        ResultTopic(
            "detection/tracks",
            "vision_msgs/msg/Detection2DArray",
            "detection_node",
            "with `detector.track`: the same detections in the same order; `id` is the track "
            "number, the same in every message for the same object",
            _tracks,
            needs=_DETECTIONS,
        ),
        ResultTopic(
            "grasp/rectangles",
            "vision_msgs/msg/Detection2DArray",
            "grasp_node",
            "grasps in the image, best first: `size_x` the opening, `size_y` the plates, `theta` "
            "from right to down (clockwise as seen); `id` is the object's label number",
            _rectangles,
            needs=_GRASPS,
        ),
        ResultTopic(
            "grasp/poses",
            "geometry_msgs/msg/PoseArray",
            "grasp_node",
            "the same grasps in 3-D, in the same order: the middle between the tips, z the "
            "approach, x the opening",
            _poses,
            needs=_GRASPS,
            spatial=True,
        ),
        ResultTopic(
            "grasp/detections",
            "vision_msgs/msg/Detection3DArray",
            "grasp_node",
            "the same poses with the chance that they hold as score, the opening (`bbox.size.x`) "
            "and the width of the plates (`bbox.size.y`) in meters, and `id`",
            _grasps,
            needs=_GRASPS,
            spatial=True,
        ),
        ResultTopic(
            "markers",
            "visualization_msgs/msg/MarkerArray",
            "grasp_node",
            "plane, boxes, names and grippers, for RViz and Foxglove",
            lambda make, results: marker_array(make, results.frame, results.scene, results.support),
            needs=_DETECTIONS | _GRASPS,
        ),
        ResultTopic(
            "overlay",
            "sensor_msgs/msg/Image",
            "grasp_node",
            "`rgb8`: the color image with all results drawn on it",
            lambda make, results: make.image(results.frame, results.picture, "rgb8"),
            needs=_DETECTIONS | _GRASPS | {"draw"},
        ),
    )
}
#: The types of the topics with messages of each frame, by name.
SCENE_TOPICS = {name: topic.type for name, topic in TOPICS.items() if topic.build}


def topics_of(node: str) -> list[ResultTopic]:
    """The topics that a node publishes: its own, or all for perception_node."""
    return [topic for topic in TOPICS.values() if node in (topic.node, "perception_node")]


def needs_of(topics: Collection[str]) -> frozenset[str]:
    """What has to run for these topics besides the segmentation."""
    return frozenset().union(*(TOPICS[name].needs for name in topics))


def scene_messages(
    make: MessageFactory,
    results: Results,
    topics: Collection[str] = TOPICS.keys(),
    in_target: Results | None = None,
) -> dict[str, Any]:
    """The messages of a frame by topic; all have its stamp and frame id.

    Args:
        make: builds the messages.
        results: the frame and its scene.
        topics: names of the topics to build.
        in_target: the results in the target frame, for the spatial topics; the same if not given.
    """
    messages = {}
    for topic in TOPICS.values():
        if topic.name in topics and topic.build:
            message = topic.build(make, (in_target or results) if topic.spatial else results)
            if message is not None:
                messages[topic.name] = message
    return messages
