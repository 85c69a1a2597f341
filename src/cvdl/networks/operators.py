"""An operator that torch's exporter to ONNX cannot express."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["best_of"]


def best_of(values: Tensor, count: int | Tensor) -> tuple[Tensor, Tensor]:
    """Return the best values of the last axis and their indices, best first.

    Args:
        values: (..., N).
        count: how many; fewer if there are fewer. In an export it may be a scalar input.
    """
    if torch.onnx.is_in_onnx_export():
        best: tuple[Tensor, Tensor] = _BestOf.apply(values, torch.as_tensor(count))
        return best
    found = values.topk(min(int(count), values.shape[-1]))
    return found.values, found.indices


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
