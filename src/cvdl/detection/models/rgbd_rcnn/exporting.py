"""The default detector as parts that are exported to ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.detection.models.rgbd_rcnn.detector import RgbdRcnn
from cvdl.detection.models.rgbd_rcnn.exported import PROPOSALS, ExportedRgbdRcnn
from cvdl.exporting.backbone import FEATURES, backbone_part
from cvdl.exporting.parts import Exportable, Part
from cvdl.networks.box_tensors import decode_boxes
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained detector for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    detector = RgbdRcnn.load(weights, torch.device("cpu"))
    proposals = Part(_Proposals(detector), {"wide": FEATURES["wide"]}, {"boxes": {0: "boxes"}})
    each = {0: "boxes"}
    regions = Part(
        _Regions(detector),
        {"near": each, "far": each, "scale": each, "boxes": each},
        {"logits": each, "refined": each},
    )
    return Exportable(
        {BACKBONE: backbone_part(detector.backbone), PROPOSALS: proposals, MAIN: regions},
        {"model": RgbdRcnn.__name__, "classes": json.dumps(detector.classes)},
        lambda graphs: lambda frame: ExportedRgbdRcnn(detector.classes, graphs)([frame]),
    )


class _Proposals(nn.Module):
    """From the wide features, see ``Backbone``, to the best boxes (N, 4) of the first network."""

    def __init__(self, detector: RgbdRcnn) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, wide: Tensor) -> tuple[Tensor, ...]:
        return (self.detector.propose(*self.detector.first(wide))[0],)


class _Regions(nn.Module):
    """One iteration of the second network.

    Inputs: what is cut out of boxes, channels last: fine features (N, 28, 28, C), wide ones (N, 7,
    7, C), and the mean scale (N, 2), see ``RegionHead.judge``; the boxes (N, 4). Outputs: logits
    (N, classes); refined boxes (N, 4), not clipped to the image.
    """

    def __init__(self, detector: RgbdRcnn) -> None:
        super().__init__()
        self.second = detector.second

    def forward(
        self, near: Tensor, far: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        near, far = near.permute(0, 3, 1, 2), far.permute(0, 3, 1, 2)
        logits, deltas = self.second.judge(near, far, scale, boxes)
        return logits, decode_boxes(boxes, deltas)
