"""A network and its parts as ONNX files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from cvdl.core.camera import Camera
from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.core.frame import RgbdFrame
from cvdl.exporting.parts import Exportable, Feed, Recording, graph_of, onnx_graph
from cvdl.exporting.quantization import quantized
from cvdl.networks.backbone import Backbone
from cvdl.networks.engine import digest
from cvdl.networks.input import (
    COLOR_MIDDLE,
    COLOR_SPREAD,
    HIGHEST_RELIEF,
    NORMAL_WINDOW,
    RELIEF_SCALE,
)
from cvdl.networks.onnx_files import MAIN, part_path
from cvdl.networks.sessions import BACKBONE, Graph, SessionGraph
from cvdl.networks.working_size import FOCAL

__all__ = [
    "export",
    "float_graphs",
    "int8_graphs",
    "largest_differences",
    "write_graphs",
]

#: Largest relative difference from PyTorch; rounding makes less than 1e-5.
_MOST = 1e-3
#: Width and height of the frames of the check; sides that no network divides evenly among them.
_SIZES = ((320, 240), (203, 150), (96, 128))


def export(
    network: Exportable,
    weights: Path,
    out: Path,
    frames: Iterable[RgbdFrame] | None,
    report: Callable[[str], None],
) -> None:
    """Write the ONNX files of a network, once they are found to equal PyTorch.

    Args:
        network: the network.
        weights: the file that it was loaded from.
        out: the file with the name of the network, see ``write_graphs``.
        frames: as for ``int8_graphs``; None for files in float32.
        report: is told each step.

    Raises:
        InputError: if the graphs in float32 differ from PyTorch.
    """
    graphs = float_graphs(network)
    difference = max(largest_differences(network, graphs).values())
    report(f"largest difference from PyTorch, relative, on random frames: {difference:.1e}")
    if not difference < _MOST:
        raise InputError(f"{weights} cannot be exported: its graphs differ from PyTorch")
    if frames is not None:
        report("quantizing")
        graphs = int8_graphs(network, graphs, frames)
    for file in write_graphs(out, graphs, network, weights):
        report(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def float_graphs(network: Exportable) -> dict[str, bytes]:
    """The parts of a network as ONNX files in float32, by name."""
    examples = _feeds(network, _random_frames()[:1])
    return {name: onnx_graph(part, examples[name][0]) for name, part in network.parts.items()}


def int8_graphs(
    network: Exportable, graphs: Mapping[str, bytes], frames: Iterable[RgbdFrame]
) -> dict[str, bytes]:
    """The parts of a network with weights and activations of 8 bits, by name.

    Args:
        network: the network.
        graphs: its ``float_graphs``.
        frames: what the network will see; the ranges of the activations are those on them.
    """
    feeds = _feeds(network, frames)
    return {name: quantized(graph, feeds[name]) for name, graph in graphs.items()}


def largest_differences(network: Exportable, graphs: Mapping[str, bytes]) -> dict[str, float]:
    """The largest difference of an output from PyTorch's on random frames, by part.

    Differences are relative to the largest value of the output.
    """
    found = {}
    feeds = _feeds(network, _random_frames())
    with TemporaryDirectory() as folder:
        for name, part in network.parts.items():
            file = Path(folder, f"{name}.onnx")
            file.write_bytes(graphs[name])
            session, module = SessionGraph(file), graph_of(part)
            found[name] = max(_difference(session, module, feed) for feed in feeds[name])
    return found


def write_graphs(
    path: Path, graphs: Mapping[str, bytes], network: Exportable, weights: Path
) -> list[Path]:
    """Write the parts of a network, with its metadata and a description of its input.

    Args:
        path: the file with the name of the network; the others are named after it, see
            ``part_path``.
        graphs: ONNX files by part.
        network: what they are parts of.
        weights: the file that it was loaded from.

    Returns:
        The files.
    """
    files: list[Path] = []
    digests: dict[str, str] = {}
    for name, graph in graphs.items():
        model = onnx.load_from_string(graph)
        own = {"model": network.metadata["model"]}
        if name == MAIN:
            own = {**network.metadata, "weights": digest(weights), "parts": json.dumps(digests)}
        elif name == BACKBONE:  # the same for all networks that have it: so it is shared
            own = {"model": Backbone.__name__}
        # Without the many sets of operators that ONNX Runtime adds to what it has simplified.
        used = {node.domain for node in model.graph.node}
        sets = [each for each in model.opset_import if each.domain in used]
        del model.opset_import[:]
        model.opset_import.extend(sets)
        onnx.helper.set_model_props(model, {**own, "part": name, "input": _input_description()})
        files.append(part_path(path, name))
        write_atomically(files[-1], model.SerializeToString(deterministic=True))
        digests[name] = digest(files[-1])
    return files


def _input_description() -> str:
    """What the input of the networks is, as JSON."""
    return json.dumps(
        {
            "focal_length": FOCAL,
            "color": {"middle": COLOR_MIDDLE, "spread": COLOR_SPREAD, "order": "RGB"},
            "relief": {"meters": RELIEF_SCALE, "highest": HIGHEST_RELIEF},
            "normals": {"window": NORMAL_WINDOW},
        }
    )


def _random_frames() -> list[RgbdFrame]:
    """Frames of several sizes: a rough surface with gaps in its depth, of any colors."""
    rng = np.random.default_rng(0)
    frames = []
    for width, height in _SIZES:
        coarse = rng.uniform(0.6, 1.0, (height // 16 + 1, width // 16 + 1))
        depth = np.kron(coarse, np.ones((16, 16)))[:height, :width].astype(np.float32)
        depth[rng.random(depth.shape) < 0.05] = np.nan
        color = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        camera = Camera(width, height, 570.0, 570.0, width / 2, height / 2)
        frames.append(RgbdFrame(color, depth, camera))
    return frames


def _feeds(network: Exportable, frames: Iterable[RgbdFrame]) -> dict[str, list[Feed]]:
    """What the parts of a network are given for frames, by part."""
    recordings = {name: Recording(graph_of(part)) for name, part in network.parts.items()}
    apply = network.runtime(recordings)
    for frame in frames:
        apply(frame)
    return {name: recording.feeds for name, recording in recordings.items()}


def _difference(graph: Graph, module: Graph, feed: Feed) -> float:
    largest = 0.0
    for ours, theirs in zip(graph(**feed), module(**feed), strict=True):
        if np.shape(ours) != np.shape(theirs):
            return np.inf
        scale = max(float(np.abs(theirs).max(initial=0)), 1e-6)
        largest = max(largest, float(np.abs(ours - theirs).max(initial=0)) / scale)
    return largest
