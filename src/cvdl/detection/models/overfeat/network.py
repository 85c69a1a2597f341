"""A classifier of windows, and the same classifier slid over whole images in one pass.

Convolutions have no padding, so the results for a window and for the image are equal to rounding:
padding would replace the surroundings of a window by zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

__all__ = ["STRIDE", "WINDOW", "WindowNetwork", "as_convolution", "pooled_at_all_offsets"]

_Head = Callable[[Tensor], Tensor]

#: Side of a window, and distance between the windows of the sliding network, in pixels.
WINDOW, STRIDE = 79, 8

#: Size and stride of the last pooling. The paper pools 3 x 3; 2 x 2 localizes better, which
#: objects as thin as a fork need.
_POOL = 2
_SIDE = 3  # of the pooled features of a window
_CHANNELS = 160


class WindowNetwork(nn.Module):
    """Features of a window, a classifier and a box regressor on them.

    As in the paper (table 1, sections 3.3 and 4.2), the regressor shares the features with the
    classifier, and all classes share the regressor. The network is as small as windows of 79
    pixels allow, and has batch normalization, which is a year younger than the paper.

    Args:
        classes: number of classes, without the background.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 24, 5, stride=2),
            *_convolution(24, 48, 3),
            nn.MaxPool2d(2),
            *_convolution(48, 96, 3),
            nn.MaxPool2d(2),
            *_convolution(96, _CHANNELS, 3),
        )
        inputs = _CHANNELS * _SIDE**2
        self.classifier = nn.Sequential(
            nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes + 1)
        )
        self.regressor = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 4))

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Classify windows.

        Args:
            windows: (N, 3, WINDOW, WINDOW) float32, normalized.

        Returns:
            Logits (N, C + 1), the background last; boxes (N, 4), x_min, y_min, x_max, y_max
            relative to the center of the window, in sides of the window.
        """
        pooled = max_pool2d(self.features(windows), _POOL).flatten(1)
        return self.classifier(pooled), self.regressor(pooled)

    def slide(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Classify all windows of images; in evaluation mode equal to ``forward``.

        Args:
            images: (N, 3, H, W) float32, normalized, at least WINDOW on each side.

        Returns:
            Logits (N, C + 1, h, w) and boxes (N, 4, h, w): at (i, j) those of the window whose
            top left corner is at row STRIDE i, column STRIDE j.
        """
        heads = [_as_convolutions(head, _CHANNELS) for head in (self.classifier, self.regressor)]

        def both(pooled: Tensor) -> Tensor:
            return torch.cat([head(pooled) for head in heads], dim=1)

        outputs = pooled_at_all_offsets(self.features(images), both)
        return outputs[:, :-4], outputs[:, -4:]


def pooled_at_all_offsets(features: Tensor, head: _Head) -> Tensor:
    """Return the results of a head on features pooled at every offset (section 3.3, figure 3).

    Pooling with stride P has a result at every P-th cell only. It is repeated with P x P offsets
    (dy, dx), and the results are interleaved, so there is one for every cell.

    Args:
        features: (N, C, H, W), before the last pooling; at least _POOL * _SIDE on each side.
        head: from pooled features (N, C, h, w) to (N, D, h - 2, w - 2).

    Returns:
        (N, D, H - 5, W - 5).
    """
    rows, cols = (size - _POOL * _SIDE + 1 for size in features.shape[-2:])
    offsets = [
        (dy, dx)
        for dy in range(min(_POOL, rows))  # there may be a single row of windows
        for dx in range(min(_POOL, cols))
    ]
    parts = [head(max_pool2d(features[..., dy:, dx:], _POOL)) for dy, dx in offsets]
    dense = parts[0].new_empty(*parts[0].shape[:2], rows, cols)
    for (dy, dx), part in zip(offsets, parts, strict=True):
        dense[..., dy::_POOL, dx::_POOL] = part
    return dense


def as_convolution(layer: nn.Linear, channels: int) -> _Head:
    """Return a linear layer on flattened square maps as a convolution, for larger maps.

    The convolution shares the weights of the layer.

    Args:
        layer: with inputs (N, channels * side * side).
        channels: channels of the maps.

    Returns:
        Function from (N, channels, H, W) to (N, outputs, H - side + 1, W - side + 1).
    """
    side = math.isqrt(layer.in_features // channels)
    weight = layer.weight.view(layer.out_features, channels, side, side)
    return lambda maps: conv2d(maps, weight, layer.bias)


def _as_convolutions(head: nn.Sequential, channels: int) -> _Head:
    layers: list[_Head] = []
    for layer in head:
        if isinstance(layer, nn.Linear):
            layers.append(as_convolution(layer, channels))
            channels = layer.out_features
        else:
            layers.append(layer)

    def run(maps: Tensor) -> Tensor:
        for layer in layers:
            maps = layer(maps)
        return maps

    return run


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, side, stride, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
