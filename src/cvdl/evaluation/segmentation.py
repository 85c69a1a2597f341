"""How well objects were told apart: the measures of unseen-object instance segmentation.

Labelled and predicted objects are matched one to one so that the sum of the pairs' F is largest
(Hungarian method; Dave et al., "Towards Segmenting Anything That Moves", 2019). Then, as Xie et
al. have it ("Unseen Object Instance Segmentation for Robotic Environments", 2021):

- overlap: precision is the pixels on which matched pairs agree, divided by all pixels of
  predicted objects; recall the same, divided by all pixels of labelled objects;
- boundary: the same of the objects' outlines, where a pixel agrees if it lies within 0.3 % of
  the picture's diagonal (rounded up: 3 pixels at 640x480) of its partner's outline;
- detected: the share of labelled objects whose pair has an overlap F above 0.75.

0 / 0 counts as 1 (nothing predicted: no wrong pixel), and F is 0 where precision and recall are.
Only pairs that share a pixel count as matched. The literature reports the mean over frames of
each figure (``mean_figures``); adding scores pools their pixels and objects instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment

from cvdl.core.scene import FIRST_OBJECT_LABEL
from cvdl.evaluation.outlines import agreeing, outline, tolerance

__all__ = [
    "DETECTED_F",
    "Counts",
    "Match",
    "SegmentationScore",
    "evaluate_segmentation",
    "mean_figures",
]

#: A labelled object counts as detected above this overlap F.
DETECTED_F = 0.75
#: Tolerance of the boundary measure, as a share of the picture's diagonal.
_BOUNDARY_TOLERANCE = 0.003


@dataclass(frozen=True)
class Counts:
    """Counts behind a precision and a recall.

    Attributes:
        predicted_right: predicted pixels that agree with their partner.
        predicted: all predicted pixels.
        labelled_right: labelled pixels that agree with their partner.
        labelled: all labelled pixels.
    """

    predicted_right: int = 0
    predicted: int = 0
    labelled_right: int = 0
    labelled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.predicted_right + other.predicted_right,
            self.predicted + other.predicted,
            self.labelled_right + other.labelled_right,
            self.labelled + other.labelled,
        )

    @property
    def precision(self) -> float:
        """Share of the predicted that is right; 1 where nothing was predicted."""
        return self.predicted_right / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the labelled that was found; 1 where nothing was labelled."""
        return self.labelled_right / self.labelled if self.labelled else 1.0

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Match:
    """One labelled object and its prediction, by their numbers; ``f`` is their overlap's."""

    truth: int
    predicted: int
    f: float


@dataclass(frozen=True)
class SegmentationScore:
    """The score of one frame or, added up, of many.

    Attributes:
        overlap: of the objects' pixels.
        boundary: of their outlines.
        objects: number of labelled objects.
        matches: the pairs, in order of the labelled numbers, frame after frame.
    """

    overlap: Counts
    boundary: Counts
    objects: int
    matches: tuple[Match, ...]

    def __add__(self, other: SegmentationScore) -> SegmentationScore:
        return SegmentationScore(
            self.overlap + other.overlap,
            self.boundary + other.boundary,
            self.objects + other.objects,
            self.matches + other.matches,
        )

    @property
    def detected(self) -> float:
        """Share of the labelled objects whose overlap F is above 0.75."""
        if not self.objects:
            return 0.0 if self.overlap.predicted else 1.0
        return sum(match.f > DETECTED_F for match in self.matches) / self.objects

    def figures(self) -> dict[str, float]:
        """The seven figures that are reported, each from 0 to 1."""
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
    """Mean over frames of each figure, as the literature reports them; empty without frames."""
    rows = [score.figures() for score in scores]
    return {key: float(np.mean([row[key] for row in rows])) for key in (rows[0] if rows else ())}


def evaluate_segmentation(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    valid: NDArray[np.bool_] | None = None,
) -> SegmentationScore:
    """Compare two label images (H, W), both numbered as ``Scene.labels``.

    Args:
        truth: labelled objects from 2 on; 0 and 1 are no objects.
        predicted: the same of the prediction.
        valid: (H, W), the pixels that count: a prediction elsewhere is neither right nor wrong.
            For truth that says nothing where there was no depth reading. All count by default.

    Raises:
        ValueError: if the images differ in size.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"truth is {truth.shape}, the prediction {predicted.shape}")
    if valid is not None:
        truth, predicted = np.where(valid, truth, 0), np.where(valid, predicted, 0)
    truth_numbers, truth = _compact(truth)
    predicted_numbers, predicted = _compact(predicted)
    shape = (len(truth_numbers) + 1, len(predicted_numbers) + 1)
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
        _boundary(truth, predicted, dict(zip(rows.tolist(), columns.tolist(), strict=True))),
        len(truth_numbers),
        tuple(
            Match(int(truth_numbers[i]), int(predicted_numbers[j]), float(f[i, j]))
            for i, j in zip(rows, columns, strict=True)
        ),
    )


def _compact(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The object numbers in use, and the image with 1... in their place and 0 elsewhere."""
    numbers = np.flatnonzero(np.bincount(labels.ravel()))
    numbers = numbers[numbers >= FIRST_OBJECT_LABEL]
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[numbers] = np.arange(1, len(numbers) + 1)
    return numbers, table[labels]


def _boundary(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], partners: dict[int, int]
) -> Counts:
    """Counts of the outlines; ``partners`` by index, the images numbered by index + 1."""
    radius = tolerance(truth.shape, _BOUNDARY_TOLERANCE)
    truth_boxes, predicted_boxes = find_objects(truth), find_objects(predicted)
    counts = Counts()
    for i, truth_box in enumerate(truth_boxes):
        j = partners.get(i)
        window = _window([truth_box] if j is None else [truth_box, predicted_boxes[j]], radius)
        labelled = outline(truth[window] == i + 1)
        if j is None:
            counts += Counts(labelled=_count(labelled))
            continue
        found = outline(predicted[window] == j + 1)
        counts += Counts(
            agreeing(found, labelled, radius),
            _count(found),
            agreeing(labelled, found, radius),
            _count(labelled),
        )
    for j in set(range(len(predicted_boxes))) - set(partners.values()):
        found = outline(predicted[_window([predicted_boxes[j]], radius)] == j + 1)
        counts += Counts(predicted=_count(found))
    return counts


def _window(boxes: Iterable[tuple[slice, slice]], margin: int) -> tuple[slice, ...]:
    """What holds all boxes and a margin."""
    return tuple(
        slice(max(min(s.start for s in sides) - margin, 0), max(s.stop for s in sides) + margin)
        for sides in zip(*boxes, strict=True)
    )


def _count(pixels: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(pixels))
