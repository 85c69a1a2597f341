"""What the objects are: detectors of many kinds behind one interface.

Importing this package brings no network in: torch is imported when a detector is loaded.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cvdl.core.errors import InputError
from cvdl.detection.detections import Detections
from cvdl.detection.detector import Detector
from cvdl.detection.names import DETECTORS, TORCHVISION_DETECTORS

if TYPE_CHECKING:
    import torch

__all__ = ["DETECTORS", "Detections", "Detector", "load_detector", "packaged_weights"]

#: The module that has each detector: its ``load(name, weights, device)``.
_MODULES = {
    "rgbd_rcnn": "cvdl.detection.models.rgbd_rcnn",
    **dict.fromkeys(TORCHVISION_DETECTORS, "cvdl.detection.models.torchvision.detector"),
    "onnx": "cvdl.detection.models.onnx.detector",
    "overfeat": "cvdl.detection.models.overfeat",
    "rcnn": "cvdl.detection.models.rcnn.detector",
    "segnet": "cvdl.detection.models.segnet",
    "hog": "cvdl.detection.models.hog.detector",
}


def packaged_weights(name: str) -> Path:
    """Where the weights of a detector lie that come with the package."""
    return Path(__file__).parent / "models" / name / f"{name}.safetensors"


def load_detector(name: str = "rgbd_rcnn", weights: str = "", device: str = "auto") -> Detector:
    """A trained detector.

    Args:
        name: one of `DETECTORS`.
        weights: a file of that detector; for those of torchvision also the name of its weights
            (``COCO_V1``), which are downloaded; empty: those of the package.
        device: "cpu", "cuda", or "auto": a GPU where there is one.

    Raises:
        InputError: if there is no such detector, weights file or device, the file holds the
            weights of another model, or weights cannot be downloaded.
    """
    if name not in _MODULES:
        raise InputError(f"detector is {name!r}; accepted: {', '.join(DETECTORS)}")
    if not weights:
        path = packaged_weights(name)
        if not path.is_file():
            raise InputError(f"{name} has no weights in the package; give a file of them")
        weights = str(path)
    from cvdl.networks.device import pick_device

    where: torch.device = pick_device(device)
    detector: Detector = import_module(_MODULES[name]).load(name, weights, where)
    return detector
