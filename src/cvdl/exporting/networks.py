"""The networks that can be exported, by their names and by what their weights say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cvdl.core.registry import deferred
from cvdl.detection.registry import DETECTORS
from cvdl.exporting.parts import Exportable
from cvdl.grasping.registry import GRASP_DETECTORS
from cvdl.segmentation.instances.loading import WEIGHTS

__all__ = ["NETWORKS", "Network"]


class Network(NamedTuple):
    """A network that can be exported.

    Attributes:
        model: name of the model in the metadata of its weights.
        weights: those of the package, if there are any.
        exportable: takes a file of weights.
    """

    model: str
    weights: Path | None
    exportable: Callable[[Path], Exportable]


#: By name.
NETWORKS = {
    "rgbd_rcnn": Network(
        "RgbdRcnn",
        DETECTORS["rgbd_rcnn"].weights,
        deferred("cvdl.detection.models.rgbd_rcnn.exporting:exportable"),
    ),
    "instances": Network(
        "InstanceNetwork",
        WEIGHTS,
        deferred("cvdl.segmentation.instances.exporting:exportable"),
    ),
    "cascade": Network(
        "CascadeDetector",
        GRASP_DETECTORS["cascade"].weights,
        deferred("cvdl.grasping.models.cascade.exporting:exportable"),
    ),
}
