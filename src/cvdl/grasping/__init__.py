"""Where to grasp: poses on completed objects, ranked by the chance that they hold.

Importing this package loads no network: torch is imported when a detector is loaded. The stage is
in ``cvdl.grasping.stage``.
"""

from cvdl.grasping.config import GraspConfig
from cvdl.grasping.detector import GraspDetector
from cvdl.grasping.failed import FailedGrasps
from cvdl.grasping.rectangles import GraspRectangles
from cvdl.grasping.registry import GRASP_DETECTORS, load_grasp_detector

__all__ = [
    "GRASP_DETECTORS",
    "FailedGrasps",
    "GraspConfig",
    "GraspDetector",
    "GraspRectangles",
    "load_grasp_detector",
]
