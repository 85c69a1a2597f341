"""CUDA graphs in mixed precision: the fastest way to run a small network on a GPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

__all__ = ["captured"]

_Tensors = tuple[Tensor, ...]
_Replay = Callable[..., _Tensors]

_MOST = 12  # graphs of an owner: each holds the memory of its tensors
_WARM_UPS = 3  # runs before the capture, in which libraries allocate their workspaces


class captured:  # noqa: N801 - a decorator
    """Decorator: on a GPU, a method is captured once per shape of its inputs, then replayed.

    The CPU takes longer to launch a hundred small layers than the GPU to compute them; a graph is
    one launch. Products are float16, sums float32. On a CPU, the method is called directly.

    The method takes tensors on one device, and ints by keyword, with a graph for each of their
    values. It returns a tuple of tensors, which the next call overwrites on a GPU. It is called in
    inference mode, and must not wait for the GPU, copy from the CPU, or choose shapes by values.
    It may read other tensors, such as the weights of its owner, that stay at the same address.
    """

    def __init__(self, method: Callable[..., _Tensors]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> Callable[..., _Tensors]:
        return partial(self._call, owner)

    def _call(self, owner: Any, *inputs: Tensor, **static: int) -> _Tensors:
        device = inputs[0].device
        if device.type != "cuda":
            return self._method(owner, *inputs, **static)
        # Stored in the owner, without a reference back to it: they are freed with it.
        graphs: OrderedDict[Any, _Replay] = owner.__dict__.setdefault("_graphs", OrderedDict())
        shapes = ((some.shape, some.dtype) for some in inputs)
        key = (self._method, device, *shapes, *sorted(static.items()))
        if key not in graphs:
            graphs[key] = _capture(partial(self._method, owner, **static), inputs)
            if len(graphs) > _MOST:
                graphs.popitem(last=False)
        graphs.move_to_end(key)
        return graphs[key](*inputs)


def _capture(function: Callable[..., _Tensors], inputs: _Tensors) -> _Replay:
    places = [some.clone() for some in inputs]
    device = places[0].device
    graph = torch.cuda.CUDAGraph()
    with (
        torch.cuda.device(device),
        # No cache of casts: a replay must use the current weights.
        torch.autocast(device.type, torch.float16, cache_enabled=False),
    ):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                function(*places)
        torch.cuda.current_stream().wait_stream(stream)
        # Other threads may use the GPU during the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = function(*places)

    def replay(*given: Tensor) -> _Tensors:
        for place, some in zip(places, given, strict=True):
            place.copy_(some)
        graph.replay()
        return outputs

    return replay
