"""How good class maps are: the measures of semantic segmentation.

Those of Badrinarayanan et al. (SegNet, IEEE PAMI 2017, section 3.3): the share of all pixels that
are right, the mean of that share over the classes, the mean intersection over union, and the F1 of
the classes' outlines after Csurka et al. 2013, where a pixel of an outline is right within 0.75 %
of the image's diagonal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvdl.core.frame import RgbdFrame
from cvdl.datasets.detection_sample import DetectionSample
from cvdl.datasets.labeled_pixels import IGNORED, LabeledPixels
from cvdl.evaluation.figures import (
    as_json,
    confusion_matrix,
    iou_of_classes,
    mean_of_defined,
    shares,
)
from cvdl.evaluation.outlines import compare_outlines, tolerance

__all__ = ["ClassMapReport", "score_class_maps"]

_TOLERANCE = 0.0075  # of the image's diagonal, for outlines


@dataclass(frozen=True)
class ClassMapReport:
    """The figures of class maps; NaN where nothing is labeled.

    Attributes:
        classes: C names.
        pixels: (C + 1, C + 1) int64 numbers of pixels; rows are true classes, columns predicted
            ones; the last ones are of no class.
        views: by name of the image, the mean intersection over union and the mean F1 of the
            outlines, both of the classes that are labeled in it.
    """

    classes: tuple[str, ...]
    pixels: NDArray[np.int64]
    views: dict[str, tuple[float, float]]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(C + 1,) the share of the pixels of each class that is right."""
        return shares(self.pixels.diagonal(), self.pixels.sum(axis=1))

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C + 1,) intersection over union; NaN for classes neither labeled nor predicted."""
        return iou_of_classes(self.pixels)

    def figures(self) -> dict[str, float]:
        """The single figures by name."""
        right, all_pixels = np.trace(self.pixels), self.pixels.sum()
        return {
            "mean_iou": mean_of_defined(self.iou),
            "class_accuracy": mean_of_defined(self.accuracy),
            "pixel_accuracy": float(right / all_pixels) if all_pixels else nan,
            "outline_f": mean_of_defined(np.array([f for _, f in self.views.values()])),
        }

    def report(self) -> dict[str, Any]:
        """All figures for JSON; undefined ones are None."""
        rows = zip(self.pixels.sum(axis=1), self.accuracy, self.iou, strict=True)
        each = [{"pixels": count, "accuracy": share, "iou": iou} for count, share, iou in rows]
        return as_json(
            {
                "images": len(self.views),
                **self.figures(),
                "classes": dict(zip(self.classes, each, strict=False)),
                "no_class": each[-1],
                "confusion": self.pixels,
            }
        )


def score_class_maps(
    class_map: Callable[[RgbdFrame], NDArray[np.uint8]],
    samples: Iterable[DetectionSample],
    classes: Sequence[str],
) -> ClassMapReport:
    """Score the class maps of labeled images, one after the other.

    Args:
        class_map: gives each pixel (H, W) of a frame a class index, or the number of classes for
            no class.
        samples: images with masks, of the same classes.
        classes: C names.

    Raises:
        InputError: if an image has no masks or cannot be read.
    """
    count = len(classes) + 1
    total, views = np.zeros((count, count), np.int64), {}
    for sample in samples:
        truth = LabeledPixels.of(sample, len(classes)).class_map
        radius = tolerance(truth.shape, _TOLERANCE)
        counted = truth != IGNORED
        predicted = np.where(counted, class_map(sample.frame), IGNORED)
        pixels = confusion_matrix(truth[counted], predicted[counted], count)
        total += pixels
        labeled = np.unique(truth[truth < len(classes)])
        outlines = [
            compare_outlines(truth == index, predicted == index, radius) for index in labeled
        ]
        # A class that fills the image has no outline.
        f = [each.f if each.labeled or each.predicted else nan for each in outlines]
        iou = iou_of_classes(pixels)[labeled]
        views[sample.name] = (mean_of_defined(iou), mean_of_defined(np.array(f)))
    return ClassMapReport(tuple(classes), total, views)
