"""The instance network: what each pixel is, and which pixels belong to one object.

It has a backbone with features of color that photographs have taught and, on its features, a head
as in Panoptic-DeepLab (Cheng et al. 2020, section 3): the class of each pixel (nothing, support,
object), the centers of the objects, and the offset of each pixel to the center of its object. It
knows no object classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from cvdl.networks.backbone import Backbone
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.layers import ResidualBlock, convolution, doubled
from cvdl.networks.weights import save_weights

__all__ = [
    "NOTHING",
    "OBJECT",
    "OFFSET_UNIT",
    "SUPPORT",
    "InstanceHead",
    "InstanceMaps",
    "InstanceNetwork",
]

#: Classes of pixels.
NOTHING, SUPPORT, OBJECT = range(3)
#: Offsets are in this unit, pixels of the network's input.
OFFSET_UNIT = 16.0
_HEAD = 48


class InstanceMaps(NamedTuple):
    """Outputs of the network, at the resolution of its input.

    Attributes:
        classes: (B, 3, h, w) logits of NOTHING, SUPPORT and OBJECT.
        centers: (B, h, w) logits of the center of an object.
        offsets: (B, 2, h, w), x and y from each pixel to the center of its object, in
            ``OFFSET_UNIT``.
    """

    classes: Tensor
    centers: Tensor
    offsets: Tensor


class InstanceHead(nn.Module):
    """From the features of the backbone to the maps; sub-pixel convolution (Shi et al. 2016)."""

    def __init__(self, fine: int, wide: int) -> None:
        super().__init__()
        self.fine = fine
        self.mix = convolution(fine + wide, _HEAD, size=1)
        self.body = nn.Sequential(ResidualBlock(_HEAD), ResidualBlock(_HEAD, dilation=2))
        self.maps = nn.Conv2d(_HEAD, 4 * 6, 1)

    def forward(self, fine: Tensor, wide: Tensor) -> InstanceMaps:
        """Maps; see ``InstanceMaps``."""
        x = self.body(self.mix(torch.cat([fine, doubled(wide)], dim=1)))
        maps = pixel_shuffle(self.maps(x), 2).float()
        return InstanceMaps(maps[:, :3], maps[:, 3], maps[:, 4:])


class InstanceNetwork(nn.Module):
    """Input (B, 18, H, W), see ``with_detail``; H and W multiples of 16."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.backbone = Backbone(width, has_color=True)
        self.head = InstanceHead(3 * width // 2, 3 * width)

    def forward(self, image: Tensor) -> InstanceMaps:
        """Maps; see ``InstanceMaps``."""
        return self.head(*self.backbone(image))

    @captured
    def maps(self, fine: Tensor, wide: Tensor) -> tuple[Tensor, ...]:
        """The maps from the features of the backbone; see ``InstanceMaps``."""
        maps: InstanceMaps = self.head(fine, wide)
        return maps

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the name of the model."""
        save_weights(path, self.state_dict(), {**metadata, "model": type(self).__name__})
