"""The input of the networks: patches of rectangles, 7 channels of 24 x 24.

After Lenz, Lee & Saxena 2014 ("Deep Learning for Detecting Robotic Grasps", section V): Y, U, V,
depth, and x, y, z of the normal in the frame of the gripper. A rectangle keeps its aspect ratio;
the rest of the square is padding, which is masked like missing depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn.functional import grid_sample

from cvdl.core.frame import RgbdFrame
from cvdl.depth.normals import surface_normals
from cvdl.grasping.rectangles import GraspRectangles

__all__ = [
    "CHANNELS",
    "COLOR",
    "DEPTH",
    "NORMALS",
    "SIZE",
    "Patches",
    "channel_image",
    "extract",
    "mirror",
    "mirrored",
]

#: Side of a patch (Lenz 2014, section V: 24 x 24 x 7 = 4032 inputs).
SIZE = 24
CHANNELS = 7
#: The channels of each modality.
COLOR, DEPTH, NORMALS = slice(0, 3), slice(3, 4), slice(4, 7)

_KNOWN = 0.5  # least share of known depth around a sample with known depth
_LEAST_DEVIATION = 0.01  # meters: flatter patches are not scaled further


@dataclass(frozen=True)
class Patches:
    """Patches of N rectangles: the opening is along the columns, the plates along the rows.

    Attributes:
        values: (N, 7, S, S) float: Y, U, V in [0, 1]; depth minus the mean of the patch, divided
            by its standard deviation (at least 1 cm); the normal in the frame of the gripper. 0
            where masked.
        mask: (N, 2, S, S) bool, True where known and no padding: of color; of depth and normals.
    """

    values: torch.Tensor
    mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)


def channel_image(frame: RgbdFrame, device: str | torch.device = "cpu") -> torch.Tensor:
    """Return (8, H, W) float32: Y, U, V, depth (m), normal x, y, z, and 1 where these are known.

    Depth and normals are 0 where they are unknown.
    """
    image = np.empty((8, *frame.depth.shape), np.float32)
    yuv = cv2.cvtColor(frame.color, cv2.COLOR_RGB2YUV)
    image[:3] = yuv.transpose(2, 0, 1)
    image[:3] /= 255
    normals = surface_normals(frame.depth, frame.camera)
    image[3] = frame.depth
    image[4:7] = normals.transpose(2, 0, 1)
    known = np.isfinite(image[6])
    image[7] = known
    image[3:7, ~known] = 0
    return torch.from_numpy(image).to(device)


def extract(image: torch.Tensor, rectangles: GraspRectangles, size: int = SIZE) -> Patches:
    """Return the patches of rectangles.

    Args:
        image: (8, H, W) float32, see ``channel_image``.
        rectangles: N rectangles; pixels outside of the image are masked.
        size: S, samples per side; fewer than ``SIZE`` sample the same square more coarsely.
    """
    height, width = image.shape[1:]
    device = image.device
    center, angle, opening, plate = (
        torch.as_tensor(values, dtype=torch.float32, device=device)
        for values in (rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate)
    )
    place = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) / size - 0.5
    offset = torch.maximum(opening, plate)[:, None] * place  # (N, S), pixels from the center
    along, across = offset[:, None, :], offset[:, :, None]  # columns, rows
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u = center[:, 0, None, None] + cos * along - sin * across  # (N, S, S)
    v = center[:, 1, None, None] + sin * along + cos * across
    # -1 and 1 are the edges of the image, half a pixel outside of the centers of the outer pixels.
    grid = torch.stack([(2 * u + 1) / width - 1, (2 * v + 1) / height - 1], dim=-1)
    sampled = grid_sample(
        image.expand(len(grid), *image.shape), grid, mode="bilinear", align_corners=False
    )
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    filled = (along.abs() <= opening[:, None, None] / 2) & (
        across.abs() <= plate[:, None, None] / 2
    )
    mask = torch.stack([inside & filled, inside & filled & (sampled[:, 7] > _KNOWN)], dim=1)
    values = sampled[:, :7]
    # Unknown pixels are 0 in the interpolation: divide by the share of known ones.
    values[:, 3:] /= sampled[:, 7:].clamp_min(_KNOWN)
    values[:, DEPTH] = _centered(values[:, 3], mask[:, 1])[:, None]
    x, y = values[:, 4].clone(), values[:, 5].clone()
    values[:, 4] = cos * x + sin * y
    values[:, 5] = cos * y - sin * x
    values[:, COLOR] *= mask[:, :1]
    values[:, 3:] *= mask[:, 1:]
    return Patches(values, mask)


def mirror(patches: Patches, columns: bool = False, rows: bool = False) -> Patches:
    """Return the patches of the mirrored scene, along the opening, along the plates, or both.

    Both together are the same grasp rotated by half a turn.
    """
    dims = [3] * columns + [2] * rows
    return Patches(mirrored(patches.values, columns, rows), patches.mask.flip(dims))


def mirrored(values: torch.Tensor, columns: bool, rows: bool) -> torch.Tensor:
    """Return values (..., 7, S, S), of patches or whitened, of the mirrored scene."""
    values = values.flip([-1] * columns + [-2] * rows)
    if columns:
        values[..., 4, :, :] *= -1
    if rows:
        values[..., 5, :, :] *= -1
    return values


def _centered(depth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Known depth (N, S, S) minus the mean of the patch, divided by its deviation."""
    count = known.sum(dim=(1, 2)).clamp_min(1)[:, None, None]
    mean = (depth * known).sum(dim=(1, 2), keepdim=True) / count
    away = (depth - mean) * known
    deviation = ((away**2).sum(dim=(1, 2), keepdim=True) / count).sqrt()
    return away / deviation.clamp_min(_LEAST_DEVIATION)
