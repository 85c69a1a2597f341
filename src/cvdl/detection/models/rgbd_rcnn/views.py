"""Random views for the default detector to learn from, a batch at a time, where it learns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvdl.datasets.detection_sample import DetectionSample
from cvdl.detection.models.rgbd_rcnn.inputs import detail, scale_of
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
from cvdl.networks.working_size import to_working_size
from cvdl.training.augment import TABLETOP

__all__ = ["LabelledPicture", "random_views", "stacked"]

_VIEW = (192, 256)  # height and width of a view, pixels of half resolution
_SHIFT = 0.2  # of the view's sides: how far its middle may lie from the picture's
_LEAST_IN_VIEW = 0.3  # share of a box that must be in the view, or nothing is there to be found


@dataclass(frozen=True)
class LabelledPicture:
    """A sample as the training keeps it.

    Attributes:
        color: (3, H, W) uint8, H and W even.
        rest: (8, H / 2, W / 2) float16: ``network_input``'s channels after the colour, and the
            scale.
        boxes: (N, 4) float32, pixels.
        labels: (N,) int64.
    """

    color: NDArray[np.uint8]
    rest: NDArray[np.float16]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: DetectionSample) -> LabelledPicture:
        """Of a labelled view; crowds are left out."""
        frame, factors = to_working_size(sample.frame)
        image = network_input(frame)
        height, width = image.shape[1:]
        color = frame.color[: 2 * height, : 2 * width].transpose(2, 0, 1)
        rest = np.concatenate([image[COLOR.stop :], scale_of(frame)])
        one = ~sample.crowd
        return cls(
            np.ascontiguousarray(color),
            rest.astype(np.float16),
            (sample.boxes[one] * np.tile(factors, 2)).astype(np.float32),
            sample.labels[one].astype(np.int64),
        )


def stacked(pictures: list[LabelledPicture]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pictures as a batch.

    Returns:
        Colour (B, 3, H, W) and the rest (B, 8, H / 2, W / 2), smaller pictures with zeros on the
        right and below; the pictures' widths and heights (B, 2) at half resolution; boxes
        (B, N, 4) and labels (B, N), -1 for padding.
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
    """Parts of the pictures, mirrored or not, zoomed, in other colours, noisier.

    Args:
        color, rest, sizes, boxes, labels: see ``stacked``; all on one device.

    Returns:
        Views (B, 18, 192, 256), see ``input_of``; their scales (B, 2, 192, 256); boxes (B, N, 4)
        and labels (B, N), -1 for what is not in view, too.
    """
    count, device = len(color), color.device
    view = torch.tensor(_VIEW[::-1], device=device, dtype=torch.float32)
    zoom = TABLETOP.zoom ** _uniform(count, 1, device=device)
    mirror = torch.where(torch.rand(count, 1, device=device) < 0.5, -1.0, 1.0)
    stretch = torch.cat([zoom * mirror, zoom], dim=1)
    middle = sizes / 2 + _SHIFT * view * _uniform(count, 2, device=device)

    def part(image: Tensor, factor: int) -> Tensor:
        # Where along each axis, from -1 to 1 in the picture, as grid_sample has them. Not by
        # affine_grid: that is a product of matrices, which mixed precision rounds, to a pixel off.
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
    # In place, here and below: on a CPU half of the time went into getting memory.
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
    """In place, other colours (B, 3, H, W), and noise on the geometry of ``image``.

    Of some views that have both ``image`` loses its colour, of some its depth. As in
    ``cvdl.training.augment``, which does it view by view.
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
    grey = torch.rand(count, 1, 1, 1, device=device) < 0.2
    torch.where(grey, color.mean(dim=1, keepdim=True), color, out=color)
    color.add_(torch.randn_like(color), alpha=0.05)


def _uniform(*shape: int, device: torch.device) -> Tensor:
    """Random numbers from -1 to 1."""
    return 2 * torch.rand(shape, device=device) - 1
