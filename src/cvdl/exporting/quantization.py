"""Static quantization of graphs: weights and activations of 8 bits, scaled by what frames show."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from cvdl.exporting.parts import Feed

__all__ = ["hidden_nodes", "quantized"]

_LAYERS = {"Conv", "Gemm"}
_ACTIVATIONS = {"Relu", "LeakyRelu", "Clip"}
#: Operators that also work on 8 bits.
_BETWEEN = {"Add", "Concat", "MaxPool", "Reshape", "Transpose", *_ACTIVATIONS}
#: What may be between a hidden layer and the next one.
_PASSED = {"Add", "Concat", "Flatten", "MaxPool", "Reshape", "Transpose"}
_FEWEST = 16  # inputs of a fully connected layer: values such as lengths need more than 8 bits


def quantized(graph: bytes, feeds: Sequence[Feed]) -> bytes:
    """Return a graph of ONNX with its hidden layers in 8 bits.

    Weights have a scale for each channel and 7 bits, as processors without VNNI add pairs of
    products in 16 bits, which 8 bits may exceed: results are the same on all of them.

    Args:
        graph: in float32.
        feeds: typical inputs; the ranges of the activations are those that these lead to.
    """
    with TemporaryDirectory() as folder:
        source, simple, out = (Path(folder, f"{name}.onnx") for name in ("float", "simple", "int8"))
        source.write_bytes(graph)
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it advises the step before, which is done
        try:
            quant_pre_process(str(source), str(simple), skip_symbolic_shape=True)
            # Values that are not quantized, such as scores, may be infinite.
            with np.errstate(invalid="ignore"):
                quantize_static(
                    str(simple),
                    str(out),
                    _Feeds(feeds),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=sorted(_LAYERS | _BETWEEN),
                    nodes_to_quantize=hidden_nodes(onnx.load(simple)),
                    per_channel=True,
                    reduce_range=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    # The mean of the smallest and of the largest values of all frames: a few
                    # outliers are clipped rather than that all other values lose precision.
                    calibrate_method=CalibrationMethod.MinMax,
                    extra_options={"CalibMovingAverage": True},
                )
        finally:
            logging.root.setLevel(level)
        return out.read_bytes()


def hidden_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of hidden layers, of what is between them and of what joins their inputs.

    Layers are hidden if an activation or another layer follows. The others stay in float32: their
    outputs are scores, places and sizes.
    """
    constants = {constant.name: constant for constant in model.graph.initializer}
    # A scale chosen by the frames would change their values.
    integers = {node.output[0] for node in model.graph.node if node.op_type == "Cast"}
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)

    def is_hidden(output: str) -> bool:
        return any(
            user.op_type in _LAYERS | _ACTIVATIONS
            or (user.op_type in _PASSED and is_hidden(user.output[0]))
            for user in users.get(output, [])
        )

    def is_quantizable(layer: Any) -> bool:
        if layer.op_type not in _LAYERS or layer.input[0] in integers:
            return False
        if layer.input[1] not in constants:
            return False
        is_small = layer.op_type == "Gemm" and min(constants[layer.input[1]].dims) < _FEWEST
        return not is_small and is_hidden(layer.output[0])

    names: list[str] = []
    outputs: set[str] = set()
    for node in model.graph.node:
        data = [name for name in node.input if name and name not in constants]
        if node.op_type in _LAYERS:
            chosen = is_quantizable(node)
        else:
            data = data[:1] if node.op_type == "Reshape" else data  # the other one is a shape
            chosen = node.op_type in _BETWEEN and bool(data) and outputs.issuperset(data)
            if node.op_type == "Concat":  # eight bits are joined faster than floats
                of_it = users.get(node.output[0], [])
                chosen |= bool(of_it) and all(map(is_quantizable, of_it))
        if chosen:
            names.append(node.name)
            outputs.add(node.output[0])
    return names


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._left, None)
