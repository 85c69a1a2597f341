"""torchvision's weights: downloaded once, then read from its cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torchvision.models import WeightsEnum

from cvdl.core.errors import InputError

__all__ = ["downloaded"]

_Network = TypeVar("_Network")


def downloaded(build: Callable[[], _Network], weights: WeightsEnum) -> _Network:
    """Return a network with torchvision's weights.

    Args:
        build: makes the network with these weights.
        weights: the weights.

    Raises:
        InputError: if they cannot be downloaded, or the downloaded file is damaged. The message
            explains what to do.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    was_there = file.exists()
    try:
        return build()
    except Exception as error:  # of urllib, zipfile, pickle, torch
        reason = str(getattr(error, "reason", error)).partition("\n")[0]
        if was_there or file.exists():
            raise InputError(
                f"weights {weights.name} cannot be read ({reason}): {file} is damaged, or not "
                "these weights; delete it to download it again"
            ) from error
        raise InputError(
            f"weights {weights.name} cannot be downloaded ({reason}): get {weights.url} where "
            f"there is a connection and put it here as {file}, or give a file of weights"
        ) from error
