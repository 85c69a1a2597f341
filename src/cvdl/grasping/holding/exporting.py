"""The network of the chance to hold as a graph of ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cvdl.core.files import write_atomically
from cvdl.exporting.parts import Part, checked_graph
from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES

__all__ = ["export_holding"]

#: Largest difference of a chance from PyTorch's.
_MOST = 1e-4


def export_holding(weights: Path) -> Path:
    """Write the ONNX file of a trained network, in float32, beside its weights.

    Raises:
        InputError: if the file of weights cannot be used, or the graph differs from PyTorch.
    """
    each = {0: "hands"}
    part = Part(
        _Chance(HoldingNetwork.load(weights)), {"maps": each, "values": each}, {"chance": each}
    )
    rng = np.random.default_rng(0)
    feeds = [
        {
            "maps": rng.random((count, CHANNELS, SIDE, SIDE), np.float32),
            "values": rng.normal(size=(count, VALUES)).astype(np.float32),
        }
        for count in (3, 1, 40)
    ]
    content = checked_graph(part, feeds, {"model": HoldingNetwork.__name__}, weights, _MOST)
    out = weights.with_suffix(".onnx")
    write_atomically(out, content)
    return out


class _Chance(nn.Module):
    """The chance (N,) instead of the logit."""

    def __init__(self, network: HoldingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor, values: Tensor) -> tuple[Tensor]:
        return (torch.sigmoid(self.network(maps, values)),)
