"""Rectangles as tensors: patches of them, their deltas, and those of the cells.

A tensor of rectangles is (..., 5): u, v, angle (radians), opening, plate; pixels of the full image.
The input of the networks has half of its resolution: its pixel i has its center at 2 i + 0.5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cvdl.grasping.models.cascade.frames import CONTEXT, PATCH, SMALLEST_SPAN, STRIDE
from cvdl.grasping.models.cascade.network import ANGLES, OPENINGS, PLATE
from cvdl.networks.input import NORMAL_XY

__all__ = [
    "cut_patches",
    "decode_dense",
    "encode_refined",
    "half_turn",
    "refine",
]

_LARGEST_LOG = 1.0  # of a factor on a size
MIDDLE_OPENING = math.sqrt(OPENINGS[0] * OPENINGS[-1])


def half_turn(angle: Tensor) -> Tensor:
    """Wrap an angle in radians to [-pi/2, pi/2): half a turn of a gripper changes nothing."""
    return torch.remainder(angle + math.pi / 2, math.pi) - math.pi / 2


def cut_patches(image: Tensor, rectangles: Tensor) -> Tensor:
    """Return patches rotated so that the opening is along x and the plates are along y.

    Args:
        image: (B, C, H, W), the input of the networks.
        rectangles: (B, N, 5).

    Returns:
        (B, N, C, PATCH, PATCH); 0 outside of the image; the normals are rotated, too.
    """
    u, v, angle, opening, plate = rectangles.to(image.dtype).unbind(-1)
    half_span = (CONTEXT / 2 * torch.maximum(opening, plate)).clamp(min=SMALLEST_SPAN / 2)
    steps = (torch.arange(PATCH, device=image.device, dtype=image.dtype) + 0.5) / (PATCH / 2) - 1
    along, across = steps[None, :].expand(PATCH, PATCH), steps[:, None].expand(PATCH, PATCH)
    cos, sin = (f(angle)[..., None, None] for f in (torch.cos, torch.sin))
    span = half_span[..., None, None]
    x = u[..., None, None] + span * (cos * along - sin * across)
    y = v[..., None, None] + span * (sin * along + cos * across)
    batch, channels, height, width = image.shape
    # From pixels of the input to grid_sample's range, -1 to 1 between the edges of the image.
    grid = torch.stack([((x - 0.5) / 2 + 0.5) / width, ((y - 0.5) / 2 + 0.5) / height], -1) * 2 - 1
    count = rectangles.shape[1]
    flat = nn.functional.grid_sample(
        image, grid.reshape(batch, count * PATCH, PATCH, 2), align_corners=False
    )
    patches = flat.reshape(batch, channels, count, PATCH, PATCH).transpose(1, 2)
    nx, ny = patches[:, :, NORMAL_XY].unbind(2)
    turned = torch.stack([cos * nx + sin * ny, cos * ny - sin * nx], 2)
    before, after = patches[:, :, : NORMAL_XY.start], patches[:, :, NORMAL_XY.stop :]
    return torch.cat([before, turned, after], 2)


def refine(rectangles: Tensor, deltas: Tensor) -> Tensor:
    """Return rectangles (..., 5) refined by deltas (..., 5) of the second network."""
    u, v, angle, opening, plate = rectangles.unbind(-1)
    along, across, turn, log_opening, log_plate = deltas.to(rectangles.dtype).unbind(-1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack(
        [
            u + opening * (cos * along - sin * across),
            v + opening * (sin * along + cos * across),
            angle + turn,
            opening * torch.exp(log_opening.clamp(-_LARGEST_LOG, _LARGEST_LOG)),
            plate * torch.exp(log_plate.clamp(-_LARGEST_LOG, _LARGEST_LOG)),
        ],
        -1,
    )


def encode_refined(rectangles: Tensor, wanted: Tensor) -> Tensor:
    """Return the deltas (..., 5) with which ``refine`` turns rectangles into the wanted ones."""
    u, v, angle, opening, plate = rectangles.unbind(-1)
    du, dv = wanted[..., 0] - u, wanted[..., 1] - v
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack(
        [
            (cos * du + sin * dv) / opening,
            (cos * dv - sin * du) / opening,
            half_turn(wanted[..., 2] - angle),
            torch.log(wanted[..., 3] / opening),
            torch.log(wanted[..., 4] / plate),
        ],
        -1,
    )


def decode_dense(deltas: Tensor, angle_bin: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Return the rectangles (N, 5) of cells from the deltas (N, 5) of the dense network.

    Args:
        deltas: (N, 5), see ``DenseNetwork``.
        angle_bin, row, col: (N,) int, orientation and cell of each rectangle.
    """
    along, across, turn, log_opening, log_plate = deltas.float().unbind(-1)
    reference = angle_bin.float() * (math.pi / ANGLES) - math.pi / 2
    col, row = col.float(), row.float()
    cos, sin = torch.cos(reference), torch.sin(reference)
    return torch.stack(
        [
            STRIDE * col + 0.5 + PLATE * (cos * along - sin * across),
            STRIDE * row + 0.5 + PLATE * (sin * along + cos * across),
            reference + turn * (math.pi / ANGLES),
            MIDDLE_OPENING * torch.exp(log_opening.clamp(-1.5, 1.5)),
            PLATE * torch.exp(log_plate.clamp(-1.5, 1.5)),
        ],
        -1,
    )
