"""The instance network applied to frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from cvdl.core.frame import RgbdFrame
from cvdl.networks.backbone import backbone_features, shared_backbone
from cvdl.networks.weights import load_weights
from cvdl.networks.working_size import to_working_size
from cvdl.segmentation.instances.instances import Instances
from cvdl.segmentation.instances.network import OFFSET_UNIT, InstanceNetwork

__all__ = ["InstanceModel", "find_instances", "outputs_of"]


class InstanceModel:
    """The trained network on its device.

    Attributes:
        network: in evaluation mode.
    """

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


@torch.inference_mode()
def find_instances(frame: RgbdFrame, network: InstanceNetwork) -> Instances:
    """Apply a network to a frame of any camera.

    Args:
        frame: of any size.
        network: in evaluation mode, on any device.
    """
    frame, _ = to_working_size(frame)
    height, width = (side // 2 for side in frame.depth.shape)
    classes, centers, offsets = network.maps(*backbone_features(frame, network.backbone))
    maps = outputs_of(classes[0], centers[0], offsets[0])
    return Instances(*(some[..., :height, :width].cpu().numpy() for some in maps))


def outputs_of(classes: Iterable[Tensor], centers: Tensor, offsets: Tensor) -> tuple[Tensor, ...]:
    """Return the attributes of ``Instances`` from the maps of one image; see ``InstanceMaps``."""
    nothing, support, thing = classes
    return (
        thing - _log_of_both(nothing, support),
        support - _log_of_both(nothing, thing),
        centers.sigmoid(),
        OFFSET_UNIT * offsets,
    )


def _log_of_both(one: Tensor, other: Tensor) -> Tensor:
    """Return the logarithm of the sum of exponentials, by operators that are fast in a graph."""
    return torch.maximum(one, other) + (1 + (-(one - other).abs()).exp()).log()
