"""The instance network applied to frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.networks.backbone import backbone_features, shared_backbone
from cvdl.networks.device import pick_device
from cvdl.networks.weights import load_weights
from cvdl.networks.working_size import to_working_size
from cvdl.segmentation.instances.grouping import group_pixels
from cvdl.segmentation.instances.network import OBJECT, OFFSET_UNIT, SUPPORT, InstanceNetwork
from cvdl.segmentation.labels import Labels

__all__ = ["WEIGHTS", "InstanceModel", "Instances", "find_instances", "load_instance_model"]

#: Where the weights of the package are, if there are any.
WEIGHTS = Path(__file__).with_name("instances.safetensors")


@dataclass(frozen=True)
class Instances:
    """What the network sees, at half of the working size.

    Attributes:
        is_object: (h, w) float32, log odds that a pixel belongs to an object.
        is_support: (h, w) float32, log odds that a pixel belongs to the support.
        centers: (h, w) float32, probability of the center of an object.
        offsets: (2, h, w) float32, x and y from each pixel to the center of its object, pixels.
    """

    is_object: NDArray[np.float32]
    is_support: NDArray[np.float32]
    centers: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def groups(self, is_object: NDArray[np.bool_]) -> Labels:
        """The objects of the pixels (h, w) of objects; see ``group_pixels``."""
        return group_pixels(is_object, self.centers, self.offsets)

    def label_image(self) -> NDArray[np.uint8]:
        """Labels (h, w) as in ``Scene.labels``, by the network alone."""
        is_object = self.is_object > 0
        labels = np.where(self.is_support > 0, PLANE_LABEL, 0)
        grouped = self.groups(is_object)
        return np.where(grouped > 0, grouped + FIRST_OBJECT_LABEL - 1, labels).astype(np.uint8)


class InstanceModel:
    """The trained network on its device."""

    def __init__(self, network: InstanceNetwork, device: torch.device) -> None:
        self.network = network.eval().to(device).to(memory_format=torch.channels_last)
        network.backbone = shared_backbone(network.backbone)

    @classmethod
    def load(cls, path: Path, device: torch.device) -> InstanceModel:
        """Load a file of weights.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        network = InstanceNetwork()
        state, _ = load_weights(path, "InstanceNetwork", network.state_dict())
        network.load_state_dict(state)
        return cls(network, device)

    def __call__(self, frame: RgbdFrame) -> Instances:
        """Apply the network to a frame of any camera."""
        return find_instances(frame, self.network)


def load_instance_model(weights: str | Path = "", device: str = "auto") -> InstanceModel:
    """The trained network.

    Args:
        weights: a file of weights; empty: the packaged one.
        device: "cpu", "cuda", or "auto": a GPU if there is one.

    Raises:
        InputError: if the file or the device is missing, or the file holds another model's weights.
    """
    return InstanceModel.load(Path(weights) if weights else WEIGHTS, pick_device(device))


@torch.inference_mode()
def find_instances(frame: RgbdFrame, network: InstanceNetwork) -> Instances:
    """Apply a network to a frame of any camera.

    Args:
        frame: of any size.
        network: in evaluation mode, on any device.
    """
    frame, _ = to_working_size(frame)
    height, width = (side // 2 for side in frame.depth.shape)
    maps = network.maps(*backbone_features(frame, network.backbone))
    classes, centers, offsets = (some[0, ..., :height, :width] for some in maps)
    odds = [
        classes[kind] - torch.cat([classes[:kind], classes[kind + 1 :]]).logsumexp(0)
        for kind in (OBJECT, SUPPORT)
    ]
    offsets = OFFSET_UNIT * offsets
    return Instances(*(some.cpu().numpy() for some in (*odds, centers.sigmoid(), offsets)))
