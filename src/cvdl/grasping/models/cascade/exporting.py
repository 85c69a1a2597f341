"""The cascade as parts that are exported to ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.exporting.parts import Exportable, Part
from cvdl.grasping.models.cascade.detector import CascadeDetector
from cvdl.grasping.models.cascade.exported import DENSE, ExportedCascade
from cvdl.networks.onnx_files import MAIN

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained cascade for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    detector = CascadeDetector.load(weights)
    image = {2: "half_height", 3: "half_width"}
    dense = Part(
        _Dense(detector),
        {"image": image, "allowed": {0: "rows", 1: "columns"}, "survivors": {}},
        {"rectangles": {0: "rectangles"}, "logits": {0: "rectangles"}},
    )
    second = Part(
        _Second(detector),
        {"image": image, "rectangles": {0: "rectangles"}, "logits": {0: "rectangles"}},
        {"refined": {0: "rectangles"}, "scores": {0: "rectangles"}},
    )
    return Exportable(
        {DENSE: dense, MAIN: second}, {"model": CascadeDetector.__name__}, ExportedCascade
    )


class _Dense(nn.Module):
    """The best local maxima of all rectangles; see ``CascadeDetector.propose``."""

    def __init__(self, detector: CascadeDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor, allowed: Tensor, survivors: Tensor) -> tuple[Tensor, ...]:
        rectangles, logits = self.detector.best_maxima(image, allowed, survivors)
        is_maximum = logits > -torch.inf
        return rectangles[is_maximum], logits[is_maximum]


class _Second(nn.Module):
    """Rectangles refined, and their scores; see ``CascadeDetector.second_look``."""

    def __init__(self, detector: CascadeDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor, rectangles: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
        return self.detector.second_look(image, rectangles, logits)
