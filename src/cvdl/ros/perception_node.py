"""All stages on one frame in one process, so that no image crosses a process border twice."""

from __future__ import annotations

from typing import Any

from cvdl.messages.factory import SCENE_TOPICS
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import PerceptionNodeConfig

__all__ = ["PerceptionNode"]


class PerceptionNode(BaseNode):
    """All stages on one frame in one process, so that no image crosses a process border twice."""

    NAME = "perception_node"
    CONFIG = PerceptionNodeConfig
    TOPICS = tuple(SCENE_TOPICS)

    def stages_of(self, settings: Any) -> PerceptionConfig:
        """See the base class."""
        return PerceptionConfig(
            segmentation=settings.segmentation, detector=settings.detector, grasp=settings.grasp
        )
