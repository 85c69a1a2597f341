"""Detectors in ONNX files: YOLO, DETR and others; see ``layouts`` for what is understood."""

from cvdl.core.registry import Model, deferred
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model(
        name="onnx",
        description="Detector in an ONNX file: YOLO, DETR and others.",
        loader=deferred("cvdl.detection.models.onnx.detector:load"),
    )
)
