"""How good maps of classes are: the measures of semantic segmentation.

As Badrinarayanan et al. have them (SegNet, IEEE PAMI 2017, section 3.3): the share of all pixels
that are right, the mean of that share over the classes, the mean intersection over union, and the
F1 of the classes' outlines after Csurka et al. 2013, where a pixel of an outline is right within
0.75 % of the picture's diagonal.
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
from cvdl.datasets.labelled_pixels import IGNORED, LabelledPixels
from cvdl.evaluation.figures import mean_of_defined, or_none
from cvdl.evaluation.outlines import agreeing, outline, tolerance

__all__ = ["SemanticReport", "score_class_maps"]

_TOLERANCE = 0.0075  # of the picture's diagonal, for outlines


@dataclass(frozen=True)
class SemanticReport:
    """Figures of maps of classes; NaN where nothing is labelled.

    Attributes:
        classes: C names.
        pixels: (C + 1, C + 1) int64, how many pixels of the row's class were taken for the
            column's; the last of no class.
        views: their names, each with the mean intersection over union and the mean F1 of the
            outlines, of the classes labelled in it.
    """

    classes: tuple[str, ...]
    pixels: NDArray[np.int64]
    views: dict[str, tuple[float, float]]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(C + 1,): of each class's pixels, the share that is right."""
        return _shares(self.pixels.diagonal(), self.pixels.sum(axis=1))

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C + 1,): intersection over union; NaN for what is neither labelled nor told."""
        return _iou(self.pixels)

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
        """All figures as JSON takes them: None for what is undefined."""
        each = [
            {"pixels": int(count), "accuracy": or_none(share), "iou": or_none(iou)}
            for count, share, iou in zip(
                self.pixels.sum(axis=1), self.accuracy, self.iou, strict=True
            )
        ]
        return {
            "images": len(self.views),
            **{name: or_none(value) for name, value in self.figures().items()},
            "classes": dict(zip(self.classes, each, strict=False)),
            "no_class": each[-1],
            "confusion": self.pixels.tolist(),
        }


def score_class_maps(
    class_map: Callable[[RgbdFrame], NDArray[np.uint8]],
    samples: Iterable[DetectionSample],
    classes: Sequence[str],
) -> SemanticReport:
    """Score maps of classes on labelled views, which are read once and not kept.

    Args:
        class_map: gives each pixel (H, W) of a frame a place in ``classes``, or their number for
            none.
        samples: views with masks; their labels are places in ``classes``.
        classes: C names.

    Raises:
        InputError: if a view has no masks, or cannot be read.
    """
    count = len(classes) + 1
    total, views = np.zeros((count, count), np.int64), {}
    for sample in samples:
        truth = LabelledPixels.of(sample, len(classes)).class_map
        counted = truth != IGNORED
        told = np.where(counted, class_map(sample.frame), IGNORED)
        pairs = count * truth[counted].astype(np.intp) + told[counted]
        pixels = np.bincount(pairs, minlength=count**2).reshape(count, count)
        total += pixels
        labels = np.unique(truth[truth < len(classes)])
        outlines = [_outline_f(truth == label, told == label) for label in labels]
        views[sample.name] = (
            mean_of_defined(_iou(pixels)[labels]),
            mean_of_defined(np.array(outlines)),
        )
    return SemanticReport(tuple(classes), total, views)


def _iou(pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each class, from a confusion matrix."""
    right = pixels.diagonal()
    return _shares(right, pixels.sum(axis=0) + pixels.sum(axis=1) - right)


def _outline_f(truth: NDArray[np.bool_], told: NDArray[np.bool_]) -> float:
    """NaN where neither has an outline, as what fills the picture."""
    labelled, found = outline(truth), outline(told)
    if not labelled.any() and not found.any():
        return nan
    radius = tolerance(truth.shape, _TOLERANCE)
    right = agreeing(found, labelled, radius) / max(1, int(np.count_nonzero(found)))
    met = agreeing(labelled, found, radius) / max(1, int(np.count_nonzero(labelled)))
    return 2 * right * met / (right + met) if right + met else 0.0


def _shares(some: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(some, whole, out=np.full(len(some), nan), where=whole > 0)
