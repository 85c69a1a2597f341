"""The device of networks."""

from __future__ import annotations

import torch

from cvdl.core.errors import InputError
from cvdl.core.threads import limit_torch

__all__ = ["computes_bfloat16", "pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """Return a device by name; ``auto`` is a GPU if there is one.

    Also limits the threads of torch to the usable cores.

    Raises:
        InputError: if there is no such device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}; accepted: auto, cpu, cuda")
    limit_torch()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch finds no GPU; accepted here: auto, cpu")
    return torch.device(name)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for products of bfloat16.

    An x86 CPU without them emulates them: a training takes four times as long as in float32.
    """
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch
        return True
    capabilities = torch.cpu.get_capabilities()
    if capabilities["architecture"] != "x86_64":
        return True
    return bool(capabilities["avx512_bf16"] or capabilities["amx_bf16"])
