"""The cascade as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.grasping.models.cascade.frames import STRIDE, FrameCascade, window_around
from cvdl.grasping.models.cascade.inputs import cut_patches, cut_window
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import Graph, open_parts

__all__ = ["DENSE", "ExportedCascade"]

#: The part that scores all rectangles; the other one refines the best.
DENSE = "dense"

_Array = NDArray[np.float32]


class ExportedCascade(FrameCascade):
    """Finds grasp rectangles; see ``CascadeDetector``.

    Args:
        graphs: both parts: see ``exporting`` for their inputs.
    """

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        self._dense, self._second = graphs[DENSE], graphs[MAIN]

    @classmethod
    def load(cls, path: Path) -> ExportedCascade:
        """Load an exported cascade.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        return cls(open_parts(path, "CascadeDetector", (DENSE, MAIN)))

    def find(
        self, frame: RgbdFrame, allowed: NDArray[np.bool_], survivors: int
    ) -> tuple[_Array, _Array]:
        """Return the best rectangles and their scores; see ``FrameCascade``."""
        rows, cols = window_around(allowed)
        rectangles, logits = self._dense(
            image=cut_window(frame, rows, cols),
            allowed=np.ascontiguousarray(allowed[rows, cols]),
            survivors=np.array([survivors]),
        )
        rectangles[:, :2] += np.array([STRIDE * cols.start, STRIDE * rows.start], np.float32)
        return self._refined(frame, rectangles, logits)

    def refine(self, frame: RgbdFrame, rectangles: _Array) -> tuple[_Array, _Array]:
        """Return given rectangles, refined, and their scores; see ``FrameCascade``."""
        return self._refined(frame, rectangles, np.zeros(len(rectangles), np.float32))

    def _refined(
        self, frame: RgbdFrame, rectangles: _Array, logits: _Array
    ) -> tuple[_Array, _Array]:
        if not len(rectangles):
            return rectangles, logits
        patches = cut_patches(frame, rectangles)
        refined, scores = self._second(patches=patches, rectangles=rectangles, logits=logits)
        return refined, scores
