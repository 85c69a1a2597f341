"""The Object Segmentation Database as a data set of boxes and masks of one class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.osd import OsdDataset
from cvdl.datasets.registry import DATASETS, Dataset
from cvdl.datasets.views import LabelledViews
from cvdl.networks.boxes import masks_to_boxes

__all__ = ["OsdDetection"]


class OsdDetection(LabelledViews[DetectionSample]):
    """Scenes in the layout of the OSD; every labelled object is of the class "object".

    Boxes and masks are of the labelled pixels: what is visible and has a depth reading.

    Args:
        path: the folder; see ``OsdDataset``.

    Raises:
        DatasetError: as ``OsdDataset``.
    """

    classes: tuple[str, ...] = ("object",)

    def __init__(self, path: Path) -> None:
        self._scenes = OsdDataset(path)
        self.names = self._scenes.names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> DetectionSample:
        """One scene.

        Raises:
            DatasetError: naming the file that is missing, corrupt or unlike the others.
            IndexError: past the end.
        """
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


DATASETS.register(
    Dataset("osd", "Object Segmentation Database (Richtsfeld et al. 2012).", boxes=OsdDetection)
)
