"""The detector as parts that are exported to ONNX."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.core.frame import RgbdFrame
from cvdl.detection.models.yolo.detector import Yolo
from cvdl.detection.models.yolo.exported import (
    BACKBONE_OF,
    SIZE,
    ExportedYolo,
    packaged_backbone,
)
from cvdl.detection.models.yolo.modern import ModernHead
from cvdl.detection.models.yolo.published import PublishedNetwork, decode_grid
from cvdl.exporting.backbone import FEATURES, backbone_part
from cvdl.exporting.parts import Exportable, Part
from cvdl.networks.engine import digest
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE, Graph
from cvdl.segmentation.instances.loading import WEIGHTS

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained detector for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    detector = Yolo.load(weights, torch.device("cpu"))
    network, classes = detector.network, detector.classes
    metadata = {"model": Yolo.__name__, "classes": json.dumps(classes)}
    if isinstance(network, PublishedNetwork):
        part = Part(_Published(network), {"color": {}}, {"boxes": {}, "scores": {}})
        size = network.size
        return Exportable(
            {MAIN: part},
            {**metadata, SIZE: str(size)},
            lambda graphs: _applied(ExportedYolo(classes, graphs, size)),
        )
    cells = {0: "cells"}
    part = Part(
        _Modern(network),
        {**FEATURES, "scale": FEATURES["wide"]},
        {"boxes": cells, "scores": cells},
    )
    if detector.backbone is not None:
        return Exportable(
            {BACKBONE: backbone_part(detector.backbone), MAIN: part},
            metadata,
            lambda graphs: _applied(ExportedYolo(classes, graphs)),
        )
    shared: Mapping[str, Graph] = {BACKBONE: packaged_backbone(weights, digest(WEIGHTS))}
    return Exportable(
        {MAIN: part},
        {**metadata, BACKBONE_OF: digest(WEIGHTS)},
        lambda graphs: _applied(ExportedYolo(classes, {**shared, **graphs})),
    )


def _applied(detector: ExportedYolo) -> Callable[[RgbdFrame], object]:
    return lambda frame: detector([frame])


class _Published(nn.Module):
    """From a square image (size, size, 3) uint8 to boxes and scores; see ``decode_grid``."""

    def __init__(self, network: PublishedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, color: Tensor) -> tuple[Tensor, ...]:
        boxes, scores = decode_grid(self.network(color[None]), self.network.classes)
        return boxes[0], scores[0]


class _Modern(nn.Module):
    """From the features of a ``Backbone`` and the scale to boxes (N, 4) and scores (N, classes)."""

    def __init__(self, network: ModernHead) -> None:
        super().__init__()
        self.network = network

    def forward(self, fine: Tensor, wide: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        return self.network.decoded(fine, wide, scale)
