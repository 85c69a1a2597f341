"""Sliding windows in one pass: a convolutional network over an image pyramid.

Sermanet, Eigen, Zhang, Mathieu, Fergus & LeCun, "OverFeat: Integrated Recognition, Localization
and Detection using Convolutional Networks", ICLR 2014.
"""

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model(
        name="overfeat",
        description="Convolutional sliding windows over an image pyramid (Sermanet et al. 2014).",
        loader=deferred("cvdl.detection.models.overfeat.detector:OverfeatDetector.load"),
        trainer=deferred("cvdl.detection.models.overfeat.training:trainer"),
    )
)
