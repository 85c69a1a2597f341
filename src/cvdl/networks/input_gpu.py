"""The channels of ``cvdl.networks.input`` on the device of the networks, computed once a frame.

On a GPU they are computed there, to rounding the same: the upload of a frame takes less time than
that of its channels. On a CPU, ``gpu_input`` would take several times as long as ``network_input``.
"""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from cvdl.core.frame import RgbdFrame
from cvdl.depth.normals import FEWEST, FLATTEST
from cvdl.networks.cuda_graphs import captured
from cvdl.networks.input import (
    COLOR_MIDDLE,
    COLOR_SPREAD,
    HIGHEST_RELIEF,
    NORMAL_WINDOW,
    RELIEF_SCALE,
    network_input,
    relief_window,
)

__all__ = ["gpu_input", "input_tensor", "uploaded"]


def input_tensor(frame: RgbdFrame, device: torch.device) -> Tensor:
    """Return the channels of a frame (1, 9, H / 2, W / 2) float32 on a device; see `network_input`.

    They are kept with the frame: do not modify them.
    """
    if device.type == "cuda":
        return frame.derived(_channels, device)
    return torch.from_numpy(frame.derived(network_input)[None])


def uploaded(frame: RgbdFrame, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Copy a frame to a device.

    Returns:
        Color (H, W, 3) uint8, depth (H, W) float32, and fx, fy, cx, cy (4,) float32.
    """
    intrinsics = torch.tensor(frame.camera.intrinsics, dtype=torch.float32)
    color, depth = torch.from_numpy(frame.color), torch.from_numpy(frame.depth)
    return color.to(device), depth.to(device), intrinsics.to(device)


def gpu_input(color: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Return the channels of ``network_input``, (1, 9, H / 2, W / 2) float32, to rounding.

    Args:
        color, depth, intrinsics: see ``uploaded``.
    """
    height, width = depth.shape[0] // 2, depth.shape[1] // 2
    mean = avg_pool2d(color[: 2 * height, : 2 * width].permute(2, 0, 1).float(), 2)
    depth, known = _halved_depth(depth[: 2 * height, : 2 * width])
    fx, fy, cx, cy = intrinsics / 2
    normals, known = _normals(depth, known, fx, fy, cx - 0.25, cy - 0.25)
    relief = _relief(depth, known)
    flags = torch.stack([torch.ones_like(depth), known.float()])
    channels = [(mean - COLOR_MIDDLE) / COLOR_SPREAD, relief[None], normals, flags]
    return torch.cat(channels)[None]


class _Channels:
    """``gpu_input`` as CUDA graphs. All networks and threads share them."""

    def __init__(self) -> None:
        self._lock = Lock()

    def __call__(self, frame: RgbdFrame, device: torch.device) -> Tensor:
        uploads = frame.derived(uploaded, device)
        with self._lock:
            (channels,) = self._input(*uploads)
            return channels.clone()  # the next replay overwrites them

    @captured
    def _input(self, color: Tensor, depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, ...]:
        return (gpu_input(color, depth, intrinsics),)


_channels = _Channels()


def _halved_depth(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Depth at half resolution (h, w), by the mean of the inverse, and whether it is known."""
    seen = depth > 0  # False for NaN too
    inverse = torch.where(seen, 1 / depth, 0)
    share, mean = avg_pool2d(torch.stack([seen.float(), inverse]), 2)
    return torch.where(mean > 0, share / mean, torch.nan), mean > 0


def _normals(
    depth: Tensor, known: Tensor, fx: Tensor, fy: Tensor, cx: Tensor, cy: Tensor
) -> tuple[Tensor, Tensor]:
    """Normals (3, h, w), 0 where unknown, and whether they are known; see ``surface_normals``."""
    height, width = depth.shape
    inverse = torch.where(known, 1 / depth, 0)
    ramp = torch.arange(NORMAL_WINDOW, device=depth.device) - NORMAL_WINDOW // 2.0
    powers = torch.stack([torch.ones_like(ramp), ramp, ramp**2])
    half = NORMAL_WINDOW // 2
    around = pad(torch.stack([inverse, known.float()]), (half, half, half, half))
    # Moments [i, j] of each pixel's window, (2, 3, 3, h, w): of y to the power i, x to the power j.
    rows = (around.unfold(2, NORMAL_WINDOW, 1)[:, None] * powers[:, None, None]).sum(-1)
    sums = (rows.unfold(2, NORMAL_WINDOW, 1)[:, None] * powers[:, None, None, None]).sum(-1)
    (q, qx), qy = sums[0, 0, :2], sums[0, 1, 0]
    (n, x, xx), (y, xy), yy = sums[1, 0], sums[1, 1, :2], sums[1, 2, 0]
    mx, my = x / n, y / n
    cxx, cyy, cxy = xx - mx * x, yy - my * y, xy - mx * y
    determinant = cxx * cyy - cxy * cxy
    enough = n >= FEWEST * NORMAL_WINDOW**2
    good = known & enough & (determinant >= FLATTEST * n * n)
    qx, qy = qx - mx * q, qy - my * q
    across, down = (cyy * qx - cxy * qy) / determinant, (cxx * qy - cxy * qx) / determinant
    a, b = across * fx, down * fy
    c = q / n - mx * across - my * down
    column, row = (torch.arange(size, device=depth.device) for size in (width, height))
    c = c - a * ((column - cx) / fx) - b * ((row - cy) / fy)[:, None]
    normals = -torch.stack([a, b, c])
    return torch.where(good, normals / normals.norm(dim=0), 0), good


def _relief(depth: Tensor, known: Tensor) -> Tensor:
    """Distance of each pixel (h, w) in front of its surroundings, scaled; 0 where unknown."""
    window = relief_window(depth.shape[1])
    images = torch.stack([known.float(), torch.where(known, 1 / depth, 0)])[None]
    row, column = (_reflected(size, window, depth.device) for size in depth.shape)
    around = images[:, :, row][..., column]
    share, mean = avg_pool2d(avg_pool2d(around, (1, window), 1), (window, 1), 1)[0]
    relief = torch.where(known & (mean > 0), (share / mean - depth) / RELIEF_SCALE, 0)
    return relief.clamp(-HIGHEST_RELIEF, HIGHEST_RELIEF)


def _reflected(size: int, window: int, device: torch.device) -> Tensor:
    """Indices of ``size`` pixels padded for a window, by reflection without the edge pixel."""
    index = torch.arange(size + window - 1, device=device) - window // 2
    period = max(1, 2 * (size - 1))
    index = index.abs() % period
    return torch.minimum(index, period - index).clamp(max=size - 1)
