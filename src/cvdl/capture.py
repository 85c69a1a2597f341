"""Networks at their fastest on a GPU: in mixed precision, as one CUDA graph."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Captured"]

_Tensors = tuple[Tensor, ...]
_Replay = Callable[..., _Tensors]

_MOST = 8  # graphs that are kept: each holds the memory of what it computes
_WARM_UPS = 3  # runs in which libraries take what they need, before a graph is captured


class Captured:
    """A function that on a GPU is captured once for each shape of its inputs, then replayed.

    A network of a hundred small layers takes the CPU longer to launch than the GPU to compute;
    a graph is one launch. Products are float16 there, sums float32. On a CPU the function is
    called as it is.

    Args:
        function: of tensors to a tuple of tensors, in inference mode. It neither waits for the
            GPU, nor brings it anything from the CPU, nor chooses shapes by values. It may read
            other tensors (a network's weights) that change their values but not their place.
    """

    def __init__(self, function: Callable[..., _Tensors]) -> None:
        self._function = function
        self._graphs: OrderedDict[Any, _Replay] = OrderedDict()

    def __call__(self, *inputs: Tensor, **static: int) -> _Tensors:
        """The function's outputs; on a GPU they are overwritten by the next call.

        Args:
            inputs: all on one device.
            static: what else the function is given; a graph is captured for each.
        """
        device = inputs[0].device
        if device.type != "cuda":
            return self._function(*inputs, **static)
        key = (device, *((some.shape, some.dtype) for some in inputs), *sorted(static.items()))
        if key not in self._graphs:
            self._graphs[key] = self._captured(inputs, static)
            if len(self._graphs) > _MOST:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(key)
        return self._graphs[key](*inputs)

    def _captured(self, inputs: _Tensors, static: dict[str, int]) -> _Replay:
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
                    self._function(*places, **static)
            torch.cuda.current_stream().wait_stream(beside)
            # Other threads may use the GPU meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                outputs = self._function(*places, **static)

        def replay(*given: Tensor) -> _Tensors:
            for place, some in zip(places, given, strict=True):
                place.copy_(some)
            graph.replay()
            return outputs

        return replay
