"""The default grasp detector: a dense network and a refining one."""

from cvdl.grasping.models.cascade.detector import CascadeDetector

__all__ = ["CascadeDetector"]
