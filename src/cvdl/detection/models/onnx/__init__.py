"""Detectors in ONNX files: YOLO, DETR and others; see ``layouts`` for what is understood."""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(__name__, "Detector in an ONNX file: YOLO, DETR and others.", "detector:load")
