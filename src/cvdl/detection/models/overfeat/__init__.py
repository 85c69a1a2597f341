"""Sliding windows in one pass: a convolutional network over an image pyramid.

Sermanet, Eigen, Zhang, Mathieu, Fergus & LeCun, "OverFeat: Integrated Recognition, Localization
and Detection using Convolutional Networks", ICLR 2014.

``network`` classifies windows, ``detector`` slides it over the pyramid and ``merging`` joins the
boxes. ``training`` cuts windows from labeled views: ``cvdl train detector --detector overfeat``.
The package has no weights for it.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Convolutional sliding windows over an image pyramid (Sermanet et al. 2014).",
    "detector:OverfeatDetector.load",
    "training:trainer",
)
