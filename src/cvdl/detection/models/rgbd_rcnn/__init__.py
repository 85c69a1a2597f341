"""The default detector: a small two-stage network on color, relief and surface normals."""

from pathlib import Path

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model(
        name="rgbd_rcnn",
        description="Small two-stage network on color, relief and surface normals; the default.",
        loader=deferred("cvdl.detection.models.rgbd_rcnn.detector:RgbdRcnn.load"),
        trainer=deferred("cvdl.detection.models.rgbd_rcnn.training:trainer"),
        weights=Path(__file__).with_name("rgbd_rcnn.safetensors"),
    )
)
