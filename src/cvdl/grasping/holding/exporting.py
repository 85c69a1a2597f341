"""The network of the chance to hold as a graph of ONNX."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.exporting.parts import Part, graph_of, onnx_graph
from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES
from cvdl.networks.sessions import SessionGraph

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
    model = onnx.load_from_string(onnx_graph(part, feeds[0]))
    onnx.helper.set_model_props(model, {"model": HoldingNetwork.__name__})
    content = model.SerializeToString(deterministic=True)
    with TemporaryDirectory() as folder:
        file = Path(folder, "holding.onnx")
        file.write_bytes(content)
        session, module = SessionGraph(file), graph_of(part)
        for feed in feeds:
            (ours,), (theirs,) = session(**feed), module(**feed)
            if ours.shape != theirs.shape or not np.abs(ours - theirs).max() < _MOST:
                raise InputError(f"{weights} cannot be exported: its graph differs from PyTorch")
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
