"""The default detector as parts that are exported to ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.exported import ExportedRgbdRcnn
from cvdl.exporting.backbone import FEATURES, backbone_part
from cvdl.exporting.parts import Exportable, Part
from cvdl.networks.detailed_input import input_scale
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained detector for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    detector = RgbdRcnn.load(weights, torch.device("cpu"))
    regions = Part(
        _Regions(detector),
        {
            **FEATURES,
            "depth": {0: "height", 1: "width"},
            "intrinsics": {},
            "proposals": {0: "proposals"},
        },
        {"boxes": {0: "boxes"}, "scores": {0: "boxes"}},
    )
    return Exportable(
        {BACKBONE: backbone_part(detector.backbone), MAIN: regions},
        {"model": RgbdRcnn.__name__, "classes": json.dumps(detector.classes)},
        lambda graphs: lambda frame: ExportedRgbdRcnn(detector.classes, graphs)([frame]),
    )


class _Regions(nn.Module):
    """From the features to boxes and scores.

    Inputs: fine and wide features, see ``Backbone``; depth (H, W), meters, NaN where unknown;
    fx, fy, cx, cy (4,); proposals (N, 4) to classify besides its own. Outputs: boxes (M, 4), the
    given ones refined and then its own; scores (M, classes).
    """

    def __init__(self, detector: RgbdRcnn) -> None:
        super().__init__()
        self.detector = detector

    def forward(
        self, fine: Tensor, wide: Tensor, depth: Tensor, intrinsics: Tensor, proposals: Tensor
    ) -> tuple[Tensor, Tensor]:
        boxes = self.detector.propose(*self.detector.first(wide))[0]
        scale = input_scale(depth, intrinsics)[None]
        return self.detector.classify(fine, wide, scale, torch.cat([proposals, boxes]))
