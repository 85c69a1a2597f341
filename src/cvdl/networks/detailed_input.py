"""The input of the backbone: color, relief and normals, and the detail of the full resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from cvdl.networks.input import CHANNELS, COLOR_SPREAD

__all__ = ["DETAIL", "INPUTS", "detail", "input_scale", "with_detail"]

#: Channels of the detail.
DETAIL = 9
#: All channels: those of ``network_input``, then the detail.
INPUTS = CHANNELS + DETAIL

_DETAIL_SPREAD = 0.25  # of the detail, in units of the color: about its deviation in images


def with_detail(image: Tensor, color: Tensor) -> Tensor:
    """Return the input of the networks, ``INPUTS`` channels (1, 18, h, w) float32.

    Args:
        image: (1, 9, h, w), see ``network_input``.
        color: (H, W, 3) uint8, of twice that resolution.
    """
    height, width = image.shape[-2:]
    color = color[: 2 * height, : 2 * width].permute(2, 0, 1)[None].float()
    return torch.cat([image, detail(color) / COLOR_SPREAD], dim=1)


def detail(color: Tensor) -> Tensor:
    """Return what an image loses at half resolution, such as the tines of a fork.

    These are the three other Haar wavelets of each 2 x 2 pixels; the first one is their mean.

    Args:
        color: (B, 3, H, W) in the units of ``network_input``; H and W even.

    Returns:
        (B, 9, H / 2, W / 2), three channels for each color.
    """
    # Made on the device of the color: a CUDA graph cannot copy from the CPU.
    sign = 1 - 2 * torch.arange(2, device=color.device, dtype=color.dtype)
    down, along = sign[:, None].expand(2, 2), sign.expand(2, 2)
    wavelets = torch.stack([down, along, down * along]) / (4 * _DETAIL_SPREAD)
    each = torch.eye(3, device=color.device, dtype=color.dtype)[:, None, :, None, None]
    # In the memory layout of a camera image: with another one, a CPU is thirty times slower.
    weights = (each * wavelets[:, None]).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return conv2d(color, weights, stride=2)


def input_scale(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Return meters per pixel of the full image, 0 where unknown, and whether it is known.

    Args:
        depth, intrinsics: see ``cvdl.networks.input_gpu.uploaded``.

    Returns:
        (2, H // 2, W // 2) float32.
    """
    height, width = (2 * (side // 2) for side in depth.shape)
    depth = depth[:height:2, :width:2]
    known = depth.isfinite()
    size = torch.where(known, depth / intrinsics[0], torch.zeros_like(depth))
    return torch.stack([size, known.float()])
