"""The two networks: a dense one scores all rectangles, a small one refines the best.

The two stages are those of Lenz, Lee & Saxena 2014; dense prediction by one fully convolutional
pass is that of OverFeat (Sermanet et al. 2014), regression relative to reference boxes that of
Faster R-CNN (Ren et al. 2015, eq. 2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cvdl.networks.input import CHANNELS
from cvdl.networks.layers import ResidualBlock, convolution, doubled, start_at_zero

__all__ = ["ANGLES", "OPENINGS", "PLATE", "DenseNetwork", "RefineNetwork"]

#: Number of orientations of the opening that the dense network scores: k pi / ANGLES - pi / 2.
ANGLES = 12
#: Openings that it scores, pixels of a 640-column image, in steps of a factor of 1.6.
OPENINGS = (18.0, 29.0, 46.0, 74.0)
#: Reference of plate lengths and shifts, pixels.
PLATE = 22.0

_WIDTH = 32  # channels of the first layers
_PRIOR = 0.01  # probability of a good grasp before training


class DenseNetwork(nn.Module):
    """Scores all positions, orientations and openings in one pass.

    Input (B, 9, H, W), the channels of ``network_input`` at half resolution; H and W multiples
    of 8. Outputs, for cells of ``STRIDE`` pixels of the full image:

    - logits (B, ANGLES, len(OPENINGS), H / 2, W / 2) of a good grasp;
    - deltas (B, ANGLES, 5, H / 2, W / 2) of a good grasp of about that orientation: shift along
      and across the opening over PLATE, rotation in steps of the orientations, logarithm of the
      opening over the middle one, logarithm of the plate over PLATE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(CHANNELS, _WIDTH, 2), convolution(_WIDTH, _WIDTH))
        self.down = nn.Sequential(convolution(_WIDTH, 2 * _WIDTH, 2), ResidualBlock(2 * _WIDTH))
        self.deep = nn.Sequential(
            convolution(2 * _WIDTH, 3 * _WIDTH, 2),
            ResidualBlock(3 * _WIDTH),
            ResidualBlock(3 * _WIDTH, dilation=2),
            ResidualBlock(3 * _WIDTH, dilation=4),
        )
        self.lateral = nn.Sequential(convolution(5 * _WIDTH, 2 * _WIDTH), nn.Dropout2d(0.1))
        self.up = convolution(3 * _WIDTH, 2 * _WIDTH)
        self.scores = nn.Conv2d(2 * _WIDTH, ANGLES * len(OPENINGS), 1)
        self.deltas = nn.Conv2d(2 * _WIDTH, ANGLES * 5, 1)
        prior = torch.full((ANGLES * len(OPENINGS),), math.log(_PRIOR / (1 - _PRIOR)))
        self.scores.bias = nn.Parameter(prior)
        start_at_zero(self.deltas)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and deltas; see the class."""
        features = self.features(x)
        return self.logits(features), self.deltas(features).unflatten(1, (ANGLES, 5))

    def features(self, x: Tensor) -> Tensor:
        """Features (B, C, H / 2, W / 2) of the cells, for the other methods."""
        fine = self.stem(x)
        middle = self.down(fine)
        deep = doubled(self.deep(middle))
        middle = self.lateral(torch.cat([middle, deep], dim=1))
        features: Tensor = self.up(torch.cat([fine, doubled(middle)], dim=1))
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Logits of all cells; see the class."""
        logits: Tensor = self.scores(features)
        return logits.unflatten(1, (ANGLES, len(OPENINGS)))

    def deltas_at(self, features: Tensor, angle: Tensor, cell: Tensor) -> Tensor:
        """Deltas (N, 5) of some cells of one image.

        Args:
            features: (1, C, H / 2, W / 2).
            angle, cell: (N,) int, orientation of each, and its index among the H W / 4 cells.
        """
        of_cells = features.squeeze(0).flatten(1)[:, cell].T
        each = nn.functional.linear(of_cells, self.deltas.weight.flatten(1), self.deltas.bias)
        wanted = angle[:, None, None].expand(-1, 1, 5)
        return each.unflatten(1, (ANGLES, 5)).gather(1, wanted)[:, 0]


class RefineNetwork(nn.Module):
    """Scores and refines a rectangle from its patch.

    Input (B, 9, 32, 32). Outputs: logit (B,) of the Jaccard index of the refined rectangle;
    deltas (B, 5): shift along and across the opening over the opening, rotation in radians,
    logarithms of the factors of opening and plate.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(CHANNELS, _WIDTH),
            convolution(_WIDTH, 2 * _WIDTH, 2),
            ResidualBlock(2 * _WIDTH),
            convolution(2 * _WIDTH, 3 * _WIDTH, 2),
            ResidualBlock(3 * _WIDTH),
            convolution(3 * _WIDTH, 4 * _WIDTH, 2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(4 * _WIDTH * 16, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
        )
        self.score = nn.Linear(128, 1)
        self.delta = nn.Linear(128, 5)
        start_at_zero(self.delta)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and deltas; see the class."""
        features = self.body(patches)
        return self.score(features)[:, 0], self.delta(features)
