"""Photographs in a folder, without depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.natural_order import natural_key
from cvdl.datasets.reading import DatasetError, check_folder, read_bytes

__all__ = ["SUFFIXES", "Photographs", "read_photograph"]

#: How the names of files of photographs end.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_EXPECTED = f"photographs ({', '.join(SUFFIXES)})"


class Photographs:
    """The photographs in a folder, in natural order of their names, turned upright.

    Attributes:
        names: their file names.

    Raises:
        DatasetError: if the folder is missing or has none. The files are checked on access.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = check_folder(folder, _EXPECTED)
        names = (path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        self.names = sorted(names, key=natural_key)
        if not self.names:
            raise DatasetError(f"{folder}: no photographs; expected {_EXPECTED}")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Read one photograph, (H, W, 3) uint8 RGB.

        Raises:
            DatasetError: if the file is no image.
            IndexError: past the end.
        """
        return read_photograph(self._folder / self.names[index])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[index] for index in range(len(self)))


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Read a photograph, (H, W, 3) uint8 RGB, turned upright.

    Raises:
        DatasetError: if the file is missing or no image.
    """
    data = np.frombuffer(read_bytes(path), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise DatasetError(f"{path}: not a readable image ({data.size} bytes)")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
