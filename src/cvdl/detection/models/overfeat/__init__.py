"""Sliding windows in one pass: a convolutional network over an image pyramid.

Sermanet, Eigen, Zhang, Mathieu, Fergus & LeCun, "OverFeat: Integrated Recognition, Localization
and Detection using Convolutional Networks", ICLR 2014.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Convolutional sliding windows over an image pyramid (Sermanet et al. 2014).",
    "detector:OverfeatDetector.load",
    "training:trainer",
)
