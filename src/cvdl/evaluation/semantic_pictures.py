"""Pictures of class maps: labels and predictions side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets.detection_sample import DetectionData
from cvdl.datasets.labeled_pixels import LabeledPixels
from cvdl.evaluation.semantic import ClassMapReport
from cvdl.viz.captions import Captions
from cvdl.viz.pictures import contact_sheet, thickest_place, tinted

__all__ = ["class_picture", "worst_views"]

_NAMED = 0.001  # of an image: classes with fewer pixels have no name in it


def class_picture(
    color: NDArray[np.uint8], class_map: NDArray[np.uint8], classes: Sequence[str]
) -> NDArray[np.uint8]:
    """An image (H, W, 3) with each class in its color, and its name where it is thickest.

    Args:
        color: the image.
        class_map: (H, W) class indices; pixels of other indices stay as they are.
        classes: names.
    """
    is_class = class_map < len(classes)
    labels = np.where(is_class, class_map.astype(int) + FIRST_OBJECT_LABEL, 0).astype(np.uint8)
    picture = tinted(color, labels)
    captions = Captions(picture)
    for index, pixels in zip(*np.unique(class_map[is_class], return_counts=True), strict=True):
        if pixels > _NAMED * class_map.size:
            place = thickest_place((class_map == index).view(np.uint8))
            captions.write(classes[index], *place, 0.5)
    return picture


def worst_views(
    class_map: Callable[[RgbdFrame], NDArray[np.uint8]],
    data: DetectionData,
    report: ClassMapReport,
    count: int,
) -> NDArray[np.uint8]:
    """Labels and prediction side by side for the images of lowest mean IoU, worst first; RGB.

    Args:
        class_map: as in ``score_class_maps``.
        data: the images.
        report: of these.
        count: number of images, at most.

    Raises:
        ValueError: if nothing is labeled in any image.
        InputError: if an image cannot be read.
    """
    names = list(data.names)
    scored = [(iou, name) for name, (iou, _) in report.views.items() if not np.isnan(iou)]
    pictures, captions = [], []
    for iou, name in sorted(scored)[:count]:
        sample = data[names.index(name)]
        truth = LabeledPixels.of(sample, len(data.classes)).class_map
        maps = truth, class_map(sample.frame)
        pictures += [class_picture(sample.frame.color, each, data.classes) for each in maps]
        captions += [f"{name}: labeled", f"predicted; mean IoU {iou:.3f}"]
    return contact_sheet(pictures, captions)
