"""Only the grasps, on another node's segmentation where there is one; and pictures of both."""

from __future__ import annotations

from typing import Any

from cvdl.detection.config import DetectionConfig
from cvdl.pipeline import PerceptionConfig
from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import GraspNodeConfig

__all__ = ["GraspNode"]


class GraspNode(BaseNode):
    """Only the grasps, on another node's segmentation where there is one; and pictures of both."""

    NAME = "grasp_node"
    CONFIG = GraspNodeConfig
    TOPICS = ("grasp/rectangles", "grasp/poses", "grasp/detections", "markers", "overlay")
    BUILDS_ON_SEGMENTATION = True

    def stages_of(self, settings: Any) -> PerceptionConfig:
        """See the base class."""
        return PerceptionConfig(
            segmentation=settings.segmentation,
            detector=DetectionConfig(enable=False),
            grasp=settings.grasp,
        )
