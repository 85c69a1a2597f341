"""What the default detector's networks see of a frame."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d

from cvdl.core.frame import RgbdFrame
from cvdl.networks.input import CHANNELS, COLOR_SPREAD, network_input
from cvdl.networks.input_gpu import gpu_input

__all__ = ["DETAIL", "INPUTS", "detail", "gpu_input_of", "input_of", "scale_of"]

#: Channels of the detail.
DETAIL = 9
#: All channels: ``network_input``'s, then the detail.
INPUTS = CHANNELS + DETAIL

_DETAIL_SPREAD = 0.25  # of the detail, in units of the colour: about its deviation in pictures


def input_of(frame: RgbdFrame) -> tuple[Tensor, Tensor]:
    """What the networks see of a frame.

    Returns:
        ``INPUTS`` channels (1, 18, H / 2, W / 2) float32: ``network_input``'s, and the ``detail``
        of the colour; and ``scale_of`` the frame, (1, 2, H / 2, W / 2) float32.
    """
    image = torch.from_numpy(network_input(frame)[None])
    scale = torch.from_numpy(scale_of(frame)[None])
    return _with_detail(image, torch.from_numpy(frame.color)), scale


def gpu_input_of(color: Tensor, depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """What ``input_of`` gives, on a GPU, of a frame that is ``uploaded`` there."""
    image = gpu_input(color, depth, intrinsics)
    height, width = image.shape[-2:]
    depth = depth[: 2 * height : 2, : 2 * width : 2]
    known = depth.isfinite()
    scale = torch.stack([torch.where(known, depth / intrinsics[0], 0), known.float()])
    return _with_detail(image, color), scale[None]


def _with_detail(image: Tensor, color: Tensor) -> Tensor:
    """An image (1, 9, h, w) and the detail of its colour (H, W, 3) uint8."""
    height, width = image.shape[-2:]
    color = color[: 2 * height, : 2 * width].permute(2, 0, 1)[None].float()
    return torch.cat([image, detail(color) / COLOR_SPREAD], dim=1)


def detail(color: Tensor) -> Tensor:
    """What a picture loses at half resolution, so that the networks see the tines of a fork.

    The three other Haar wavelets of each 2 x 2 pixels, whose first is their mean.

    Args:
        color: (B, 3, H, W) in ``network_input``'s units; H and W even.

    Returns:
        (B, 9, H / 2, W / 2), three for each colour.
    """
    # Made where the colour is: a CUDA graph can be brought nothing from the CPU.
    sign = 1 - 2 * torch.arange(2, device=color.device, dtype=color.dtype)
    down, along = sign[:, None].expand(2, 2), sign.expand(2, 2)
    wavelets = torch.stack([down, along, down * along]) / (4 * _DETAIL_SPREAD)
    each = torch.eye(3, device=color.device, dtype=color.dtype)[:, None, :, None, None]
    # In the layout of a camera's picture: a CPU takes thirty times as long with another.
    weights = (each * wavelets[:, None]).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return conv2d(color, weights, stride=2)


def scale_of(frame: RgbdFrame) -> NDArray[np.float32]:
    """(2, H / 2, W / 2): metres a pixel of the full picture, 0 where unknown; 1 where known."""
    height, width = frame.depth.shape[0] // 2, frame.depth.shape[1] // 2
    depth = frame.depth[: 2 * height : 2, : 2 * width : 2]
    known = np.isfinite(depth)
    scale = np.zeros((2, height, width), np.float32)
    np.divide(depth, np.float32(frame.camera.fx), out=scale[0], where=known)
    scale[1] = known
    return scale
