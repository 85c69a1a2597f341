"""Random views to train the default detector on, made in batches on the device of the training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.rgbd_rcnn.inputs import detail, input_scale
from cvdl.networks.input import (
    CHANNELS,
    COLOR,
    COLOR_MIDDLE,
    COLOR_SPREAD,
    GEOMETRY,
    HAS_COLOR,
    HAS_DEPTH,
    NORMAL_XY,
    network_input,
)
from cvdl.networks.input_gpu import uploaded
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP

__all__ = ["LabelledPicture", "random_views", "stacked"]

_VIEW = (192, 256)  # height and width of a view, pixels at half resolution
_SHIFT = 0.2  # of the sides of the view: largest distance of its center from that of the image
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view; others are no targets


@dataclass(frozen=True)
class LabelledPicture:
    """A sample in memory.

    Attributes:
        color: (3, H, W) uint8, H and W even.
        rest: (8, H / 2, W / 2) float16: the channels of ``network_input`` after the color, and
            ``input_scale``.
        boxes: (N, 4) float32, pixels.
        labels: (N,) int64.
    """

    color: NDArray[np.uint8]
    rest: NDArray[np.float16]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: DetectionSample) -> LabelledPicture:
        """Return the picture of a labeled view, without crowds."""
        frame, factors = to_working_size(sample.frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        color = frame.color[: 2 * height, : 2 * width].transpose(2, 0, 1)
        _, depth, intrinsics = uploaded(frame, torch.device("cpu"))
        rest = np.concatenate([image[COLOR.stop :], input_scale(depth, intrinsics).numpy()])
        one = ~sample.crowd
        return cls(
            np.ascontiguousarray(color),
            rest.astype(np.float16),
            (sample.boxes[one] * np.tile(factors, 2)).astype(np.float32),
            sample.labels[one].astype(np.int64),
        )


def stacked(pictures: list[LabelledPicture]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Stack pictures to a batch.

    Returns:
        Color (B, 3, H, W) and the rest (B, 8, H / 2, W / 2), padded with zeros on the right and
        below; widths and heights (B, 2) of the pictures at half resolution; boxes (B, N, 4) and
        labels (B, N), -1 for padding.
    """
    shapes = np.array([item.rest.shape[1:] for item in pictures])
    height, width = shapes.max(axis=0)
    most = max(1, *(len(item.labels) for item in pictures))
    color = np.zeros((len(pictures), 3, 2 * height, 2 * width), np.uint8)
    rest = np.zeros((len(pictures), CHANNELS - 3 + 2, height, width), np.float16)
    boxes = np.zeros((len(pictures), most, 4), np.float32)
    labels = np.full((len(pictures), most), -1)
    for row, item in enumerate(pictures):
        h, w = shapes[row]
        color[row, :, : 2 * h, : 2 * w], rest[row, :, :h, :w] = item.color, item.rest
        boxes[row, : len(item.labels)], labels[row, : len(item.labels)] = item.boxes, item.labels
    sizes = np.ascontiguousarray(shapes[:, ::-1])
    color_, rest_, sizes_, boxes_, labels_ = map(
        torch.from_numpy, (color, rest, sizes, boxes, labels)
    )
    return color_, rest_, sizes_, boxes_, labels_


def random_views(
    color: Tensor, rest: Tensor, sizes: Tensor, boxes: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return random parts of pictures: mirrored, zoomed, recolored, with noise.

    Args:
        color, rest, sizes, boxes, labels: see ``stacked``; all on one device.

    Returns:
        Views (B, 18, 192, 256), see ``with_detail``; their scales (B, 2, 192, 256); boxes
        (B, N, 4) and labels (B, N), -1 also for boxes that are not in the view.
    """
    count, device = len(color), color.device
    view = torch.tensor(_VIEW[::-1], device=device, dtype=torch.float32)
    zoom = TABLETOP.zoom ** _uniform(count, 1, device=device)
    mirror = torch.where(torch.rand(count, 1, device=device) < 0.5, -1.0, 1.0)
    stretch = torch.cat([zoom * mirror, zoom], dim=1)
    middle = sizes / 2 + _SHIFT * view * _uniform(count, 2, device=device)

    def part(image: Tensor, factor: int) -> Tensor:
        # Positions along each axis, from -1 to 1 in the picture, as grid_sample takes them. Not by
        # affine_grid: its matrix product in mixed precision is off by up to a pixel.
        at = []
        for axis, side in enumerate(_VIEW[::-1]):
            off = (torch.arange(factor * side, device=device) + 0.5) / factor - side / 2
            place = off / stretch[:, axis, None] + middle[:, axis, None]
            at.append(2 * place / rest.shape[-1 - axis] - 1)
        x, y = torch.broadcast_tensors(at[0][:, None], at[1][..., None])
        return nn.functional.grid_sample(image, torch.stack([x, y], -1), align_corners=False)

    seen = part(rest.float(), 1)
    image = torch.cat([seen.new_zeros(count, 3, *_VIEW), seen[:, :-2]], dim=1)
    image[:, NORMAL_XY.start] *= mirror[:, :, None]
    # In place, here and below: on a CPU, half of the time would be memory allocation.
    fine = part(color.float().sub_(COLOR_MIDDLE).div_(COLOR_SPREAD), 2)
    _disturb(fine, image)
    image[:, COLOR] = nn.functional.avg_pool2d(fine, 2) * image[:, HAS_COLOR, None]
    image = torch.cat([image, detail(fine) * image[:, HAS_COLOR, None]], dim=1)
    scale = seen[:, -2:] / torch.cat([zoom, torch.ones_like(zoom)], dim=1)[..., None, None]
    scale = scale * image[:, HAS_DEPTH].amax((1, 2))[:, None, None, None].sign()
    corners = boxes.unflatten(2, (2, 2))  # pixels of full resolution, their edges at integers
    corners = (corners - 2 * middle[:, None, None]) * stretch[:, None, None] + view
    corners = corners.sort(dim=2).values
    clipped = torch.minimum(corners.clamp(min=0), 2 * view)
    area, area_seen = ((some[:, :, 1] - some[:, :, 0]).prod(-1) for some in (corners, clipped))
    labels = torch.where(area_seen > _LEAST_IN_VIEW * area, labels, -1)
    return image, scale, clipped.flatten(2), labels


def _disturb(color: Tensor, image: Tensor) -> None:
    """Change colors (B, 3, H, W) and add noise to the geometry of ``image``, in place.

    Some views that have both lose the color or the depth in ``image``. The same as
    ``cvdl.training.augment.disturb``, for a batch.
    """
    count, device = len(image), image.device
    has = image[:, [HAS_COLOR, HAS_DEPTH]].amax((2, 3)) > 0
    lot = torch.where(has.all(1), torch.rand(count, device=device), 1)
    no_color = lot < TABLETOP.no_color
    no_depth = ~no_color & (lot < TABLETOP.no_color + TABLETOP.no_depth)
    image[:, HAS_COLOR] *= ~no_color[:, None, None]
    image[:, HAS_DEPTH] *= ~no_depth[:, None, None]
    image[:, GEOMETRY] *= ~no_depth[:, None, None, None]
    noise = torch.randn_like(image[:, GEOMETRY]).mul_(image[:, HAS_DEPTH, None])
    image[:, GEOMETRY] += noise.mul_(TABLETOP.relief_noise)
    alike, each = (_uniform(count, some, 1, 1, device=device) for some in (1, 3))
    gain = 1 + TABLETOP.color_gain * alike + 0.1 * each
    alike, each = (_uniform(count, some, 1, 1, device=device) for some in (1, 3))
    color.mul_(gain).add_(TABLETOP.color_shift * alike + 0.2 * each)
    gray = torch.rand(count, 1, 1, 1, device=device) < 0.2
    torch.where(gray, color.mean(dim=1, keepdim=True), color, out=color)
    color.add_(torch.randn_like(color), alpha=0.05)


def _uniform(*shape: int, device: torch.device) -> Tensor:
    """Random numbers in [-1, 1]."""
    return 2 * torch.rand(shape, device=device) - 1
