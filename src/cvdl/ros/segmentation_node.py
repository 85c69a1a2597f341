"""Only the segmentation: labels, objects and the support plane."""

from __future__ import annotations

from typing import Any

from cvdl.pipeline import PerceptionConfig
from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import SegmentationNodeConfig

__all__ = ["SegmentationNode"]


class SegmentationNode(BaseNode):
    """Only the segmentation: labels, objects and the support plane."""

    NAME = "segmentation_node"
    CONFIG = SegmentationNodeConfig
    TOPICS = ("segmentation/labels", "segmentation/objects", "segmentation/plane")

    def stages_of(self, settings: Any) -> PerceptionConfig:
        """See the base class."""
        return PerceptionConfig(segmentation=settings.segmentation).segmentation_only()
