"""Loads the trained instance network, for the engine that runs it. Imports torch only for that."""

from __future__ import annotations

from pathlib import Path

from cvdl.networks.engine import exported_file
from cvdl.segmentation.instances.instances import FindInstances

__all__ = ["WEIGHTS", "load_instance_model"]

#: Where the weights of the package are, if there are any.
WEIGHTS = Path(__file__).with_name("instances.safetensors")


def load_instance_model(
    weights: str | Path = "", device: str = "auto", engine: str = "auto"
) -> FindInstances:
    """The trained network.

    Args:
        weights: a file of weights; empty: the packaged one.
        device: "cpu", "cuda", or "auto": a GPU if there is one.
        engine: "torch", "onnxruntime", or "auto": ONNX Runtime on a CPU, if the weights are
            exported; see ``cvdl export``.

    Raises:
        InputError: if the file, the device or the engine is missing, the file holds another
            model's weights, or PyTorch is needed but not installed.
    """
    path = Path(weights) if weights else WEIGHTS
    exported = exported_file(path, device, engine)
    if exported is not None:
        from cvdl.segmentation.instances.exported import ExportedInstances

        return ExportedInstances.load(exported)
    from cvdl.networks.device import pick_device
    from cvdl.segmentation.instances.model import InstanceModel

    return InstanceModel.load(path, pick_device(device))
