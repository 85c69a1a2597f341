"""Random views for the networks that share the backbone: color in full detail, and geometry.

Images are kept in memory at the size the networks work at, see ``to_working_size``, without what
can be computed on the model's device.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from cvdl.training.augment import Augmentation, Placement, disturb_, recolor_

__all__ = ["VIEW", "DetailedImage", "detailed_views"]

#: Height and width of a view, pixels of half resolution.
VIEW = (192, 256)


@dataclass(frozen=True)
class DetailedImage:
    """A frame as it is kept in memory.

    Attributes:
        color: (3, H, W) uint8, H and W even.
        rest: (8, H / 2, W / 2) float16: the channels of ``network_input`` after the color, and
            ``input_scale``.
    """

    color: NDArray[np.uint8]
    rest: NDArray[np.float16]

    @classmethod
    def of(cls, frame: RgbdFrame) -> DetailedImage:
        """Convert a frame of the working size."""
        image = network_input(frame)
        height, width = image.shape[1:]
        color = frame.color[: 2 * height, : 2 * width].transpose(2, 0, 1)
        _, depth, intrinsics = uploaded(frame, torch.device("cpu"))
        rest = np.concatenate([image[COLOR.stop :], input_scale(depth, intrinsics).numpy()])
        return cls(np.ascontiguousarray(color), rest.astype(np.float16))

    @property
    def size(self) -> NDArray[np.int64]:
        """(2,) width and height, pixels of half resolution."""
        return np.array(self.rest.shape[:0:-1])


def detailed_views(
    color: Tensor, rest: Tensor, where: Placement, how: Augmentation
) -> tuple[Tensor, Tensor]:
    """Mirrored, zoomed, shifted, recolored and noisier views.

    Args:
        color, rest: (B, 3, H, W) and (B, 8, H / 2, W / 2), see ``DetailedImage``; on any device.
        where: the positions of the views; outside of the image they are 0.
        how: the strength of the disturbance.

    Returns:
        Views (B, 18, 192, 256), see ``with_detail``; their scales (B, 2, 192, 256), see
        ``input_scale``.
    """
    shape = (rest.shape[2], rest.shape[3])
    seen = grid_sample(rest.float(), where.grid(shape, VIEW), align_corners=False)
    image = torch.cat([seen.new_zeros(len(seen), 3, *VIEW), seen[:, :-2]], dim=1)
    where.turn_normals_(image)
    # In place: allocating memory took half of the time on a CPU.
    colors = color.float().sub_(COLOR_MIDDLE).div_(COLOR_SPREAD)
    colors = grid_sample(colors, where.grid(shape, VIEW, 2), align_corners=False)
    disturb_(image, how)
    recolor_(colors, how)
    has_color = image[:, HAS_COLOR, None]
    image[:, COLOR] = avg_pool2d(colors, 2) * has_color
    image = torch.cat([image, detail(colors) * has_color], dim=1)
    zoom = torch.stack([where.zoom, torch.ones_like(where.zoom)], dim=1)
    has_depth = image[:, HAS_DEPTH].amax((1, 2)).sign()
    return image, seen[:, -2:] / zoom[..., None, None] * has_depth[:, None, None, None]
