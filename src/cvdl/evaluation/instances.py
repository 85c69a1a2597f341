"""How well the instance network alone segments: objects found, and the classes of pixels.

The measures are those of ``cvdl.evaluation.segmentation``, and the intersection over union (IoU):
of each labeled object with the one that it is matched to, and of the pixels of each class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.datasets.segmentation_sample import UNLABELED, SegmentationData, SegmentationSample
from cvdl.evaluation.figures import as_json, confusion_matrix, iou_of_classes, mean_of_defined
from cvdl.evaluation.segmentation import SegmentationScore, evaluate_segmentation, mean_figures
from cvdl.evaluation.segmentation_pictures import side_by_side
from cvdl.segmentation.instances.model import find_instances
from cvdl.segmentation.instances.network import OBJECT, InstanceNetwork
from cvdl.viz.pictures import contact_sheet

__all__ = ["FOUND_IOU", "InstanceScores", "ViewScore", "score_instances", "worst_views"]

#: A labeled object is found from this IoU on.
FOUND_IOU = 0.75
_PIXELS = ("nothing", "support", "object")  # in order of the network's classes of pixels


@dataclass(frozen=True)
class ViewScore:
    """The score of one view.

    Attributes:
        name: of the view.
        predicted: (h, w) uint8, what the network finds, see ``Instances.label_image``.
        score: of its objects at full size.
        classes: (N,) class index of each labeled object; -1 for none.
        found: (N,) bool, which of them are found.
        pixels: (3, 3) numbers of pixels; rows are true NOTHING, SUPPORT, OBJECT, columns
            predicted ones.
    """

    name: str
    predicted: NDArray[np.uint8]
    score: SegmentationScore
    classes: NDArray[np.int64]
    found: NDArray[np.bool_]
    pixels: NDArray[np.int64]

    @classmethod
    def of(cls, sample: SegmentationSample, predicted: NDArray[np.uint8]) -> ViewScore:
        """Compare the labels of a view with what the network finds in it."""
        is_known = sample.labels != UNLABELED
        truth = np.where(is_known, sample.labels, 0)
        labels = _of_size(predicted, truth.shape)
        score = evaluate_segmentation(truth, labels, is_known)
        there = np.unique(truth[truth >= FIRST_OBJECT_LABEL])
        # F = 2 I / (A + B), so IoU = I / (A + B - I) = F / (2 - F).
        hits = [m.truth for m in score.matches if m.f / (2 - m.f) >= FOUND_IOU]
        true, seen = (np.minimum(some[is_known], OBJECT) for some in (truth, labels))
        return cls(
            sample.name,
            predicted,
            score,
            sample.object_classes[there - FIRST_OBJECT_LABEL],
            np.isin(there, hits),
            confusion_matrix(true, seen, len(_PIXELS)),
        )


@dataclass(frozen=True)
class InstanceScores:
    """The scores of some views.

    Attributes:
        classes: names of the objects' classes, by class index; may be empty.
        views: of each view.
    """

    classes: tuple[str, ...]
    views: tuple[ViewScore, ...]

    def __add__(self, other: InstanceScores) -> InstanceScores:
        return InstanceScores(self.classes, self.views + other.views)

    @property
    def objects(self) -> int:
        """Number of labeled objects."""
        return sum(view.score.objects for view in self.views)

    def figures(self) -> dict[str, float]:
        """The single figures by name, each from 0 to 1; NaN if undefined.

        ``found`` (share of all objects); the figures of ``SegmentationScore``, means over the
        views; ``iou_nothing``, ``iou_support`` and ``iou_object`` (of all pixels).
        """
        found = [hit for view in self.views for hit in view.found]
        pixels = sum((view.pixels for view in self.views), np.zeros((3, 3), np.int64))
        ious = zip(_PIXELS, iou_of_classes(pixels), strict=True)
        return {
            "found": mean_of_defined(np.array(found, float)),
            **mean_figures([view.score for view in self.views]),
            **{f"iou_{name}": float(iou) for name, iou in ious},
        }

    def report(self) -> dict[str, Any]:
        """All figures for JSON, also of each class and each view; undefined ones are None."""
        classes = np.concatenate([np.zeros(0, np.int64), *(view.classes for view in self.views)])
        found = np.concatenate([np.zeros(0, bool), *(view.found for view in self.views)])
        return as_json(
            {
                "images": len(self.views),
                "objects": self.objects,
                **self.figures(),
                "classes": {
                    self.classes[index]: {
                        "objects": int((classes == index).sum()),
                        "found": float(found[classes == index].mean()),
                    }
                    for index in np.unique(classes[classes >= 0])
                },
                "scenes": [
                    {
                        "name": view.name,
                        "objects": view.score.objects,
                        "found": float(view.found.mean()) if len(view.found) else nan,
                        **view.score.figures(),
                    }
                    for view in self.views
                ],
            }
        )


def score_instances(
    network: InstanceNetwork, samples: Iterable[SegmentationSample], classes: Sequence[str]
) -> InstanceScores:
    """Score a network on labeled views, one after the other.

    Args:
        network: in evaluation mode.
        samples: the views.
        classes: names by class index.

    Raises:
        DatasetError: if a view cannot be read.
    """
    return InstanceScores(
        tuple(classes),
        tuple(
            ViewScore.of(sample, find_instances(sample.frame, network).label_image())
            for sample in samples
        ),
    )


def worst_views(data: SegmentationData, scores: InstanceScores, count: int) -> NDArray[np.uint8]:
    """Truth and prediction side by side for the views of lowest overlap F, worst first; RGB.

    Args:
        data: has the views.
        scores: at least one.
        count: number of views, at most.

    Raises:
        ValueError: if there is no score.
        DatasetError: if a view cannot be read.
    """
    names = list(data.names)
    pictures, captions = [], []
    for view in sorted(scores.views, key=lambda view: view.score.overlap.f)[:count]:
        sample = data[names.index(view.name)]
        truth = np.where(sample.labels != UNLABELED, sample.labels, 0)
        labels = _of_size(view.predicted, truth.shape)
        pair, words = side_by_side(sample.frame, truth, labels, view.score, view.name)
        pictures += pair
        captions += words
    return contact_sheet(pictures, captions)


def _of_size(labels: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A label image enlarged to (H, W)."""
    large = cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return large.reshape(shape)
