"""The instance network as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.compiled import compiled
from cvdl.core.frame import RgbdFrame
from cvdl.networks.onnx_files import MAIN
from cvdl.networks.sessions import BACKBONE, Graph, features, open_parts
from cvdl.networks.working_size import to_working_size
from cvdl.segmentation.instances.instances import Instances

__all__ = ["ExportedInstances"]


class ExportedInstances:
    """Finds what each pixel is; see ``InstanceNetwork``.

    Args:
        graphs: the backbone, and what follows it: see ``exporting`` for their inputs.
    """

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        self._backbone, self._head = graphs[BACKBONE], graphs[MAIN]

    @classmethod
    def load(cls, path: Path) -> ExportedInstances:
        """Load an exported network.

        Raises:
            WeightsError: if a file is missing, damaged or holds another model.
        """
        return cls(open_parts(path, "InstanceNetwork", (BACKBONE, MAIN)))

    def __call__(self, frame: RgbdFrame) -> Instances:
        """Apply the network to a frame of any camera."""
        frame, _ = to_working_size(frame)
        height, width = (side // 2 for side in frame.depth.shape)
        fine, wide = features(frame, self._backbone)
        is_object, is_support, centers, offsets = (
            _pixels(some, height, width) for some in self._head(fine=fine, wide=wide)
        )
        return Instances(is_object[0], is_support[0], centers[0], offsets)


@compiled()
def _pixels(blocks: NDArray[np.float32], height: int, width: int) -> NDArray[Any]:
    """From blocks (4 C, h, w) of 2 x 2 pixels to an image (C, height, width)."""
    image = np.empty((blocks.shape[0] // 4, height, width), np.float32)
    for channel in range(len(image)):
        for row in range(height):
            for col in range(width):
                place = 4 * channel + 2 * (row % 2) + col % 2
                image[channel, row, col] = blocks[place, row // 2, col // 2]
    return image
