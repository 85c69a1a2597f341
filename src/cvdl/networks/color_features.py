"""Features of color that photographs have taught: EfficientNet-Lite0, and its first stages.

They keep the weights of ImageNet. A network that learns from simulated pictures alone transfers
better to real ones with such features (Hinterstoisser et al. 2018, "On Pre-Trained Image Features
and Synthetic Images for Deep Learning").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cvdl.networks.input import COLOR, COLOR_SPREAD
from cvdl.networks.layers import start_at_zero

__all__ = ["IMAGENET_SPREAD", "ColorEncoder", "ColorFeatures", "convolution", "stages", "stem"]

#: Of each stage: blocks, channels, size and stride of the convolution in the middle, and factor of
#: the channels there (Tan & Le 2019, table 1; the Lite variant has neither squeeze-and-excitation
#: nor swish).
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
#: Stages whose output is used: the last ones of their resolution.
_USED = 1, 2, 4
#: Colors of ImageNet are 8-bit values minus 127, divided by this.
IMAGENET_SPREAD = 128.0


class ColorEncoder(nn.Module):
    """The first five stages of EfficientNet-Lite0; always in evaluation mode, and never trained.

    Input (B, 3, H, W), the color of ``network_input``; H and W multiples of 16. Outputs:
    (B, 24, H / 4, W / 4), (B, 40, H / 8, W / 8) and (B, 112, H / 16, W / 16).
    """

    channels = tuple(_STAGES[stage][1] for stage in _USED)

    def __init__(self) -> None:
        super().__init__()
        self.stem = stem()
        self.stages = stages(max(_USED) + 1)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> ColorEncoder:
        """Stay in evaluation mode: the statistics of the batch norm are those of photographs."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def forward(self, color: Tensor) -> list[Tensor]:
        """Features of three resolutions; see the class."""
        x = self.stem(color * (COLOR_SPREAD / IMAGENET_SPREAD))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return [outputs[index] for index in _USED]


def stem() -> nn.Sequential:
    """Return the first layers: from (B, 3, H, W) colors of ImageNet to (B, 32, H / 2, W / 2)."""
    return nn.Sequential(*convolution(3, _STEM, 3, 2))


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


class ColorFeatures(nn.Module):
    """The features of ``ColorEncoder`` with as many channels as those that they are added to.

    Args:
        channels: of the outputs.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.encoder = ColorEncoder()
        projections = [
            nn.Conv2d(inputs, outputs, 1)
            for inputs, outputs in zip(ColorEncoder.channels, channels, strict=True)
        ]
        for projection in projections:
            start_at_zero(projection)
        self.projections = nn.ModuleList(projections)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features at a quarter, an eighth and a sixteenth of the size of the input."""
        features = self.encoder(image[:, COLOR].contiguous(memory_format=torch.channels_last))
        return [
            projection(each) for projection, each in zip(self.projections, features, strict=True)
        ]


class _Block(nn.Module):
    """Inverted residual (Sandler et al. 2018, section 3.3)."""

    def __init__(self, inputs: int, outputs: int, factor: int, size: int, stride: int) -> None:
        super().__init__()
        middle = inputs * factor
        self.body = nn.Sequential(
            *(convolution(inputs, middle, 1) if factor > 1 else ()),
            *convolution(middle, middle, size, stride, groups=middle),
            *convolution(middle, outputs, 1)[:-1],
        )
        self.has_shortcut = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + self.body(x) if self.has_shortcut else self.body(x)


def convolution(
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
