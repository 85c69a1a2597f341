"""Random views that the default detector is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from cvdl.datasets.detection_sample import DetectionSample
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
from cvdl.training.augment import TABLETOP, Augmentation, Placement, disturb_, recolor_
from cvdl.training.task import padded

__all__ = ["Batch", "LabeledImage", "random_views", "stacked"]

_VIEW = (192, 256)  # height and width of a view, pixels of half resolution
_SHIFT = 0.2  # largest distance between the centers of view and image, in sides of the view
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view; else the box is ignored


@dataclass(frozen=True)
class LabeledImage:
    """A sample as it is kept in memory.

    Attributes:
        color: (3, H, W) uint8, H and W even.
        rest: (8, H / 2, W / 2) float16: the channels of ``network_input`` after the color, and
            the scale.
        boxes: (N, 4) float32, pixels.
        labels: (N,) int64.
    """

    color: NDArray[np.uint8]
    rest: NDArray[np.float16]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: DetectionSample) -> LabeledImage:
        """Convert a labeled view; crowds are skipped."""
        frame, factors = to_working_size(sample.frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        color = frame.color[: 2 * height, : 2 * width].transpose(2, 0, 1)
        _, depth, intrinsics = uploaded(frame, torch.device("cpu"))
        rest = np.concatenate([image[COLOR.stop :], input_scale(depth, intrinsics).numpy()])
        single = ~sample.crowd
        return cls(
            np.ascontiguousarray(color),
            rest.astype(np.float16),
            (sample.boxes[single] * np.tile(factors, 2)).astype(np.float32),
            sample.labels[single].astype(np.int64),
        )


class Batch(NamedTuple):
    """Images and the positions of the views in them, see ``LabeledImage``.

    Attributes:
        color: (B, 3, H, W), smaller images padded with 0.
        rest: (B, 8, H / 2, W / 2), the same.
        boxes: (B, N, 4).
        labels: (B, N), -1 for padding.
        where: the positions of the views.
    """

    color: Tensor
    rest: Tensor
    boxes: Tensor
    labels: Tensor
    where: Placement


def stacked(images: Sequence[LabeledImage], rng: np.random.Generator) -> Batch:
    """A batch of images with random positions of the views."""
    size = np.array([item.rest.shape[:0:-1] for item in images])
    middle = size / 2 + _SHIFT * np.array(_VIEW[::-1]) * rng.uniform(-1, 1, size.shape)
    return Batch(
        padded([item.color for item in images]),
        padded([item.rest for item in images]),
        padded([item.boxes for item in images]),
        padded([item.labels for item in images], -1),
        Placement.random(middle, TABLETOP, rng),
    )


def random_views(
    batch: Batch, how: Augmentation = TABLETOP
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Args:
        batch: on any device.
        how: the strength of the disturbance.

    Returns:
        Views (B, 18, 192, 256), see ``input_of``; their scales (B, 2, 192, 256); boxes (B, N, 4)
        and labels (B, N), -1 for padding and for boxes outside of the view.
    """
    where = batch.where
    shape = (batch.rest.shape[2], batch.rest.shape[3])
    seen = grid_sample(batch.rest.float(), where.grid(shape, _VIEW), align_corners=False)
    image = torch.cat([seen.new_zeros(len(seen), 3, *_VIEW), seen[:, :-2]], dim=1)
    where.turn_normals_(image)
    # In place: allocating memory took half of the time on a CPU.
    color = batch.color.float().sub_(COLOR_MIDDLE).div_(COLOR_SPREAD)
    color = grid_sample(color, where.grid(shape, _VIEW, 2), align_corners=False)
    disturb_(image, how)
    recolor_(color, how)
    has_color = image[:, HAS_COLOR, None]
    image[:, COLOR] = avg_pool2d(color, 2) * has_color
    image = torch.cat([image, detail(color) * has_color], dim=1)
    zoom = torch.stack([where.zoom, torch.ones_like(where.zoom)], dim=1)
    has_depth = image[:, HAS_DEPTH].amax((1, 2)).sign()
    scale = seen[:, -2:] / zoom[..., None, None] * has_depth[:, None, None, None]
    boxes, labels = _moved_boxes(batch.boxes, batch.labels, where)
    return image, scale, boxes, labels


def _moved_boxes(boxes: Tensor, labels: Tensor, where: Placement) -> tuple[Tensor, Tensor]:
    """Boxes (B, N, 4) and labels (B, N) in the views, which are not turned."""
    corners = where.points(boxes.unflatten(2, (2, 2)).flatten(1, 2) / 2, _VIEW) * 2
    corners = corners.unflatten(1, (-1, 2)).sort(dim=2).values
    clipped = torch.minimum(corners.clamp(min=0), 2 * corners.new_tensor(_VIEW[::-1]))
    area, area_seen = ((some[:, :, 1] - some[:, :, 0]).prod(-1) for some in (corners, clipped))
    return clipped.flatten(2), torch.where(area_seen > _LEAST_IN_VIEW * area, labels, -1)
