"""The network that predicts whether a gripper holds, from what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.grasping.holding.views import CHANNELS, SIDE, VALUES
from cvdl.networks.weights import load_weights, save_weights

__all__ = ["HoldingNetwork"]

_WIDTHS = (16, 24, 32)  # channels of the convolutions, each of which halves the side
_HIDDEN = 64


class HoldingNetwork(nn.Module):
    """Three convolutions over the maps and a layer over the values, joined by two layers.

    It takes maps (N, `CHANNELS`, `SIDE`, `SIDE`) and values (N, `VALUES`), see ``Views``, and
    returns logits (N,).
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = CHANNELS
        for width in _WIDTHS:
            layers += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            before = width
        self.maps = nn.Sequential(*layers, nn.Flatten())
        cells = before * (SIDE >> len(_WIDTHS)) ** 2
        self.from_maps = nn.Sequential(nn.Linear(cells, _HIDDEN), nn.ReLU())
        self.from_values = nn.Sequential(
            nn.Linear(VALUES, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.ReLU()
        )
        self.joined = nn.Sequential(nn.Linear(2 * _HIDDEN, _HIDDEN), nn.ReLU())
        self.last = nn.Linear(_HIDDEN, 1)

    def forward(self, maps: Tensor, values: Tensor) -> Tensor:
        """Return logits (N,)."""
        both = torch.cat([self.from_maps(self.maps(maps)), self.from_values(values)], dim=1)
        return self.last(self.joined(both)).squeeze(1)

    @torch.no_grad()
    def calibrate(self, scale: float, shift: float) -> None:
        """Replace each logit by ``scale`` times it plus ``shift``."""
        self.last.weight *= scale
        self.last.bias.mul_(scale).add_(shift)

    @classmethod
    def load(cls, path: Path) -> HoldingNetwork:
        """Load a trained network.

        Args:
            path: safetensors file.

        Raises:
            WeightsError: if the file is missing, damaged or holds another model's weights.
        """
        network = cls()
        state, _ = load_weights(path, cls.__name__, network.state_dict())
        network.load_state_dict(state)
        return network.eval()

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the weights with the name of the model."""
        save_weights(path, self.state_dict(), {"model": type(self).__name__, **metadata})
