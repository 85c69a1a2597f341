"""The network of the embedding as a graph of ONNX in 8 bits, with a projection of its features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cvdl.exporting.parts import Part, onnx_graph, widened
from cvdl.exporting.quantization import quantized
from cvdl.networks.efficientnet_lite0 import IMAGENET_SPREAD, EfficientNetLite0
from cvdl.networks.sessions import SessionGraph
from cvdl.recognition.crops import BACKGROUND
from cvdl.recognition.embedder import MODEL

__all__ = ["features_of", "network_colors", "quantized_network", "with_projection"]

_BATCH = 8  # crops at a time
_INPUT, _POOLED, _OUTPUT = "crops", "pooled", "features"


def network_colors(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return crops in the colors of ImageNet, see ``EfficientNetLite0``."""
    return (crops.astype(np.float32) - BACKGROUND) / np.float32(IMAGENET_SPREAD)


def quantized_network(network: EfficientNetLite0, crops: NDArray[np.uint8]) -> bytes:
    """Return the ONNX file of a network, quantized to 8 bits.

    Args:
        network: the network.
        crops: (N, S, S, 4) of ``cut_crop``, such as it will see; the ranges of the activations are
            those on them.
    """
    each = {0: "objects"}
    part = Part(_ChannelsLast(network), {_INPUT: each}, {_POOLED: each})
    feeds = [{_INPUT: network_colors(batch)} for batch in _batches(crops)]
    model = _of_bytes(onnx.load_from_string(quantized(onnx_graph(part, feeds[0]), feeds)))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def features_of(graph: bytes, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what a graph outputs for crops (N, S, S, 4)."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "graph.onnx")
        file.write_bytes(graph)
        session = SessionGraph(file)
        return np.concatenate([session(**{_INPUT: batch})[0] for batch in _batches(crops)])


def with_projection(
    graph: bytes, weight: NDArray[np.float64], bias: NDArray[np.float64], name: str
) -> bytes:
    """Return the file that the embedder loads.

    Args:
        graph: of ``quantized_network``.
        weight, bias: (D, C) and (D,) of the projection, which is scaled to unit length.
        name: of the embedding; another one wherever features change.
    """
    model = onnx.load_from_string(graph)
    parts = model.graph
    constants = {"projection_weight": weight, "projection_bias": bias}
    parts.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), each)
        for each, value in constants.items()
    )
    parts.node.extend(
        [
            helper.make_node("Gemm", [_POOLED, *constants], ["projected"], transB=1),
            helper.make_node("LpNormalization", ["projected"], [_OUTPUT], axis=1, p=2),
        ]
    )
    del parts.output[:]
    shape: list[str | int | None] = ["objects", len(bias)]
    parts.output.append(helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, shape))
    helper.set_model_props(model, {"model": MODEL, "embedding": name})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _ChannelsLast(nn.Module):
    """The network for crops (N, S, S, 4), whose fourth channel has no weight."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = widened(network)

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        return (self.network(crops.permute(0, 3, 1, 2)),)


def _of_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph that takes crops as they are, in 8 bits, in place of their ``network_colors``.

    These become its first quantization: so they cost no time.
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


def _batches(crops: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    return (crops[at : at + _BATCH] for at in range(0, len(crops), _BATCH))
