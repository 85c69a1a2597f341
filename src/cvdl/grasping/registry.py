"""The grasp detectors by name: see ``cvdl.core.registry``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cvdl.core.registry import ModelRegistry

if TYPE_CHECKING:
    from cvdl.grasping.detector import GraspDetector

__all__ = ["GRASP_DETECTORS", "load_grasp_detector"]

GRASP_DETECTORS = ModelRegistry(
    "detector", "cvdl.grasping.models", "cvdl.grasp_detectors", "cascade"
)


def load_grasp_detector(
    name: str = GRASP_DETECTORS.default,
    weights: str | Path = "",
    device: str = "auto",
    engine: str = "auto",
) -> GraspDetector:
    """A trained grasp detector.

    Args:
        name: one of ``GRASP_DETECTORS.names``.
        weights: a file of that detector; empty: the packaged file.
        device: "cpu", "cuda", or "auto": a GPU if there is one.
        engine: "torch", "onnxruntime", or "auto": ONNX Runtime on a CPU, if the weights are
            exported; see ``cvdl export``.

    Raises:
        InputError: if there is no such detector, weights file, device or engine, or the file holds
            the weights of another model.
    """
    detector: GraspDetector = GRASP_DETECTORS[name].load(weights, device, engine)
    return detector
