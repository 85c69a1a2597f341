"""The network of the paper: a grid of cells, each of which predicts boxes and one class.

Sections are those of Redmon et al. 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["BOX", "CELL", "PublishedNetwork", "cell_boxes", "decode_grid"]

#: Pixels of the input per cell, in each direction: 7 x 7 cells of 448 pixels (section 2).
CELL = 64
#: Numbers that a cell predicts for each box: x, y, square roots of width and height, confidence.
BOX = 5

#: Channels of the convolutions, before each of which but the first the maps are halved. Nine
#: convolutions, as Fast YOLO has (section 2.1), with fewer channels in the last ones.
_WIDTHS = (16, 32, 64, 128, 256, 512)
_LAST = (512, 512, 128)
_HIDDEN = 1024
_LEAK = 0.1  # section 2.2, equation 2


class PublishedNetwork(nn.Module):
    """Convolutions, then two connected layers that see the whole image (section 2.1).

    The paper's convolutions learn from ImageNet first. Here they start from random weights, with
    batch normalization, without which they hardly learn; it is younger than the paper's network.

    Args:
        classes: number of classes.
        size: side of the input, pixels, a multiple of ``CELL``.
        boxes: that each cell predicts.
        mean: mean red, green and blue of the training set, 0 to 255.
        deviation: standard deviations of the same.
        dropout: share of the hidden units that a step of the training does without (section 2.2).
    """

    def __init__(
        self,
        classes: int,
        size: int = 448,
        boxes: int = 2,
        mean: Sequence[float] = (128.0, 128.0, 128.0),
        deviation: Sequence[float] = (64.0, 64.0, 64.0),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.classes, self.size, self.grid = classes, size, size // CELL
        layers: list[nn.Module] = []
        inputs = 3
        for width in _WIDTHS:
            layers += [*_convolution(inputs, width), nn.MaxPool2d(2)]
            inputs = width
        for width in _LAST:
            layers += _convolution(inputs, width)
            inputs = width
        self.features = nn.Sequential(*layers)
        self.connected = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * self.grid**2, _HIDDEN),
            nn.LeakyReLU(_LEAK),
            nn.Dropout(dropout),
            nn.Linear(_HIDDEN, self.grid**2 * (BOX * boxes + classes)),
        )
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))

    @classmethod
    def fitting(cls, state: Mapping[str, Tensor], classes: int) -> PublishedNetwork:
        """A network with the sizes of a state; of the paper's sizes if the state is of none."""
        try:
            inputs = state["connected.1.weight"].shape[1]
            outputs = state["connected.4.weight"].shape[0]
        except (KeyError, IndexError):
            return cls(classes)
        grid = max(math.isqrt(inputs // _LAST[-1]), 1)
        boxes = max((outputs // grid**2 - classes) // BOX, 1)
        return cls(classes, grid * CELL, boxes)

    def forward(self, colors: Tensor) -> Tensor:
        """Predict.

        Args:
            colors: (N, size, size, 3), RGB, 0 to 255.

        Returns:
            (N, S, S, 5 B + C): for each cell the ``BOX`` numbers of each box, then the
            probabilities of the classes. All are linear (section 2.2): nothing keeps them within
            0 and 1.
        """
        images = ((colors.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
        images = images.contiguous(memory_format=torch.channels_last)
        outputs: Tensor = self.connected(self.features(images))
        return outputs.unflatten(1, (self.grid, self.grid, -1))


def cell_boxes(outputs: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The boxes of the cells (N, S, S, B, 4), relative to the image; their confidences.

    Args:
        outputs: of ``PublishedNetwork``. x and y of a box are relative to its cell, width and
            height to the image (section 2).
        classes: number of classes.
    """
    each = outputs[..., :-classes].unflatten(-1, (-1, BOX)).float()
    grid = outputs.shape[1]
    steps = torch.arange(grid, device=outputs.device)
    corner = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)[:, :, None]
    middle, half = (each[..., :2] + corner) / grid, each[..., 2:4].square() / 2
    return torch.cat([middle - half, middle + half], dim=-1), each[..., 4]


def decode_grid(outputs: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Boxes and scores of images.

    Args:
        outputs: of ``PublishedNetwork``.
        classes: number of classes.

    Returns:
        (N, S S B, 4), relative to the image, clipped to it; (N, S S B, C): the probability of the
        class of the cell times the confidence of the box (section 2, equation 1), 0 to 1.
    """
    boxes, confidence = cell_boxes(outputs, classes)
    scores = confidence.clamp(0, 1)[..., None] * outputs[..., None, -classes:].float().clamp(0, 1)
    return boxes.clamp(0, 1).flatten(1, 3), scores.flatten(1, 3)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(_LEAK, inplace=True),
    ]
