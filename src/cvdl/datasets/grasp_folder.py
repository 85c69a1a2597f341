"""The common part of data sets of grasps in folders."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.natural_order import natural_key
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.reading import DatasetError, check_folder, read_color

__all__ = ["GraspFolder"]


class GraspFolder(Dataset[GraspSample]):
    """Samples that are color images, with the other files of a sample beside them.

    Args:
        path: the folder; subfolders are searched too.
        pattern: regular expression of the file name of a color image; group 1 is the sample's name.
        example: file name of a color image, for messages.

    Raises:
        DatasetError: if there is no folder, or no color image in it.
    """

    def __init__(self, path: Path, pattern: str, example: str) -> None:
        self.path = check_folder(path, f"a folder with {example}")
        found = ((file, re.fullmatch(pattern, file.name)) for file in self.path.rglob("*.png"))
        samples = [(file, match[1]) for file, match in found if match]
        samples.sort(key=lambda sample: (str(sample[0].parent), natural_key(sample[0].name)))
        if not samples:
            raise DatasetError(f"{self.path}: holds no {example}")
        self._images, self._stems = [file for file, _ in samples], [name for _, name in samples]
        self.names = self._stems
        if len(set(self.names)) < len(self.names):
            self.names = [
                (file.parent.relative_to(self.path) / stem).as_posix() for file, stem in samples
            ]

    def __len__(self) -> int:
        return len(self._images)

    def _color(self, index: int, camera: Camera) -> NDArray[np.uint8]:
        """The color image (H, W, 3) of a sample, RGB."""
        return read_color(self._images[index], (camera.height, camera.width))

    def _beside(self, index: int, ending: str) -> Path:
        """The file with the sample's name and another ending."""
        return self._images[index].with_name(self._stems[index] + ending)
