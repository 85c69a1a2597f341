"""Networks at their fastest on a GPU: in mixed precision, as one CUDA graph."""

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

_MOST = 12  # graphs that an owner keeps: each holds the memory of what it computes
_WARM_UPS = 3  # runs in which libraries take what they need, before a graph is captured


class captured:  # noqa: N801 - a decorator
    """A method that on a GPU is captured once for each shape of its inputs, then replayed.

    A network of a hundred small layers takes the CPU longer to launch than the GPU to compute;
    a graph is one launch. Products are float16 there, sums float32. On a CPU the method is
    called as it is.

    The method takes tensors of one device, and ints by keyword, for each of which there is a
    graph; it gives a tuple of tensors, which on a GPU the next call overwrites. It is called in
    inference mode, and neither waits for the GPU, nor brings it anything from the CPU, nor
    chooses shapes by values. It may read other tensors (its owner's weights) that change their
    values but not their place.
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
        # With the owner, and without a reference back to it: both go when it is dropped.
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
        # No cache of casts: a replay must see what the weights are then.
        torch.autocast(device.type, torch.float16, cache_enabled=False),
    ):
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                function(*places)
        torch.cuda.current_stream().wait_stream(beside)
        # Other threads may use the GPU meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = function(*places)

    def replay(*given: Tensor) -> _Tensors:
        for place, some in zip(places, given, strict=True):
            place.copy_(some)
        graph.replay()
        return outputs

    return replay
