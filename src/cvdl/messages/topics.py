"""The messages of the topics that somebody listens to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import Scene
from cvdl.messages.factory import MessageFactory
from cvdl.viz.pictures import overlay

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
    picture = overlay(frame, scene) if "overlay" in topics else None
    return make.scene(frame, scene, picture, topics)
