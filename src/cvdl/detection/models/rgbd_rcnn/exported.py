"""The default detector as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.detection.detections import Detections
from cvdl.detection.detector import FrameByFrame
from cvdl.detection.models.rgbd_rcnn.frames import FAR, ITERATIONS, NEAR, SCALE, detected
from cvdl.networks.metadata import classes_of
from cvdl.networks.onnx_files import MAIN, read_metadata
from cvdl.networks.sampling import channels_last, sampled_boxes
from cvdl.networks.sessions import BACKBONE, Graph, features, open_parts

__all__ = ["PROPOSALS", "ExportedRgbdRcnn"]

#: The part that proposes boxes; the last one classifies and refines them.
PROPOSALS = "proposals"


class ExportedRgbdRcnn(FrameByFrame):
    """Detects objects in color and depth; see ``RgbdRcnn``.

    Args:
        classes: class names, in the order of the class indices.
        graphs: all parts: see ``exporting`` for their inputs.
    """

    def __init__(self, classes: Sequence[str], graphs: Mapping[str, Graph]) -> None:
        self.classes = tuple(classes)
        self._backbone, self._propose = graphs[BACKBONE], graphs[PROPOSALS]
        self._judge = graphs[MAIN]

    @classmethod
    def load(cls, path: Path) -> ExportedRgbdRcnn:
        """Load an exported detector.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        graphs = open_parts(path, "RgbdRcnn", (BACKBONE, PROPOSALS, MAIN))
        return cls(classes_of(path, read_metadata(path)), graphs)

    def detect(self, frame: RgbdFrame, proposals: NDArray[np.float64] | None) -> Detections:
        """Detect objects in one frame; proposals are classified in addition to its own."""
        return detected(frame, proposals, self._regions_of)

    def _regions_of(
        self, frame: RgbdFrame, given: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Boxes (N, 4) and scores (N, classes) of a frame at the working size."""
        fine, wide = features(frame, self._backbone)
        (proposals,) = self._propose(wide=wide)
        fine, wide = channels_last(fine), channels_last(wide)
        scale = _input_scale(frame)
        height, width = 2 * scale.shape[0], 2 * scale.shape[1]
        whole = np.array([width, height, width, height], np.float32)
        boxes = np.clip(np.concatenate([given, proposals]), 0, whole)
        each = []
        for _ in range(ITERATIONS):
            logits, boxes = self._judge(
                near=sampled_boxes(fine, boxes, *NEAR),
                far=sampled_boxes(wide, boxes, *FAR),
                scale=sampled_boxes(scale, boxes, *SCALE).mean(axis=(1, 2)),
                boxes=boxes,
            )
            boxes = np.clip(boxes, 0, whole)
            each.append(logits)
        return boxes, 1 / (1 + np.exp(-np.mean(each, axis=0)))


def _input_scale(frame: RgbdFrame) -> NDArray[np.float32]:
    """Meters per pixel, and whether they are known, (H // 2, W // 2, 2); see ``input_scale``."""
    return np.asarray(_scale(frame.depth, np.float32(frame.camera.fx)))


@compiled()
def _scale(depth, focal):  # type: ignore[no-untyped-def]
    scale = np.zeros((depth.shape[0] // 2, depth.shape[1] // 2, 2), np.float32)
    for row in range(scale.shape[0]):
        for col in range(scale.shape[1]):
            z = depth[2 * row, 2 * col]
            if z > 0:  # False for NaN
                scale[row, col, 0], scale[row, col, 1] = z / focal, 1
    return scale
