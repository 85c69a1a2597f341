"""The network's input: rectangles cut out of a frame, turned upright, 7 channels of 24 x 24.

After Lenz, Lee & Saxena 2014 ("Deep Learning for Detecting Robotic Grasps", section V): Y, U, V,
depth and the normal's x, y, z in the gripper's turned frame. A rectangle keeps its aspect ratio;
what it does not fill of the square is padding, which is masked out like missing depth.
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

_KNOWN = 0.5  # share of known depth round a sample, below which it counts as unknown
_LEAST_DEVIATION = 0.01  # metres: flatter patches are not stretched any further


@dataclass(frozen=True)
class Patches:
    """N cut-out rectangles, upright: columns run along the opening, rows along the plates.

    Attributes:
        values: (N, 7, S, S) float: Y, U, V in [0, 1]; depth less the patch's mean, in the patch's
            deviations (1 cm at least); the normal in the gripper's frame. 0 where masked out.
        mask: (N, 2, S, S) bool, what is known and no padding: of colour; of depth and normals.
    """

    values: torch.Tensor
    mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.values)


def channel_image(frame: RgbdFrame, device: str | torch.device = "cpu") -> torch.Tensor:
    """(8, H, W) float32: Y, U, V, depth (m), normal x, y, z, and 1 where the last four are known.

    Depth and normals are 0 where they are not known.
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
    """Cut the rectangles out of a channel image, all at once.

    Args:
        image: (8, H, W) float32, as ``channel_image`` makes it.
        rectangles: N of them; they may reach out of the image, where nothing is known.
        size: S, samples along a side; fewer than ``SIZE`` sample the same square more coarsely.
    """
    height, width = image.shape[1:]
    device = image.device
    center, angle, opening, plate = (
        torch.as_tensor(values, dtype=torch.float32, device=device)
        for values in (rectangles.center, rectangles.angle, rectangles.opening, rectangles.plate)
    )
    place = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) / size - 0.5
    offset = torch.maximum(opening, plate)[:, None] * place  # (N, S), pixels from the centre
    along, across = offset[:, None, :], offset[:, :, None]  # columns, rows
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    u = center[:, 0, None, None] + cos * along - sin * across  # (N, S, S)
    v = center[:, 1, None, None] + sin * along + cos * across
    # -1 and 1 are the image's outer edges, half a pixel beyond the centres of the outer pixels.
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
    # Unknown pixels count as 0 in the mean of four: the share of known ones undoes that.
    values[:, 3:] /= sampled[:, 7:].clamp_min(_KNOWN)
    values[:, DEPTH] = _centered(values[:, 3], mask[:, 1])[:, None]
    x, y = values[:, 4].clone(), values[:, 5].clone()
    values[:, 4] = cos * x + sin * y
    values[:, 5] = cos * y - sin * x
    values[:, COLOR] *= mask[:, :1]
    values[:, 3:] *= mask[:, 1:]
    return Patches(values, mask)


def mirror(patches: Patches, columns: bool = False, rows: bool = False) -> Patches:
    """The patches of the mirrored scene: the gripper's two plates, or its two sides, exchanged.

    Both together are the same grasp turned by half a turn.
    """
    dims = [3] * columns + [2] * rows
    return Patches(mirrored(patches.values, columns, rows), patches.mask.flip(dims))


def mirrored(values: torch.Tensor, columns: bool, rows: bool) -> torch.Tensor:
    """Values (..., 7, S, S), of patches or whitened, of the mirrored scene."""
    values = values.flip([-1] * columns + [-2] * rows)
    if columns:
        values[..., 4, :, :] *= -1
    if rows:
        values[..., 5, :, :] *= -1
    return values


def _centered(depth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Depth (N, S, S) less the patch's mean, in deviations, of what is known."""
    count = known.sum(dim=(1, 2)).clamp_min(1)[:, None, None]
    mean = (depth * known).sum(dim=(1, 2), keepdim=True) / count
    away = (depth - mean) * known
    deviation = ((away**2).sum(dim=(1, 2), keepdim=True) / count).sqrt()
    return away / deviation.clamp_min(_LEAST_DEVIATION)
