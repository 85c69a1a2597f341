"""Detectors in ONNX files: YOLO, DETR and others; see ``layouts`` for what is understood."""

from cvdl.core.registry import Model
from cvdl.detection.registry import DETECTORS

DETECTORS.register(
    Model.of_folder(__name__, "Detector in an ONNX file: YOLO, DETR and others.", "detector:load")
)
