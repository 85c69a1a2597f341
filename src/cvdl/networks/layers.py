"""Layers shared by our networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ResidualBlock", "convolution", "doubled", "padded", "start_at_zero"]


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016); keeps the shape (B, width, H, W).

    Args:
        width: channels.
        dilation: dilation of the first convolution.
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
    """Return a convolution with padding that keeps the size at stride 1, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def doubled(x: Tensor) -> Tensor:
    """Upsample (B, C, H, W) to (B, C, 2 H, 2 W) by repeating pixels."""
    if torch.onnx.is_in_onnx_export():
        # ONNX Runtime resizes channels last, and value by value; this joins blocks of memory.
        batch, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1)
        rows = torch.cat([rows, rows], dim=3).reshape(batch, height, 2 * width * channels)
        both = torch.cat([rows, rows], dim=2)
        return both.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def padded(image: Tensor, multiple: int) -> Tensor:
    """Pad an image (B, C, H, W) with 0, at its ends, to multiples of a number of pixels."""
    height, width = image.shape[-2:]
    return nn.functional.pad(image, (0, -width % multiple, 0, -height % multiple))


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Initialize a layer with zeros, so that it outputs 0 before training."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
