"""Frames with labelled objects, in the layout of the Object Segmentation Database (mOSD)."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import PLANE_LABEL
from cvdl.datasets.image_folder import ImageFolder
from cvdl.datasets.images import DatasetError, read_image

__all__ = ["SPLITS", "OsdDataset", "split_of"]

SPLITS = ("all", "tune", "report")


class OsdDataset(ImageFolder):
    """An image folder with ``labels.png`` for each frame.

    Values of ``labels.png`` (8 or 16 bits): 0 not labelled, 1-9 parts of the table, 20-29 parts
    of object 1, 30-39 of object 2 and so on.

    Args:
        path: the folder; see ``ImageFolder`` for the layouts.
        split: ``all``; ``tune``, the scenes to choose settings on; ``report``, the others, kept
            for the figures that are told. See ``split_of``.

    Raises:
        DatasetError: as ``ImageFolder``; or if no scene is in that split, or one has no labels.
        ValueError: if there is no such split.
    """

    def __init__(self, path: Path, split: str = "all") -> None:
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; accepted: {', '.join(SPLITS)}")
        super().__init__(path)
        if split != "all":
            self._files = [files for files in self._files if split_of(files.name) == split]
        if not self._files:
            raise DatasetError(f"{self.path}: no scene is in the split {split!r}")
        missing = [files.labels for files in self._files if not files.labels.is_file()]
        if missing:
            raise DatasetError(
                f"{self.path}: {len(missing)} of {len(self)} frames have no labels to score "
                f"against; the first is {missing[0].relative_to(self.path)}"
            )

    def truth(self, index: int) -> NDArray[np.uint16]:
        """Labelled image (H, W) of one frame, numbered as ``Scene.labels``.

        0 not labelled (no depth reading there), 1 table, 2... one number an object.

        Raises:
            DatasetError: naming the file that is missing, corrupt or unlike the others.
        """
        camera = self.camera(index)
        raw = read_image(
            self._files[index].labels,
            cv2.IMREAD_UNCHANGED,
            (np.uint8, np.uint16),
            (camera.height, camera.width),
        )
        labels = (raw // 10).astype(np.uint16)
        labels[(raw > 0) & (raw < 10)] = PLANE_LABEL
        return labels


def split_of(name: str) -> str:
    """Even numbers at a scene name's end are ``tune``, odd ones ``report``; none counts as 0."""
    number = re.search(r"(\d+)\D*$", name)
    return "report" if number and int(number[1]) % 2 else "tune"
