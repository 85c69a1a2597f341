"""Linear scores of histograms of oriented gradients, window by window.

Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.

``detector`` describes and scores the windows. ``training`` fits the scores, then once more with the
false alarms: ``cvdl train detector --detector hog``. The package has no weights for it.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Linear scores of histograms of oriented gradients (Dalal & Triggs 2005).",
    "detector:HogDetector.load",
    "training:trainer",
)
