"""Where networks run."""

from __future__ import annotations

import torch

from cvdl.core.errors import InputError
from cvdl.core.threads import limit_torch

__all__ = ["pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto``: a GPU where there is one.

    Torch uses no more threads from then on than there are cores for it.

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
