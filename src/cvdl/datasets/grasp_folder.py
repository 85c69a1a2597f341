"""What data sets of grasps in folders have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.camera import Camera
from cvdl.core.natural_order import natural_key
from cvdl.datasets.grasp_sample import GraspSample
from cvdl.datasets.images import DatasetError, read_image
from cvdl.datasets.views import LabelledViews

__all__ = ["GraspFolder", "read_rows"]


class GraspFolder(LabelledViews[GraspSample], ABC):
    """Views that are colour images, with the other files of a view beside them.

    Args:
        path: the folder; sub-folders are searched too.
        pattern: regular expression of a colour image's file name, the view's name its group 1.
        example: what such a file name looks like, for people.

    Raises:
        DatasetError: if there is no such folder, or none of those images in it.
    """

    def __init__(self, path: Path, pattern: str, example: str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DatasetError(f"{self.path}: no such folder")
        found = ((file, re.fullmatch(pattern, file.name)) for file in self.path.rglob("*.png"))
        views = [(file, match[1]) for file, match in found if match]
        views.sort(key=lambda view: (str(view[0].parent), natural_key(view[0].name)))
        if not views:
            raise DatasetError(f"{self.path}: holds no {example}")
        self._images, self._stems = [file for file, _ in views], [name for _, name in views]
        self.names = self._stems
        if len(set(self.names)) < len(self.names):
            folders = [file.parent.relative_to(self.path) for file in self._images]
            self.names = [
                (folder / stem).as_posix()
                for folder, stem in zip(folders, self._stems, strict=True)
            ]

    def __len__(self) -> int:
        return len(self._images)

    @abstractmethod
    def __getitem__(self, index: int) -> GraspSample:
        """One view.

        Raises:
            DatasetError: naming the file that is missing or cannot be read.
        """

    def _color(self, index: int, camera: Camera) -> NDArray[np.uint8]:
        """The colour image (H, W, 3) of a view, RGB."""
        size = (camera.height, camera.width)
        bgr = read_image(self._images[index], cv2.IMREAD_COLOR, (np.uint8,), size)
        return np.ascontiguousarray(bgr[..., ::-1])

    def _beside(self, index: int, ending: str) -> Path:
        """The file of a view's name with another ending."""
        return self._images[index].with_name(self._stems[index] + ending)


def read_rows(
    path: Path, separator: str | None, makes_sense: Callable[[list[float]], bool], expected: str
) -> NDArray[np.float64]:
    """The lines of a text file as rows (N, 5) of numbers; blank lines are passed over.

    Args:
        path: the file.
        separator: between the numbers; None: white space.
        makes_sense: whether five finite numbers are what a line may hold.
        expected: what a line should be, for people.

    Raises:
        DatasetError: naming the file and the line that is not as expected.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error

    def read(number: int, line: str) -> list[float]:
        try:
            values = [float(word) for word in line.split(separator)]
            if len(values) == 5 and np.isfinite(values).all() and makes_sense(values):
                return values
        except ValueError:  # a word that is no number is as wrong as numbers that make no sense
            pass
        raise DatasetError(f"{path}: line {number} is {line!r}; expected {expected}")

    rows = [read(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return np.array(rows, np.float64).reshape(-1, 5)
