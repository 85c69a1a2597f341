"""The default detector: a small two-stage network on color, relief and surface normals."""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Small two-stage network on color, relief and surface normals; the default.",
    "detector:RgbdRcnn.load",
    "training:trainer",
    exported="exported:ExportedRgbdRcnn.load",
)
