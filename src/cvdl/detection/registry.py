"""The detectors by name: see ``cvdl.core.registry``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cvdl.core.registry import ModelRegistry

if TYPE_CHECKING:
    from cvdl.detection.detector import Detector

__all__ = ["DETECTORS", "load_detector"]

DETECTORS = ModelRegistry("detector", "cvdl.detection.models", "cvdl.detectors", "rgbd_rcnn")


def load_detector(
    name: str = DETECTORS.default,
    weights: str | Path = "",
    device: str = "auto",
    engine: str = "auto",
) -> Detector:
    """A trained detector.

    Args:
        name: one of ``DETECTORS.names``.
        weights: a file of that detector; for those of torchvision also the name of its weights
            (``COCO_V1``), which are downloaded; empty: the packaged file.
        device: "cpu", "cuda", or "auto": a GPU if there is one.
        engine: "torch", "onnxruntime", or "auto": ONNX Runtime on a CPU, if the weights are
            exported; see ``cvdl export``.

    Raises:
        InputError: if there is no such detector, weights file, device or engine, the file holds the
            weights of another model, or weights cannot be downloaded.
    """
    detector: Detector = DETECTORS[name].load(weights, device, engine)
    return detector
