"""Every pixel's class by an encoder and a decoder, and things from that.

After Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture
for Image Segmentation", IEEE PAMI 2017.
"""

from __future__ import annotations

from pathlib import Path

import torch

from cvdl.detection.models.segnet.detector import SegNetDetector

__all__ = ["SegNetDetector", "load"]


def load(name: str, weights: str, device: torch.device) -> SegNetDetector:
    """A trained detector; see ``cvdl.detection.load_detector``.

    Args:
        name: "segnet".
        weights: safetensors file.
        device: where it runs.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    return SegNetDetector.load(Path(weights), device)
