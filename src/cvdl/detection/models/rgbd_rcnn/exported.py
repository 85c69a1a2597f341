"""The default detector as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.models.rgbd_rcnn.frames import detected
from cvdl.networks.metadata import classes_of
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sessions import BACKBONE, Graph, features, open_parts

__all__ = ["ExportedRgbdRcnn"]


class ExportedRgbdRcnn(FrameByFrame):
    """Detects objects in color and depth; see ``RgbdRcnn``.

    Args:
        classes: class names, in the order of the class indices.
        graphs: the backbone, and what follows it: see ``exporting`` for their inputs.
    """

    def __init__(self, classes: Sequence[str], graphs: Mapping[str, Graph]) -> None:
        self.classes = tuple(classes)
        self._backbone, self._regions = graphs[BACKBONE], graphs[MAIN]

    @classmethod
    def load(cls, path: Path) -> ExportedRgbdRcnn:
        """Load an exported detector.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        graphs = open_parts(path, "RgbdRcnn", (BACKBONE, MAIN))
        return cls(classes_of(path, read_metadata(path)), graphs)

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame; proposals are classified in addition to its own."""
        return detected(frame, proposals, self._regions_of)

    def _regions_of(
        self, frame: RgbdFrame, given: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        fine, wide = features(frame, self._backbone)
        camera = frame.camera
        boxes, scores = self._regions(
            fine=fine,
            wide=wide,
            depth=frame.depth,
            intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
            proposals=given,
        )
        return boxes, scores
