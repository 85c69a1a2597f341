"""The grasp detector of Lenz, Lee & Saxena, "Deep Learning for Detecting Robotic Grasps", 2014."""

from cvdl.grasping.registry import GRASP_DETECTORS

GRASP_DETECTORS.declare(
    __name__,
    "The two networks of Lenz, Lee & Saxena 2014.",
    "detector:LenzDetector.load",
    "training:trainer",
    trained_on=("cornell", "cornell_rgb"),
)
