"""The nodes: one with all stages, and one per stage.

A node runs the stages that its parameters configure and publishes its topics of
`cvdl.messages.topics`. One that does not publish a segmentation uses that of another node if there
is one, and otherwise segments itself.
"""

from __future__ import annotations

from cvdl.ros.base_node import BaseNode
from cvdl.ros.parameters import (
    DetectionNodeConfig,
    GraspNodeConfig,
    PerceptionNodeConfig,
    SegmentationNodeConfig,
)

__all__ = ["DetectionNode", "GraspNode", "PerceptionNode", "SegmentationNode"]


class PerceptionNode(BaseNode):
    """All stages in one process: no image crosses a process border twice."""

    NAME = "perception_node"
    CONFIG = PerceptionNodeConfig


class SegmentationNode(BaseNode):
    """The support plane and the objects on it."""

    NAME = "segmentation_node"
    CONFIG = SegmentationNodeConfig


class DetectionNode(BaseNode):
    """The classes of the objects."""

    NAME = "detection_node"
    CONFIG = DetectionNodeConfig


class GraspNode(BaseNode):
    """The grasps of the objects, markers and the overlay."""

    NAME = "grasp_node"
    CONFIG = GraspNodeConfig
