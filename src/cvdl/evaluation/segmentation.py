"""How well objects are segmented: the measures of unseen-object instance segmentation.

Labeled and predicted objects are matched one to one so that the sum of the pairs' F is largest
(Hungarian method; Dave et al., "Towards Segmenting Anything That Moves", 2019). The measures are
those of Xie et al. ("Unseen Object Instance Segmentation for Robotic Environments", 2021):

- overlap: precision is the pixels on which matched pairs agree, divided by all pixels of
  predicted objects; recall the same, divided by all pixels of labeled objects;
- boundary: the same of the objects' outlines, where a pixel agrees if it lies within 0.3 % of
  the image's diagonal (rounded up: 3 pixels at 640x480) of its partner's outline;
- detected: the share of labeled objects whose pair has an overlap F above 0.75.

0 / 0 counts as 1 (nothing predicted: no wrong pixel), and F is 0 if precision and recall are.
Only pairs that share a pixel count as matched. The literature reports the mean over frames of
each figure (``mean_figures``); adding scores pools their pixels and objects instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.evaluation.outlines import Counts, compare_outlines, tolerance

__all__ = [
    "DETECTED_F",
    "ObjectMatch",
    "SegmentationScore",
    "evaluate_segmentation",
    "mean_figures",
]

#: A labeled object counts as detected above this overlap F.
DETECTED_F = 0.75
#: Tolerance of the boundary measure, as a share of the image's diagonal.
_BOUNDARY_TOLERANCE = 0.003
_NO_LABEL = -1  # of an object without a partner


@dataclass(frozen=True)
class ObjectMatch:
    """The labels of a labeled object and of its prediction, and the F of their overlap."""

    truth: int
    predicted: int
    f: float


@dataclass(frozen=True)
class SegmentationScore:
    """The score of one frame or, added up, of many.

    Attributes:
        overlap: of the objects' pixels.
        boundary: of their outlines.
        objects: number of labeled objects.
        matches: the pairs, in order of the true labels, frame after frame.
    """

    overlap: Counts
    boundary: Counts
    objects: int
    matches: tuple[ObjectMatch, ...]

    def __add__(self, other: SegmentationScore) -> SegmentationScore:
        return SegmentationScore(
            self.overlap + other.overlap,
            self.boundary + other.boundary,
            self.objects + other.objects,
            self.matches + other.matches,
        )

    @property
    def detected(self) -> float:
        """Share of the labeled objects whose overlap F is above 0.75."""
        if not self.objects:
            return 0.0 if self.overlap.predicted else 1.0
        return sum(match.f > DETECTED_F for match in self.matches) / self.objects

    def figures(self) -> dict[str, float]:
        """The seven reported figures, each from 0 to 1."""
        return {
            "overlap_f": self.overlap.f,
            "overlap_precision": self.overlap.precision,
            "overlap_recall": self.overlap.recall,
            "boundary_f": self.boundary.f,
            "boundary_precision": self.boundary.precision,
            "boundary_recall": self.boundary.recall,
            "detected": self.detected,
        }


def mean_figures(scores: Sequence[SegmentationScore]) -> dict[str, float]:
    """Mean over frames of each figure, as in the literature; empty without frames."""
    rows = [score.figures() for score in scores]
    return {key: float(np.mean([row[key] for row in rows])) for key in (rows[0] if rows else ())}


def evaluate_segmentation(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    valid: NDArray[np.bool_] | None = None,
) -> SegmentationScore:
    """Compare two label images (H, W), both numbered as ``Scene.labels``.

    Args:
        truth: labels of objects from 2 on; 0 and 1 are no objects.
        predicted: the same of the prediction.
        valid: (H, W), the pixels that count; a prediction elsewhere is neither right nor wrong.
            For truth that has no labels where there is no depth. Default: all.

    Raises:
        ValueError: if the images differ in size.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth is {truth.shape}, the prediction {predicted.shape}")
    if valid is not None:
        truth, predicted = np.where(valid, truth, 0), np.where(valid, predicted, 0)
    truth_labels, truth = _compact(truth)
    predicted_labels, predicted = _compact(predicted)
    shape = (len(truth_labels) + 1, len(predicted_labels) + 1)
    pairs = np.bincount((truth * shape[1] + predicted).ravel(), minlength=shape[0] * shape[1])
    pairs = pairs.reshape(shape)
    truth_area, predicted_area = pairs.sum(1)[1:], pairs.sum(0)[1:]
    common = pairs[1:, 1:]
    f = 2 * common / (truth_area[:, None] + predicted_area)
    rows, columns = linear_sum_assignment(f, maximize=True)
    matched = common[rows, columns] > 0
    rows, columns = rows[matched], columns[matched]
    agreed = int(common[rows, columns].sum())
    return SegmentationScore(
        Counts(agreed, int(predicted_area.sum()), agreed, int(truth_area.sum())),
        _boundary(truth, predicted, dict(zip(rows + 1, columns + 1, strict=True))),
        len(truth_labels),
        tuple(
            ObjectMatch(int(truth_labels[i]), int(predicted_labels[j]), float(f[i, j]))
            for i, j in zip(rows, columns, strict=True)
        ),
    )


def _compact(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The labels of objects in use, and the image with 1... in their place and 0 elsewhere."""
    used = np.flatnonzero(np.bincount(labels.ravel()))
    used = used[used >= FIRST_OBJECT_LABEL]
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[used] = np.arange(1, len(used) + 1)
    return used, table[labels]


def _boundary(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], partners: dict[int, int]
) -> Counts:
    """Counts of the outlines; ``partners`` by the labels of ``_compact``."""
    radius = tolerance(truth.shape, _BOUNDARY_TOLERANCE)
    truth_boxes = dict(enumerate(find_objects(truth), start=1))
    predicted_boxes = dict(enumerate(find_objects(predicted), start=1))
    pairs = [(i, partners.get(i, _NO_LABEL)) for i in truth_boxes]
    pairs += [(_NO_LABEL, j) for j in predicted_boxes if j not in partners.values()]
    counts = Counts()
    for i, j in pairs:
        boxes = [box for box in (truth_boxes.get(i), predicted_boxes.get(j)) if box]
        window = tuple(
            slice(max(min(s.start for s in sides) - radius, 0), max(s.stop for s in sides) + radius)
            for sides in zip(*boxes, strict=True)
        )
        counts += compare_outlines(truth[window] == i, predicted[window] == j, radius)
    return counts
