"""Detectors in ONNX files: YOLO, DETR and others; see ``layouts`` for what is understood.

``detector`` runs a file, ``declaration`` describes it where that is needed, ``presets`` has the
preprocessing of published models, and ``layouts``, made of the parts in ``outputs``, turns its
outputs into detections. They are trained elsewhere; the
package has no such file.
"""

from cvdl.detection.registry import DETECTORS

DETECTORS.declare(
    __name__,
    "Detector in an ONNX file: YOLO, DETR and others.",
    "detector:load",
    engine="onnxruntime",
)
