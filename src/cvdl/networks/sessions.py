"""Graphs in ONNX files, run by ONNX Runtime. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.threads import network_threads
from cvdl.networks.input import MULTIPLE, network_input
from cvdl.networks.metadata import WeightsError
from cvdl.networks.onnx_files import part_path, read_metadata

__all__ = [
    "BACKBONE",
    "Arrays",
    "Graph",
    "SessionGraph",
    "features",
    "open_parts",
    "open_session",
]

#: The part of a network that `features` runs.
BACKBONE = "backbone"

Arrays = tuple[NDArray[Any], ...]
#: A graph takes arrays by the names of its inputs.
Graph = Callable[..., Arrays]

_ERRORS = 3  # warnings are about the graph, not the input


class SessionGraph:
    """A graph in a file, on the CPU; threads may share it."""

    def __init__(self, path: Path) -> None:
        try:
            self._session = open_session(path, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common class
            line = str(error).partition("\n")[0]
            raise WeightsError(f"{path}: damaged, or of an unknown version: {line}") from error

    def __call__(self, **inputs: NDArray[Any]) -> Arrays:
        """Run the graph."""
        return tuple(self._session.run(None, inputs))


def open_session(path: Path, providers: Sequence[str]) -> onnxruntime.InferenceSession:
    """Open an ONNX file with as many threads as there are cores for this process.

    Its threads sleep while they wait: on a robot's busy cores, threads that wait in a loop keep
    those off the cores that they wait for. Results do not depend on the number of threads. Memory
    is not kept for the next frame, which takes no longer without it.

    Raises:
        Exception: of any class, if ONNX Runtime cannot use the file.
    """
    onnxruntime.set_default_logger_severity(_ERRORS)  # messages outside of sessions
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = network_threads()
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=list(providers))


def open_parts(path: Path, model: str, parts: Iterable[str]) -> dict[str, Graph]:
    """Open the parts of a network that ``cvdl export`` wrote.

    Parts with the same content are one graph: so networks share a backbone, see ``features``.

    Args:
        path: the file with the name of the network.
        model: expected name of the model.
        parts: names of its parts.

    Raises:
        WeightsError: if a file is missing, damaged or of another model or export.
    """
    metadata = read_metadata(path)
    found = metadata.get("model")
    if found != model:
        of = f"a graph of {found}" if found else "a graph that names no model"
        raise WeightsError(f"{path}: holds {of}; expected one of {model}, of `cvdl export`")
    others = json.loads(metadata.get("parts", "{}"))
    return {part: _opened(part_path(path, part), others.get(part)) for part in parts}


def features(frame: RgbdFrame, backbone: Graph) -> Arrays:
    """Return the features of a frame by the graph of a backbone; they are kept with the frame.

    Args:
        frame: at the working size, see ``to_working_size``.
        backbone: takes ``image`` (1, 9, h, w), see ``network_input``, and ``color`` (2 h, 2 w, 3)
            uint8; h and w are padded to multiples of ``MULTIPLE``.
    """
    return frame.derived(_features, backbone)


def _features(frame: RgbdFrame, backbone: Graph) -> Arrays:
    image = frame.derived(network_input)
    height, width = image.shape[1:]
    color = frame.color[: 2 * height, : 2 * width]
    rows, cols = -height % MULTIPLE, -width % MULTIPLE
    if rows or cols:
        image = np.pad(image, ((0, 0), (0, rows), (0, cols)))
        color = np.pad(color, ((0, 2 * rows), (0, 2 * cols), (0, 0)))
    return backbone(image=image[None], color=color)


_lock = Lock()
_in_use: WeakValueDictionary[str, SessionGraph] = WeakValueDictionary()


def _opened(path: Path, expected: str | None) -> SessionGraph:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `cvdl export` writes it with the other parts")
    digest = sha256(path.read_bytes()).hexdigest()
    if expected not in (None, digest):
        raise WeightsError(f"{path}: of another export than the file whose part it is")
    with _lock:
        graph = _in_use.get(digest)
        if graph is None:
            graph = _in_use[digest] = SessionGraph(path)
    return graph
