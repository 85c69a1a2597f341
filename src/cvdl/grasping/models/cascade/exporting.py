"""The cascade as parts that are exported to ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.exporting.parts import Exportable, Part, widened
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
    detector.dense, detector.second = widened(detector.dense), widened(detector.second)
    image, each = {1: "half_height", 2: "half_width"}, {0: "rectangles"}
    dense = Part(
        _Dense(detector),
        {"image": image, "allowed": {0: "rows", 1: "columns"}, "survivors": {}},
        {"rectangles": each, "logits": each},
    )
    second = Part(
        _Second(detector),
        {"patches": each, "rectangles": each, "logits": each},
        {"refined": each, "scores": each},
    )
    return Exportable(
        {DENSE: dense, MAIN: second}, {"model": CascadeDetector.__name__}, ExportedCascade
    )


class _Dense(nn.Module):
    """The best local maxima of all rectangles; see ``CascadeDetector.best_maxima``.

    Its image is (1, H, W, 12), channels last; the last three are 0.
    """

    def __init__(self, detector: CascadeDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor, allowed: Tensor, survivors: Tensor) -> tuple[Tensor, ...]:
        rectangles, logits = self.detector.best_maxima(
            image.permute(0, 3, 1, 2), allowed, survivors
        )
        is_maximum = logits > -torch.inf
        return rectangles[is_maximum], logits[is_maximum]


class _Second(nn.Module):
    """Rectangles refined, and their scores; see ``CascadeDetector.judge_patches``.

    Their patches are (N, 32, 32, 12), channels last; the last three are 0.
    """

    def __init__(self, detector: CascadeDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, patches: Tensor, rectangles: Tensor, logits: Tensor) -> tuple[Tensor, ...]:
        return self.detector.judge_patches(patches.permute(0, 3, 1, 2), rectangles, logits)
