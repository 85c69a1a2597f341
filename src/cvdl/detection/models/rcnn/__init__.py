"""Proposals, each cropped, classified and refined by a network.

Girshick, Donahue, Darrell & Malik, "Rich feature hierarchies for accurate object detection and
semantic segmentation", CVPR 2014.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "A classifier of proposals with one of eight backbones (Girshick et al. 2014).",
    "detector:load",
    "training:trainer",
)
