"""Sliding windows in one pass: a convolutional network over an image pyramid.

After Sermanet, Eigen, Zhang, Mathieu, Fergus & LeCun, "OverFeat: Integrated Recognition,
Localization and Detection using Convolutional Networks", ICLR 2014.
"""

from __future__ import annotations

from pathlib import Path

import torch

from cvdl.detection.models.overfeat.detector import OverfeatDetector

__all__ = ["OverfeatDetector", "load"]


def load(name: str, weights: str, device: torch.device) -> OverfeatDetector:
    """A trained detector; see ``cvdl.detection.load_detector``.

    Args:
        name: "overfeat".
        weights: safetensors file.
        device: where it runs.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    return OverfeatDetector.load(Path(weights), device)
