"""The input of the backbone: color, relief and normals, and the detail of the full resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from cvdl.networks.input import CHANNELS, COLOR_SPREAD

__all__ = ["DETAIL", "INPUTS", "detail", "input_scale", "with_detail"]

#: Channels of the detail.
DETAIL = 9
#: All channels: those of ``network_input``, then the detail.
INPUTS = CHANNELS + DETAIL

_DETAIL_SPREAD = 0.25  # of the detail, in units of the color: about its deviation in images


def with_detail(image: Tensor, color: Tensor, channels: int = INPUTS) -> Tensor:
    """Return the input of the networks, (1, channels, h, w) float32.

    Args:
        image: (1, 9, h, w), see ``network_input``.
        color: (2 h, 2 w, 3) uint8.
        channels: those after the first ``INPUTS`` are 0.
    """
    color = color.permute(2, 0, 1)[None].float()
    return torch.cat([image, detail(color, COLOR_SPREAD, channels - CHANNELS)], dim=1)


def detail(color: Tensor, spread: float = 1.0, channels: int = DETAIL) -> Tensor:
    """Return what an image loses at half resolution, such as the tines of a fork.

    These are the three other Haar wavelets of each 2 x 2 pixels; the first one is their mean.

    Args:
        color: (B, 3, H, W); H and W even.
        spread: unit of ``network_input``, in units of the color.
        channels: those after the first nine are 0.

    Returns:
        (B, channels, H / 2, W / 2), three channels for each color.
    """
    # Made on the device of the color: a CUDA graph cannot copy from the CPU.
    sign = 1 - 2 * torch.arange(2, device=color.device, dtype=color.dtype)
    down, along = sign[:, None].expand(2, 2), sign.expand(2, 2)
    wavelets = torch.stack([down, along, down * along]) / (4 * _DETAIL_SPREAD * spread)
    each = torch.eye(3, device=color.device, dtype=color.dtype)[:, None, :, None, None]
    # In the memory layout of a camera image: with another one, a CPU is thirty times slower.
    weights = pad((each * wavelets[:, None]).flatten(0, 1), (0, 0) * 3 + (0, channels - DETAIL))
    return conv2d(color, weights.contiguous(memory_format=torch.channels_last), stride=2)


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
