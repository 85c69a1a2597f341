"""The networks that can be exported, by their names and by what their weights say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from cvdl.core.errors import InputError
from cvdl.core.registry import deferred
from cvdl.detection.registry import DETECTORS
from cvdl.exporting.parts import Exportable
from cvdl.grasping.registry import GRASP_DETECTORS
from cvdl.segmentation.instances.loading import WEIGHTS

__all__ = ["NETWORKS", "Network", "find_network"]


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
    "yolo": Network(
        "Yolo",
        DETECTORS["yolo"].weights,
        deferred("cvdl.detection.models.yolo.exporting:exportable"),
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


def find_network(model: str) -> tuple[Network, Path]:
    """Return a network that can be exported, and its file of weights.

    Args:
        model: a name of ``NETWORKS``, for the weights of the package; or a file of weights.

    Raises:
        InputError: if there is no such network or file, or it cannot be exported.
    """
    names = ", ".join(NETWORKS)
    path = Path(model)
    if path.suffix != ".safetensors":
        if model in NETWORKS and (weights := NETWORKS[model].weights) is not None:
            return NETWORKS[model], weights
        raise InputError(
            f"model is {model!r}; accepted: {names} (the weights of the package), or a file of "
            "their weights (.safetensors)"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights of {names}")
    try:
        with safe_open(path, framework="numpy") as file:
            found = (file.metadata() or {}).get("model", "a network that it does not name")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged, or not a safetensors file ({error})") from error
    for network in NETWORKS.values():
        if network.model == found:
            return network, path
    raise InputError(f"{path}: holds weights of {found}; networks that can be exported: {names}")
