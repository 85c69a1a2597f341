"""Operators that torch's exporter to ONNX cannot express, or only as slow graphs.

Outside of an export, they are what PyTorch offers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torchvision.ops import roi_align

__all__ = ["best_of", "is_exporting", "sampled_boxes"]


def is_exporting() -> bool:
    """Whether a module is being exported to ONNX."""
    return torch.onnx.is_in_onnx_export()


def best_of(values: Tensor, count: int | Tensor) -> tuple[Tensor, Tensor]:
    """Return the best values of the last axis and their indices, best first.

    Args:
        values: (..., N).
        count: how many; fewer if there are fewer. In an export it may be a scalar input.
    """
    if is_exporting():
        best: tuple[Tensor, Tensor] = _BestOf.apply(values, torch.as_tensor(count))
        return best
    found = values.topk(min(int(count), values.shape[-1]))
    return found.values, found.indices


def sampled_boxes(features: Tensor, boxes: Tensor, bins: int, stride: int) -> Tensor:
    """Return features in boxes, one bilinear sample per bin (He et al. 2017, section 3).

    Args:
        features: (1, C, H, W).
        boxes: (N, 4), pixels, within the image.
        bins: of a box, in each direction.
        stride: distance of the features, pixels.

    Returns:
        (N, C, bins, bins).
    """
    return _SampledBoxes.apply(features, boxes, bins, stride)


class _BestOf(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        best = values.topk(min(int(count), values.shape[-1]))
        return best.values, best.indices

    @staticmethod
    def symbolic(g: Any, values: Any, count: Any) -> Any:
        axis = g.op("Constant", value_t=torch.tensor([-1]))
        there = g.op("Gather", g.op("Shape", values), axis, axis_i=0)
        one = g.op("Constant", value_t=torch.tensor([1]))
        wanted = g.op("Reshape", g.op("Cast", count, to_i=7), one)  # 7: int64
        fewer = g.op("Min", wanted, there)
        return g.op("TopK", values, fewer, axis_i=-1, largest_i=1, sorted_i=1, outputs=2)


class _SampledBoxes(Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, boxes: Tensor, bins: int, stride: int) -> Tensor:
        return roi_align(features, [boxes], bins, 1 / stride, sampling_ratio=1, aligned=True)

    @staticmethod
    def symbolic(g: Any, features: Any, boxes: Any, bins: int, stride: int) -> Any:
        first = g.op("Constant", value_t=torch.tensor([0]))
        count = g.op("Gather", g.op("Shape", boxes), first, axis_i=0)
        image = g.op("ConstantOfShape", count, value_t=torch.tensor([0]))
        return g.op(
            "RoiAlign",
            *(features, boxes, image),
            output_height_i=bins,
            output_width_i=bins,
            sampling_ratio_i=1,
            spatial_scale_f=1 / stride,
            mode_s="avg",
            coordinate_transformation_mode_s="half_pixel",
        )
