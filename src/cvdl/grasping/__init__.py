"""Where to grasp: rectangles in the image, ranked by a cascade of networks, and their 3-D poses.

Importing this package loads no network: torch is imported when a detector is loaded.
"""

from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.failed import FailedGrasps
from cvdl.grasping.registry import GRASP_DETECTORS, load_grasp_detector

__all__ = ["GRASP_DETECTORS", "FailedGrasps", "GraspDetector", "load_grasp_detector"]
