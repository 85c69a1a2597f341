"""The default detector: a small two-stage network on color, relief and surface normals."""

from cvdl.core.registry import Model
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model.of_folder(
        __name__,
        "Small two-stage network on color, relief and surface normals; the default.",
        "detector:RgbdRcnn.load",
        "training:trainer",
    )
)
