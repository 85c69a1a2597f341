"""Only the detection, on another node's segmentation where there is one."""

from __future__ import annotations

import sys
from typing import Any

from cvdl.pipeline import PerceptionConfig
from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import DetectionNodeConfig
from cvdl.ros.process import run

__all__ = ["DetectionNode", "main"]


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


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run(DetectionNode))
