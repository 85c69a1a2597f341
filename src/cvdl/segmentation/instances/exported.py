"""The instance network as graphs of ONNX. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
        maps = self._head(fine=fine, wide=wide)
        return Instances(*(some[..., :height, :width] for some in maps))
