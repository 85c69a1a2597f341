"""The two networks: one proposes boxes, the other one classifies and refines them.

As in Faster R-CNN (Ren et al. 2015), both share the features of one backbone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cvdl.detection.models.rgbd_rcnn.frames import FAR, NEAR, SCALE
from cvdl.networks.box_tensors import decode_boxes
from cvdl.networks.layers import ResidualBlock, convolution, start_at_zero
from cvdl.networks.sampling import WIDE_STRIDE

__all__ = ["SIZES", "ProposalHead", "RegionHead", "anchors_of", "decode_cells"]

#: Sides of the square anchors, the reference boxes of the proposals, pixels of the full image.
SIZES = (32.0, 72.0, 160.0)
_WIDTH, _HIDDEN = 128, 384  # of the second network
_PRIOR = 0.01  # probability of an object before training
_TYPICAL_SIDE = 0.1  # meters


class ProposalHead(nn.Module):
    """Proposes boxes of objects of any class.

    Input (B, C, h, w), the wide features. Outputs: logits (B, len(SIZES), h, w) of how well the
    box of a cell fits an object; deltas (B, len(SIZES), 4, h, w), see ``decode_cells``.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.body = convolution(inputs, inputs)
        self.scores = nn.Conv2d(inputs, len(SIZES), 1)
        self.deltas = nn.Conv2d(inputs, 4 * len(SIZES), 1)
        nn.init.constant_(self.scores.bias, _log_odds(_PRIOR))  # type: ignore[arg-type]
        start_at_zero(self.deltas)

    def forward(self, wide: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and deltas; see the class."""
        x = self.body(wide)
        deltas = self.deltas(x)
        return self.scores(x), torch.stack(deltas.split(4, dim=1), dim=1)


class RegionHead(nn.Module):
    """Classifies and refines boxes.

    It uses the fine and wide features of a box and its size: in pixels and, with depth, in
    meters, as a marker and a tube differ in size only.

    Inputs: fine and wide features; ``scale`` (B, 2, H, W): meters per pixel, and whether it is
    known; boxes (B, N, 4), pixels of the full image. Outputs for all boxes, image after image:
    logits (B N, classes) of the IoU of the refined box with an object of the class; deltas
    (B N, 4), see ``decode_boxes``.
    """

    def __init__(self, fine: int, wide: int, classes: int) -> None:
        super().__init__()
        self.closer = nn.Sequential(
            convolution(fine, 2 * fine, 2), convolution(2 * fine, 2 * fine, 2)
        )
        self.body = nn.Sequential(
            convolution(2 * fine + wide, _WIDTH), ResidualBlock(_WIDTH), nn.Flatten()
        )
        self.sides = nn.Sequential(nn.Linear(5, 64), nn.ReLU(inplace=True))
        self.hidden = nn.Sequential(
            nn.Linear(_WIDTH * FAR[0] ** 2 + 64, _HIDDEN), nn.ReLU(inplace=True), nn.Dropout(0.2)
        )
        self.scores = nn.Linear(_HIDDEN, classes)
        self.deltas = nn.Linear(_HIDDEN, 4)
        start_at_zero(self.scores)
        nn.init.constant_(self.scores.bias, _log_odds(_PRIOR))
        start_at_zero(self.deltas)

    def forward(
        self, fine: Tensor, wide: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits and deltas; see the class."""
        return self.judge(
            _cut(fine, boxes, *NEAR),
            _cut(wide, boxes, *FAR),
            _cut(scale, boxes, *SCALE).mean(dim=(2, 3)),
            boxes.flatten(0, 1),
        )

    def judge(
        self, near: Tensor, far: Tensor, scale: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits and deltas of boxes from what is cut out of them.

        Args:
            near: (N, C, 28, 28), fine features, see ``NEAR``.
            far: (N, C, 7, 7), wide features, see ``FAR``.
            scale: (N, 2), mean scales.
            boxes: (N, 4).
        """
        near = self.closer(near)
        x = self.body(torch.cat([near, far.to(near.dtype)], dim=1))
        x = self.hidden(torch.cat([x, self.sides(_sides(scale, boxes))], dim=1))
        return self.scores(x), self.deltas(x)


def decode_cells(deltas: Tensor) -> Tensor:
    """Return the boxes of all cells and anchors, (B, S, h, w, 4), pixels of the full image.

    Args:
        deltas: (B, S, 4, h, w), of ``ProposalHead``; see ``decode_boxes``.
    """
    return decode_boxes(anchors_of(deltas), deltas.float().movedim(2, -1))


def anchors_of(cells: Tensor) -> Tensor:
    """Return the reference boxes of cells (..., h, w), (S, h, w, 4), pixels of the full image."""
    x, y = torch.meshgrid(_positions(cells, -1), _positions(cells, -2), indexing="xy")
    centers = torch.stack([x, y], dim=-1)
    return torch.stack([torch.cat([centers - s / 2, centers + s / 2], dim=-1) for s in SIZES])


def _positions(cells: Tensor, axis: int) -> Tensor:
    """Positions of the middles of cells along an axis, pixels of the full image."""
    steps = torch.arange(cells.shape[axis], device=cells.device, dtype=torch.float32)
    return (steps + 0.5) * WIDE_STRIDE


def _cut(features: Tensor, boxes: Tensor, bins: int, stride: int) -> Tensor:
    """Features in boxes, one bilinear sample per bin (He et al. 2017, section 3).

    Equal to torchvision's ``roi_align``, whose gradient takes three times as long on a CPU.

    Args:
        features: (B, C, H, W).
        boxes: (B, N, 4), pixels.
        bins: of a box, in each direction.
        stride: distance of the features, pixels.

    Returns:
        (B N, C, bins, bins) float32.
    """
    middles = (torch.arange(bins, device=boxes.device) + 0.5) / bins
    at = boxes[..., :2, None] + (boxes[..., 2:] - boxes[..., :2])[..., None] * middles
    height, width = features.shape[-2:]
    x = (at[:, :, 0] * (2 / (width * stride)) - 1)[:, :, None].expand(-1, -1, bins, -1)
    y = (at[:, :, 1] * (2 / (height * stride)) - 1)[..., None].expand(-1, -1, -1, bins)
    grid = torch.stack([x, y], dim=-1).flatten(1, 2)
    cut = nn.functional.grid_sample(
        features.float(), grid, padding_mode="border", align_corners=False
    )
    return cut.unflatten(2, (boxes.shape[1], bins)).transpose(1, 2).flatten(0, 1)


def _sides(scale: Tensor, boxes: Tensor) -> Tensor:
    """Logarithms of the sides of boxes in pixels and in meters, and whether these are known.

    (N, 5).
    """
    in_pixels = boxes[:, 2:] - boxes[:, :2]
    known = scale[:, 1:] > 0.05
    meters = in_pixels * scale[:, :1] / scale[:, 1:].clamp(min=0.05)
    in_meters = (meters.clamp(min=1e-3) / _TYPICAL_SIDE).log()
    return torch.cat(
        [
            (in_pixels.clamp(min=1) / SIZES[1]).log(),
            torch.where(known, in_meters, torch.zeros_like(in_meters)),
            known.float(),
        ],
        dim=1,
    )


def _log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))
