"""The default detector: a small two-stage network on colour, relief and surface normals."""

from __future__ import annotations

from pathlib import Path

import torch

from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn

__all__ = ["RgbdRcnn", "load"]


def load(name: str, weights: str, device: torch.device) -> RgbdRcnn:
    """A trained detector; see ``cvdl.detection.load_detector``."""
    return RgbdRcnn.load(Path(weights), device)
