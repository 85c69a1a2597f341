"""Parts of networks as graphs of ONNX, and their check against PyTorch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from cvdl.core.errors import InputError
from cvdl.core.frame import RgbdFrame
from cvdl.networks.sessions import Arrays, Graph, SessionGraph

__all__ = [
    "Exportable",
    "Feed",
    "Part",
    "Recording",
    "checked_graph",
    "graph_of",
    "onnx_graph",
    "widened",
]

#: Inputs of a graph by name.
Feed = dict[str, NDArray[Any]]

_OPSET = 17

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Part:
    """A part of a network that becomes a graph.

    Attributes:
        module: takes tensors in the order of the inputs; returns a tuple of tensors.
        inputs: names of the inputs; of each, the names of its axes that have any length, by
            number.
        outputs: the same of the outputs.
    """

    module: nn.Module
    inputs: Mapping[str, Mapping[int, str]]
    outputs: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Exportable:
    """A network that can be exported.

    Attributes:
        parts: its parts by name, in the order of their use; the last one is ``MAIN``.
        metadata: text by name, for its files; ``model`` is the name of the model.
        runtime: makes what applies the network to a frame from the graphs of its parts.
    """

    parts: Mapping[str, Part]
    metadata: Mapping[str, str]
    runtime: Callable[[Mapping[str, Graph]], Callable[[RgbdFrame], object]]


class Recording:
    """A graph that keeps what it is given."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.feeds: list[Feed] = []

    def __call__(self, **inputs: NDArray[Any]) -> Arrays:
        """Run the graph."""
        self.feeds.append(inputs)
        return self._graph(**inputs)


def widened(module: _Module) -> _Module:
    """A copy of a module whose first convolution takes a multiple of four channels.

    In 8 bits, such convolutions take half the time of others. The weights of the added channels
    are 0.
    """
    copy = deepcopy(module)
    first = next(layer for layer in copy.modules() if isinstance(layer, nn.Conv2d))
    more = -first.in_channels % 4
    first.weight = nn.Parameter(nn.functional.pad(first.weight, (0, 0, 0, 0, 0, more)))
    first.in_channels += more
    return copy


def graph_of(part: Part) -> Graph:
    """A part run by PyTorch."""

    @torch.inference_mode()
    def run(**inputs: NDArray[Any]) -> Arrays:
        tensors = (torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in part.inputs)
        return tuple(some.numpy() for some in part.module(*tensors))

    return run


def onnx_graph(part: Part, example: Feed) -> bytes:
    """A part as an ONNX file in float32.

    Args:
        part: in evaluation mode, on the CPU.
        example: any valid inputs.
    """
    axes = {**part.inputs, **part.outputs}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Of shapes that the tracer takes for constants: the check with other shapes shows those
        # that are none. And of this exporter, which, unlike the newer one, needs only onnx.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.module.eval(),  # the exporter sets the mode of this module in all inner ones
            tuple(torch.from_numpy(np.ascontiguousarray(example[name])) for name in part.inputs),
            file,  # type: ignore[arg-type]  # its annotation names paths only
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_axes={name: dict(own) for name, own in axes.items() if own},
            opset_version=_OPSET,
            dynamo=False,
        )
    return file.getvalue()


def checked_graph(
    part: Part, feeds: Sequence[Feed], metadata: Mapping[str, str], weights: Path, most: float
) -> bytes:
    """A part as an ONNX file in float32 whose results are those of PyTorch.

    Args:
        part: see ``onnx_graph``.
        feeds: inputs with which the results are compared.
        metadata: text by name, for the file.
        weights: where the network is from, for people.
        most: largest difference.

    Raises:
        InputError: if a result differs from PyTorch's.
    """
    model = onnx.load_from_string(onnx_graph(part, feeds[0]))
    onnx.helper.set_model_props(model, dict(metadata))
    content: bytes = model.SerializeToString(deterministic=True)
    with TemporaryDirectory() as folder:
        file = Path(folder, "graph.onnx")
        file.write_bytes(content)
        session, module = SessionGraph(file), graph_of(part)
        for feed in feeds:
            for ours, theirs in zip(session(**feed), module(**feed), strict=True):
                if ours.shape != theirs.shape or not np.abs(ours - theirs).max() < most:
                    raise InputError(
                        f"{weights} cannot be exported: its graph differs from PyTorch"
                    )
    return content
