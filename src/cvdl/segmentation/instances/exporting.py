"""The instance network as parts that are exported to ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cvdl.exporting.backbone import FEATURES, backbone_part
from cvdl.exporting.parts import Exportable, Part
from cvdl.networks.layers import doubled
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE
from cvdl.segmentation.instances.exported import ExportedInstances
from cvdl.segmentation.instances.model import InstanceModel, outputs_of
from cvdl.segmentation.instances.network import InstanceHead, InstanceNetwork

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained network for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    network = InstanceModel.load(weights, torch.device("cpu")).network
    size = {1: "rows", 2: "columns"}
    outputs = ("is_object", "is_support", "centers", "offsets")
    head = Part(_Blocks(network.head), FEATURES, dict.fromkeys(outputs, size))
    return Exportable(
        {BACKBONE: backbone_part(network.backbone), MAIN: head},
        {"model": InstanceNetwork.__name__},
        ExportedInstances,
    )


class _Blocks(nn.Module):
    """From the features to the attributes of ``Instances``, at the padded size, in blocks.

    The four pixels of a block of 2 x 2 are channels: see ``ExportedInstances``, whose loop over
    pixels is faster than the operators of a graph. The first layer is applied to both features
    apart, so that the coarse ones are enlarged after it: fewer of them.
    """

    def __init__(self, head: InstanceHead) -> None:
        super().__init__()
        layer, norm = head.mix[0], head.mix[1]
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        self.mix = fuse_conv_bn_eval(layer, norm)
        self.fine = head.fine
        self.body, self.maps = head.body, head.maps

    def forward(self, fine: Tensor, wide: Tensor) -> tuple[Tensor, ...]:
        weight = self.mix.weight
        near = conv2d(fine, weight[:, : self.fine], self.mix.bias)
        far = conv2d(wide, weight[:, self.fine :])
        x = self.body(torch.relu(near + doubled(far)))
        *classes, centers, offsets = self.maps(x).squeeze(0).split((4, 4, 4, 4, 8))
        return outputs_of(classes, centers, offsets)
