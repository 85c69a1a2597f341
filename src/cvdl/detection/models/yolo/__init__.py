"""One pass: boxes and classes of all cells at once.

Redmon, Divvala, Girshick & Farhadi, "You Only Look Once: Unified, Real-Time Object Detection",
CVPR 2016, as published (``published``) and in today's form (``modern``): ``cvdl train detector
--detector yolo --set style=published``.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "One pass for all boxes (Redmon et al. 2016); as published, or modern.",
    "detector:Yolo.load",
    "training:trainer",
    exported="exported:ExportedYolo.load",
)
