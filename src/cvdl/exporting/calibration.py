"""Frames that show the usual ranges of activations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.image_folder import ImageFolder
from cvdl.simulation import SimulationConfig, simulate_scene

__all__ = ["calibration_frames", "spread_over"]

_SEED = 900_001  # which no data set uses
_SCENES = 12  # of each domain
_MOST = 32  # of a folder or a data set


def calibration_frames(folder: Path | None = None) -> Iterator[RgbdFrame]:
    """Return simulated frames, and some of a folder of RGB-D images if there is one.

    Raises:
        DatasetError: if the folder is missing or holds no images.
    """
    for config in (SimulationConfig(), SimulationConfig(domain="world")):
        for index in range(_SCENES):
            yield simulate_scene(_SEED, index, config).frame
    if folder is not None:
        frames = ImageFolder(folder)
        yield from (frames[index] for index in _spread(len(frames)))


def spread_over(data: Dataset[Any]) -> Iterator[RgbdFrame]:
    """Return the frames of some labeled views, evenly spread over the data."""
    return (data[index].frame for index in _spread(len(data)))


def _spread(count: int) -> range:
    return range(0, count, -(-count // _MOST))
