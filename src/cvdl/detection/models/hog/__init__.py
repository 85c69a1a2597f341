"""Linear scores of histograms of oriented gradients, window by window.

Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
"""

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model(
        name="hog",
        description="Linear scores of histograms of oriented gradients (Dalal & Triggs 2005).",
        loader=deferred("cvdl.detection.models.hog.detector:HogDetector.load"),
        trainer=deferred("cvdl.detection.models.hog.training:trainer"),
    )
)
