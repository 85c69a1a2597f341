"""The modern network: a head without anchors on the features of a backbone.

Every cell of three strides predicts the scores of the classes and the distances from its center to
the four edges of a box (Tian et al. 2019, "FCOS"), in two branches (Ge et al. 2021, "YOLOX"). A
score is the overlap that is expected of the box, and a distance is the mean of a distribution (Li
et al. 2020, "Generalized Focal Loss").
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvdl.networks.layers import ResidualBlock, convolution, doubled
from cvdl.networks.sampling import WIDE_STRIDE

__all__ = ["BINS", "STRIDES", "Cells", "ModernHead", "boxes_of"]

#: Distances between the cells of each level, pixels of the full image.
STRIDES = tuple(WIDE_STRIDE * factor for factor in (1, 2, 4))
#: Values of a distance that get a probability: 0 to 15 strides.
BINS = 16

_WIDTHS = (64, 96, 96)  # channels of the levels
_PRIOR = 0.01  # score of a cell before training


class Cells(NamedTuple):
    """What the cells of all levels predict, level by level, row by row.

    Attributes:
        logits: (B, N, classes).
        edges: (B, N, 4, BINS), logits of the distances to the left, upper, right and lower edge.
        centers: (N, 2), x and y, pixels of the full image.
        strides: (N,).
    """

    logits: Tensor
    edges: Tensor
    centers: Tensor
    strides: Tensor


class ModernHead(nn.Module):
    """Scores and boxes from the features of a ``Backbone``.

    Args:
        classes: number of classes.
        fine, wide: channels of the features.
    """

    def __init__(self, classes: int, fine: int = 48, wide: int = 96) -> None:
        super().__init__()
        self.classes = classes
        first = _WIDTHS[0]
        self.from_fine = nn.Conv2d(fine, first, 3, stride=2, padding=1, bias=False)
        self.from_wide = nn.Conv2d(wide, first, 1, bias=False)
        self.from_scale = nn.Conv2d(2, first, 1, bias=False)
        self.first = nn.Sequential(nn.BatchNorm2d(first), nn.ReLU(inplace=True))
        pairs = list(pairwise(_WIDTHS))
        self.down = nn.ModuleList(
            nn.Sequential(convolution(above, below, 2), ResidualBlock(below))
            for above, below in pairs
        )
        self.up = nn.ModuleList(convolution(below, above, size=1) for above, below in pairs)
        self.mixed = nn.ModuleList(ResidualBlock(width) for width in _WIDTHS[:-1])
        # Scores start at that of a rare object (Lin et al. 2017, "Focal Loss").
        start = -math.log(1 / _PRIOR - 1)
        self.scores = nn.ModuleList(_branch(width, classes, start) for width in _WIDTHS)
        self.edges = nn.ModuleList(_branch(width, 4 * BINS) for width in _WIDTHS)

    def forward(self, fine: Tensor, wide: Tensor, scale: Tensor) -> Cells:
        """What the cells predict.

        Args:
            fine, wide: (B, C, 2 h, 2 w) and (B, C, h, w), see ``Backbone``; h and w are multiples
                of 4.
            scale: (B, 2, h, w), see ``scale_of_cells``.
        """
        x = self.from_fine(fine) + self.from_wide(wide) + self.from_scale(scale)
        levels = [self.first(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        for n in reversed(range(len(self.up))):
            levels[n] = self.mixed[n](levels[n] + doubled(self.up[n](levels[n + 1])))
        logits, edges, centers, strides = [], [], [], []
        for level, score, edge, stride in zip(
            levels, self.scores, self.edges, STRIDES, strict=True
        ):
            logits.append(_flat(score(level)))
            edges.append(_flat(edge(level)).unflatten(2, (4, BINS)))
            centers.append(_centers(level, stride))
            strides.append(torch.full_like(centers[-1][:, 0], stride))
        return Cells(
            torch.cat(logits, 1), torch.cat(edges, 1), torch.cat(centers), torch.cat(strides)
        )

    def decoded(self, fine: Tensor, wide: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N, 4) and scores (N, classes) of one image; see ``forward``."""
        cells = self(fine, wide, scale)
        return boxes_of(cells)[0], cells.logits[0].float().sigmoid()


def boxes_of(cells: Cells) -> Tensor:
    """The boxes (B, N, 4) of cells, pixels of the full image."""
    values = torch.arange(BINS, device=cells.edges.device, dtype=torch.float32)
    distances = (cells.edges.float().softmax(3) * values).sum(3) * cells.strides[:, None]
    return torch.cat(
        [cells.centers - distances[..., :2], cells.centers + distances[..., 2:]], dim=-1
    )


def _branch(width: int, outputs: int, bias: float = 0.0) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 1)
    nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution(width, width), last)


def _flat(maps: Tensor) -> Tensor:
    """(B, h w, C) from (B, C, h, w)."""
    return maps.flatten(2).transpose(1, 2)


def _centers(level: Tensor, stride: int) -> Tensor:
    """The centers (h w, 2) of cells, pixels of the full image."""
    steps = (
        torch.arange(level.shape[axis], device=level.device, dtype=torch.float32)
        for axis in (-2, -1)
    )
    y, x = torch.meshgrid(*steps, indexing="ij")
    return (torch.stack([x, y], dim=-1).flatten(0, 1) + 0.5) * stride
