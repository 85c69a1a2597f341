"""The detector as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.models.yolo.frames import (
    detected,
    detected_in_square,
    scale_of_cells,
)
from cvdl.networks.metadata import WeightsError, classes_of
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sessions import BACKBONE, Graph, features, open_parts
from cvdl.segmentation.instances.loading import WEIGHTS

__all__ = ["BACKBONE_OF", "SIZE", "ExportedYolo", "packaged_backbone"]

#: In the metadata: the side of the published network's input; and for a modern network without a
#: backbone of its own, the digest of the file of weights that it shares.
SIZE, BACKBONE_OF = "size", "backbone"


class ExportedYolo(FrameByFrame):
    """Detects objects in one pass; see ``Yolo``.

    Args:
        classes: class names, in the order of the class indices.
        graphs: the network, and for the modern one the backbone: see ``exporting`` for their
            inputs.
        size: side of the published network's input, pixels; 0 for the modern one.
    """

    def __init__(self, classes: Sequence[str], graphs: Mapping[str, Graph], size: int = 0) -> None:
        self.classes, self._size = tuple(classes), size
        self._backbone, self._network = graphs.get(BACKBONE), graphs[MAIN]

    @classmethod
    def load(cls, path: Path) -> ExportedYolo:
        """Load an exported detector.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model, or the backbone of
                the package is not the one that the network was trained on.
        """
        metadata = read_metadata(path)
        size = int(metadata.get(SIZE, 0))
        shared = metadata.get(BACKBONE_OF)
        own = (MAIN,) if size or shared else (BACKBONE, MAIN)
        graphs = open_parts(path, "Yolo", own)
        if shared:
            graphs[BACKBONE] = packaged_backbone(path, shared)
        return cls(classes_of(path, metadata), graphs, size)

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame; proposals are ignored."""
        if self._size:
            return detected_in_square(frame, self._size, self._in_square)
        return detected(frame, self._in_frame)

    def _in_square(self, color: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        boxes, scores = self._network(color=color)
        return boxes, scores

    def _in_frame(self, frame: RgbdFrame) -> tuple[NDArray[Any], NDArray[Any]]:
        assert self._backbone is not None
        fine, wide = features(frame, self._backbone)
        scale = frame.derived(scale_of_cells)[None]
        boxes, scores = self._network(fine=fine, wide=wide, scale=scale)
        return boxes, scores


def packaged_backbone(path: Path, expected: str) -> Graph:
    """The backbone of the segmentation in the package.

    Args:
        path: of the network that needs it.
        expected: digest of the weights with which that network was trained.

    Raises:
        WeightsError: if the package has other ones.
    """
    exported = WEIGHTS.with_suffix(".onnx")
    if read_metadata(exported).get("weights") != expected:
        raise WeightsError(
            f"{path}: was trained on the features of another version of {WEIGHTS.name} than the "
            "one of the package; train it again"
        )
    return open_parts(exported, "InstanceNetwork", (BACKBONE,))[BACKBONE]
