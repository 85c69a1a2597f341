"""What the objects are: detectors of many kinds behind one interface.

Importing this package loads no network: torch is imported when a detector is loaded.
"""

from cvdl.detection.detections import Detections
from cvdl.detection.detector import Detector
from cvdl.detection.registry import DETECTORS, load_detector

__all__ = ["DETECTORS", "Detections", "Detector", "load_detector"]
