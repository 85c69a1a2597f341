"""The messages of the topics that somebody listens to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from cvdl.frame import RgbdFrame, Scene
from cvdl.pictures import overlay
from cvdl.ros.messages import MessageFactory

__all__ = ["SPATIAL", "scene_messages"]

#: Topics whose content is in space, and so in the target frame where there is one.
SPATIAL = frozenset(
    {"segmentation/objects", "segmentation/plane", "grasp/poses", "grasp/detections"}
)


def scene_messages(
    make: MessageFactory, frame: RgbdFrame, scene: Scene, topics: Collection[str]
) -> dict[str, Any]:
    """What `MessageFactory.scene` gives, of these topics only.

    Args:
        make: builds the messages.
        frame: what the scene was found in: every message carries its stamp and frame id.
        scene: what was found.
        topics: of `SCENE_TOPICS`.
    """
    builders: dict[str, Callable[[], Any]] = {
        "segmentation/labels": lambda: make.labels(frame, scene),
        "segmentation/objects": lambda: make.objects(frame, scene),
        "detection/boxes": lambda: make.detections(frame, scene),
        "grasp/rectangles": lambda: make.grasp_rectangles(frame, scene),
        "grasp/poses": lambda: make.grasp_poses(frame, scene),
        "grasp/detections": lambda: make.grasp_detections(frame, scene),
        "markers": lambda: make.markers(frame, scene),
        "overlay": lambda: make.image(frame, overlay(frame, scene), "rgb8"),
    }
    plane = scene.plane
    if plane is not None:
        builders["segmentation/plane"] = lambda: make.plane(plane)
    if any(detection.track >= 0 for detection in scene.detections):
        builders["detection/tracks"] = lambda: make.tracks(frame, scene)
    return {topic: build() for topic, build in builders.items() if topic in topics}
