"""Frames that show the usual ranges of activations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.image_folder import ImageFolder
from cvdl.simulation import SimulationConfig, simulate_scene

__all__ = ["calibration_frames"]

_SEED = 900_001  # which no data set uses
_SCENES = 12  # of each domain
_MOST = 32  # of a folder, evenly spread


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
        step = -(-len(frames) // _MOST)
        for index in range(0, len(frames), step):
            yield frames[index]
