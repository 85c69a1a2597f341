"""Features of color that photographs have taught: the first stages of EfficientNet-Lite0.

They keep the weights of ImageNet. A network that learns from simulated pictures alone transfers
better to real ones with such features (Hinterstoisser et al. 2018, "On Pre-Trained Image Features
and Synthetic Images for Deep Learning").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cvdl.networks.efficientnet_lite0 import IMAGENET_SPREAD, STAGE_CHANNELS, stages, stem
from cvdl.networks.input import COLOR, COLOR_SPREAD
from cvdl.networks.layers import start_at_zero

__all__ = ["ColorEncoder", "ColorFeatures"]

#: Stages whose output is used: the last ones of their resolution.
_USED = 1, 2, 4


class ColorEncoder(nn.Module):
    """The first five stages of EfficientNet-Lite0; always in evaluation mode, and never trained.

    Input (B, 3, H, W), the color of ``network_input``; H and W multiples of 16. Outputs:
    (B, 24, H / 4, W / 4), (B, 40, H / 8, W / 8) and (B, 112, H / 16, W / 16).
    """

    channels = tuple(STAGE_CHANNELS[stage] for stage in _USED)

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem()
        self.stages = stages(max(_USED) + 1)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> ColorEncoder:
        """Stay in evaluation mode: the statistics of the batch norm are those of photographs."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def forward(self, color: Tensor) -> list[Tensor]:
        """Features of three resolutions; see the class."""
        x = self.stem(color * (COLOR_SPREAD / IMAGENET_SPREAD))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return [outputs[index] for index in _USED]


class ColorFeatures(nn.Module):
    """The features of ``ColorEncoder`` with as many channels as those that they are added to.

    Args:
        channels: of the outputs.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.encoder = ColorEncoder()
        projections = [
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in zip(ColorEncoder.channels, channels, strict=True)
        ]
        for projection in projections:
            start_at_zero(projection)
        self.projections = nn.ModuleList(projections)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features at a quarter, an eighth and a sixteenth of the size of the input."""
        features = self.encoder(image[:, COLOR].contiguous(memory_format=torch.channels_last))
        return [
            projection(each) for projection, each in zip(self.projections, features, strict=True)
        ]
