"""The network of the embedding as a graph of ONNX."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cvdl.core.files import write_atomically
from cvdl.exporting.parts import Part, graph_of, onnx_graph, widened
from cvdl.exporting.quantization import quantized
from cvdl.networks.color_features import IMAGENET_SPREAD
from cvdl.networks.sessions import SessionGraph
from cvdl.recognition.crops import BACKGROUND
from cvdl.recognition.embedder import MODEL
from cvdl.recognition.network import EmbeddingNetwork

__all__ = ["export_embedding", "network_colors"]

_BATCH = 8  # crops at a time while the ranges of activations are measured
_INPUT, _OUTPUT = "crops", "features"


def export_embedding(
    network: EmbeddingNetwork, crops: NDArray[np.uint8], out: Path, name: str
) -> float:
    """Write the ONNX file of a network, quantized to 8 bits.

    Args:
        network: the network.
        crops: (N, S, S, 4) of ``cut_crop``, such as it will see; the ranges of the activations are
            those on them.
        out: the file.
        name: of the embedding; another one wherever features change.

    Returns:
        The mean cosine of its features and PyTorch's on the crops.
    """
    each = {0: "objects"}
    part = Part(_ChannelsLast(network), {_INPUT: each}, {_OUTPUT: each})
    batches = [crops[at : at + _BATCH] for at in range(0, len(crops), _BATCH)]
    feeds = [{_INPUT: network_colors(batch)} for batch in batches]
    model = _of_bytes(onnx.load_from_string(quantized(onnx_graph(part, feeds[0]), feeds)))
    helper.set_model_props(model, {"model": MODEL, "embedding": name})
    content = model.SerializeToString(deterministic=True)
    with TemporaryDirectory() as folder:
        file = Path(folder, out.name)
        file.write_bytes(content)
        session, module = SessionGraph(file), graph_of(part)
        cosines = [
            (session(**{_INPUT: batch})[0] * module(**feed)[0]).sum(axis=1)
            for batch, feed in zip(batches, feeds, strict=True)
        ]
    write_atomically(out, content)
    return float(np.concatenate(cosines).mean())


class _ChannelsLast(nn.Module):
    """The network for crops (N, S, S, 4), whose fourth channel has no weight."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = widened(network)

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        return (self.network(crops.permute(0, 3, 1, 2)),)


def network_colors(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return crops in the colors of ImageNet, see ``EmbeddingNetwork``."""
    return (crops.astype(np.float32) - BACKGROUND) / np.float32(IMAGENET_SPREAD)


def _of_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph that takes the crops as they are, in 8 bits, in place of ``network_colors`` of them.

    Its first quantization becomes that: so it costs no time.
    """
    graph = model.graph
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    (first,) = (node for node in graph.node if node.input[0] == _INPUT)
    (quantize,) = (node for node in graph.node if node.input[0] == first.output[0])
    (dequantize,) = (node for node in graph.node if node.input[0] == quantize.output[0])
    values = np.float32(1 / IMAGENET_SPREAD), np.uint8(BACKGROUND)
    for name, value in zip(quantize.input[1:], values, strict=True):
        (constant,) = (each for each in graph.initializer if each.name == name)
        constant.CopyFrom(numpy_helper.from_array(np.array(value), name))
    dequantize.input[0] = first.output[0]
    del graph.value_info[:]  # types of before
    graph.node.remove(quantize)
    return model
