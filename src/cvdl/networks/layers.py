"""Layers that our networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ResidualBlock", "convolution", "doubled", "start_at_zero"]


class ResidualBlock(nn.Module):
    """Two convolutions and a short cut (He et al. 2016): (B, width, H, W), as it came.

    Args:
        width: channels.
        dilation: of the first convolution.
    """

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.relu(x + self.body(x))


def convolution(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """A convolution that keeps the size (over the stride), batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) with each pixel four times: (B, C, 2 H, 2 W)."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Let a layer give 0 whatever it is given, to begin with."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
