"""Random views that the instance network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from cvdl.core.frame import RgbdFrame
from cvdl.networks.detailed_input import detail, input_scale
from cvdl.networks.input import (
    COLOR,
    COLOR_MIDDLE,
    COLOR_SPREAD,
    HAS_COLOR,
    HAS_DEPTH,
    network_input,
)
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.working_size import to_working_size
from cvdl.segmentation.instances.targets import IGNORED
from cvdl.training.augment import TABLETOP, Augmentation, Placement, disturb_, recolor_
from cvdl.training.task import padded

__all__ = ["Batch", "LabeledView", "random_views", "stacked"]

_VIEW = (192, 256)  # height and width of a view, pixels of half resolution
_SHIFT = 0.2  # largest distance between the centers of view and image, in sides of the view


@dataclass(frozen=True)
class LabeledView:
    """A frame with labels as it is kept in memory.

    Attributes:
        color: (3, H, W) uint8, H and W even.
        rest: (8, H / 2, W / 2) float16: the channels of ``network_input`` after the color, and
            the scale.
        labels: (H / 2, W / 2) uint8, as in ``Scene.labels``.
        kinds: (256,) int64, the class index of each label, -1 for an unnamed object.
    """

    color: NDArray[np.uint8]
    rest: NDArray[np.float16]
    labels: NDArray[np.uint8]
    kinds: NDArray[np.int64]

    @classmethod
    def of(
        cls, frame: RgbdFrame, labels: NDArray[np.uint16], kinds: NDArray[np.int64]
    ) -> LabeledView:
        """Convert a frame with its labels (H, W); there are at most 250 objects."""
        frame, _ = to_working_size(frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        size = frame.camera.width, frame.camera.height
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
        labels = labels[: 2 * height : 2, : 2 * width : 2]
        color = frame.color[: 2 * height, : 2 * width].transpose(2, 0, 1)
        _, depth, intrinsics = uploaded(frame, torch.device("cpu"))
        rest = np.concatenate([image[COLOR.stop :], input_scale(depth, intrinsics).numpy()])
        return cls(
            np.ascontiguousarray(color), rest.astype(np.float16), labels.astype(np.uint8), kinds
        )


class Batch(NamedTuple):
    """Images and the positions of the views in them, see ``LabeledView``; padded."""

    color: Tensor
    rest: Tensor
    labels: Tensor
    kinds: Tensor
    where: Placement


def stacked(images: Sequence[LabeledView], rng: np.random.Generator) -> Batch:
    """A batch of images with random positions of the views."""
    size = np.array([item.rest.shape[:0:-1] for item in images])
    room = np.maximum(size - np.array(_VIEW[::-1]), 0) / 2 + _SHIFT * np.array(_VIEW[::-1])
    middle = size / 2 + room * rng.uniform(-1, 1, size.shape)
    return Batch(
        padded([item.color for item in images]),
        padded([item.rest for item in images]),
        padded([item.labels for item in images], IGNORED),
        padded([item.kinds for item in images]),
        Placement.random(middle, TABLETOP, rng),
    )


def random_views(batch: Batch, how: Augmentation = TABLETOP) -> tuple[Tensor, Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Returns:
        Views (B, 18, 192, 256), scales (B, 2, 192, 256) and labels (B, 192, 256) int64, IGNORED outside of the image.
    """
    where = batch.where
    shape = (batch.rest.shape[2], batch.rest.shape[3])
    grid = where.grid(shape, _VIEW)
    seen = grid_sample(batch.rest.float(), grid, align_corners=False)
    image = torch.cat([seen.new_zeros(len(seen), 3, *_VIEW), seen[:, :-2]], dim=1)
    where.turn_normals_(image)
    color = batch.color.float().sub_(COLOR_MIDDLE).div_(COLOR_SPREAD)
    color = grid_sample(color, where.grid(shape, _VIEW, 2), align_corners=False)
    disturb_(image, how)
    recolor_(color, how)
    has_color = image[:, HAS_COLOR, None]
    image[:, COLOR] = avg_pool2d(color, 2) * has_color
    image = torch.cat([image, detail(color) * has_color], dim=1)
    flipped = (IGNORED - batch.labels.float())[:, None]
    labels = IGNORED - grid_sample(flipped, grid, mode="nearest", align_corners=False)
    zoom = torch.stack([where.zoom, torch.ones_like(where.zoom)], dim=1)
    has_depth = image[:, HAS_DEPTH].amax((1, 2)).sign()
    scale = seen[:, -2:] / zoom[..., None, None] * has_depth[:, None, None, None]
    return image, scale, labels[:, 0].long()
