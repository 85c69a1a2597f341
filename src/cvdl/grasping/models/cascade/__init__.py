"""The default grasp detector: a dense network and a refining one."""

from cvdl.grasping.registry import GRASP_DETECTORS

GRASP_DETECTORS.declare(
    __name__,
    "A dense network and a refining one, after Lenz et al. 2014; the default.",
    "detector:CascadeDetector.load",
    "training:trainer",
    exported="exported:ExportedCascade.load",
    trained_on=("cornell", "cornell_rgb"),
)
