"""Only the detection, on another node's segmentation where there is one."""

from __future__ import annotations

from typing import Any

from cvdl.pipeline import PerceptionConfig
from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import DetectionNodeConfig

__all__ = ["DetectionNode"]


class DetectionNode(BaseNode):
    """Only the detection, on another node's segmentation where there is one."""

    NAME = "detection_node"
    CONFIG = DetectionNodeConfig
    TOPICS = ("detection/boxes", "detection/tracks")
    BUILDS_ON_SEGMENTATION = True

    def stages_of(self, settings: Any) -> PerceptionConfig:
        """See the base class."""
        return PerceptionConfig(
            segmentation=settings.segmentation, detector=settings.detector
        ).without_grasps()
