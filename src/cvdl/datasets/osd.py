"""The Object Segmentation Database, or other frames with labeled objects in its layout (mOSD)."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL, PLANE_LABEL
from cvdl.datasets.dataset import Dataset
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.image_folder import ImageFolder
from cvdl.datasets.reading import DatasetError, read_image
from cvdl.datasets.registry import DATASETS, DatasetInfo
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationSample
from cvdl.networks.boxes import masks_to_boxes

__all__ = ["SPLITS", "OsdDataset", "OsdDetection", "OsdSegments", "split_of"]

SPLITS = ("all", "tune", "report")


class OsdDataset(ImageFolder):
    """An image folder with ``labels.png`` for each frame.

    Values of ``labels.png`` (8 or 16 bits): 0 not labeled, 1-9 parts of the table, 20-29 parts
    of object 1, 30-39 of object 2 and so on.

    Args:
        path: the folder; see `ImageFolder` for the layouts.
        split: ``all``; ``tune``, the scenes to choose settings on; or ``report``, the other
            scenes, for reported figures. See `split_of`.

    Raises:
        DatasetError: as `ImageFolder`; or if no scene is in the split, or one has no labels.
        ValueError: if the split is unknown.
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
        """Read the label image (H, W) of one frame, with the labels of ``Scene.labels``.

        0 not labeled (no depth reading there), 1 table, 2... one label for each object.

        Raises:
            DatasetError: naming the file that is missing, corrupt or not as expected.
        """
        camera = self.camera(index)
        size = (camera.height, camera.width)
        file = self._files[index].labels
        raw = read_image(file, cv2.IMREAD_UNCHANGED, (np.uint8, np.uint16), size)
        labels = (raw // 10).astype(np.uint16)
        labels[(raw > 0) & (raw < 10)] = PLANE_LABEL
        return labels


def split_of(name: str) -> str:
    """Return ``report`` if a scene's name ends with an odd number, otherwise ``tune``."""
    number = re.search(r"(\d+)\D*$", name)
    return "report" if number and int(number[1]) % 2 else "tune"


class OsdDetection(Dataset[DetectionSample]):
    """Scenes of an `OsdDataset` with boxes and masks; all objects have the class "object".

    Boxes and masks are of the labeled pixels, which are visible and have a depth reading.
    """

    classes: tuple[str, ...] = ("object",)

    def __init__(self, path: Path) -> None:
        self._scenes = OsdDataset(path)
        self.names = self._scenes.names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> DetectionSample:
        truth = self._scenes.truth(index)
        numbers = np.unique(truth[truth >= FIRST_OBJECT_LABEL])
        masks = truth == numbers[:, None, None]
        return DetectionSample(
            self.names[index],
            self._scenes[index],
            masks_to_boxes(masks),
            np.zeros(len(numbers), np.int64),
            np.zeros(len(numbers), bool),
            masks,
        )


class OsdSegments(Dataset[SegmentationSample]):
    """Scenes of an `OsdDataset` with the label of every pixel; the objects have no class.

    Pixels that are not labeled are nothing where they have a depth reading, and not known where
    they have none.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._scenes = OsdDataset(path)
        self.names = self._scenes.names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> SegmentationSample:
        frame, labels = self._scenes[index], self._scenes.truth(index)
        objects = max(int(labels.max()) - FIRST_OBJECT_LABEL + 1, 0)
        labels[(labels == 0) & np.isnan(frame.depth)] = UNLABELED
        return SegmentationSample(self.names[index], frame, labels, np.full(objects, -1))


DATASETS.register(
    DatasetInfo(
        "osd",
        "Object Segmentation Database (Richtsfeld et al. 2012).",
        boxes=OsdDetection,
        segments=OsdSegments,
    )
)
