"""Random views for training: turned, mirrored, zoomed, shifted, recolored and noisier.

The position of a view in its image is drawn from a NumPy generator by the thread that makes the
batches. The rest runs on whole batches on the model's device and draws from torch's default
generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional

from cvdl.networks.input import COLOR, GEOMETRY, HAS_COLOR, HAS_DEPTH, NORMAL_XY

__all__ = [
    "TABLETOP",
    "Augmentation",
    "Placement",
    "disturb_",
    "jittered_colors",
    "random_view",
    "recolor_",
]


@dataclass(frozen=True)
class Augmentation:
    """How much views may differ from the recorded images.

    Attributes:
        turn: whether views are turned by any angle.
        zoom: largest factor by which a view is enlarged or reduced.
        no_color, no_depth: probability that a view with both loses one of them.
        color_gain, color_shift: largest change of the colors' factor from 1 and of their offset
            from 0, in units of the networks' input.
        channel_gain, channel_shift: the same for each of red, green and blue.
        gray: probability that a view becomes gray.
        color_noise, relief_noise: standard deviations of the noise on colors, and on relief and
            normals, in units of the networks' input.
    """

    turn: bool = False
    zoom: float = 1.3
    no_color: float = 0.12
    no_depth: float = 0.25
    color_gain: float = 0.35
    color_shift: float = 0.4
    channel_gain: float = 0.1
    channel_shift: float = 0.2
    gray: float = 0.2
    color_noise: float = 0.05
    relief_noise: float = 0.05


#: For whole scenes of objects that are recognized by their shape and color.
TABLETOP = Augmentation(zoom=1.35, no_color=0.05, no_depth=0.1, color_gain=0.25, color_shift=0.25)


class Placement(NamedTuple):
    """Where views lie in their images.

    A point p of an image is at ``linear @ (p - middle)`` from the center of the view. Points are
    (x, y) in pixels of the networks' input, pixel edges at integers.

    Attributes:
        linear: (B, 2, 2) float32, rotations, mirrored or not, times the zoom.
        middle: (B, 2) float32, the points of the images in the middle of the views.
    """

    linear: Tensor
    middle: Tensor

    @classmethod
    def random(
        cls, middle: NDArray[np.float64], how: Augmentation, rng: np.random.Generator
    ) -> Placement:
        """Views around given points (B, 2), half of them mirrored."""
        count = len(middle)
        angle = rng.uniform(0, 2 * np.pi, count) if how.turn else np.zeros(count)
        mirror, zoom = rng.choice([-1.0, 1.0], count), how.zoom ** rng.uniform(-1, 1, count)
        cos, sin = np.cos(angle), np.sin(angle)
        linear = zoom * np.array([[mirror * cos, -sin], [mirror * sin, cos]])
        return cls(
            torch.from_numpy(linear).movedim(-1, 0).float(), torch.from_numpy(middle).float()
        )

    @property
    def zoom(self) -> Tensor:
        """(B,) the factors by which the views are enlarged."""
        return (self.linear.square().sum((1, 2)) / 2).sqrt()

    def directions(self, directions: Tensor) -> Tensor:
        """Directions (B, ..., 2) of the images as directions in the views, of the same length."""
        turn = self.linear / self.zoom[:, None, None]
        # Not a product of matrices: mixed precision would round it.
        x, y = (directions.movedim(0, -2) * turn[:, axis] for axis in range(2))
        return torch.stack([x.sum(-1), y.sum(-1)], -1).movedim(-2, 0)

    def points(self, points: Tensor, shape: tuple[int, int]) -> Tensor:
        """Points (B, N, 2) of the images in views of a shape (height, width)."""
        offset = self.directions(points - self.middle[:, None]) * self.zoom[:, None, None]
        return offset + offset.new_tensor(shape[::-1]) / 2

    def grid(self, image: tuple[int, int], shape: tuple[int, int], detail: int = 1) -> Tensor:
        """The grid with which ``grid_sample`` cuts the views out.

        Args:
            image: height and width of the images.
            shape: height and width of the views.
            detail: pixels of a view per pixel of the networks' input, in each direction.

        Returns:
            (B, detail * height, detail * width, 2), for ``align_corners=False``.
        """
        device = self.linear.device
        y, x = (
            (torch.arange(detail * side, device=device) + 0.5) / detail - side / 2 for side in shape
        )
        # The inverse of a rotation times the zoom is its transpose over the squared zoom.
        back = self.linear.mT / self.zoom[:, None, None].square()
        at = [
            back[:, axis, 0, None, None] * x
            + back[:, axis, 1, None, None] * y[:, None]
            + self.middle[:, axis, None, None]
            for axis in range(2)
        ]
        return torch.stack([2 * at[0] / image[1] - 1, 2 * at[1] / image[0] - 1], -1)

    def turn_normals_(self, view: Tensor) -> None:
        """Turn the normals of views (B, 9, H, W) of the networks' input, in place."""
        view[:, NORMAL_XY] = self.directions(view[:, NORMAL_XY].movedim(1, -1)).movedim(-1, 1)


def random_view(
    image: Tensor, where: Placement, shape: tuple[int, int], how: Augmentation
) -> Tensor:
    """Views of the networks' input.

    Args:
        image: (B, 9, H, W), see ``network_input``.
        where: the positions of the views; outside of the image they are 0.
        shape: height and width of the views.
        how: the strength of the disturbance.

    Returns:
        (B, 9, *shape) float32.
    """
    grid = where.grid((image.shape[2], image.shape[3]), shape)
    view = grid_sample(image.float(), grid, align_corners=False)
    where.turn_normals_(view)
    disturb_(view, how)
    recolor_(view[:, COLOR], how)
    view[:, COLOR] *= view[:, HAS_COLOR, None]
    return view


def disturb_(view: Tensor, how: Augmentation) -> None:
    """Drop color or depth of some views, and add noise to relief and normals, in place.

    Args:
        view: (B, 9, H, W) float32, the networks' input. Where color is dropped, only HAS_COLOR
            becomes 0: the color channels are left to the caller.
        how: the probabilities and the noise.
    """
    has_both = (view[:, [HAS_COLOR, HAS_DEPTH]].amax((2, 3)) > 0).all(1)
    chance = torch.where(has_both, torch.rand(len(view), device=view.device), 1)
    no_color = chance < how.no_color
    no_depth = ~no_color & (chance < how.no_color + how.no_depth)
    view[:, HAS_COLOR] *= ~no_color[:, None, None]
    view[:, HAS_DEPTH] *= ~no_depth[:, None, None]
    view[:, GEOMETRY] *= ~no_depth[:, None, None, None]
    noise = torch.randn_like(view[:, GEOMETRY]).mul_(view[:, HAS_DEPTH, None])
    view[:, GEOMETRY] += noise.mul_(how.relief_noise)


def recolor_(color: Tensor, how: Augmentation) -> None:
    """Change the colors (B, 3, H, W) of the networks' input, and add noise, in place."""

    def uniform(channels: int) -> Tensor:
        return 2 * torch.rand(len(color), channels, 1, 1, device=color.device) - 1

    gain = 1 + how.color_gain * uniform(1) + how.channel_gain * uniform(3)
    color.mul_(gain).add_(how.color_shift * uniform(1) + how.channel_shift * uniform(3))
    is_gray = torch.rand(len(color), 1, 1, 1, device=color.device) < how.gray
    # In place, as above: allocating memory took half of the time on a CPU.
    torch.where(is_gray, color.mean(dim=1, keepdim=True), color, out=color)
    color.add_(torch.randn_like(color), alpha=how.color_noise)


def jittered_colors(image: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """RGB images with another brightness, contrast and saturation.

    Args:
        image: (..., 3, H, W), uint8, or float from 0 to 1.
        most: largest change of each, as a share.
        rng: source of randomness.
    """
    # torchvision's random transforms draw from torch's default generator, which the model uses in
    # another thread at the same time: results would depend on the timing.
    for change in (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
    ):
        image = change(image, 1 + rng.uniform(-most, most))
    return image
