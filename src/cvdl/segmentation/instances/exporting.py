"""The instance network as parts that are exported to ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.exporting.backbone import FEATURES, backbone_part
from cvdl.exporting.parts import Exportable, Part
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE
from cvdl.segmentation.instances.exported import ExportedInstances
from cvdl.segmentation.instances.model import InstanceModel, outputs_of
from cvdl.segmentation.instances.network import InstanceNetwork

__all__ = ["exportable"]


def exportable(weights: Path) -> Exportable:
    """Load a trained network for its export.

    Raises:
        WeightsError: if the file is missing, damaged or holds another model's weights.
    """
    network = InstanceModel.load(weights, torch.device("cpu")).network
    rows, cols = "rows", "columns"
    image, images = {0: rows, 1: cols}, {1: rows, 2: cols}
    head = Part(
        _Maps(network),
        FEATURES,
        {"is_object": image, "is_support": image, "centers": image, "offsets": images},
    )
    return Exportable(
        {BACKBONE: backbone_part(network.backbone), MAIN: head},
        {"model": InstanceNetwork.__name__},
        ExportedInstances,
    )


class _Maps(nn.Module):
    """From the features to the attributes of ``Instances``, at the padded size."""

    def __init__(self, network: InstanceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, fine: Tensor, wide: Tensor) -> tuple[Tensor, ...]:
        return outputs_of(*self.network.maps(fine, wide))
