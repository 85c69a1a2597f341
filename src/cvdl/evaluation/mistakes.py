"""Which mistakes a detector makes: missed, false alarms, one class taken for another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths

from cvdl.detection.detections import Detections

__all__ = ["HIT", "Mistake", "confusion_matrix", "judge"]

#: Overlap of a detection with what it has found, at least.
HIT = 0.5
#: Overlap of a loose box with what it is meant to be round, at least (TIDE: Bolya et al. 2020,
#: section 2.2).
_NEAR = 0.1


@dataclass(frozen=True)
class Mistake:
    """One thing that was missed, found where there is none, or taken for something else.

    Attributes:
        name: of the view.
        box: (4,) labelled box; of a false alarm, the detected one; pixels.
        truth: label of what it is; -1 for a false alarm.
        found: label of what it was taken for; -1 for something missed.
        score: of the detection; 0 for something missed.
        near: (4,) labelled box of the same class that a false alarm overlaps most, if by 0.1 or
            more: the alarm is a loose box round that or, from 0.5 on, a second one; otherwise None.
        overlap: of the alarm with that.
    """

    name: str
    box: NDArray[np.float64]
    truth: int
    found: int
    score: float
    near: NDArray[np.float64] | None = None
    overlap: float = 0.0


def judge(
    boxes: NDArray[np.float64],
    labels: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    found: Detections,
    name: str,
) -> tuple[list[int], list[Mistake]]:
    """Compare what was found in a view with what is in it.

    Detections, best first, and boxes of their class are matched one to one where they overlap by
    at least 0.5; then what is left of both, whatever its class. Crowds are neither missed nor
    false alarms.

    Args:
        boxes: (N, 4) labelled ones.
        labels: (N,) theirs.
        crowd: (N,) bool, see ``DetectionSample``.
        found: those whose scores are high enough to count.
        name: of the view.

    Returns:
        The labels of what was found and named right; the mistakes.
    """
    found = found[np.argsort(-found.scores, kind="stable")]
    overlap = _overlap(found.boxes, boxes, crowd)
    same = np.where(found.labels[:, None] == labels, overlap, 0)
    excused = np.any(same[:, crowd] >= HIT, axis=1).tolist()
    same[:, crowd], overlap[:, crowd] = 0, 0
    pairs = _match(same)
    for detection, box in pairs:
        overlap[detection], overlap[:, box] = 0, 0
    confused = _match(overlap)
    matched = pairs + confused
    seen, used = ({pair[side] for pair in matched} for side in (1, 0))
    missed = [box for box in range(len(boxes)) if box not in seen and not crowd[box]]
    alarms = [row for row in range(len(found)) if row not in used and not excused[row]]
    taken, scores = found.labels.tolist(), found.scores.tolist()
    truth = labels.tolist()
    mistakes = [
        *(Mistake(name, boxes[box], truth[box], taken[row], scores[row]) for row, box in confused),
        *(Mistake(name, boxes[box], truth[box], -1, 0.0) for box in missed),
        *(
            Mistake(name, found.boxes[row], -1, taken[row], scores[row], *near)
            for row, near in zip(alarms, _near(same[alarms], boxes), strict=True)
        ),
    ]
    return [truth[box] for _, box in pairs], mistakes


def confusion_matrix(
    classes: int, right: Sequence[int], mistakes: Iterable[Mistake]
) -> NDArray[np.int64]:
    """How often each class was taken for which.

    Args:
        classes: number of them.
        right: labels of what was named right.
        mistakes: all of them.

    Returns:
        (classes + 1, classes + 1) int64; rows are what is there, columns what was found. The last
        row is background (false alarms), the last column what was missed.
    """
    confusion = np.zeros((classes + 1, classes + 1), np.int64)
    for label in right:
        confusion[label, label] += 1
    for mistake in mistakes:  # whose -1 is the last row or column
        confusion[mistake.truth, mistake.found] += 1
    return confusion


def _near(
    overlap: NDArray[np.float64], boxes: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64] | None, float]]:
    """The box that each row overlaps most, if enough, and by how much."""
    most = overlap.max(axis=1, initial=0.0).tolist()
    return [
        (boxes[row.argmax()], value) if value >= _NEAR else (None, 0.0)
        for row, value in zip(overlap, most, strict=True)
    ]


def _match(overlap: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Each row's column of the largest overlap that is still free, where it is a hit."""
    pairs: list[tuple[int, int]] = []
    if not overlap.size:
        return pairs
    free = overlap.copy()
    for detection in range(len(free)):
        box = int(free[detection].argmax())
        if free[detection, box] >= HIT:
            pairs.append((detection, box))
            free[:, box] = 0
    return pairs


def _overlap(
    found: NDArray[np.float64], boxes: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Intersection over union (N, M); of a crowd, the share of the detection that lies in it."""
    if not len(found) or not len(boxes):
        return np.zeros((len(found), len(boxes)))
    sides = (np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], axis=1) for b in (found, boxes))
    return np.asarray(run_lengths.iou(*sides, crowd.tolist()))
